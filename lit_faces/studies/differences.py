"""What a report says of its differences from the paper."""

import json
from collections.abc import Iterator
from typing import Any

from lit_faces.methods.trained import method_class
from lit_faces.studies.collect import Results
from lit_faces.studies.figures.context import Context
from lit_faces.studies.official import part_words
from lit_faces.studies.study import Options, Study
from lit_faces.studies.words import plain


def data_words(study: Study, context: Context) -> str:
    """The data sets of a report's runs as its title names them, the main one first."""
    return "; ".join(
        _data_name(used) if used == own or own == study.data else f"{_data_name(used)}, not {own}"
        for own, used in _data_sets(study, context)
    )


def _data_name(data: str) -> str:
    return "synthetic faces" if data == "Synthetic" else data


def _data_sets(study: Study, context: Context) -> dict[tuple[str, str], list[str]]:
    """The runs by the data that the study names for them and those that they are on, the main data first."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, used in {run.name: run.data for run in context.runs if not run.is_judge}.items():
        found.setdefault((study.data_of(name), used), []).append(name)
    return dict(sorted(found.items(), key=lambda item: item[0][0] != study.data))


def _data_lines(study: Study, context: Context) -> list[str]:
    """What each data set is, and what that means for the verdicts; nothing if it is the only one and the paper's."""
    found = _data_sets(study, context)
    said = []
    for (own, used), runs in found.items():
        of, on = ("", "") if len(found) == 1 else (f" of {', '.join(runs)}", " on these runs")
        if used != own:
            said.append(
                f"The data{of} are {_data_name(used)}, not {own}: the published numbers stand beside ours for orientation "
                f"only, and none of the verdicts{on} speaks of the paper's data."
            )
        elif len(found) > 1:
            said.append(f"The data{of} are {own}.")
    return said


def parts_of_data(context: Context) -> list[str]:
    """What is said of runs on a part of the published data, each thing once."""
    records = [record for by_seed in context.results.records.values() for record in by_seed.values()]
    return [words for words in dict.fromkeys(part_words(record["data"]["manifest"]) for record in records) if words]


def differences(study: Study, options: Options, context: Context) -> list[str]:
    """Where this reproduction differs from the paper, read off the records."""
    said = []
    if options.profile == "smoke":
        said.append(
            "The smoke profile trains for seconds: its numbers and verdicts show that everything runs, nothing else."
        )
    said += [*_data_lines(study, context), *parts_of_data(context)]
    records = {name: by_seed[min(by_seed)] for name, by_seed in context.results.records.items() if name in study.runs}
    said += [*_lengths(study, context.results), *_widths(records), *_settings(study, context, records)]
    manifests = [record["data"]["manifest"] for record in records.values()]
    source = manifests[0].get("attributes", {}) if manifests else {}
    if isinstance(source, dict) and str(source.get("file", "")).endswith(".mat"):
        said.append(
            f"The attributes are the signs of the published scores ({source['file']}); the paper's are real-valued."
        )
    made = [run.name for run in context.runs]
    return [*said, *(d.text for d in study.differences if d.is_of(options.profile, made))]


Records = dict[str, dict[str, Any]]


def _lengths(study: Study, results: Results) -> list[str]:
    """The runs that were not trained for as long as their own configs say."""
    lengths: dict[tuple[int, int], dict[str, None]] = {}
    for name in study.runs:
        trained = {seed: r["training"]["epochs"] for seed, r in sorted(results.records.get(name, {}).items())}
        for seed, epochs in trained.items():
            run = name if len(set(trained.values())) == 1 else f"{name} (seed {seed})"
            lengths.setdefault((epochs, study.epochs_of(name)), {})[run] = None
    other = [
        f"{', '.join(runs)} {epochs:,} of {own:,} epochs"
        for (epochs, own), runs in sorted(lengths.items())
        if epochs != own
    ]
    said = "These runs trained for other lengths than their configs, which are the paper's where it says"
    return [f"{said}: {'; '.join(other)}."] if other else []


def _widths(records: Records) -> list[str]:
    widths: dict[float, list[str]] = {}
    for name, record in records.items():
        widths.setdefault(record["arguments"].get("width", 1.0), []).append(name)
    whose = {
        width: "Networks" if names == [*records] else f"The networks of {', '.join(names)}"
        for width, names in widths.items()
    }
    return [f"{whose[width]} have {width} times the paper's channels." for width in sorted(widths) if width != 1]


def _settings(study: Study, context: Context, records: Records) -> list[str]:
    """The arguments and batch sizes that are not those of the runs' own configs, told once for all runs that share them."""
    runs: dict[str, list[str]] = {}
    for name, record in records.items():
        for changed in (*_arguments(study, name, record["arguments"]), *_batch_size(study, context, name)):
            runs.setdefault(changed, []).append(name)
    shared: dict[tuple[str, ...], list[str]] = {}
    for changed, names in runs.items():
        shared.setdefault(tuple(names), []).append(changed)
    parts = [
        f"{', '.join(changed)}: {'all' if len(names) == len(records) else ', '.join(names)}"
        for names, changed in shared.items()
    ]
    return [f"These settings are not those of the runs' configs: {'; '.join(parts)}."] if parts else []


def _arguments(study: Study, name: str, given: dict[str, Any]) -> Iterator[str]:
    """Those of the method that differ, its width apart, which is told by itself."""
    method = method_class(study.method_of(name))
    if method is None:
        return
    # As a record keeps them, tuples as lists; what the configs leave open is what the method says.
    own = json.loads(json.dumps(method(**study.arguments_of(name)).arguments))
    for key in own:
        if key != "width" and key in given and given[key] != own[key]:
            yield f"{key} {plain(given[key])} in place of {plain(own[key])}"


def _batch_size(study: Study, context: Context, name: str) -> Iterator[str]:
    folder, own = next(run for run in context.runs if run.name == name).folder, study.batch_size_of(name)
    if own is None or not folder.config.is_file():
        return
    given = folder.read_config()["data"].get("init_args", {}).get("batch_size", own)
    if given != own:
        yield f"batch_size {given} in place of {own}"

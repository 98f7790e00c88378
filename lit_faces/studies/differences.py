"""What a report says of its differences from the paper."""

from lit_faces.studies.figures.context import Context
from lit_faces.studies.official import part_words
from lit_faces.studies.study import Options, Study


def data_words(options: Options) -> str:
    """The data as a title names them."""
    return "synthetic faces" if options.data == "Synthetic" else options.data


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
    if options.data != study.data:
        said.append(
            f"The data are {data_words(options)}, not {study.data}: the published numbers stand beside ours for orientation "
            "only, and none of the verdicts speaks of the paper's data."
        )
    said += parts_of_data(context)
    drawn = sorted({run.name for run in context.runs if not run.comparable and not run.is_judge})
    if drawn and options.data == study.data:
        said.append(f"Of {', '.join(drawn)} the data were drawn, since the paper's were not there.")
    lengths: dict[int, list[str]] = {}
    for name in study.runs:
        for seed, record in sorted(context.results.records.get(name, {}).items()):
            lengths.setdefault(record["training"]["epochs"], []).append(f"{name}, seed {seed}")
    for epochs, runs in sorted(lengths.items()):
        if epochs != study.epochs:
            said.append(
                f"The paper trained for {study.epochs:,} epochs; {epochs:,} were trained here: {'; '.join(runs)}."
            )
    records = [by_seed[min(by_seed)] for name, by_seed in context.results.records.items() if name in study.runs]
    for width in sorted({record["arguments"].get("width", 1.0) for record in records} - {1.0}):
        said.append(f"Networks have {width} times the paper's channels.")
    manifest = records[0]["data"]["manifest"]
    source = manifest.get("attributes", {})
    if isinstance(source, dict) and str(source.get("file", "")).endswith(".mat"):
        said.append(
            f"The attributes are the signs of the published scores ({source['file']}); the paper's are real-valued."
        )
    made = {run.name for run in context.runs}
    return [*said, *(d.text for d in study.differences if not d.runs or made & {*d.runs})]

"""Tables of what was measured beyond those of a paper."""

from lit_faces.studies.cells import Cells, number, share
from lit_faces.studies.collect import Results, Row
from lit_faces.studies.judges import judged_attribute, judges_note
from lit_faces.studies.shares import by_label, majority
from lit_faces.studies.study import Study

# What is measured of every method, where it applies.
MEASURED = (
    "log_likelihood",
    "kl",
    "iwae",
    "pixels_at_variance_floor",
    "posterior_deviation",
    "prior_deviation",
    "nearest_sample_rms",
    "reconstruction_mse",
    "sharpness",
    "leakage",
    "label_accuracy",
    "linear_accuracy",
    "edit_accuracy",
    "edit_inferred_accuracy",
    "unedited_rate",
    "edit_rise",
    "edit_change_in_others",
    "generation_accuracy",
    "identity_kept",
    "identity_accuracy",
    "unedited_identity_kept",
    "counterfactual_mse",
    "unedited_mse",
    "kid",
    "kid_of_photographs",
    "fid",
    "fid_of_photographs",
    "mmd",
    "code_mean",
    "code_covariance",
    "active_units",
    "probe_accuracy",
    "probe_r2",
    "arithmetic_unedited_rate",
    "arithmetic_accuracy",
)
_OF_PERSONS = ("identity_kept", "identity_accuracy")
_OF_EDITS = (
    "unedited_rate",
    "edit_accuracy",
    "edit_rise",
    "edit_inferred_accuracy",
    "edit_change_in_others",
    "generation_accuracy",
    *_OF_PERSONS,
    "counterfactual_mse",
    "unedited_mse",
)
# All codes of a ladder, side by side.
_ALL = "all"
_OF_LAYERS = ("mmd", "code_mean", "code_covariance", "probe_accuracy", "probe_r2")
# Of data with more attributes only the mean probe and those that the study edits have a column.
_MANY = 12
# An edit's first metric, which every method that can be judged has.
_RATE = "unedited_rate"


def measured_tables(study: Study, results: Results) -> list[Cells]:
    """What we measured beyond the paper's tables, and every edit beside the accuracy of its judge."""
    names = [name for name in dict.fromkeys(row.run for row in results.rows) if name not in study.judges]
    tables = [
        _overall_table(study, results, names),
        _c_hat_table(study, results, names),
        _attributes_table(results, names),
        _codes_table(results, names),
        *_layers_tables(study, results, names),
        *(table for judge in study.judges for table in _edits_tables(study, results, judge)),
    ]
    return [table for table in tables if table.rows]


def _overall_table(study: Study, results: Results, runs: list[str]) -> Cells:
    """The metrics that no table of the paper shows of some run that has them, a line a run."""
    units = {row.metric: row.unit for row in results.rows}
    metrics = [
        metric
        for metric in MEASURED
        if any(results.row(run, metric) and not _is_shown(study, run, metric) for run in runs)
    ]
    rows = [[run, *(number(results.row(run, metric)) for metric in metrics)] for run in runs] if metrics else []
    header = ["model", *(f"{metric.replace('_', ' ')} ({units[metric]})" for metric in metrics)]
    notes = [judges_note(study, results, runs, metrics), _persons_note(study, results, runs, metrics)]
    return Cells("measured", "Beyond the paper's tables", header, rows, " ".join(note for note in notes if note))


def _is_shown(study: Study, run: str, metric: str) -> bool:
    """Whether a table of the paper has a metric of a run."""
    return any(table.has(run) for table in study.tables if metric in table.columns.values())


def _persons_note(study: Study, results: Results, runs: list[str], metrics: list[str]) -> str:
    """How far those are to be believed that recognise persons, if a metric is theirs to decide."""
    if not any("identity" in metric for metric in metrics):
        return ""
    rows = [_verification(study, results, run) for run in runs]
    said = " and ".join(dict.fromkeys(number(row) for row in rows if row is not None))
    return said and f"The identity embedding verifies pairs of photographs with a balanced accuracy of {said}."


def _verification(study: Study, results: Results, run: str) -> Row | None:
    embedding = study.embedding_of(run) if run in study.runs else None
    return results.row(embedding or "", "verification_accuracy")


def _c_hat_table(study: Study, results: Results, runs: list[str]) -> Cells:
    """Ĉ of the IFcVAE-GAN paper of every label beside the accuracy of its judge, a line a run and label."""
    metrics = ("c_hat_off", "c_hat_on", "first_16_c_hat_off", "first_16_c_hat_on")
    rows = []
    for run in runs:
        for label, off in by_label(results, run, metrics[0]).items():
            shares = [share(results.row(run, f"{metric}/{label}")) for metric in metrics]
            judge = results.row(study.judge_of(run) or "", f"balanced_accuracy/{label}")
            rows.append([run, label, *shares, f"{off.n:,}", number(judge)])
    kinds = ("none seen after y = 0", "seen after y = 1")
    of_all, of_some = ([f"{of}{kind} [95 %]" for kind in kinds] for of in ("", "first 16: "))
    header = ["model", "label", *of_all, *of_some, "n", "judge's balanced accuracy"]
    title = "Ĉ on the test faces with the label, on all and on the first 16 of them"
    return Cells("c_hat", title, header, rows, judges_note(study, results, [row[0] for row in rows], metrics))


def _attributes_table(results: Results, runs: list[str]) -> Cells:
    """How often each label is told, by the model or a linear classifier on its code, beside what guessing gives."""
    found = [
        (label, by, row)
        for run in runs
        for metric, by in (("label_accuracy", "E_y"), ("linear_accuracy", "linear classifier on z"))
        for label, row in by_label(results, run, metric).items()
    ]
    rows = []
    for label in dict.fromkeys(label for label, _, _ in found):
        for by, row in ((by, row) for other, by, row in found if other == label):
            guess = majority(results, row)
            rows.append([label, row.run, by, share(row), "-" if guess is None else f"{guess:.3f}", f"{row.n:,}"])
    header = ["attribute", "model", "by", "accuracy [95 %]", "always the majority", "n"]
    return Cells("attributes", "Attributes predicted from the test faces", header, rows)


def _codes_table(results: Results, runs: list[str]) -> Cells:
    """How well fresh classifiers tell each label from each code, a line a run, code and label."""
    rows, several = [], False
    for row in (row for name in runs for row in results.rows if row.run == name):
        if row.metric.startswith("leakage/"):
            code, label = "z", row.metric.partition("/")[2]
        elif row.metric.startswith("subspace_accuracy/"):
            code, label = row.metric.removeprefix("subspace_accuracy/").split("/", 1)
        else:
            continue
        several |= len(row.seeds) > 1
        others = [f"{row.settings[key]:.3f}" for key in ("linear", "chance")]
        rows.append([row.run, code, label, row.unit, number(row), *others, f"{row.n:,}"])
    # Settings are those of one seed.
    linear = "linear probe, first seed" if several else "linear probe"
    header = ["model", "code", "label", "score", "probe ± standard error", linear, "chance", "n"]
    return Cells("codes", "Labels predicted from the codes", header, rows)


def _layers_tables(study: Study, results: Results, runs: list[str]) -> list[Cells]:
    """What was measured of the layers of ladders, a line a run and layer; a table for the runs of the same columns."""
    found = {run: _by_layer(results, run) for run in runs}
    groups: dict[tuple[str, ...], list[str]] = {}
    for run in (run for run in runs if set(found[run]) - {_ALL}):
        groups.setdefault(_layer_columns(study, found[run]), []).append(run)
    title = "Codes of each layer: distance from the prior, and accuracy of linear probes"
    tables: list[Cells] = []
    for columns, group in groups.items():
        rows = [
            [run, layer, _dimensions(results, run, layer), *(number(measured.get(column)) for column in columns)]
            for run in group
            for layer, measured in found[run].items()
        ]
        header = ["model", "layer", "dimensions", *map(_heading, columns)]
        of = f" ({', '.join(group)})" if len(groups) > 1 else ""
        tables.append(Cells(f"layers_{group[0]}" if tables else "layers", title + of, header, rows))
    return tables


def _by_layer(results: Results, run: str) -> dict[str, dict[str, Row]]:
    """The rows of a run's layers, the bottom's first and all codes' last, by metric and what it is of (`probe_r2/slant`)."""
    found: dict[str, dict[str, Row]] = {}
    for row in (row for row in results.rows if row.run == run):
        metric, _, rest = row.metric.partition("/")
        if metric in _OF_LAYERS:
            layer, _, of = rest.partition("/")
            found.setdefault(layer or _ALL, {})[f"{metric}/{of}" if of else metric] = row
    return dict(sorted(found.items(), key=lambda item: (item[0] == _ALL, item[0])))


def _layer_columns(study: Study, found: dict[str, dict[str, Row]]) -> tuple[str, ...]:
    columns = list(dict.fromkeys(column for measured in found.values() for column in measured))
    attributes = [column for column in columns if column.startswith("probe_accuracy/")]
    left_out = {"probe_accuracy"}
    if len(attributes) > _MANY:
        named = {_spaced(name) for edit in study.edits.values() for names in edit.values() for name in names}
        left_out = {column for column in attributes if _spaced(column.partition("/")[2]) not in named}
    ordered = sorted(columns, key=lambda column: _OF_LAYERS.index(column.partition("/")[0]))
    return tuple(column for column in ordered if column not in left_out)


def _heading(column: str) -> str:
    metric, _, of = column.partition("/")
    return f"{_spaced(metric)} ({_spaced(of)})" if of else _spaced(metric)


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _dimensions(results: Results, run: str, layer: str) -> str:
    """How many entries the code of a layer has, from the run's records."""
    records = results.records.get(run, {})
    sizes = next((record["arguments"]["latent_dims"] for record in records.values()), None)
    if sizes is None:
        return "-"
    return str(sum(sizes) if layer == _ALL else sizes[int(layer.removeprefix("z_"))])


def _edits_tables(study: Study, results: Results, judge: str) -> list[Cells]:
    """Every edit beside the accuracy of its judge; a table for the edits of the same runs, of the most runs first."""
    rated = {name: by_label(results, name, _RATE) for name in study.runs if study.judge_of(name) == judge}
    found = sorted({edit for edits in rated.values() for edit in edits})
    groups: dict[tuple[str, ...], list[str]] = {}
    for edit in [*(e for e in study.edits if e in found), *(e for e in found if e not in study.edits)]:
        groups.setdefault(tuple(name for name, edits in rated.items() if edit in edits), []).append(edit)
    tables: list[Cells] = []
    for runs, edits in sorted(groups.items(), key=lambda group: -len(group[0])):
        labels = list(dict.fromkeys(judged_attribute(study, edit) for edit in edits))
        of = f"_{labels[0].replace(' ', '_').lower()}" if tables else ""
        title = f"Edits of the test faces that lack the attribute ({', '.join(labels)})"
        tables.append(_edits_table(study, results, judge, f"{judge.replace('judge', 'edits')}{of}", title, runs, edits))
    return tables


def _strength(row: Row | None) -> str:
    """How strong an edit was that has been measured, where that was chosen; for each seed, if it was not the same for all."""
    settings = {} if row is None else row.settings
    strengths = settings.get("strengths", [settings.get("strength")])
    return ", ".join("-" if strength is None else f"{strength:g}" for strength in strengths)


def _edits_table(
    study: Study, results: Results, judge: str, name: str, title: str, runs: tuple[str, ...], edits: list[str]
) -> Cells:
    rows = []
    for edit in edits:
        strengths = [_strength(results.row(run, f"edit_accuracy/{edit}")) for run in runs]
        if any(strength != "-" for strength in strengths):
            rows.append([edit, "strength", *strengths, "-", "-"])
        sees = results.row(judge, f"balanced_accuracy/{judged_attribute(study, edit)}")
        for kind in _OF_EDITS:
            found = [results.row(run, f"{kind}/{edit}") for run in runs]
            if any(found):
                own = _verification(study, results, runs[0]) if kind in _OF_PERSONS else sees
                count = f"{max(row.n for row in found if row):,}"
                rows.append([edit, kind.replace("_", " "), *map(number, found), number(own), count])
    header = ["edit", "metric", *runs, "judge's balanced accuracy", "n"]
    return Cells(name, title, header, rows, judges_note(study, results, runs, _OF_EDITS))

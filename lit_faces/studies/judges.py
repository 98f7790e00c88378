"""How far the judge of a run is to be believed."""

from collections.abc import Iterable

from lit_faces.studies.collect import Results
from lit_faces.studies.study import Study

# The beginnings of the names of what a judge decides.
JUDGED = ("edit_", "generation_", "arithmetic_", "unedited_rate", "unedited_hit", "c_hat_", "first_16_c_hat_")
# Of those whose features are a judge's.
_OF_FEATURES = ("fid", "kid")
# Below this balanced accuracy a judge hardly does better than one that guesses, which has 0.5.
_NEAR_CHANCE = 0.6
# What every edit, and every sum of codes, is first judged on.
_RATES = ("unedited_rate/", "arithmetic_unedited_rate/")


def judged_attribute(study: Study, edit: str) -> str:
    """What an edit is judged by: the first attribute that it sets or resets."""
    described = study.edits.get(edit, {})
    return next(iter(described.get("set", []) or described.get("reset", [])), edit.removeprefix("No "))


def is_blind(study: Study, results: Results, run: str) -> bool:
    """Whether a run's judge is near chance on all that the run's edits are judged by."""
    found = _accuracies(study, results, run)
    return bool(found) and max(found.values()) < _NEAR_CHANCE


def judges_note(study: Study, results: Results, runs: Iterable[str], metrics: Iterable[str]) -> str:
    """What to say of judges near chance, if they decide a metric or it is of their features; nothing if they are good."""
    metrics = list(metrics)
    decides, describes = (any(metric.startswith(kind) for metric in metrics) for kind in (JUDGED, _OF_FEATURES))
    judged: dict[str, list[str]] = {}
    for run in (name for name in dict.fromkeys(runs) if name in study.runs):
        found = _accuracies(study, results, run) if decides else {}
        found |= _overall(study, results, run) if describes else {}
        near = {name: value for name, value in found.items() if value < _NEAR_CHANCE}
        if near:
            weak = ", ".join(f"{value:.2f} on {name.replace('_', ' ')}" for name, value in near.items())
            judged.setdefault(weak, []).append(run)
    said = "; ".join(f"{weak} (classifier of {', '.join(names)})" for weak, names in judged.items())
    return (
        said
        and f"The attribute classifier is near chance, so scores that depend on it mean nothing. Balanced accuracy: {said}."
    )


def _accuracies(study: Study, results: Results, run: str) -> dict[str, float]:
    """Balanced accuracies of a run's judge by attribute, of those that its edits are judged by."""
    rated = [row.metric for row in results.rows if row.run == run and row.metric.startswith(_RATES)]
    names = dict.fromkeys(judged_attribute(study, metric.partition("/")[2]) for metric in rated)
    rows = {name: results.row(study.judge_of(run) or "", f"balanced_accuracy/{name}") for name in names}
    return {name: row.value for name, row in rows.items() if row is not None}


def _overall(study: Study, results: Results, run: str) -> dict[str, float]:
    """Mean balanced accuracy of the judge of a run that is measured on its features."""
    row = results.row(study.judge_of(run) or "", "balanced_accuracy")
    measured = any(results.row(run, metric) for metric in _OF_FEATURES)
    return {"all labels": row.value} if row is not None and measured else {}

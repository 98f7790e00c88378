"""How far the judge of a run is to be believed."""

from collections.abc import Iterable

from lit_faces.studies.collect import Results
from lit_faces.studies.study import Study

# The beginnings of the names of what a judge decides.
JUDGED = ("edit_", "generation_", "unedited_rate", "unedited_hit", "c_hat_", "first_16_c_hat_")
# Below this balanced accuracy a judge hardly does better than one that guesses, which has 0.5.
_NEAR_CHANCE = 0.6
_RATE = "unedited_rate/"


def judged_attribute(study: Study, edit: str) -> str:
    """What an edit is judged by: the first attribute that it sets or resets."""
    described = study.edits.get(edit, {})
    return next(iter(described.get("set", []) or described.get("reset", [])), edit.removeprefix("No "))


def is_blind(study: Study, results: Results, run: str) -> bool:
    """Whether a run's judge is near chance on all that the run's edits are judged by."""
    found = _accuracies(study, results, run)
    return bool(found) and max(found.values()) < _NEAR_CHANCE


def judges_note(study: Study, results: Results, runs: Iterable[str], metrics: Iterable[str]) -> str:
    """What to say of judges near chance, if any of the metrics is theirs to decide; nothing if they are good."""
    if not any(metric.startswith(JUDGED) for metric in metrics):
        return ""
    judged: dict[str, list[str]] = {}
    for run in (name for name in dict.fromkeys(runs) if name in study.runs):
        found = {name: value for name, value in _accuracies(study, results, run).items() if value < _NEAR_CHANCE}
        if found:
            weak = ", ".join(f"{value:.2f} on {name.replace('_', ' ')}" for name, value in found.items())
            judged.setdefault(weak, []).append(run)
    said = "; ".join(f"{weak} (judge of {', '.join(names)})" for weak, names in judged.items())
    return said and f"A judge is near chance, so what it sees means nothing. Balanced accuracy: {said}."


def _accuracies(study: Study, results: Results, run: str) -> dict[str, float]:
    """Balanced accuracies of a run's judge by attribute, of those that its edits are judged by."""
    edits = [row.metric.removeprefix(_RATE) for row in results.rows if row.run == run and row.metric.startswith(_RATE)]
    names = dict.fromkeys(judged_attribute(study, edit) for edit in edits)
    rows = {name: results.row(study.judge_of(run) or "", f"balanced_accuracy/{name}") for name in names}
    return {name: row.value for name, row in rows.items() if row is not None}

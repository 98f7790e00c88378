"""From a study and its options to the commands that train and evaluate its runs."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lit_faces.errors import UserError
from lit_faces.files import sha256_of, write_text
from lit_faces.run_folder import RunFolder
from lit_faces.studies.study import Options, Study, merged_section

# How strong a study's own edits may be, each as is best on the validation split.
STRENGTHS = (1.0, 1.5, 2.0, 3.0)
_THREADS = "--threads="


@dataclass(frozen=True)
class Run:
    """One training and its evaluation: the commands are what a user could type.

    `data` is the DataModule used, `comparable` whether it is the paper's; `judge` names the judge of a run, None for a judge and
    for a run without one. `needs` are the names of the judges that must be trained before it, `epochs` is its length.
    """

    name: str
    seed: int
    data: str
    comparable: bool
    judge: str | None
    is_judge: bool
    needs: frozenset[str]
    epochs: int
    folder: RunFolder
    fit: tuple[str, ...]
    test: tuple[str, ...]
    configs: tuple[Path, ...]

    @property
    def plan(self) -> dict[str, Any]:
        """All that determines the run, to know whether it has been done: commands and contents of the configs.

        Wherever the runs lie: they may be moved, so it is as though they lay in `runs/`. The number of threads is no part of it,
        just as the processor is none: a run that has been made with another number stays made, and its record says with which.
        """
        root = self.folder.path.parent
        usual = str(Path("runs", *root.parts[-2:]))

        def placed(text: str) -> str:
            return text.replace(str(root), usual)

        # Of the configs only the overlay, which lies among the runs, names them.
        digests = {
            placed(str(p)): hashlib.sha256(
                placed(p.read_text(encoding="utf-8")).encode() if p.parent == root else p.read_bytes()
            ).hexdigest()
            for p in self.configs
        }
        commands = {
            verb: [placed(part) for part in command if not part.startswith(_THREADS)]
            for verb, command in (("fit", self.fit), ("test", self.test))
        }
        return {**commands, "configs": digests}

    @property
    def done(self) -> Path:
        """The plan that it was made by, written when it was."""
        return self.folder.path / "plan.json"

    @property
    def lost(self) -> list[Path]:
        """Which of the files that a report is made from are not there; only a judge has none of values image by image."""
        folder = self.folder
        needed = [folder.record, *([] if self.is_judge else [folder.per_image]), folder.checkpoint, folder.config]
        return [path for path in needed if not path.is_file()]

    def is_planned(self) -> bool:
        """Whether it was made by this very plan, though files may have been lost since."""
        try:
            planned = self.made_by()
        except UserError:
            return False
        return bool(planned == json.loads(json.dumps(self.plan)))

    def made_by(self) -> dict[str, Any] | None:
        """The plan that it was made by; None if it has not been made. Raises UserError if that file is damaged."""
        if not self.done.exists():
            return None
        try:
            planned = json.loads(self.done.read_text(encoding="utf-8"))
        except ValueError:  # No JSON, or no text.
            planned = None
        if not isinstance(planned, dict) or not isinstance(planned.get("fit"), list):
            raise UserError(damaged(self.done))
        return planned


def damaged(path: Path) -> str:
    """What to say of a file of a run that is not what it should be."""
    return f"{path} is damaged: remove it and run `lit-faces reproduce` again"


def plan(study: Study, options: Options) -> list[Run]:
    """The judges that are needed first, one for all seeds, then every method with every seed.

    Raises UserError if the `epochs` that were asked for are too few for a method, or if one cannot be made with the data.
    """
    names = study.chosen(options.profile, options.methods, options.data)
    for name in names:
        if study.only_on.get(name, options.data) != options.data:
            raise UserError(
                f"{name} can be made with {study.only_on[name]} alone: leave it out of --methods, or get the data"
            )
    if options.epochs is not None:
        _refuse_fewer_epochs(study, names, options.epochs)
    needed = {judge for name in names for judge in (study.judge_of(name), study.embedding_of(name))}
    judges = [_run(study, options, name, configs, 0) for name, configs in study.judges.items() if name in needed]
    return [*judges, *(_run(study, options, name, study.runs[name], seed) for seed in options.seeds for name in names)]


def _refuse_fewer_epochs(study: Study, names: list[str], epochs: int) -> None:
    from lit_faces.methods.trained import method_class

    for name in names:
        method = method_class(study.method_of(name))
        if method is None:
            raise UserError(f"{name}: {study.method_of(name)} is not the class of a method: give its import path")
        if epochs < (fewest := method.fewest_epochs):
            raise UserError(
                f"--epochs must be at least {fewest} for {name} ({study.method_of(name)}), got {epochs}: ask for more, or leave "
                "it out of --methods"
            )


@dataclass(frozen=True)
class Reported:
    """The runs of a report, and what it says of those that were made with other settings than today's."""

    runs: list[Run]
    remarks: list[str]


def reported(study: Study, options: Options) -> Reported:
    """The plan of a report: of what was asked for, and of every other method that has been made so with each of the seeds."""
    # A report tells how long each run was trained, whatever length is asked for now.
    options = replace(options, epochs=None)
    asked = study.chosen(options.profile, options.methods, options.data)
    _renew_overlays(study, options)
    state = {
        name: {_state(_run(study, options, name, study.runs[name], seed)) for seed in options.seeds}
        for name in study.runs
    }
    runs = plan(study, replace(options, methods=tuple(n for n in study.runs if n in asked or state[n] == {"made"})))
    there = [name for name in study.runs if "missing" not in state[name]]
    lost = [name for name in there if "lost" in state[name]]
    stale = [name for name in there if "other" in state[name] and name not in lost]
    remarks = []
    for names, what in (
        ([name for name in lost if name not in asked], "left out: {}, of which files are missing"),
        ([name for name in stale if name not in asked], "left out: {}, made with other settings"),
        ([name for name in stale if name in asked], "{}: made with other settings"),
    ):
        if names:
            again = "it" if len(names) == 1 else "them"
            remarks.append(f"{what.format(', '.join(names))}; `lit-faces reproduce` makes {again} again")
    return Reported(runs, remarks)


def _state(run: Run) -> Literal["made", "other", "lost", "missing"]:
    """Whether it has been done, on these data and with these settings, lengths apart, which a report tells."""
    planned = run.made_by()
    if planned is None:
        return "missing"
    if run.lost:
        return "lost"
    if not all(path.is_file() for path in run.configs):
        return "other"
    then, now = (_without_length(values) for values in (planned, run.plan))
    return "made" if then == now else "other"


def _without_length(planned: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(planned))
    return values | {"fit": [part for part in values["fit"] if not part.startswith("--trainer.max_epochs=")]}


def root_of(study: Study, options: Options) -> Path:
    """Folder of all runs of a study with these options."""
    return options.runs / study.name / options.label


def _with_stand_in(study: Study, options: Options, name: str) -> str:
    """A run's or judge's name, with that of what stands in for its data; of the main data the folder of all runs tells it."""
    own = study.data_of(name)
    data = options.stand_ins.get(own, own)
    return name if data == own or own == study.data else f"{name}-{data.lower()}"


def _run(study: Study, options: Options, name: str, config: tuple[str, ...], seed: int) -> Run:
    root, is_judge = root_of(study, options), name in study.judges
    named = _with_stand_in(study, options, name)
    folder = RunFolder(root / (named if is_judge else f"{named}-seed{seed}"))
    own = [study.folder / part for part in config]
    # What a study's methods need beyond the profile stands in its folder in PROFILE.yaml, what a config needs in
    # CONFIG.PROFILE.yaml.
    beside = [p.with_suffix(f".{options.profile}.yaml") for p in own]
    if not is_judge:
        beside.insert(0, study.folder / f"{options.profile}.yaml")
    configs = [*own, study.profile(options.profile), *(path for path in beside if path.is_file())]
    epochs = int(merged_section(tuple(configs), "trainer")["max_epochs"])
    judge, embedding = (None, None) if is_judge else (study.judge_of(name), study.embedding_of(name))
    if judge is not None:
        configs.append(_edits_overlay_path(study, options, judge))
    intended = study.data_of(name)
    data = options.stand_ins.get(intended, intended)
    common = [part for path in configs for part in ("--config", str(path))]
    common += [f"--data={data}", f"--seed_everything={seed}", f"--trainer.default_root_dir={folder.path}"]
    if options.devices > 1:
        common += [f"--trainer.devices={options.devices}", "--trainer.strategy=ddp"]
    if options.threads is not None:
        common.append(f"{_THREADS}{options.threads}")
    fit = ["fit", *common]
    if options.epochs is not None and not is_judge:
        epochs = options.epochs
        fit.append(f"--trainer.max_epochs={epochs}")
    needs = frozenset(needed for needed in (judge, embedding) if needed is not None)
    commands = (tuple(fit), ("test", *common))
    return Run(name, seed, data, data == intended, judge, is_judge, needs, epochs, folder, *commands, tuple(configs))


def _edits_overlay_path(study: Study, options: Options, judge: str) -> Path:
    return root_of(study, options) / f"{_with_stand_in(study, options, judge).replace('judge', 'edits')}.yaml"


def write_overlays(study: Study, options: Options, runs: list[Run]) -> None:
    """Write what tells the runs of a plan who judges them."""
    for judge in {run.judge for run in runs if run.judge is not None}:
        _write_overlay(study, options, judge)


def _write_overlay(study: Study, options: Options, judge: str) -> None:
    made = _judges(study, options, judge)
    write_text(_edits_overlay_path(study, options, judge), _edits_overlay(study, *made))


def _renew_overlays(study: Study, options: Options) -> None:
    """Write what was removed though its judges are there, or was moved with them.

    Else every run would pass for one with other settings.
    """
    for judge in {judge for name in study.runs if (judge := study.judge_of(name)) is not None}:
        judging, embedding = _judges(study, options, judge)
        overlay = _edits_overlay_path(study, options, judge)
        here = overlay.is_file() and not _names_other(overlay, judging)
        if not here and not any(run.lost for run in (judging, embedding) if run is not None):
            _write_overlay(study, options, judge)


def _names_other(overlay: Path, judge: Run) -> bool:
    """Whether an overlay names another classifier."""
    import yaml

    edits = (yaml.safe_load(overlay.read_text(encoding="utf-8")) or {}).get("edits", {})
    checkpoint = str(judge.folder.checkpoint)
    return bool(edits.get("classifier", checkpoint) != checkpoint)


def _judges(study: Study, options: Options, judge: str) -> tuple[Run, Run | None]:
    """A classifier, and the embedding of persons of the same data."""
    embedding = study.embedding_of(judge)
    judging = _run(study, options, judge, study.judges[judge], 0)
    return judging, None if embedding is None else _run(study, options, embedding, study.judges[embedding], 0)


def _edits_overlay(study: Study, judge: Run, embedding: Run | None) -> str:
    """Who judges, and on what; a study without edits of its own has those of the data's labels."""
    import yaml

    edits: dict[str, Any] = {"classifier": str(judge.folder.checkpoint)}
    if study.edits:
        # Labels are switched as their papers' tables have it, by 1.
        edits |= {"edits": study.edits, "strengths": list(STRENGTHS)}
    overlay = {"edits": edits}
    planned = {key: judge.plan[key] for key in ("fit", "configs")}
    if embedding is not None:
        overlay["identity"] = {"embedding": str(embedding.folder.checkpoint)}
        planned["embedding"] = {key: embedding.plan[key] for key in ("fit", "configs")}
    # A judge that is trained otherwise changes this file, and with it the plans of the runs, which are then judged again.
    return f"# the judge's settings: {sha256_of(planned)}\n{yaml.safe_dump(overlay, sort_keys=False)}"

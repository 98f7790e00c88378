"""From a study and its options to the commands that train and evaluate its runs, and their execution."""

import hashlib
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lit_faces.errors import UserError
from lit_faces.files import sha256_of, write_json, write_text
from lit_faces.processes import run_verb
from lit_faces.run_folder import FOLDER_OPTION, RunFolder
from lit_faces.studies.study import Options, Study


@dataclass(frozen=True)
class Run:
    """One training and its evaluation: the commands are what a user could type.

    `data` is the DataModule used, `comparable` whether it is the paper's; `judge` names the judge of a run, None for a judge and
    for a run without one.
    """

    name: str
    seed: int
    data: str
    comparable: bool
    judge: str | None
    is_judge: bool
    folder: RunFolder
    fit: tuple[str, ...]
    test: tuple[str, ...]
    configs: tuple[Path, ...]

    @property
    def plan(self) -> dict[str, Any]:
        """All that determines the run, to know whether it has been done: commands and contents of the configs."""
        digests = {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in self.configs}
        return {"fit": self.fit, "test": self.test, "configs": digests}


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
    from lit_faces.methods import METHODS, Method

    for name in names:
        fewest = METHODS.get(study.method_of(name), Method).fewest_epochs
        if epochs < fewest:
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
    state = {
        name: {_state(_run(study, options, name, study.runs[name], seed)) for seed in options.seeds}
        for name in study.runs
    }
    runs = plan(study, replace(options, methods=tuple(n for n in study.runs if n in asked or state[n] == {"made"})))
    stale = [name for name in study.runs if "other" in state[name] and "missing" not in state[name]]
    remarks = []
    for kept, what in ((False, "left out: {}, made with other settings"), (True, "{}: made with other settings")):
        if names := [name for name in stale if (name in asked) is kept]:
            again = "it" if len(names) == 1 else "them"
            remarks.append(f"{what.format(', '.join(names))}; `lit-faces reproduce` makes {again} again")
    return Reported(runs, remarks)


def _state(run: Run) -> Literal["made", "other", "missing"]:
    """Whether it has been done, on these data and with these settings, lengths apart, which a report tells."""
    done = run.folder.path / "plan.json"
    if not (done.exists() and run.folder.record.exists()):
        return "missing"
    if not all(path.is_file() for path in run.configs):
        return "other"
    then, now = (_without_length(values) for values in (json.loads(done.read_text()), run.plan))
    return "made" if then == now else "other"


def _without_length(planned: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(planned))
    return values | {"fit": [part for part in values["fit"] if not part.startswith("--trainer.max_epochs=")]}


def root_of(study: Study, options: Options) -> Path:
    """Folder of all runs of a study with these options."""
    return options.runs / study.name / options.label


def _run(study: Study, options: Options, name: str, config: tuple[str, ...], seed: int) -> Run:
    root, is_judge = root_of(study, options), name in study.judges
    folder = RunFolder(root / (name if is_judge else f"{name}-seed{seed}"))
    own = [study.folder / part for part in config]
    # What a study's methods need beyond the profile stands in its folder in PROFILE.yaml, what a config needs in
    # CONFIG.PROFILE.yaml.
    beside = [p.with_suffix(f".{options.profile}.yaml") for p in own]
    if not is_judge:
        beside.insert(0, study.folder / f"{options.profile}.yaml")
    configs = [*own, study.profile(options.profile), *(path for path in beside if path.is_file())]
    judge = None if is_judge else study.judge_of(name)
    if judge is not None:
        configs.append(_edits_overlay_path(root, judge))
    intended = study.data_of(name)
    data = options.stand_ins.get(intended, intended)
    common = [part for path in configs for part in ("--config", str(path))]
    common += [f"--data={data}", f"--seed_everything={seed}", f"--trainer.default_root_dir={folder.path}"]
    if options.devices > 1:
        common += [f"--trainer.devices={options.devices}", "--trainer.strategy=ddp"]
    fit = ["fit", *common]
    if options.epochs is not None and not is_judge:
        fit.append(f"--trainer.max_epochs={options.epochs}")
    commands = (tuple(fit), ("test", *common))
    return Run(name, seed, data, data == intended, judge, is_judge, folder, *commands, tuple(configs))


def execute(study: Study, options: Options, runs: list[Run]) -> None:
    """Train and evaluate what has not been done; a run that was interrupted resumes.

    Raises UserError if a run fails or its folder holds another run, KeyboardInterrupt if it was stopped.
    """
    root, judges = root_of(study, options), {run.name: run for run in runs if run.is_judge}
    for judge in {run.judge for run in runs if run.judge is not None}:
        embedding = study.embedding_of(judge)
        overlay = _edits_overlay(study, judges[judge], None if embedding is None else judges[embedding])
        write_text(_edits_overlay_path(root, judge), overlay)
    for number, run in enumerate(runs, 1):
        title = f"[{number}/{len(runs)}] {run.name}" + ("" if run.is_judge else f", seed {run.seed}")
        done = run.folder.path / "plan.json"
        if done.exists() and json.loads(done.read_text()) == json.loads(json.dumps(run.plan)):
            print(f"{title}: done before", flush=True)
            continue
        for command in _commands(run):
            print(f"{title}: lit-faces {shlex.join(command)}", flush=True)
            run_verb(command, {FOLDER_OPTION: "--runs FOLDER"})
        write_json(done, run.plan)


def _commands(run: Run) -> Iterator[tuple[str, ...]]:
    yield run.fit
    yield run.test


def _edits_overlay_path(root: Path, judge: str) -> Path:
    return root / f"{judge.replace('judge', 'edits')}.yaml"


def _edits_overlay(study: Study, judge: Run, embedding: Run | None) -> str:
    """Who judges, and on what; a study without edits of its own has those of the data's labels."""
    import yaml

    edits = {"classifier": str(judge.folder.checkpoint), **({"edits": study.edits} if study.edits else {})}
    overlay = {"edits": edits}
    planned = {key: judge.plan[key] for key in ("fit", "configs")}
    if embedding is not None:
        overlay["identity"] = {"embedding": str(embedding.folder.checkpoint)}
        planned["embedding"] = {key: embedding.plan[key] for key in ("fit", "configs")}
    # A judge that is trained otherwise changes this file, and with it the plans of the runs, which are then judged again.
    return f"# the judge's settings: {sha256_of(planned)}\n{yaml.safe_dump(overlay, sort_keys=False)}"

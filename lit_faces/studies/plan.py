"""From a study and its options to the commands that train and evaluate its runs, and their execution."""

import hashlib
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_faces.files import write_json, write_text
from lit_faces.processes import run_verb
from lit_faces.run_folder import RunFolder
from lit_faces.studies.study import Options, Study

# The classifier that judges is one for all seeds.
JUDGE = "judge"


@dataclass(frozen=True)
class Run:
    """One training and its evaluation: the commands are what a user could type."""

    name: str
    seed: int
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
    """The judge first, then every method with every seed."""
    root = options.runs / study.name / options.label
    judge = _run(study, options, root, JUDGE, study.judge, 0)
    names = [name for name in study.runs if not options.methods or name in options.methods]
    return [judge, *(_run(study, options, root, name, study.runs[name], s) for s in options.seeds for name in names)]


def _run(study: Study, options: Options, root: Path, name: str, config: str, seed: int) -> Run:
    folder = RunFolder(root / (name if name == JUDGE else f"{name}-seed{seed}"))
    configs = [study.folder / config, study.profile(options.profile)]
    own = configs[0].with_suffix(f".{options.profile}.yaml")
    if own.is_file():
        configs.append(own)
    if name != JUDGE:
        configs.append(root / "edits.yaml")
    common = [part for path in configs for part in ("--config", str(path))]
    common += [f"--data={options.data}", f"--seed_everything={seed}", f"--trainer.default_root_dir={folder.path}"]
    if options.devices > 1:
        common += [f"--trainer.devices={options.devices}", "--trainer.strategy=ddp_find_unused_parameters_true"]
    fit = ["fit", *common]
    if options.epochs is not None and name != JUDGE:
        fit.append(f"--trainer.max_epochs={options.epochs}")
    return Run(name, seed, folder, tuple(fit), ("test", *common), tuple(configs))


def execute(study: Study, options: Options, runs: list[Run]) -> None:
    """Train and evaluate what has not been done; a run that was interrupted resumes.

    Raises UserError if a run fails or its folder holds another run, KeyboardInterrupt if it was stopped.
    """
    root = options.runs / study.name / options.label
    write_text(root / "edits.yaml", _edits_overlay(study, runs[0]))
    for number, run in enumerate(runs, 1):
        title = f"[{number}/{len(runs)}] {run.name}" + ("" if run.name == JUDGE else f", seed {run.seed}")
        done = run.folder.path / "plan.json"
        if done.exists() and json.loads(done.read_text()) == json.loads(json.dumps(run.plan)):
            print(f"{title}: done before", flush=True)
            continue
        for command in _commands(run):
            print(f"{title}: lit-faces {shlex.join(command)}", flush=True)
            run_verb(command)
        write_json(done, run.plan)


def _commands(run: Run) -> Iterator[tuple[str, ...]]:
    yield run.fit
    yield run.test


def _edits_overlay(study: Study, judge: Run) -> str:
    import yaml

    edits = {"classifier": str(judge.folder.checkpoint), "edits": study.edits}
    return yaml.safe_dump({"edits": edits}, sort_keys=False)

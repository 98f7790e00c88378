"""A study: what a paper did and published, read from `experiments/NAME/study.yaml`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lit_faces.errors import UserError


@dataclass(frozen=True)
class Table:
    """A published table: one metric, a number a run."""

    name: str
    title: str
    metric: str
    published: dict[str, float]


@dataclass(frozen=True)
class Claim:
    """What the paper says and how it is judged: `metric` in descending `order` of the runs, or what `rises` by editing."""

    claim: str
    metric: str | None = None
    order: tuple[str, ...] = ()
    rises: dict[str, str] | None = None


@dataclass(frozen=True)
class Study:
    """A paper's runs, tables, figures and claims. `folder` holds the runs' configs."""

    name: str
    folder: Path
    title: str
    paper: str
    data: str
    epochs: int
    runs: dict[str, str]
    judge: str
    tables: tuple[Table, ...]
    edits: dict[str, dict[str, list[str]]]
    figures: dict[str, Any]
    claims: tuple[Claim, ...]
    differences: list[str]

    def published(self, run: str, metric: str) -> float | None:
        """The paper's number for a run and a metric, if it has one."""
        return next((t.published[run] for t in self.tables if t.metric == metric and run in t.published), None)

    def profile(self, name: str) -> Path:
        """Config overlay of a profile. Raises UserError with the known ones."""
        path = self.folder.parent / "profiles" / f"{name}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
            raise UserError(f"there is no profile {name!r}: use one of {known}")
        return path


@dataclass(frozen=True)
class Options:
    """What `lit-faces reproduce` was asked for. `data` is the class of a DataModule; `epochs` overrides the configs'."""

    profile: str = "laptop"
    data: str = "Synthetic"
    seeds: tuple[int, ...] = (0,)
    methods: tuple[str, ...] = ()
    devices: int = 1
    epochs: int | None = None
    runs: Path = Path("runs")
    reports: Path = Path("reports")

    @property
    def label(self) -> str:
        """`profile-data`, the name of the folders."""
        return f"{self.profile}-{self.data.lower()}"


def experiments_folder() -> Path:
    """`experiments/` of the working directory, or of the checkout that the package is installed from."""
    here, checkout = Path("experiments"), Path(__file__).parents[2] / "experiments"
    for folder in (here, checkout):
        if (folder / "profiles").is_dir():
            return folder
    raise UserError("there is no experiments/ folder here: run this in a checkout of lit_faces")


def read_study(name: str) -> Study:
    """Read `experiments/NAME/study.yaml`. Raises UserError naming the file and the key if it is not as it should be."""
    folder = experiments_folder() / name
    path = folder / "study.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.parent.name for p in folder.parent.glob("*/study.yaml")))
        raise UserError(f"there is no study {name!r}: use one of {known}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        claims = tuple(Claim(**{**claim, "order": tuple(claim.get("order", ()))}) for claim in values.pop("claims"))
        tables = tuple(Table(**table) for table in values.pop("tables"))
        study = Study(name=name, folder=folder, tables=tables, claims=claims, **values)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except (TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is not a study: {error}") from error
    for run in (r for claim in study.claims for r in (*claim.order, *([claim.rises["run"]] if claim.rises else []))):
        if run not in study.runs:
            raise UserError(f"{path}: a claim names the run {run!r}, which is not among {', '.join(study.runs)}")
    return study

"""A study: what a paper did and published, read from `experiments/NAME/study.yaml`."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from lit_faces.errors import UserError
from lit_faces.studies.statements import Claim, claim_of


@dataclass(frozen=True)
class Table:
    """A published table: `columns` are metrics by their headings, `published` a number a run and heading.

    The numbers of `incomparable` runs were not measured as the others, so that none of ours compares with them. With `others` a
    table of one metric has our other runs too.
    """

    name: str
    title: str
    columns: dict[str, str]
    published: dict[str, dict[str, float]]
    incomparable: tuple[str, ...] = ()
    others: bool = True

    def has(self, run: str) -> bool:
        """Whether a run of ours has a row here."""
        return run in self.published or (self.others and len(self.columns) == 1)

    def value(self, run: str, metric: str) -> float | None:
        """The paper's number for a run and a metric, if it is here."""
        headings = [heading for heading, column in self.columns.items() if column == metric]
        return next((self.published[run][h] for h in headings if h in self.published.get(run, {})), None)


@dataclass(frozen=True)
class Difference:
    """A sentence on where we differ from the paper; with `runs` or `profiles`, of these alone."""

    text: str
    runs: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()

    def is_of(self, profile: str, made: Collection[str]) -> bool:
        """Whether a report of a profile and of the runs made tells it."""
        return (not self.runs or any(run in made for run in self.runs)) and (
            not self.profiles or profile in self.profiles
        )


@dataclass(frozen=True)
class Study:
    """A paper's runs, tables, figures and claims. `folder` holds the runs' configs.

    A run is a method's config and overlays, and so is a judge: an AttributeClassifier or an IdentityEmbedding of one data set,
    which judges all runs on the same data. `data` is the paper's main data set. `in_profile` names the runs of a profile
    that does not make them all, `only_on` the data set of runs that no other can stand in for; `captions` are of figures, by the
    beginnings of their files' names.
    """

    name: str
    folder: Path
    title: str
    paper: str
    data: str
    runs: dict[str, tuple[str, ...]]
    judges: dict[str, tuple[str, ...]]
    tables: tuple[Table, ...]
    edits: dict[str, dict[str, list[str]]]
    figures: dict[str, Any]
    claims: tuple[Claim, ...]
    differences: tuple[Difference, ...]
    in_profile: dict[str, list[str]] = field(default_factory=dict)
    only_on: dict[str, str] = field(default_factory=dict)
    captions: dict[str, str] = field(default_factory=dict)

    def caption(self, stem: str) -> str:
        """Of a figure by its file's name: the caption of the longest beginning that has one, then what the name adds to it."""
        caption, rest = self.caption_parts(stem)
        return f"{caption} ({rest})" if rest else caption

    def caption_parts(self, stem: str) -> tuple[str, str]:
        """A figure's caption, which several may share, and what its file's name adds to it."""
        begun = [name for name in self.captions if f"{stem}_".startswith(f"{name}_")]
        if not begun:
            return stem.replace("_", " "), ""
        name = max(begun, key=len)
        return self.captions[name], stem.removeprefix(name).strip("_").replace("_", " ")

    def published(self, run: str, metric: str) -> float | None:
        """The paper's number for a run and a metric, if it has one."""
        return next((v for v in (table.value(run, metric) for table in self.tables) if v is not None), None)

    def chosen(self, profile: str, methods: tuple[str, ...], data: str) -> list[str]:
        """The runs to make: those named, else those of the profile that can be made with a data set in place of the main one."""
        if methods:
            return list(methods)
        named = self.in_profile.get(profile, ()) or self.runs
        return [name for name in named if self.only_on.get(name, data) == data]

    def judge_of(self, run: str) -> str | None:
        """The classifier of a run's data, if there is one."""
        return self._judge(run, "AttributeClassifier")

    def embedding_of(self, run: str) -> str | None:
        """The embedding of persons of a run's data, if there is one."""
        return self._judge(run, "IdentityEmbedding")

    def _judge(self, run: str, method: str) -> str | None:
        same = (name for name in self.judges if self.data_set(name) == self.data_set(run))
        return next((name for name in same if self.method_of(name) == method), None)

    def method_of(self, run: str) -> str:
        """Class of the method that a run's configs, or a judge's, name last."""
        return str(self._section(run, "model")["class_path"])

    def arguments_of(self, run: str) -> dict[str, Any]:
        """The arguments of a run's method that its own configs give, without a profile's."""
        return dict(self._section(run, "model")["init_args"])

    def batch_size_of(self, run: str) -> int | None:
        """The batch size that a run's own configs give, without a profile's; None if they give none."""
        size: int | None = self._section(run, "data")["init_args"].get("batch_size")
        return size

    def epochs_of(self, run: str) -> int:
        """The length that a run's own configs give, without a profile's."""
        return int(self._section(run, "trainer")["max_epochs"])

    def data_of(self, run: str) -> str:
        """Class of the DataModule that a run's configs, or a judge's, name last."""
        return str(self._section(run, "data")["class_path"])

    def data_set(self, run: str) -> str:
        """What tells the data of a run or a judge from others: their class and options, however many images a batch has."""
        data = self._section(run, "data")
        options = {key: value for key, value in data.get("init_args", {}).items() if key not in ("batch_size", "limit")}
        return json.dumps([data["class_path"], options], sort_keys=True)

    def _section(self, run: str, section: str) -> dict[str, Any]:
        return merged_section(tuple(self.folder / config for config in {**self.runs, **self.judges}[run]), section)

    def profile(self, name: str) -> Path:
        """Config overlay of a profile. Raises UserError with the known ones."""
        path = self.folder.parent / "profiles" / f"{name}.yaml"
        if not path.is_file():
            raise UserError(f"there is no profile {name!r}: use one of {', '.join(self.profiles())}")
        return path

    def threads(self, profile: str) -> int | None:
        """The processor threads of each run that a profile asks for; None if it leaves them open."""
        values = yaml.safe_load(self.profile(profile).read_text(encoding="utf-8"))
        threads: int | None = values.get("threads")
        return threads

    def profiles(self) -> list[str]:
        """The names of all profiles."""
        return sorted(path.stem for path in (self.folder.parent / "profiles").glob("*.yaml"))


# What is drawn in place of a data set that is not there.
STAND_INS = {"LFW": "Synthetic", "CelebA": "Synthetic", "TFD": "Expressions", "MNIST": "Digits"}


@dataclass(frozen=True)
class Options:
    """What `lit-faces reproduce` was asked for.

    `data` is the DataModule used for the study's main data set, `stand_ins` those used in place of others; `epochs` and `threads`
    override the configs'. `jobs` runs are trained at a time.
    """

    profile: str = "laptop"
    data: str = "Synthetic"
    stand_ins: dict[str, str] = field(default_factory=lambda: dict(STAND_INS))
    seeds: tuple[int, ...] = (0,)
    methods: tuple[str, ...] = ()
    devices: int = 1
    epochs: int | None = None
    jobs: int = 1
    threads: int | None = None
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
        claims = tuple(claim_of(claim) for claim in values.pop("claims"))
        tables = tuple(_table(table) for table in values.pop("tables"))
        differs = tuple(_difference(difference) for difference in values.pop("differences"))
        runs, judges = (_configs(values.pop(key)) for key in ("runs", "judges"))
        values |= {"runs": runs, "judges": judges}
        study = Study(name=name, folder=folder, tables=tables, claims=claims, differences=differs, **values)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except (TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is not a study: {error}") from error
    named = [("claim", run) for claim in study.claims for run in claim.runs()]
    named += [("table", run) for table in study.tables for run in table.incomparable]
    named += [("difference", run) for difference in study.differences for run in difference.runs]
    for what, run in named:
        if run not in study.runs:
            raise UserError(f"{path}: a {what} names the run {run!r}, which is not among {', '.join(study.runs)}")
    profiles = study.profiles()
    for profile in (profile for difference in study.differences for profile in difference.profiles):
        if profile not in profiles:
            raise UserError(f"{path}: a difference names the profile {profile!r}, not one of {', '.join(profiles)}")
    return study


@lru_cache(maxsize=256)
def merged_section(configs: tuple[Path, ...], section: str) -> dict[str, Any]:
    """`model`, `data` or `trainer` of configs, each laid over those before it."""
    merged: dict[str, Any] = {"init_args": {}}
    for config in configs:
        given = yaml.safe_load(config.read_text(encoding="utf-8")).get(section, {})
        merged = {**merged, **given, "init_args": {**merged["init_args"], **given.get("init_args", {})}}
    return merged


def _configs(described: dict[str, str | list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: (value,) if isinstance(value, str) else tuple(value) for name, value in described.items()}


def _table(described: dict[str, Any]) -> Table:
    """One `metric` with a number a run, or `columns` with a row of numbers a run, null where there is none."""
    described["incomparable"] = tuple(described.get("incomparable", ()))
    if "metric" in described:
        metric, published = described.pop("metric"), described.pop("published")
        return Table(
            columns={"": metric}, published={run: {"": number} for run, number in published.items()}, **described
        )
    columns = described.pop("columns")
    rows = {run: zip(columns, row, strict=True) for run, row in described.pop("published").items()}
    published = {run: {heading: value for heading, value in row if value is not None} for run, row in rows.items()}
    return Table(columns=columns, published=published, **described)


def _difference(described: str | dict[str, Any]) -> Difference:
    """A sentence, or its `text` and the `runs` or `profiles` that it speaks of."""
    if isinstance(described, str):
        return Difference(described)
    given = dict(described)
    text = given.pop("text")
    if not isinstance(text, str) or not all(isinstance(names, list) for names in given.values()):
        raise TypeError("a difference is a sentence, or {text: a sentence, runs: [names], profiles: [names]}")
    return Difference(text, **{key: tuple(names) for key, names in given.items()})

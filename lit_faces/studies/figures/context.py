"""What a figure is drawn from: a study's trained methods, judges, data and results."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jsonargparse import ArgumentParser

from lit_faces.data.base import FaceDataModule
from lit_faces.methods.base import Method
from lit_faces.methods.trained import load_method
from lit_faces.studies.collect import Results
from lit_faces.studies.plan import Run
from lit_faces.studies.study import Study


def load_data(run: Run) -> FaceDataModule:
    """The data of a run, set up, from the config in its folder."""
    config = run.folder.read_config()["data"]
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(FaceDataModule, "data")
    data = parser.instantiate_classes(parser.parse_object({"data": config})).data
    assert isinstance(data, FaceDataModule)
    data.prepare_data()
    data.setup()
    return data


@dataclass(frozen=True)
class Context:
    """Everything of a study by the names of its runs; pictures are of the first seed. Figures go to `folder`."""

    study: Study
    runs: list[Run]
    results: Results
    folder: Path

    @cached_property
    def _first(self) -> dict[str, Run]:
        first: dict[str, Run] = {}
        for run in self.runs:
            first.setdefault(run.name, run)
        return first

    @cached_property
    def methods(self) -> dict[str, Method]:
        """The trained methods, judges apart."""
        return {name: self.method(name) for name, run in self._first.items() if not run.is_judge}

    def method(self, run: str) -> Method:
        """The trained method of a run, loaded when it is first asked for."""
        if run not in self._opened:
            self._opened[run] = load_method(self._first[run].folder.checkpoint)
        return self._opened[run]

    @cached_property
    def _opened(self) -> dict[str, Method]:
        return {}

    @cached_property
    def _loaded(self) -> dict[str, FaceDataModule]:
        return {}

    def judge(self, run: str) -> Method | None:
        """The judge of a run's data, if it has one."""
        judge = self._first[run].judge
        return self.method(judge) if judge in self._first else None

    def data(self, run: str) -> FaceDataModule:
        """The data of a run, loaded once for all runs on the same data."""
        data_set = self.study.data_set(run)
        if data_set not in self._loaded:
            self._loaded[data_set] = load_data(self._first[run])
        return self._loaded[data_set]

    def groups(self) -> list[list[str]]:
        """The runs, grouped by their data."""
        grouped: dict[str, list[str]] = {}
        for name in self.methods:
            grouped.setdefault(self.study.data_set(name), []).append(name)
        return list(grouped.values())

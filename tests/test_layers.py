"""Imports point downward only."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import lit_faces

ROOT = Path(lit_faces.__file__).parent
FOUNDATION = {"errors", "files", "compatibility"}
# What a room or a top-level file may import of ours; its own modules besides.
ALLOWED = {
    "errors": set(),
    "allocator": set(),
    "files": {"errors"},
    "compatibility": {"errors"},
    "arguments": {"errors"},
    "processes": {"errors"},
    "images": FOUNDATION,
    "loggers": FOUNDATION,
    "objectives": set(),
    "networks": set(),
    "photographs": FOUNDATION,
    "data": FOUNDATION | {"images", "photographs"},
    "metrics": FOUNDATION,
    "methods": FOUNDATION | {"objectives", "networks", "data"},
    "arithmetic": FOUNDATION | {"methods", "photographs"},
    "run_folder": FOUNDATION | {"methods"},
    "callbacks": FOUNDATION | {"methods", "metrics", "data", "objectives", "images", "run_folder"},
    "lightning_parser": FOUNDATION | {"methods", "data"},
    "cli": FOUNDATION | {"callbacks", "methods", "data", "lightning_parser", "loggers", "processes", "run_folder"},
    "studies": FOUNDATION
    | {
        "arguments",
        "arithmetic",
        "callbacks",
        "data",
        "images",
        "methods",
        "metrics",
        "objectives",
        "processes",
        "run_folder",
    },
    "editing": FOUNDATION
    | {"arguments", "arithmetic", "data", "images", "methods", "photographs", "processes", "studies"},
    "__main__": FOUNDATION | {"allocator", "arguments", "cli", "data", "studies"},
}


def imports(file: Path) -> set[str]:
    """The dotted names below lit_faces of every import in a file, wherever in it."""
    names = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return {name.removeprefix("lit_faces.") for name in names if name.startswith("lit_faces.")}


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(file): file for file in ROOT.rglob("*.py") if file != ROOT / "__init__.py"}


def test_every_room_and_top_level_file_has_its_place() -> None:
    assert {name.partition(".")[0] for name in MODULES} == ALLOWED.keys()


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_what_lies_below(room: str) -> None:
    for module, file in MODULES.items():
        if module.partition(".")[0] == room:
            rooms = {name.partition(".")[0] for name in imports(file)}
            beyond = rooms - ALLOWED[room] - {room, "__version__"}
            assert not beyond, f"{file.relative_to(ROOT)} imports {', '.join(sorted(beyond))}"


def test_rooms_make_no_circle() -> None:
    assert [*TopologicalSorter(ALLOWED).static_order()]


def test_modules_make_no_circle() -> None:
    graph = {}
    for module, file in MODULES.items():
        names = {name if name in MODULES else name.rpartition(".")[0] for name in imports(file)}
        graph[module] = names & MODULES.keys() - {module}
    assert [*TopologicalSorter(graph).static_order()]

"""Imports point downward only."""

import ast
from pathlib import Path

import pytest

import lit_faces

ROOT = Path(lit_faces.__file__).parent
# What a layer may import of ours; its own modules besides.
ALLOWED = {
    "objectives": set(),
    "networks": set(),
    "photographs": {"errors", "files"},
    "data": {"errors", "files", "images", "photographs"},
    "metrics": {"errors", "files"},
    "methods": {"objectives", "networks", "data", "errors", "files"},
    "callbacks": {"methods", "metrics", "data", "objectives", "errors", "files", "images", "run_folder"},
}


def ours(file):
    """The first name below lit_faces of every import in a file, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.split(".")[0] == "lit_faces" and "." in name)


@pytest.mark.parametrize("layer", ALLOWED)
def test_a_layer_imports_only_what_lies_below(layer):
    files = sorted((ROOT / layer).glob("**/*.py"))
    assert files
    for file in files:
        beyond = set(ours(file)) - ALLOWED[layer] - {layer, "__version__"}
        assert not beyond, f"{file.relative_to(ROOT)} imports {', '.join(sorted(beyond))}"

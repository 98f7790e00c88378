"""What README and the pages on extending the suite tell users to type works as it stands."""

import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_folder import photograph_of_face

from lit_faces.methods import load_method
from lit_faces.methods.capabilities import Labelled

ROOT = Path(__file__).parents[1]
Main = Callable[[Sequence[str]], int]
FAST = ["--trainer.max_epochs=1", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    # The command line finds the user's modules in the current folder by itself.
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def test_the_recipe_for_a_method_goes_through_every_verb(
    folder: Path, main: Main, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,), (config,), commands = (blocks("docs/adding-a-method.md", kind) for kind in ("python", "yaml", "sh"))
    (folder / "my_autoencoder.py").write_text(code)
    (folder / "my_autoencoder.yaml").write_text(config)
    photograph_of_face(8, 5).save(folder / "face.png")
    served: list[object] = []
    monkeypatch.setattr("lit_faces.editing.demo.server.serve", lambda build, *address: served.append(build))
    tiny = ["--data.limit=32", "--data.batch_size=16", "--data.size=32"]
    for line in "".join(commands).splitlines():
        program, *arguments = shlex.split(line)
        assert program == "lit-faces"
        more = {"fit": [*tiny, *FAST], "test": tiny, "predict": tiny}.get(arguments[0], [])
        # Nothing but what a checkpoint may import is imported.
        monkeypatch.delitem(sys.modules, "my_autoencoder", raising=False)
        assert main([*arguments, *more]) == 0
    assert len(served) == 1
    assert (folder / "smiling.png").read_bytes() == (folder / "again.png").read_bytes()
    assert (folder / "runs/autoencoder-synthetic-seed0/record.json").is_file()
    assert len(code.splitlines()) < 150


def test_the_recipe_for_a_folder_of_pictures_trains_and_exports(
    folder: Path, main: Main, own_environment: None
) -> None:
    (table,), (commands, _) = (blocks("docs/your-own-data.md", kind) for kind in ("csv", "sh"))
    (folder / "experiments").symlink_to(ROOT / "experiments")
    # As many more persons as it takes for each split to have one.
    more = [f"{number}.png,person {number},{number % 2},{number % 3 == 0:d}" for number in range(40)]
    lines = [*table.splitlines(), *more]
    for place, line in enumerate(lines[1:]):
        picture = folder / "faces/pictures" / line.split(",")[0]
        picture.parent.mkdir(parents=True, exist_ok=True)
        photograph_of_face(8 * (place % 12), 5 * (11 - place % 12)).save(picture)
    (folder / "faces/table.csv").write_text("\n".join(lines))
    tiny = ["--data.size=32", "--data.batch_size=8", "--model.width=0.05", *FAST]
    for command in commands.splitlines():
        program, *arguments = shlex.split(command)
        assert program == "lit-faces"
        assert main(arguments + (tiny if arguments[0] == "fit" else [])) == 0
    assert load_method("runs/cmma-folder-seed0").spec.attributes == ("Smiling", "Eyeglasses")
    csvae = load_method("my-model")
    assert isinstance(csvae, Labelled)
    assert csvae.labels == ("Eyeglasses",)


def test_the_recipe_for_data_of_another_kind_trains_on_arrays(folder: Path, main: Main) -> None:
    (code,), (_, command) = (blocks("docs/your-own-data.md", kind) for kind in ("python", "sh"))
    (folder / "my_faces.py").write_text(code)
    generator = np.random.default_rng(0)
    images, person = generator.integers(0, 255, (40, 32, 32, 3), np.uint8), np.arange(40)
    np.savez(folder / "faces.npz", images=images, person=person, smiling=person % 2)
    arguments = command.replace("lit-faces ", "", 1).split()
    arguments += ["--data.batch_size=4", "--model.width=0.05", "--trainer.default_root_dir=run", *FAST]
    assert main(arguments) == 0
    assert load_method("run/checkpoints/last.ckpt").spec.attributes == ("Smiling",)


def test_the_methods_that_readme_trains_are_those_that_its_python_loads(folder: Path, main: Main) -> None:
    (folder / "experiments").symlink_to(ROOT / "experiments")
    lines = [line for block in blocks("README.md", "sh") for line in block.splitlines()]
    tiny = ["--model.width=0.05", "--data.train=16", "--data.validation=8", "--data.batch_size=8", *FAST]
    for line in lines:
        if line.startswith("lit-faces fit"):
            assert main([*shlex.split(line, comments=True)[1:], *tiny]) == 0
    (code,) = blocks("README.md", "python")
    made: dict[str, torch.Tensor] = {}
    exec(code, made)
    face = made["face"]
    for edited in (face, made["edited"], made["other"]):
        assert edited.shape == (1, 3, 48, 48)
        assert edited.min() >= 0
        assert edited.max() <= 1
    assert made["styles"].shape == (1, 2)
    assert not torch.equal(made["edited"], face)
    assert not torch.equal(made["other"], face)

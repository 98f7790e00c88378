"""The verb `predict` writes a picture a test face."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lit_faces.__main__ import main
from lit_faces.studies.figures.drawing import grid
from lit_faces.studies.figures.panels import mosaic

SMALL = ["--data=Synthetic", "--data.batch_size=16", "--data.limit=32", "--data.size=32"]
QUIET = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--trainer.max_epochs=1"]


@pytest.mark.parametrize("method", ["CVAE", "CGAN"])
def test_every_test_face_gets_a_picture(method: str, tmp_path: Path) -> None:
    arguments = [*SMALL, *QUIET, f"--model={method}", "--model.width=0.05", f"--trainer.default_root_dir={tmp_path}"]
    assert main(["fit", *arguments]) == 0
    assert main(["predict", *arguments]) == 0
    pictures = sorted(tmp_path.glob("predictions/*.png"))
    assert len(pictures) == 32
    with Image.open(pictures[0]) as picture:
        assert (picture.size, picture.mode) == ((32, 32), "RGB")


def test_grey_faces_of_one_channel_are_drawn_grey(tmp_path: Path) -> None:
    arguments = ["--data=Expressions", *SMALL[1:], *QUIET, "--model=CVAE", "--model.width=0.05"]
    arguments += [f"--trainer.default_root_dir={tmp_path}"]
    assert main(["fit", *arguments]) == 0
    assert main(["predict", *arguments]) == 0
    pictures = [*tmp_path.glob("predictions/*.png"), *tmp_path.glob("samples/*.png")]
    assert len(pictures) == 33
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.mode == "RGB"
            red, green, blue = picture.split()
            assert red.tobytes() == green.tobytes() == blue.tobytes()
            low, high = red.getextrema()
            assert low < high


def test_figures_and_mosaics_keep_grey_faces_grey(tmp_path: Path) -> None:
    ramp = torch.linspace(0, 1, 64).view(1, 1, 8, 8)
    cells = mosaic(ramp.repeat(2, 1, 1, 1), 2)
    assert cells.shape == (10, 20, 3)
    assert (cells[1:9, 1:9] == ramp[0, 0, :, :, None].numpy()).all()
    grid(tmp_path / "figure.png", {"face": ramp.repeat(2, 1, 1, 1)})
    with Image.open(tmp_path / "figure.png") as opened:
        red, green, blue = (np.asarray(band) for band in opened.convert("RGB").split())
    assert (red == green).all()
    assert (green == blue).all()
    # As dark and as light as it is, not stretched.
    grid(tmp_path / "dim.png", {"face": torch.full((1, 1, 8, 8), 0.5)})
    with Image.open(tmp_path / "dim.png") as opened:
        assert {128, 127} & set(np.asarray(opened.convert("L")).ravel().tolist())


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["fit", "--model=CVAE", "--data=Synthetic", f"--trainer.default_root_dir={tmp_path}/file/run"]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("lit-faces: error: ")
    assert "file" in last


def test_a_value_that_the_trainer_refuses_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--model=CVAE",
        "--data=Synthetic",
        f"--trainer.default_root_dir={tmp_path}",
        "--trainer.max_epochs=-5",
    ]
    assert main(["fit", *arguments]) == 2
    assert "lit-faces: error: trainer: `max_epochs`" in capsys.readouterr().err


def test_points_have_no_pictures(tmp_path: Path, error_line: Callable[[list[str]], str]) -> None:
    arguments = ["--data=SwissRoll", "--data.samples=200", "--data.batch_size=32", *QUIET, "--model=CSVAE"]
    arguments += ["--samples.every_n_epochs=1", f"--trainer.default_root_dir={tmp_path}"]
    assert main(["fit", *arguments]) == 0
    assert "SwissRoll are points, of which there are no pictures" in error_line(["predict", *arguments])
    assert [*tmp_path.rglob("*.png")] == []

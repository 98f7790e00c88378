"""The verb `predict` writes a picture a test face."""

from pathlib import Path

import pytest
from PIL import Image

from lit_faces.__main__ import main

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

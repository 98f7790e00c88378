"""Files and folders that are whole or absent."""

import errno
from pathlib import Path

import pytest

from lit_faces.errors import UserError
from lit_faces.files import replacing, replacing_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").write_text("old")
    return path


def test_a_folder_is_replaced_whole(folder: Path) -> None:
    mode = folder.stat().st_mode
    with replacing_folder(folder) as temporary:
        (temporary / "new").write_text("new")
        assert [path.name for path in folder.iterdir()] == ["old"]
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [*folder.parent.iterdir()] == [folder]
    assert folder.stat().st_mode == mode
    with replacing_folder(folder / "deep/new"):
        pass
    assert (folder / "deep/new").is_dir()


@pytest.mark.parametrize(
    ("error", "raised"),
    [(ValueError("no"), ValueError), (KeyboardInterrupt(), KeyboardInterrupt), (OSError(errno.ENOSPC, ""), UserError)],
)
def test_a_failure_leaves_the_old_folder(folder: Path, error: BaseException, raised: type[BaseException]) -> None:
    def half_way() -> None:
        with replacing_folder(folder) as temporary:
            (temporary / "new").write_text("new")
            raise error

    with pytest.raises(raised):
        half_way()
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert [*folder.parent.iterdir()] == [folder]


def test_what_cannot_be_written_is_named_as_the_user_named_it(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 250)
    for writing in (replacing, replacing_folder):
        with pytest.raises(OSError, match="too long") as error, writing(path) as temporary:
            temporary.write_text("new")
        assert error.value.filename == str(path)


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(folder: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing_folder(folder) as temporary:
        temporary.rmdir()
    assert (folder / "old").read_text() == "old"

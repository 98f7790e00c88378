"""`lit-faces data prepare celeba` and `list`: what they take over, check, and say."""

import hashlib
import zipfile

import pytest
from command import data_verb
from fake_celeba import assert_is_fake, load

from lit_faces.data import celeba_files
from lit_faces.data.celeba import CelebA
from lit_faces.errors import UserError
from lit_faces.files import sha256

pytestmark = pytest.mark.usefixtures("own_environment")


@pytest.mark.parametrize("kind", ["files", "folder", "folder of these"])
def test_prepare_takes_over_local_files(tmp_path, celeba, capsys, kind):
    given = tmp_path / "given"
    celeba.write_lists(given)
    if kind == "files":
        celeba.write_zip(given / "img_align_celeba_small.zip")
        sources = [given / "img_align_celeba_small.zip", *(given / name for name in celeba_files.LISTS)]
    else:
        celeba.write_folder(given / "img_align_celeba")
        names = ["img_align_celeba", *celeba_files.LISTS]
        sources = [given] if kind == "folder of these" else [given / name for name in names]
    for _ in range(2):  # a second time changes nothing
        data_verb("prepare", "celeba", "--root", str(tmp_path / "data"), "--from", *map(str, sources))
        out = capsys.readouterr().out
        assert (
            "200 faces with 6 attributes: 120 train (60 people), 40 validation (20 people), 40 test (20 people)" in out
        )
        assert f"SHA-256 {sha256(given / 'list_attr_celeba.txt')}, not the official file as it was published" in out
    assert_is_fake(load(tmp_path / "data"), celeba)


def test_prepare_recognises_the_official_file(celeba_root, celeba, capsys, monkeypatch):
    content = (celeba_root / "celeba" / "list_eval_partition.txt").read_bytes()
    monkeypatch.setitem(celeba_files.MD5, "list_eval_partition.txt", hashlib.md5(content).hexdigest())
    data_verb("prepare", "celeba", "--root", str(celeba_root))
    verdicts = [line.rpartition(", ")[2] for line in capsys.readouterr().out.splitlines() if "SHA-256" in line]
    other = "not the official file as it was published"
    assert verdicts == [other, other, "the official file", other]


def test_prepare_checks_before_it_takes(tmp_path, celeba):
    celeba.write_lists(tmp_path, {"list_eval_partition.txt": ["000001.jpg 7"]})
    with zipfile.ZipFile(tmp_path / "img_align_celeba.zip", "w") as archive:
        archive.writestr("nothing.txt", "")
    for source, message in [
        ("list_eval_partition.txt", "unknown partition '7'"),
        ("img_align_celeba.zip", "holds no picture 000001.jpg"),
        ("absent", "there is no such file"),
        ("cache", "holds nothing of CelebA"),
    ]:
        (tmp_path / "cache").mkdir(exist_ok=True)
        with pytest.raises(UserError, match=message):
            data_verb("prepare", "celeba", "--root", str(tmp_path / "data"), "--from", str(tmp_path / source))
        assert not (tmp_path / "data").exists()


def test_prepare_downloads_nothing(error_line, tmp_path):
    line = error_line(["data", "prepare", "celeba", "--root", str(tmp_path)])
    assert "by hand at http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html (its host needs a login)" in line
    line = error_line(["data", "prepare", "celeba", "--images-url", "http://127.0.0.1:1/"])
    assert "--images-url and --attributes-url are for lfw" in line


def test_list_says_what_is_where(celeba_root, capsys):
    data_verb("list", "--root", str(celeba_root.parent))
    assert "not found: run `lit-faces data prepare celeba --from FILES`" in capsys.readouterr().out
    data_verb("list", "--root", str(celeba_root))
    out = capsys.readouterr().out
    assert f"images      {celeba_root}/celeba/img_align_celeba.zip" in out
    assert f"partition   {celeba_root}/celeba/list_eval_partition.txt" in out
    CelebA(str(celeba_root)).prepare_data()
    data_verb("list", "--root", str(celeba_root))
    assert "200 faces with 6 attributes" in capsys.readouterr().out

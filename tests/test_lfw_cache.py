"""What is made of LFW's files: the split, the crop, the cache, the verbs on top, and the real data."""

import os
import subprocess
import sys

import numpy as np
import pytest
from command import data_verb
from fake_lfw import Fake, assert_is_fake, fails, load
from PIL import Image

from lit_faces.data import cache, lfw_files
from lit_faces.data.cache import Crop
from lit_faces.data.lfw import LFW
from lit_faces.data.lfw_cache import LFWCROP, split_rows
from lit_faces.data.sources import data_root
from lit_faces.errors import UserError
from lit_faces.files import sha256

pytestmark = pytest.mark.usefixtures("own_environment")


@pytest.fixture
def fake():
    return Fake()


@pytest.fixture
def root(tmp_path, fake):
    """The usual layout: an archive and the text file in `root/lfw`."""
    return fake.write_usual(tmp_path / "data")


# --- the split --------------------------------------------------------------------------------------------------------


def test_small_splits_are_disjoint_in_persons_and_near_the_proportions(root):
    splits = load(root).splits
    people = [set(f.identity.tolist()) for f in splits.values()]
    assert not people[0] & people[1]
    assert not people[1] & people[2]
    assert not people[0] & people[2]
    for name, expected in {"train": 91.3, "validation": 9.1, "test": 19.6}.items():
        assert abs(len(splits[name]) - expected) <= 4


@pytest.mark.parametrize("counts", [[1, 1, 1], [5, 1, 1], [1, 1, 50], [1, 50, 1], [3] * 40])
def test_split_of_any_set_of_three_persons_or_more(counts):
    identity = np.repeat(np.arange(len(counts)), counts)
    spans = list(split_rows(identity).values())
    assert [start for start, _ in spans] == [0, *[end for _, end in spans[:-1]]]
    assert spans[-1][1] == len(identity)
    assert all(start < end for start, end in spans)
    parts = [set(identity[start:end].tolist()) for start, end in spans]
    assert sum(len(part) for part in parts) == len(counts)


def test_split_keeps_a_person_together_whose_rows_are_apart():
    identity = np.array([0, 1, 0, 2, 3, 4])
    first, _ = split_rows(identity)["validation"]
    assert first >= 3


def test_two_persons_cannot_be_split():
    with pytest.raises(UserError, match="4 rows cannot be split"):
        split_rows(np.array([0, 0, 1, 1]))


def test_full_set_is_cut_as_published_or_refused():
    alone = np.arange(13_143)
    assert split_rows(alone) == {"train": (0, 10_000), "validation": (10_000, 11_000), "test": (11_000, 13_143)}
    alone[10_000] = alone[9_999]
    with pytest.raises(UserError, match="10,000 and 11,000 parts the pictures of one person"):
        split_rows(alone)


# --- the crop ---------------------------------------------------------------------------------------------------------


def test_crop_is_the_published_region():
    columns, rows = np.meshgrid(np.arange(250), np.arange(250))
    frame = np.stack([columns, rows, np.zeros_like(rows)], -1).astype(np.uint8)
    cut = LFWCROP.cut(Image.fromarray(frame), 84)
    np.testing.assert_array_equal(cut, frame[92:176, 83:167])


def test_crop_shows_the_same_region_at_any_size():
    large = Image.linear_gradient("L").resize((250, 250)).convert("RGB")
    small = large.resize((125, 125), Image.Resampling.BOX)
    at_250, at_125 = (LFWCROP.cut(image, 32).astype(int) for image in (large, small))
    assert np.abs(at_250 - at_125).max() <= 1
    assert at_250[0, 0, 0] < at_250[-1, 0, 0] - 70


@pytest.mark.parametrize("crop", [(0.5, 0, 0.5, 1), (-0.1, 0, 1, 1), (0, 0.6, 1, 0.5), (0, 0, 1.1, 1)])
def test_crop_outside_the_frame_is_refused(crop):
    with pytest.raises(UserError, match="is no region"):
        Crop(*crop)


# --- the cache --------------------------------------------------------------------------------------------------------


def test_cache_is_built_once_and_read_without_the_archive(root, fake, monkeypatch):
    load(root)
    monkeypatch.setattr(lfw_files, "read_images", None)
    monkeypatch.setattr(lfw_files, "read_attributes", None)
    assert_is_fake(load(root), fake, fake.values)


def test_another_crop_size_or_file_gets_another_cache(root, fake, tmp_path):
    load(root)
    load(root, crop=Crop(0, 0, 1, 1))
    LFW(str(root), size=4).prepare_data()
    fake.values[0, 0] = 9
    fake.write_text(root / "lfw" / "lfw_attributes.txt")
    assert load(root).splits["train"].attributes[0, 0] == 9
    assert len(list((tmp_path / "cache").iterdir())) == 4


def test_a_changed_picture_in_a_folder_is_seen(tmp_path, fake):
    fake.write_folder(tmp_path / "lfw")
    fake.write_text(tmp_path / "lfw_attributes.txt")
    before = load(tmp_path)
    (tmp_path / "lfw" / lfw_files.picture_name(fake.pictures[0])).write_bytes(fake.jpeg(200) + b"\0")
    after = load(tmp_path)
    assert abs(int(after.splits["train"].images[0, 0, 0, 0]) - 200) <= 2
    assert before.manifest["images"]["sha256"] != after.manifest["images"]["sha256"]


def test_a_damaged_cache_is_rebuilt(root, fake, tmp_path):
    load(root)
    (images,) = (tmp_path / "cache").glob("*/images.npy")
    images.write_bytes(images.read_bytes()[:1000])
    assert_is_fake(load(root), fake, fake.values)


def test_what_a_killed_builder_left_is_cleared_away(root, tmp_path):
    load(root)
    (folder,) = (tmp_path / "cache").iterdir()
    folder.rename(folder.with_name(f".{folder.name}.tmp"))
    load(root)
    assert list((tmp_path / "cache").iterdir()) == [folder]


def test_cache_lies_beside_the_data_or_else_in_the_home(root, tmp_path, monkeypatch):
    monkeypatch.delenv("LIT_FACES_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    root.joinpath("lfw").chmod(0o555)
    load(root)
    assert len(list((tmp_path / "home" / "lit_faces").iterdir())) == 1
    root.joinpath("lfw").chmod(0o755)
    LFW(str(root), size=4).prepare_data()
    assert len(list((root / "lfw" / "cache").iterdir())) == 1


def test_concurrent_builders_agree(root, tmp_path):
    call = f"cached_lfw(Path({str(root)!r}), 8, LFWCROP).images.sum()"
    code = f"from pathlib import Path; from lit_faces.data.lfw_cache import *; print({call})"
    command = [sys.executable, "-W", "error", "-c", code]
    builders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    sums = {builder.communicate()[0] for builder in builders}
    assert [builder.returncode for builder in builders] == [0, 0, 0]
    assert len(sums) == 1
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_full_disk_leaves_nothing(root, monkeypatch):
    def save(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.np, "save", save)
    fails(root, "no space left to write")


def test_a_cache_folder_that_cannot_be_made(root, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LIT_FACES_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot make the cache folder .*set \$LIT_FACES_CACHE"):
        load(root)


def test_impossible_size():
    with pytest.raises(UserError, match=r"data.size must be at least 1 pixel, got 0"):
        LFW(size=0)


# --- the verb (downloads are in test_download.py) ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["archive", "folder", "folder of these"])
def test_prepare_takes_over_local_files(tmp_path, fake, capsys, kind):
    given = tmp_path / "given"
    fake.write_mat(given / "lfw_att_73.mat")
    if kind == "archive":
        fake.write_archive(given / "lfw.tgz", "lfw")
        sources = [given / "lfw.tgz", given / "lfw_att_73.mat"]
    else:
        fake.write_folder(given / "lfw_funneled")
        sources = [given] if kind == "folder of these" else [given / "lfw_funneled", given / "lfw_att_73.mat"]
    for _ in range(2):  # a second time changes nothing
        data_verb("prepare", "lfw", "--root", str(tmp_path / "data"), "--from", *map(str, sources))
        out = capsys.readouterr().out
        assert "120 faces with 4 attributes" in out
        assert "1 images have no attributes, 0 rows have no image: listed in" in out
        assert sha256(given / "lfw_att_73.mat") in out
    assert_is_fake(load(tmp_path / "data"), fake, fake.values > 0)


def test_prepare_checks_before_it_takes(tmp_path, fake):
    fake.write_archive(tmp_path / "lfw.tgz", "lfw")
    (tmp_path / "lfw_attributes.txt").write_text("")
    root = tmp_path / "data"
    for sources, message in [
        (["lfw.tgz", "lfw_attributes.txt"], "has no rows"),
        (["nothing"], "there is no such file"),
        (["cache"], "holds nothing of LFW"),
    ]:
        (tmp_path / "cache").mkdir(exist_ok=True)
        with pytest.raises(UserError, match=message):
            data_verb("prepare", "lfw", "--root", str(root), "--from", *[str(tmp_path / name) for name in sources])
        assert not root.exists()


def test_prepare_replaces_nothing(root, tmp_path, fake):
    fake.write_text(tmp_path / "lfw_attributes.txt", fake.lines()[:-1])
    before = (root / "lfw" / "lfw_attributes.txt").read_bytes()
    with pytest.raises(UserError, match="is there already and differs from"):
        data_verb("prepare", "lfw", "--root", str(root), "--from", str(tmp_path / "lfw_attributes.txt"))
    assert (root / "lfw" / "lfw_attributes.txt").read_bytes() == before


def test_list_says_what_is_where(root, capsys):
    data_verb("list", "--root", str(root.parent))
    assert "not found: run `lit-faces data prepare lfw`" in capsys.readouterr().out
    data_verb("list", "--root", str(root))
    out = capsys.readouterr().out
    assert f"images      {root}/lfw/lfw-deepfunneled.tgz" in out
    assert "cache       not built" in out
    LFW(str(root)).prepare_data()
    data_verb("list", "--root", str(root))
    assert "120 faces with 4 attributes" in capsys.readouterr().out


def test_help_needs_nothing_heavy():
    code = (
        "import sys, lit_faces.data.verb; print([m for m in ('torch', 'numpy', 'sklearn', 'PIL') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# --- the real data ----------------------------------------------------------------------------------------------------


@pytest.fixture
def real_root(monkeypatch, request):
    """The folder of the real LFW, as it was before this test changed the environment."""
    root = data_root(REAL_ROOT)
    if lfw_files.find_images(root) is None or lfw_files.find_attributes(root) is None:
        pytest.skip(f"no LFW under {root}: run `lit-faces data prepare lfw` or set $LIT_FACES_DATA")
    if REAL_CACHE is None:
        monkeypatch.delenv("LIT_FACES_CACHE")
    else:
        monkeypatch.setenv("LIT_FACES_CACHE", REAL_CACHE)
    return root


REAL_ROOT, REAL_CACHE = os.environ.get("LIT_FACES_DATA"), os.environ.get("LIT_FACES_CACHE")


@pytest.mark.real_data
def test_the_real_lfw_is_the_papers(real_root):
    data = LFW(str(real_root))
    data.prepare_data()
    loaded = data.load()
    assert {name: len(faces) for name, faces in loaded.splits.items()} == {
        "train": 10_000,
        "validation": 1_000,
        "test": 2_143,
    }
    people = {name: set(faces.identity.tolist()) for name, faces in loaded.splits.items()}
    assert {name: len(ids) for name, ids in people.items()} == {"train": 4_295, "validation": 493, "test": 933}
    assert not people["train"] & people["validation"]
    assert not people["validation"] & people["test"]
    assert not people["train"] & people["test"]
    assert loaded.manifest["faces"] == 13_143
    assert loaded.manifest["join"] == {"rows_without_image": 0, "images_without_attributes": 90}
    assert len(loaded.attributes) == 73
    wanted = {
        "Mouth Wide Open",
        "Mouth Closed",
        "Eyeglasses",
        "No Eyewear",
        "Big Lips",
        "Mustache",
        "5 o' Clock Shadow",
    }
    assert wanted <= set(loaded.attributes)
    # Faces fill the crop: its middle is brighter than its corners, in the mean over people.
    mean = loaded.splits["test"].images.double().mean((0, 3))
    assert mean.shape == (64, 64)
    assert mean[24:40, 24:40].mean() > mean[:6, :6].mean() + 20

"""The files of LFW: every official layout, the join, and each error that a file can cause."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_lfw import FRAME, NAMES, Fake, assert_is_fake, cells, fails, load
from scipy.io import savemat

from lit_faces.data import lfw_files
from lit_faces.data.lfw import LFW
from lit_faces.files import sha256

pytestmark = pytest.mark.usefixtures("own_environment")


@pytest.fixture
def fake():
    return Fake()


@pytest.fixture
def root(tmp_path, fake):
    """The usual layout: an archive and the text file in `root/lfw`."""
    return fake.write_usual(tmp_path / "data")


@pytest.mark.parametrize("nested", [True, False], ids=["root/lfw", "root"])
@pytest.mark.parametrize("kind", ["folder", "archive"])
@pytest.mark.parametrize("top", ["lfw", "lfw_funneled", "lfw-deepfunneled"])
def test_reads_every_official_layout(tmp_path, fake, top, kind, nested):
    data = tmp_path / "data" / "lfw" if nested else tmp_path / "data"
    if kind == "folder":
        fake.write_folder(data / top)
    else:
        fake.write_archive(data / {"lfw_funneled": "lfw-funneled.tgz"}.get(top, f"{top}.tgz"), top)
    fake.write_text(data / "lfw_attributes.txt")
    loaded = load(tmp_path / "data")
    assert_is_fake(loaded, fake, fake.values)
    assert loaded.manifest["join"] == {"rows_without_image": 0, "images_without_attributes": 1}


def test_reads_the_binary_labels_with_the_same_names(tmp_path, fake):
    fake.write_archive(tmp_path / "lfw.tgz", "lfw")
    fake.write_mat(tmp_path / "lfw_att_73.mat")
    assert_is_fake(load(tmp_path), fake, fake.values > 0)


def test_prefers_real_values_and_deep_funneling(root, fake):
    fake.write_mat(root / "lfw_att_73.mat")
    fake.write_archive(root / "lfw.tgz", "lfw")
    manifest = load(root).manifest
    assert manifest["attributes"]["file"] == "lfw_attributes.txt"
    assert manifest["images"] == {
        "file": "lfw-deepfunneled.tgz",
        "sha256": sha256(root / "lfw" / "lfw-deepfunneled.tgz"),
    }


def test_root_comes_from_the_environment(root, monkeypatch):
    monkeypatch.setenv("LIT_FACES_DATA", str(root))
    assert LFW().root == root
    monkeypatch.delenv("LIT_FACES_DATA")
    assert LFW().root == Path("data")


def test_trains_from_it(root):
    data = LFW(str(root), batch_size=10, size=8)
    data.setup()
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert batch.images.shape == (10, 3, 8, 8)
    assert data.spec.attributes == NAMES
    json.dumps(data.spec.to_dict(), allow_nan=False)


# --- the join ---------------------------------------------------------------------------------------------------------


def test_what_does_not_join_is_counted_and_listed(tmp_path, fake):
    fake.write_archive(tmp_path / "lfw.tgz", "lfw", skip=[17])
    fake.write_text(tmp_path / "lfw_attributes.txt")
    loaded = load(tmp_path)
    assert loaded.manifest["join"] == {"rows_without_image": 1, "images_without_attributes": 1}
    assert loaded.manifest["faces"] == 119
    index = torch.cat([f.index for f in loaded.splits.values()]).tolist()
    assert index == [row for row in range(120) if row != 17]
    (listed,) = (tmp_path / "cache").glob("*/unmatched.json")
    assert json.loads(listed.read_text()) == {
        "rows_without_image": [lfw_files.picture_name(fake.pictures[17])],
        "images_without_attributes": ["lfw/Nobody_Known/Nobody_Known_0001.jpg"],
    }


def test_files_that_do_not_belong_together_are_refused(tmp_path, fake):
    fake.write_archive(tmp_path / "lfw.tgz", "lfw", skip=[17, 40])
    fake.write_text(tmp_path / "lfw_attributes.txt")
    fails(tmp_path, r"2 of the 120 rows of .*lfw_attributes.txt have no image in .*lfw.tgz \(first: Given_Name-00")


# --- errors -----------------------------------------------------------------------------------------------------------


def test_missing_data_says_where_and_how(tmp_path, fake):
    fails(tmp_path, rf"no images and no attributes in {tmp_path}/lfw or {tmp_path} .*`lit-faces data prepare lfw`")
    fake.write_text(tmp_path / "lfw_attributes.txt")
    fails(tmp_path, r"no images in .*looked for lfw-deepfunneled, lfw-deepfunneled.tgz")


def test_images_without_attributes_alone(tmp_path, fake):
    fake.write_archive(tmp_path / "lfw.tgz", "lfw")
    fails(tmp_path, r"no attributes in .*\(looked for lfw_attributes.txt, lfw_att_73.mat\)")


@pytest.mark.parametrize("keep", [0, 30, 2000, -500, -4])
def test_truncated_archive(root, keep):
    archive = root / "lfw" / "lfw-deepfunneled.tgz"
    archive.write_bytes(archive.read_bytes()[:keep])
    fails(root, r"lfw-deepfunneled.tgz \([0-9,]+ bytes\) is truncated or is no .tgz archive")


def test_damaged_archive(root):
    archive = root / "lfw" / "lfw-deepfunneled.tgz"
    content = bytearray(archive.read_bytes())
    content[-6] ^= 255  # the checksum of the whole
    archive.write_bytes(content)
    fails(root, "is truncated or is no .tgz archive .*CRC")


def test_archive_cut_inside_the_tar_but_whole_as_gzip(root):
    archive = root / "lfw" / "lfw-deepfunneled.tgz"
    archive.write_bytes(gzip.compress(gzip.decompress(archive.read_bytes())[:50_000]))
    fails(root, "is truncated|have no image")


@pytest.mark.parametrize("content", [b"", b"no picture", "half"])
def test_unreadable_image_names_the_member(root, fake, content):
    name = lfw_files.picture_name(fake.pictures[5])
    content = fake.jpeg(5)[:300] if content == "half" else content
    fake.write_archive(root / "lfw" / "lfw-deepfunneled.tgz", "lfw-deepfunneled", replaced={name: content})
    fails(root, rf"lfw-deepfunneled.tgz: lfw-deepfunneled/{name} \({len(content)} bytes\) is not a readable image")


def test_images_of_two_sizes(root, fake):
    name = lfw_files.picture_name(fake.pictures[5])
    fake.write_archive(
        root / "lfw" / "lfw-deepfunneled.tgz", "lfw-deepfunneled", replaced={name: fake.jpeg(5, FRAME + 1)}
    )
    fails(root, rf"{name} is 21 x 21 pixels, the images before it 20 x 20")


def test_an_image_twice(tmp_path, fake):
    fake.write_text(tmp_path / "lfw_attributes.txt")
    twice = lfw_files.picture_name(fake.pictures[3])
    fake.write_archive(tmp_path / "lfw.tgz", "lfw", replaced={f"again/{twice}": fake.jpeg(1)})
    fails(tmp_path, rf"lfw.tgz holds lfw/again/{twice} twice")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cells: cells[:-1], r"row 5 \(Given Name-002\): expected 4 attribute values, got 3"),
        (lambda cells: [*cells, "1"], r"row 5 \(Given Name-002\): expected 4 attribute values, got 5"),
        (lambda cells: [*cells[:-1], "much"], r"row 5 \(Given Name-002\): could not convert string to float: 'much'"),
        (lambda cells: [*cells[:-1], "nan"], r"row 5: 'Strong Nose-Mouth Lines' is nan, not a finite number"),
        (lambda cells: [*cells[:3], "1e99", *cells[4:]], r"row 5: 'No Eyewear' is inf"),
        (lambda cells: [cells[0], "first", *cells[2:]], r"row 5 \(Given Name-002\): invalid literal for int"),
        (
            lambda cells: [cells[0], "1", *cells[2:]],
            r"row 5: Given_Name-002/Given_Name-002_0001.jpg is already in row 4",
        ),
        (lambda cells: ["torn"], r"row 5 \(torn\): expected 4 attribute values, got 0"),
    ],
)
def test_bad_row_in_the_text(root, fake, change, message):
    lines = fake.lines()
    lines[6] = "\t".join(change(lines[6].split("\t")))
    fake.write_text(root / "lfw" / "lfw_attributes.txt", lines)
    fails(root, r"lfw_attributes.txt, " + message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no rows"),
        (b"\xff\xfe\x00", "is not text"),
        (b"Aaron Eckhart\t1\t0.5\n", "has no header"),
        (b"#\tperson\timagenum\tMale\tMale\nA B\t1\t0\t0\n", "names an attribute twice"),
    ],
)
def test_bad_text(root, content, message):
    (root / "lfw" / "lfw_attributes.txt").write_bytes(content)
    fails(root, f"lfw_attributes.txt {message}")


def test_bad_mat(tmp_path, fake):
    fake.write_archive(tmp_path / "lfw.tgz", "lfw")
    mat = tmp_path / "lfw_att_73.mat"
    mat.write_bytes(b"")
    fails(tmp_path, "lfw_att_73.mat is no MATLAB file")
    savemat(mat, {"label": np.zeros((2, 1))})
    fails(tmp_path, "lfw_att_73.mat is no MATLAB file with label, AttrName and name .*KeyError")
    savemat(mat, {"label": np.zeros((2, 1)), "AttrName": cells(["Male"]), "name": cells(["A\\A_0001.jpg"])})
    fails(tmp_path, r"label is \(2, 1\), expected \(1, 1\)")
    savemat(mat, {"label": np.zeros((1, 1)), "AttrName": cells(["Male"]), "name": cells(["A_0001.png"])})
    fails(tmp_path, "row 1: 'A_0001.png' is not Person")

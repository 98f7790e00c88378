"""The files of CelebA: every official layout, the join, and each error that a file can cause."""

import json
import os
from pathlib import Path

import pytest
import torch
from fake_celeba import assert_is_fake, joined, load

from lit_faces.data import celeba_files
from lit_faces.data.base import SPLITS
from lit_faces.data.celeba import CelebA
from lit_faces.errors import UserError

pytestmark = pytest.mark.usefixtures("own_environment")


def fails(root, match):
    """Preparing raises one line that matches, and leaves no cache behind."""
    with pytest.raises(UserError, match=match) as caught:
        CelebA(str(root), size=8).prepare_data()
    assert "\n" not in str(caught.value)
    cache = Path(os.environ["LIT_FACES_CACHE"])
    assert not cache.exists() or not list(cache.iterdir())


@pytest.mark.parametrize("nested", [True, False], ids=["root/celeba", "root"])
@pytest.mark.parametrize("images", ["img_align_celeba", "img_align_celeba.zip", "img_align_celeba_64x64.zip"])
def test_reads_every_official_layout(tmp_path, celeba, images, nested):
    data = tmp_path / "data" / "celeba" if nested else tmp_path / "data"
    (celeba.write_zip if images.endswith(".zip") else celeba.write_folder)(data / images)
    celeba.write_lists(data)
    loaded = load(tmp_path / "data")
    assert_is_fake(loaded, celeba)
    assert joined(loaded, "identity").tolist() == celeba.identity
    assert loaded.manifest["images"]["file"] == images
    assert loaded.manifest["frame"] == [44, 54]
    assert loaded.manifest["people"] == {"train": 60, "validation": 20, "test": 20}
    assert set(loaded.manifest["join"].values()) == {0}


def test_prefers_the_folder_and_then_the_official_zip(celeba_root, celeba):
    celeba.write_zip(celeba_root / "celeba" / "img_align_celeba_64x64.zip")
    assert celeba_files.find_images(celeba_root).name == "img_align_celeba.zip"
    (celeba_root / "img_align_celeba").mkdir()
    assert celeba_files.find_images(celeba_root).name == "img_align_celeba.zip"
    (celeba_root / "img_align_celeba" / "000001.jpg").write_bytes(celeba.jpeg(0))
    assert celeba_files.find_images(celeba_root) == celeba_root / "img_align_celeba"


def test_without_identities_every_image_is_a_person(celeba_root, celeba):
    (celeba_root / "celeba" / "identity_CelebA.txt").unlink()
    loaded = load(celeba_root)
    assert_is_fake(loaded, celeba)
    assert torch.equal(joined(loaded, "identity"), joined(loaded, "index"))
    assert "no identity_CelebA.txt: every image counts as a person of its own" in loaded.manifest["identity"]
    assert loaded.manifest["people_in_several_splits"] is None


def test_people_in_several_splits_are_counted(celeba_root, celeba):
    lines = celeba.lines()["identity_CelebA.txt"]
    celeba.write_lists(celeba_root / "celeba", {"identity_CelebA.txt": [*lines[:-1], lines[-1].split()[0] + " 900"]})
    assert load(celeba_root).manifest["people_in_several_splits"] == 1


def test_the_order_is_the_official_one_whatever_that_of_the_lists(celeba_root, celeba):
    shuffled = {name: [*lines[:-50], *reversed(lines[-50:])] for name, lines in celeba.lines().items()}
    celeba.write_lists(celeba_root / "celeba", shuffled)
    assert_is_fake(load(celeba_root), celeba)


# --- the join ---------------------------------------------------------------------------------------------------------


def test_what_does_not_join_is_counted_and_listed(tmp_path, celeba):
    celeba.write_zip(tmp_path / "img_align_celeba.zip", skip=[17, 150], replaced={"202599.jpg": celeba.jpeg(0)})
    lines = celeba.lines()
    partition = [line for line in lines["list_eval_partition.txt"] if not line.startswith(celeba.names()[3])]
    celeba.write_lists(tmp_path, {"list_eval_partition.txt": partition})
    loaded = load(tmp_path)
    assert loaded.manifest["join"] == {
        "rows_without_image": 2,
        "images_without_attributes": 2,
        "rows_not_in_every_list": 1,
    }
    left = [number for row, number in enumerate(celeba.numbers) if row not in (3, 17, 150)]
    assert (joined(loaded, "index") + 1).tolist() == left
    assert [len(loaded.splits[name]) for name in SPLITS] == [118, 39, 40]
    (listed,) = (tmp_path / "cache").glob("*/unmatched.json")
    assert json.loads(listed.read_text()) == {
        "rows_without_image": [celeba.names()[17], celeba.names()[150]],
        "images_without_attributes": [f"img_align_celeba/{celeba.names()[3]}", "img_align_celeba/202599.jpg"],
        "rows_not_in_every_list": [celeba.names()[3]],
    }


def test_a_split_without_images_is_refused(tmp_path, celeba):
    celeba.write_zip(tmp_path / "img_align_celeba.zip", skip=range(120, 160))
    celeba.write_lists(tmp_path)
    fails(tmp_path, r"no image of .*img_align_celeba.zip is in the validation split \(partition 1\)")


# --- errors -----------------------------------------------------------------------------------------------------------


def test_missing_data_says_what_where_and_how(tmp_path, celeba_root):
    (tmp_path / "empty").mkdir()
    fails(
        tmp_path / "empty",
        r"no img_align_celeba/ or img_align_celeba\*.zip and no list_attr_celeba.txt and no list_eval_partition.txt in "
        rf"{tmp_path}/empty/celeba or {tmp_path}/empty: .*http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    )
    (celeba_root / "celeba" / "list_eval_partition.txt").unlink()
    fails(celeba_root, "CelebA: no list_eval_partition.txt in")


@pytest.mark.parametrize("keep", [0, 30, 2000, -500, -4])
def test_truncated_archive(celeba_root, keep):
    archive = celeba_root / "celeba" / "img_align_celeba.zip"
    archive.write_bytes(archive.read_bytes()[:keep])
    fails(celeba_root, r"img_align_celeba.zip \([0-9,]+ bytes\) is damaged, cut short or no zip archive")


def test_damaged_archive(celeba_root, celeba):
    archive = celeba_root / "celeba" / "img_align_celeba.zip"
    content = bytearray(archive.read_bytes())
    content[content.index(celeba.jpeg(5)) + 100] ^= 255
    archive.write_bytes(content)
    fails(celeba_root, "is damaged, cut short or no zip archive .*CRC")


@pytest.mark.parametrize("content", [b"", b"no picture", "half"])
def test_unreadable_image_names_the_member(celeba_root, celeba, content):
    name = celeba.names()[5]
    content = celeba.jpeg(5)[:300] if content == "half" else content
    celeba.write_zip(celeba_root / "celeba" / "img_align_celeba.zip", replaced={name: content})
    fails(
        celeba_root, rf"img_align_celeba.zip: img_align_celeba/{name} \({len(content)} bytes\) is not a readable image"
    )


def test_images_of_two_sizes_and_an_image_twice(celeba_root, celeba):
    name = celeba.names()[5]
    celeba.write_zip(celeba_root / "celeba" / "img_align_celeba.zip", replaced={name: celeba.jpeg(5, (64, 64))})
    fails(celeba_root, rf"img_align_celeba/{name} is 64 x 64 pixels, the images before it 44 x 54")
    celeba.write_zip(celeba_root / "celeba" / "img_align_celeba.zip", replaced={f"again/{name}": celeba.jpeg(5)})
    fails(celeba_root, rf"img_align_celeba.zip holds img_align_celeba/{name} twice")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("list_attr_celeba.txt", lambda row: row[:-1], r"line 7 \(000013.jpg\): expected 6 values, got 5"),
        ("list_attr_celeba.txt", lambda row: [*row, "1"], r"line 7 \(000013.jpg\): expected 6 values, got 7"),
        (
            "list_attr_celeba.txt",
            lambda row: [*row[:3], "0", *row[4:]],
            r"line 7 .*: Heavy_Makeup is 0, expected -1 or 1",
        ),
        ("list_attr_celeba.txt", lambda row: ["000004.jpg", *row[1:]], "line 7: 000004.jpg is already in line 4"),
        ("list_attr_celeba.txt", lambda row: ["13.jpg", *row[1:]], "line 7: '13.jpg' is no image name like 000001.jpg"),
        ("list_eval_partition.txt", lambda row: [row[0], "3"], r"line 7 .*: unknown partition '3', expected 0, 1, 2"),
        ("list_eval_partition.txt", lambda row: row[:1], r"line 7 .*: expected 1 values, got 0"),
        ("list_eval_partition.txt", lambda row: ["000001.jpg", "0"], "line 7: 000001.jpg is already in line 1"),
        ("identity_CelebA.txt", lambda row: [row[0], "-1"], r"line 7 .*: unknown identity '-1', expected a number"),
    ],
)
def test_bad_row_in_a_list(celeba_root, celeba, name, change, message):
    lines = celeba.lines()[name]
    lines[6] = " ".join(change(lines[6].split()))
    celeba.write_lists(celeba_root / "celeba", {name: lines})
    fails(celeba_root, f"{name}, {message}")


@pytest.mark.parametrize("name", celeba_files.LISTS)
@pytest.mark.parametrize(("content", "message"), [(b"", "is empty"), (b"\xff\xfe\x00", "is not text")])
def test_empty_or_binary_list(celeba_root, name, content, message):
    (celeba_root / "celeba" / name).write_bytes(content)
    fails(celeba_root, f"{name} {message}")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["000001.jpg 1 1"], "does not begin with a count and a line of attribute names"),
        (["Bald Bangs", "000001.jpg 1 1"], "does not begin with a count"),
        (["1", "Bald Bald", "000001.jpg 1 1"], "names an attribute twice"),
        (["0", "Bald Bangs"], "has no rows"),
    ],
)
def test_bad_head_of_the_attributes(celeba_root, celeba, lines, message):
    celeba.write_lists(celeba_root / "celeba", {"list_attr_celeba.txt": lines})
    fails(celeba_root, f"list_attr_celeba.txt {message}")

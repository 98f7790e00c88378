"""CelebA: the official layouts, the join, the official split, the crop, the subsets, the verbs, and each error of a file."""

import argparse
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lit_faces.data import celeba_files, verb
from lit_faces.data.base import SPLITS
from lit_faces.data.celeba import CelebA
from lit_faces.data.celeba_cache import LARSEN
from lit_faces.data.sources import data_root
from lit_faces.errors import UserError
from lit_faces.files import sha256

NAMES = ("Eyeglasses", "Goatee", "Heavy_Makeup", "Mouth_Slightly_Open", "Mustache", "No_Beard")
COLUMN = {name: column for column, name in enumerate(NAMES)}
SUBSETS = {
    "Glasses": ("Eyeglasses",),
    "FacialHair": ("Facial_Hair",),
    "GlassesFacialHair": ("Eyeglasses", "Facial_Hair"),
    "HeavyMakeup": ("Heavy_Makeup",),
}
REAL_ROOT, REAL_CACHE = os.environ.get("LIT_FACES_DATA"), os.environ.get("LIT_FACES_CACHE")


@pytest.fixture(autouse=True)
def own_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("LIT_FACES_DATA", raising=False)
    monkeypatch.setenv("LIT_FACES_CACHE", str(tmp_path / "cache"))


class Fake:
    """A small CelebA: 200 images of some of the official numbers, two a person, each of one colour that tells its row."""

    def __init__(self, rows=200):
        self.numbers = [3 * row + 1 for row in range(rows)]
        chance = np.random.default_rng(0).random((rows, len(NAMES)))
        self.values = np.where(chance < (0.15, 0.05, 0.3, 0.5, 0.08, 0.85), 1, -1)
        self.partition = [0 if row < 0.6 * rows else 1 if row < 0.8 * rows else 2 for row in range(rows)]
        self.identity = [900 - row // 2 for row in range(rows)]

    def names(self):
        return [f"{number:06d}.jpg" for number in self.numbers]

    def jpeg(self, row, frame=(44, 54)):
        buffer = io.BytesIO()
        Image.new("RGB", frame, (row, 255 - row, 7)).save(buffer, "JPEG", quality=100, subsampling=0)
        return buffer.getvalue()

    def members(self, skip=()):
        return {name: self.jpeg(row) for row, name in enumerate(self.names()) if row not in skip}

    def write_folder(self, folder, skip=()):
        folder.mkdir(parents=True)
        for name, content in self.members(skip).items():
            (folder / name).write_bytes(content)

    def write_zip(self, path, skip=(), replaced=None):
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("__MACOSX/img_align_celeba/._000001.jpg", b"no picture")
            # The archive's order is not the official one.
            for name, content in sorted({**self.members(skip), **(replaced or {})}.items(), reverse=True):
                archive.writestr(f"img_align_celeba/{name}", content)

    def lines(self):
        """The lines of each list, as published: the attributes padded with blanks, and a blank at the end of their names."""
        rows = [
            f"{name} " + " ".join(f"{value:2d}" for value in values)
            for name, values in zip(self.names(), self.values.tolist(), strict=True)
        ]
        return {
            "list_attr_celeba.txt": ["202599", " ".join(NAMES) + " ", *rows],
            "list_eval_partition.txt": [f"{n} {v}" for n, v in zip(self.names(), self.partition, strict=True)],
            "identity_CelebA.txt": [f"{n} {v}" for n, v in zip(self.names(), self.identity, strict=True)],
        }

    def write_lists(self, folder, change=None):
        folder.mkdir(parents=True, exist_ok=True)
        for name, lines in {**self.lines(), **(change or {})}.items():
            (folder / name).write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def fake():
    return Fake()


@pytest.fixture
def root(tmp_path, fake):
    """The usual layout: the official zip and the three lists in `root/celeba`."""
    fake.write_zip(tmp_path / "data" / "celeba" / "img_align_celeba.zip")
    fake.write_lists(tmp_path / "data" / "celeba")
    return tmp_path / "data"


def load(root, **options):
    data = CelebA(str(root), batch_size=10, size=8, **options)
    data.prepare_data()
    return data.load()


def joined(loaded, field):
    return torch.cat([getattr(loaded.splits[name], field) for name in SPLITS])


def assert_is_fake(loaded, fake):
    assert loaded.attributes == NAMES
    assert (loaded.labels, loaded.exclusive) == ((), False)
    assert [len(loaded.splits[name]) for name in SPLITS] == [120, 40, 40]
    assert (joined(loaded, "index") + 1).tolist() == fake.numbers
    np.testing.assert_array_equal(joined(loaded, "attributes").numpy(), fake.values)
    assert joined(loaded, "attributes").dtype == torch.float32
    images = joined(loaded, "images")
    assert images.shape == (200, 8, 8, 3)
    # The colour tells the row, so pictures and attributes were joined by name.
    assert torch.allclose(images[..., 0].double().mean((1, 2)), torch.arange(200.0).double(), atol=2)


@pytest.mark.parametrize("nested", [True, False], ids=["root/celeba", "root"])
@pytest.mark.parametrize("images", ["img_align_celeba", "img_align_celeba.zip", "img_align_celeba_64x64.zip"])
def test_reads_every_official_layout(tmp_path, fake, images, nested):
    data = tmp_path / "data" / "celeba" if nested else tmp_path / "data"
    (fake.write_zip if images.endswith(".zip") else fake.write_folder)(data / images)
    fake.write_lists(data)
    loaded = load(tmp_path / "data")
    assert_is_fake(loaded, fake)
    assert joined(loaded, "identity").tolist() == fake.identity
    assert loaded.manifest["images"]["file"] == images
    assert loaded.manifest["frame"] == [44, 54]
    assert loaded.manifest["people"] == {"train": 60, "validation": 20, "test": 20}
    assert set(loaded.manifest["join"].values()) == {0}


def test_prefers_the_folder_and_then_the_official_zip(root, fake):
    fake.write_zip(root / "celeba" / "img_align_celeba_64x64.zip")
    assert celeba_files.find_images(root).name == "img_align_celeba.zip"
    (root / "img_align_celeba").mkdir()
    assert celeba_files.find_images(root).name == "img_align_celeba.zip"
    (root / "img_align_celeba" / "000001.jpg").write_bytes(fake.jpeg(0))
    assert celeba_files.find_images(root) == root / "img_align_celeba"


def test_without_identities_every_image_is_a_person(root, fake):
    (root / "celeba" / "identity_CelebA.txt").unlink()
    loaded = load(root)
    assert_is_fake(loaded, fake)
    assert torch.equal(joined(loaded, "identity"), joined(loaded, "index"))
    assert "no identity_CelebA.txt: every image counts as a person of its own" in loaded.manifest["identity"]
    assert loaded.manifest["people_in_several_splits"] is None


def test_people_in_several_splits_are_counted(root, fake):
    lines = fake.lines()["identity_CelebA.txt"]
    fake.write_lists(root / "celeba", {"identity_CelebA.txt": [*lines[:-1], lines[-1].split()[0] + " 900"]})
    assert load(root).manifest["people_in_several_splits"] == 1


def test_the_order_is_the_official_one_whatever_that_of_the_lists(root, fake):
    shuffled = {name: [*lines[:-50], *reversed(lines[-50:])] for name, lines in fake.lines().items()}
    fake.write_lists(root / "celeba", shuffled)
    assert_is_fake(load(root), fake)


def test_trains_from_it(root):
    data = CelebA(str(root), batch_size=10, size=8, subset="Glasses", limit=20)
    data.setup()
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert batch.images.shape == (10, 3, 8, 8)
    assert data.spec.labels == ("Eyeglasses",)
    assert data.spec.threshold == (0.0,) * len(NAMES)
    raw = {int(i): row for i, row in zip(joined(data.load(), "index"), joined(data.load(), "attributes"), strict=True)}
    present = torch.stack([raw[int(row)] > 0 for row in batch.row])
    assert torch.equal(data.spec.binary(batch.attributes), present)
    json.dumps(data.spec.to_dict(), allow_nan=False)


# --- the join ---------------------------------------------------------------------------------------------------------


def test_what_does_not_join_is_counted_and_listed(tmp_path, fake):
    fake.write_zip(tmp_path / "img_align_celeba.zip", skip=[17, 150], replaced={"202599.jpg": fake.jpeg(0)})
    lines = fake.lines()
    partition = [line for line in lines["list_eval_partition.txt"] if not line.startswith(fake.names()[3])]
    fake.write_lists(tmp_path, {"list_eval_partition.txt": partition})
    loaded = load(tmp_path)
    assert loaded.manifest["join"] == {
        "rows_without_image": 2,
        "images_without_attributes": 2,
        "rows_not_in_every_list": 1,
    }
    left = [number for row, number in enumerate(fake.numbers) if row not in (3, 17, 150)]
    assert (joined(loaded, "index") + 1).tolist() == left
    assert [len(loaded.splits[name]) for name in SPLITS] == [118, 39, 40]
    (listed,) = (tmp_path / "cache").glob("*/unmatched.json")
    assert json.loads(listed.read_text()) == {
        "rows_without_image": [fake.names()[17], fake.names()[150]],
        "images_without_attributes": [f"img_align_celeba/{fake.names()[3]}", "img_align_celeba/202599.jpg"],
        "rows_not_in_every_list": [fake.names()[3]],
    }


def test_a_split_without_images_is_refused(tmp_path, fake):
    fake.write_zip(tmp_path / "img_align_celeba.zip", skip=range(120, 160))
    fake.write_lists(tmp_path)
    fails(tmp_path, r"no image of .*img_align_celeba.zip is in the validation split \(partition 1\)")


# --- the crop ---------------------------------------------------------------------------------------------------------


def test_crop_is_the_published_region():
    columns, rows = np.meshgrid(np.arange(178), np.arange(218))
    frame = np.stack([columns, rows, np.zeros_like(rows)], -1).astype(np.uint8)
    np.testing.assert_array_equal(LARSEN.cut(Image.fromarray(frame), 148), frame[40:188, 15:163])


def test_crop_puts_the_aspect_of_a_squashed_frame_right():
    columns, rows = np.meshgrid(np.arange(178), np.arange(218))
    # A disc around the middle of the crop.
    disc = ((columns - 88.5) ** 2 + (rows - 113.5) ** 2 < 50**2).astype(np.uint8) * 255
    frame = Image.fromarray(disc).convert("RGB")
    squashed = frame.resize((64, 64), Image.Resampling.BOX)
    for image in (frame, squashed):
        inside = LARSEN.cut(image, 64)[..., 0] > 127
        heights, widths = inside.sum(0).max(), inside.sum(1).max()
        assert abs(int(heights) - int(widths)) <= 1
        assert abs(int(widths) - 64 * 100 / 148) <= 2


# --- the subsets ------------------------------------------------------------------------------------------------------


def has(loaded, split, label):
    return loaded.splits[split].attributes[:, loaded.attributes.index(label)] > 0


@pytest.mark.parametrize(("subset", "negatives"), [("Glasses", 2), ("FacialHair", 1), ("HeavyMakeup", 1)])
def test_a_subset_is_all_with_the_label_and_so_many_without(root, subset, negatives):
    whole, loaded = load(root), load(root, subset=subset)
    (label,) = loaded.labels
    assert loaded.labels == SUBSETS[subset]
    assert not loaded.exclusive
    for split in SPLITS:
        on = has(loaded, split, label)
        attributes = whole.splits[split].attributes
        if label == "Facial_Hair":
            expected = (attributes[:, [COLUMN["Mustache"], COLUMN["Goatee"]]].amax(1) > 0) | (
                attributes[:, COLUMN["No_Beard"]] < 0
            )
        else:
            expected = attributes[:, COLUMN[label]] > 0
        assert torch.equal(loaded.splits[split].index[on], whole.splits[split].index[expected])
        assert len(on) == (1 + negatives) * int(on.sum())
        assert loaded.manifest["subset"]["splits"][split][label] == {
            "positives": int(on.sum()),
            "negatives": int((~on).sum()),
            "negatives_wanted": int((~on).sum()),
            "negatives_drawn": int((~on).sum()),
            "all_negatives_taken": False,
        }
        assert loaded.splits[split].index.diff().min() > 0
    assert json.loads(json.dumps(loaded.manifest)) == loaded.manifest


def test_facial_hair_is_a_column_more_in_the_units_of_the_others(root):
    whole, loaded = load(root), load(root, subset="FacialHair")
    assert loaded.attributes == (*NAMES, "Facial_Hair")
    assert set(loaded.splits["train"].attributes[:, -1].tolist()) == {-1.0, 1.0}
    before = {int(i): row for i, row in zip(joined(whole, "index"), joined(whole, "attributes"), strict=True)}
    for i, row in zip(joined(loaded, "index"), joined(loaded, "attributes"), strict=True):
        assert torch.equal(row[:-1], before[int(i)])


def test_the_joint_subset_is_the_union_of_both(root):
    parts = [load(root, subset=name, subset_seed=5) for name in ("Glasses", "FacialHair")]
    union = load(root, subset="GlassesFacialHair", subset_seed=5)
    assert union.labels == ("Eyeglasses", "Facial_Hair")
    for split in SPLITS:
        expected = {i for part in parts for i in part.splits[split].index.tolist()}
        assert union.splits[split].index.tolist() == sorted(expected)
        for part in parts:
            (label,) = part.labels
            assert has(union, split, label).sum() == has(part, split, label).sum()


def test_a_subset_is_determined_by_its_seed_alone(root):
    first, again = load(root, subset="Glasses"), load(root, subset="Glasses", seed=3)
    other = load(root, subset="Glasses", subset_seed=1)
    assert torch.equal(joined(first, "index"), joined(again, "index"))
    assert not torch.equal(joined(first, "index"), joined(other, "index"))


def test_too_few_without_the_label_are_all_taken_and_that_is_said(root, fake):
    values = fake.values.copy()
    values[:, COLUMN["Heavy_Makeup"]] = 1
    values[::8, COLUMN["Heavy_Makeup"]] = -1
    many = Fake()
    many.values = values
    many.write_lists(root / "celeba")
    loaded = load(root, subset="HeavyMakeup")
    assert [len(loaded.splits[name]) for name in SPLITS] == [120, 40, 40]
    assert loaded.manifest["subset"]["splits"]["train"]["Heavy_Makeup"] == {
        "positives": 105,
        "negatives": 15,
        "negatives_wanted": 105,
        "negatives_drawn": 15,
        "all_negatives_taken": True,
    }


def test_a_subset_without_a_face_that_has_the_label_is_refused(root, fake):
    none = Fake()
    none.values[:, COLUMN["Eyeglasses"]] = -1
    none.write_lists(root / "celeba")
    with pytest.raises(UserError, match="CelebA: no face of the train split is Eyeglasses"):
        load(root, subset="Glasses")


def test_an_unknown_subset_or_a_missing_attribute_is_named(root, fake):
    with pytest.raises(UserError, match=r"data.subset must be one of all, Glasses, .*, got 'Hats'"):
        CelebA(str(root), subset="Hats")
    lines = fake.lines()["list_attr_celeba.txt"]
    lines[1] = lines[1].replace("No_Beard", "Beard")
    fake.write_lists(root / "celeba", {"list_attr_celeba.txt": lines})
    with pytest.raises(UserError, match="CelebA has no attribute 'No_Beard': did you mean Beard"):
        load(root, subset="FacialHair")


# --- the cache --------------------------------------------------------------------------------------------------------


def test_cache_is_built_once_for_all_subsets_and_read_without_the_files(root, fake, tmp_path, monkeypatch):
    load(root)
    for name in ("read_images", "read_attributes", "read_partition", "read_identity"):
        monkeypatch.setattr(celeba_files, name, None)
    assert_is_fake(load(root), fake)
    load(root, subset="Glasses")
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize("name", celeba_files.LISTS)
def test_a_changed_list_gets_another_cache(root, fake, tmp_path, name):
    load(root)
    fake.write_lists(root / "celeba", {name: fake.lines()[name][:-1]})
    assert load(root).manifest["faces"] == 199
    assert len(list((tmp_path / "cache").iterdir())) == 2


# --- errors -----------------------------------------------------------------------------------------------------------


def fails(root, match):
    """Preparing raises one line that matches, and leaves no cache behind."""
    with pytest.raises(UserError, match=match) as caught:
        CelebA(str(root), size=8).prepare_data()
    assert "\n" not in str(caught.value)
    cache = Path(os.environ["LIT_FACES_CACHE"])
    assert not cache.exists() or not list(cache.iterdir())


def test_missing_data_says_what_where_and_how(tmp_path, root):
    (tmp_path / "empty").mkdir()
    fails(
        tmp_path / "empty",
        r"no img_align_celeba/ or img_align_celeba\*.zip and no list_attr_celeba.txt and no list_eval_partition.txt in "
        rf"{tmp_path}/empty/celeba or {tmp_path}/empty: .*http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    )
    (root / "celeba" / "list_eval_partition.txt").unlink()
    fails(root, "CelebA: no list_eval_partition.txt in")


@pytest.mark.parametrize("keep", [0, 30, 2000, -500, -4])
def test_truncated_archive(root, keep):
    archive = root / "celeba" / "img_align_celeba.zip"
    archive.write_bytes(archive.read_bytes()[:keep])
    fails(root, r"img_align_celeba.zip \([0-9,]+ bytes\) is truncated or is no zip archive")


def test_damaged_archive(root, fake):
    archive = root / "celeba" / "img_align_celeba.zip"
    content = bytearray(archive.read_bytes())
    content[content.index(fake.jpeg(5)) + 100] ^= 255
    archive.write_bytes(content)
    fails(root, "is truncated or is no zip archive .*CRC")


@pytest.mark.parametrize("content", [b"", b"no picture", "half"])
def test_unreadable_image_names_the_member(root, fake, content):
    name = fake.names()[5]
    content = fake.jpeg(5)[:300] if content == "half" else content
    fake.write_zip(root / "celeba" / "img_align_celeba.zip", replaced={name: content})
    fails(root, rf"img_align_celeba.zip: img_align_celeba/{name} \({len(content)} bytes\) is not a readable image")


def test_images_of_two_sizes_and_an_image_twice(root, fake):
    name = fake.names()[5]
    fake.write_zip(root / "celeba" / "img_align_celeba.zip", replaced={name: fake.jpeg(5, (64, 64))})
    fails(root, rf"img_align_celeba/{name} is 64 x 64 pixels, the images before it 44 x 54")
    fake.write_zip(root / "celeba" / "img_align_celeba.zip", replaced={f"again/{name}": fake.jpeg(5)})
    fails(root, rf"img_align_celeba.zip holds img_align_celeba/{name} twice")


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
def test_bad_row_in_a_list(root, fake, name, change, message):
    lines = fake.lines()[name]
    lines[6] = " ".join(change(lines[6].split()))
    fake.write_lists(root / "celeba", {name: lines})
    fails(root, f"{name}, {message}")


@pytest.mark.parametrize("name", celeba_files.LISTS)
@pytest.mark.parametrize(("content", "message"), [(b"", "is empty"), (b"\xff\xfe\x00", "is not text")])
def test_empty_or_binary_list(root, name, content, message):
    (root / "celeba" / name).write_bytes(content)
    fails(root, f"{name} {message}")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["000001.jpg 1 1"], "does not begin with a count and a line of attribute names"),
        (["Bald Bangs", "000001.jpg 1 1"], "does not begin with a count"),
        (["1", "Bald Bald", "000001.jpg 1 1"], "names an attribute twice"),
        (["0", "Bald Bangs"], "has no rows"),
    ],
)
def test_bad_head_of_the_attributes(root, fake, lines, message):
    fake.write_lists(root / "celeba", {"list_attr_celeba.txt": lines})
    fails(root, f"list_attr_celeba.txt {message}")


# --- the verbs --------------------------------------------------------------------------------------------------------


def data_verb(*words):
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    verb.run(parser.parse_args(words))


@pytest.mark.parametrize("kind", ["files", "folder", "folder of these"])
def test_prepare_takes_over_local_files(tmp_path, fake, capsys, kind):
    given = tmp_path / "given"
    fake.write_lists(given)
    if kind == "files":
        fake.write_zip(given / "img_align_celeba_small.zip")
        sources = [given / "img_align_celeba_small.zip", *(given / name for name in celeba_files.LISTS)]
    else:
        fake.write_folder(given / "img_align_celeba")
        names = ["img_align_celeba", *celeba_files.LISTS]
        sources = [given] if kind == "folder of these" else [given / name for name in names]
    for _ in range(2):  # a second time changes nothing
        data_verb("prepare", "celeba", "--root", str(tmp_path / "data"), "--from", *map(str, sources))
        out = capsys.readouterr().out
        assert (
            "200 faces with 6 attributes: 120 train (60 people), 40 validation (20 people), 40 test (20 people)" in out
        )
        assert f"SHA-256 {sha256(given / 'list_attr_celeba.txt')}, not the official file as it was published" in out
    assert_is_fake(load(tmp_path / "data"), fake)


def test_prepare_recognises_the_official_file(root, fake, capsys, monkeypatch):
    import hashlib

    content = (root / "celeba" / "list_eval_partition.txt").read_bytes()
    monkeypatch.setitem(celeba_files.MD5, "list_eval_partition.txt", hashlib.md5(content).hexdigest())
    data_verb("prepare", "celeba", "--root", str(root))
    verdicts = [line.rpartition(", ")[2] for line in capsys.readouterr().out.splitlines() if "SHA-256" in line]
    other = "not the official file as it was published"
    assert verdicts == [other, other, "the official file", other]


def test_prepare_checks_before_it_takes(tmp_path, fake):
    fake.write_lists(tmp_path, {"list_eval_partition.txt": ["000001.jpg 7"]})
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


def test_list_says_what_is_where(root, capsys):
    data_verb("list", "--root", str(root.parent))
    assert "not found: run `lit-faces data prepare celeba --from FILES`" in capsys.readouterr().out
    data_verb("list", "--root", str(root))
    out = capsys.readouterr().out
    assert f"images      {root}/celeba/img_align_celeba.zip" in out
    assert f"partition   {root}/celeba/list_eval_partition.txt" in out
    CelebA(str(root)).prepare_data()
    data_verb("list", "--root", str(root))
    assert "200 faces with 6 attributes" in capsys.readouterr().out


# --- the real data ----------------------------------------------------------------------------------------------------


@pytest.fixture
def real_root(monkeypatch):
    """The folder of the real CelebA, as it was before this test changed the environment."""
    root = data_root(REAL_ROOT)
    try:
        celeba_files.find_sources(root)
    except UserError:
        pytest.skip(f"no CelebA under {root}: see data/README.md, or set $LIT_FACES_DATA")
    if REAL_CACHE is None:
        monkeypatch.delenv("LIT_FACES_CACHE")
    else:
        monkeypatch.setenv("LIT_FACES_CACHE", REAL_CACHE)
    return root


@pytest.mark.real_data
def test_the_real_celeba_is_split_as_published(real_root):
    loaded = CelebA(str(real_root)).load()
    assert len(loaded.attributes) == 40
    assert {"Eyeglasses", "Mouth_Slightly_Open", "No_Beard", "5_o_Clock_Shadow"} <= set(loaded.attributes)
    for (first, last), faces in zip(
        [(0, 162_769), (162_770, 182_636), (182_637, 202_598)], loaded.splits.values(), strict=True
    ):
        assert first <= faces.index.min()
        assert faces.index.max() <= last
        assert set(faces.attributes.unique().tolist()) == {-1.0, 1.0}
    # No person is in two splits, in the files as published.
    assert loaded.manifest["people_in_several_splits"] in (0, None)
    # Faces fill the crop, and are as high as in the official frame: skin in the middle, less of it in the corners.
    mean = loaded.splits["test"].images.double().mean((0, 3))
    assert mean.shape == (64, 64)
    assert mean[24:40, 24:40].mean() > mean[:6, :6].mean() + 20


@pytest.mark.real_data
@pytest.mark.parametrize("subset", SUBSETS)
def test_the_real_subsets_have_their_ratios(real_root, subset):
    loaded = CelebA(str(real_root), subset=subset).load()
    limited = CelebA(str(real_root), subset=subset, limit=600)
    limited.setup()
    for label in SUBSETS[subset]:
        on = has(loaded, "train", label).double()
        if len(SUBSETS[subset]) == 1:
            assert on.mean() == {"Eyeglasses": 1 / 3}.get(label, 1 / 2)
        # Five standard deviations of a share of 600.
        first = limited.spec.binary(limited.splits["train"].attributes)[:, limited.spec.position(label)].double()
        assert abs(first.mean() - on.mean()) < 0.1

"""LFW: every official layout, the join, the split, the crop, the cache, and each error a file can cause."""

import argparse
import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from lit_faces.data import lfw_cache, lfw_files, verb
from lit_faces.data.lfw import LFW
from lit_faces.data.lfw_cache import Crop, split_rows
from lit_faces.errors import UserError
from lit_faces.files import sha256

NAMES = ("Male", "No Eyewear", "5 o' Clock Shadow", "Strong Nose-Mouth Lines")
FRAME = 20


@pytest.fixture(autouse=True)
def own_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("LIT_FACES_DATA", raising=False)
    monkeypatch.setenv("LIT_FACES_CACHE", str(tmp_path / "cache"))


class Fake:
    """A small LFW: 120 rows, persons of one to four pictures, each picture of one colour that tells its row."""

    def __init__(self, rows=120):
        self.pictures = []
        person = 0
        while len(self.pictures) < rows:
            count = min(1 + person % 4, rows - len(self.pictures))
            self.pictures += [(f"Given_Name-{person:03d}", number) for number in range(1, count + 1)]
            person += 1
        self.values = np.random.default_rng(0).normal(size=(rows, len(NAMES))).round(6)

    def jpeg(self, row, frame=FRAME):
        buffer = io.BytesIO()
        Image.new("RGB", (frame, frame), (row, 255 - row, 7)).save(buffer, "JPEG", quality=100, subsampling=0)
        return buffer.getvalue()

    def members(self, skip=()):
        extra = {"Nobody_Known/Nobody_Known_0001.jpg": self.jpeg(0)}
        known = {lfw_files.picture_name(p): self.jpeg(row) for row, p in enumerate(self.pictures) if row not in skip}
        # The archive's order is not that of the attribute file.
        return dict(sorted({**known, **extra}.items(), reverse=True))

    def write_folder(self, folder, skip=()):
        for name, content in self.members(skip).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    def write_archive(self, path, top, skip=(), replaced=None):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            for name, content in {**self.members(skip), **(replaced or {})}.items():
                info = tarfile.TarInfo(f"{top}/{name}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))

    def lines(self):
        rows = [
            "\t".join([person.replace("_", " "), str(number), *(str(v) for v in values)])
            for (person, number), values in zip(self.pictures, self.values, strict=True)
        ]
        return ["# LFW attributes", "\t".join(["#", "person", "imagenum", *NAMES]), *rows]

    def write_text(self, path, lines=None):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines or self.lines()) + "\n")

    def write_mat(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        names = [name.replace("'", "").replace(" ", "_") for name in NAMES]
        files = [lfw_files.picture_name(p).replace("/", "\\") for p in self.pictures]
        content = {"label": (self.values > 0).astype(np.uint8), "AttrName": cells(names), "name": cells(files)}
        savemat(path, content)


def cells(strings):
    array = np.empty((1, len(strings)), dtype=object)
    array[0] = strings
    return array


@pytest.fixture
def fake():
    return Fake()


@pytest.fixture
def root(tmp_path, fake):
    """The usual layout: an archive and the text file in `root/lfw`."""
    fake.write_archive(tmp_path / "data" / "lfw" / "lfw-deepfunneled.tgz", "lfw-deepfunneled")
    fake.write_text(tmp_path / "data" / "lfw" / "lfw_attributes.txt")
    return tmp_path / "data"


def load(root, **options):
    data = LFW(str(root), batch_size=10, size=8, **options)
    data.prepare_data()
    return data.load()


def assert_is_fake(loaded, fake, values):
    assert loaded.attributes == NAMES
    splits = loaded.splits
    assert torch.equal(torch.cat([f.index for f in splits.values()]), torch.arange(len(fake.pictures)))
    np.testing.assert_array_equal(torch.cat([f.attributes for f in splits.values()]).numpy(), values.astype(np.float32))
    for faces in splits.values():
        assert faces.images.shape == (len(faces), 8, 8, 3)
        assert faces.images.dtype == torch.uint8
        # The colour tells the row, so pictures and attributes were joined by person and number.
        reds = faces.images[..., 0].double().mean((1, 2))
        assert torch.allclose(reds, faces.index.double(), atol=2)
        people = [fake.pictures[row][0] for row in faces.index.tolist()]
        assert len(set(people)) == len(set(faces.identity.tolist()))


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
    cut = Crop().cut(Image.fromarray(frame), 84)
    np.testing.assert_array_equal(cut, frame[92:176, 83:167])


def test_crop_shows_the_same_region_at_any_size():
    large = Image.linear_gradient("L").resize((250, 250)).convert("RGB")
    small = large.resize((125, 125), Image.Resampling.BOX)
    at_250, at_125 = (Crop().cut(image, 32).astype(int) for image in (large, small))
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
    code = f"from lit_faces.data.lfw_cache import *; print(cached_lfw(Path({str(root)!r}), 8, Crop()).images.sum())"
    command = [sys.executable, "-W", "error", "-c", code]
    builders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    sums = {builder.communicate()[0] for builder in builders}
    assert [builder.returncode for builder in builders] == [0, 0, 0]
    assert len(sums) == 1
    assert len(list((tmp_path / "cache").iterdir())) == 1


# --- errors -----------------------------------------------------------------------------------------------------------


def fails(root, match):
    """Preparing raises one line that matches, and leaves no cache behind."""
    with pytest.raises(UserError, match=match) as caught:
        LFW(str(root), size=8).prepare_data()
    assert "\n" not in str(caught.value)
    cache = Path(os.environ["LIT_FACES_CACHE"])
    assert not cache.exists() or not list(cache.iterdir())


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


def test_a_full_disk_leaves_nothing(root, monkeypatch):
    def save(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lfw_cache.np, "save", save)
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


def data_verb(*words):
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    verb.run(parser.parse_args(words))


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
    root = lfw_files.data_root(REAL_ROOT)
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

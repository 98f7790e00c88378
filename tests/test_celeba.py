"""What is made of CelebA's files: batches, the crop, the subsets, the cache, and the real data."""

import json
import os

import numpy as np
import pytest
import torch
from fake_celeba import NAMES, Fake, assert_is_fake, joined, load
from PIL import Image

from lit_faces.data import celeba_files
from lit_faces.data.base import SPLITS
from lit_faces.data.celeba import CelebA
from lit_faces.data.celeba_cache import LARSEN
from lit_faces.data.sources import data_root
from lit_faces.errors import UserError

COLUMN = {name: column for column, name in enumerate(NAMES)}
SUBSETS = {
    "Glasses": ("Eyeglasses",),
    "FacialHair": ("Facial_Hair",),
    "GlassesFacialHair": ("Eyeglasses", "Facial_Hair"),
    "HeavyMakeup": ("Heavy_Makeup",),
}
REAL_ROOT, REAL_CACHE = os.environ.get("LIT_FACES_DATA"), os.environ.get("LIT_FACES_CACHE")

pytestmark = pytest.mark.usefixtures("own_environment")


def test_trains_from_it(celeba_root):
    data = CelebA(str(celeba_root), batch_size=10, size=8, subset="Glasses", limit=20)
    data.setup()
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert batch.images.shape == (10, 3, 8, 8)
    assert data.spec.labels == ("Eyeglasses",)
    assert data.spec.threshold == (0.0,) * len(NAMES)
    raw = {int(i): row for i, row in zip(joined(data.load(), "index"), joined(data.load(), "attributes"), strict=True)}
    present = torch.stack([raw[int(row)] > 0 for row in batch.row])
    assert torch.equal(data.spec.binary(batch.attributes), present)
    json.dumps(data.spec.to_dict(), allow_nan=False)


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
def test_a_subset_is_all_with_the_label_and_so_many_without(celeba_root, subset, negatives):
    whole, loaded = load(celeba_root), load(celeba_root, subset=subset)
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


def test_facial_hair_is_a_column_more_in_the_units_of_the_others(celeba_root):
    whole, loaded = load(celeba_root), load(celeba_root, subset="FacialHair")
    assert loaded.attributes == (*NAMES, "Facial_Hair")
    assert set(loaded.splits["train"].attributes[:, -1].tolist()) == {-1.0, 1.0}
    # Of the attributes of a beard, those that the file has.
    assert loaded.follows == {"Facial_Hair": ("No_Beard", "Mustache", "Goatee")}
    assert load(celeba_root, subset="Glasses").follows == whole.follows == {}
    before = {int(i): row for i, row in zip(joined(whole, "index"), joined(whole, "attributes"), strict=True)}
    for i, row in zip(joined(loaded, "index"), joined(loaded, "attributes"), strict=True):
        assert torch.equal(row[:-1], before[int(i)])


def test_the_joint_subset_is_the_union_of_both(celeba_root):
    parts = [load(celeba_root, subset=name, subset_seed=5) for name in ("Glasses", "FacialHair")]
    union = load(celeba_root, subset="GlassesFacialHair", subset_seed=5)
    assert union.labels == ("Eyeglasses", "Facial_Hair")
    for split in SPLITS:
        expected = {i for part in parts for i in part.splits[split].index.tolist()}
        assert union.splits[split].index.tolist() == sorted(expected)
        for part in parts:
            (label,) = part.labels
            assert has(union, split, label).sum() == has(part, split, label).sum()


def test_a_subset_is_determined_by_its_seed_alone(celeba_root):
    first, again = load(celeba_root, subset="Glasses"), load(celeba_root, subset="Glasses", seed=3)
    other = load(celeba_root, subset="Glasses", subset_seed=1)
    assert torch.equal(joined(first, "index"), joined(again, "index"))
    assert not torch.equal(joined(first, "index"), joined(other, "index"))


def test_too_few_without_the_label_are_all_taken_and_that_is_said(celeba_root, celeba):
    values = celeba.values.copy()
    values[:, COLUMN["Heavy_Makeup"]] = 1
    values[::8, COLUMN["Heavy_Makeup"]] = -1
    many = Fake()
    many.values = values
    many.write_lists(celeba_root / "celeba")
    loaded = load(celeba_root, subset="HeavyMakeup")
    assert [len(loaded.splits[name]) for name in SPLITS] == [120, 40, 40]
    assert loaded.manifest["subset"]["splits"]["train"]["Heavy_Makeup"] == {
        "positives": 105,
        "negatives": 15,
        "negatives_wanted": 105,
        "negatives_drawn": 15,
        "all_negatives_taken": True,
    }


def test_a_subset_without_a_face_that_has_the_label_is_refused(celeba_root):
    none = Fake()
    none.values[:, COLUMN["Eyeglasses"]] = -1
    none.write_lists(celeba_root / "celeba")
    with pytest.raises(UserError, match="CelebA: no face of the train split is Eyeglasses"):
        load(celeba_root, subset="Glasses")


def test_an_unknown_subset_or_a_missing_attribute_is_named(celeba_root, celeba):
    with pytest.raises(UserError, match=r"data.subset must be one of all, Glasses, .*, got 'Hats'"):
        CelebA(str(celeba_root), subset="Hats")
    lines = celeba.lines()["list_attr_celeba.txt"]
    lines[1] = lines[1].replace("No_Beard", "Beard")
    celeba.write_lists(celeba_root / "celeba", {"list_attr_celeba.txt": lines})
    with pytest.raises(UserError, match="CelebA has no attribute 'No_Beard': did you mean Beard"):
        load(celeba_root, subset="FacialHair")


# --- the cache --------------------------------------------------------------------------------------------------------


def test_cache_is_built_once_for_all_subsets_and_read_without_the_files(celeba_root, celeba, tmp_path, monkeypatch):
    load(celeba_root)
    for name in ("read_images", "read_attributes", "read_partition", "read_identity"):
        monkeypatch.setattr(celeba_files, name, None)
    assert_is_fake(load(celeba_root), celeba)
    load(celeba_root, subset="Glasses")
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize("name", celeba_files.LISTS)
def test_a_changed_list_gets_another_cache(celeba_root, celeba, tmp_path, name):
    load(celeba_root)
    celeba.write_lists(celeba_root / "celeba", {name: celeba.lines()[name][:-1]})
    assert load(celeba_root).manifest["faces"] == 199
    assert len(list((tmp_path / "cache").iterdir())) == 2


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

"""Subsets about one or two labels: how they are chosen, and how the drawn faces have them."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_faces.data.base import SPLITS
from lit_faces.data.cartoon import ATTRIBUTES, render
from lit_faces.data.subsets import Rule, choose
from lit_faces.data.synthetic import Synthetic
from lit_faces.errors import UserError

SMALL = {"train": 120, "validation": 40, "test": 40, "size": 16, "batch_size": 4}
COLUMN = {name: i for i, name in enumerate(ATTRIBUTES)}
LABELS = {
    "Glasses": ("Eyeglasses",),
    "FacialHair": ("Facial_Hair",),
    "GlassesFacialHair": ("Eyeglasses", "Facial_Hair"),
    "HeavyMakeup": ("Rosy Cheeks",),
}


@settings(max_examples=50, deadline=None)
@given(
    masks=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40),
    ratios=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    seed=st.integers(0, 2**40),
)
def test_a_choice_holds_every_face_with_a_label_and_the_wanted_number_without(masks, ratios, seed):
    labels = dict(zip("ab", torch.tensor(masks).t(), strict=True))
    for names in ("a", "b", "ab"):
        rules = tuple(Rule(name, ratios["ab".index(name)]) for name in names)
        if not all(labels[name].any() for name in names):
            with pytest.raises(UserError, match="Toy: no face of the test split is"):
                choose(labels, rules, "test", seed, "Toy")
            continue
        chosen = choose(labels, rules, "test", seed, "Toy")
        assert chosen.rows.tolist() == sorted(set(chosen.rows.tolist()))
        for rule in rules:
            on = labels[rule.label]
            said = chosen.report[rule.label]
            assert said["positives"] == on[chosen.rows].sum() == on.sum()
            assert said["negatives"] == (~on[chosen.rows]).sum() >= said["negatives_drawn"]
            assert said["negatives_drawn"] == min(rule.negatives * on.sum(), (~on).sum())
            assert said["all_negatives_taken"] == (said["negatives_drawn"] < rule.negatives * on.sum())
        if len(names) == 1:
            assert len(chosen.rows) == said["positives"] + said["negatives_drawn"]
        else:
            parts = [choose(labels, (rule,), "test", seed, "Toy").rows.tolist() for rule in rules]
            assert chosen.rows.tolist() == sorted({*parts[0], *parts[1]})


def test_the_faces_without_differ_between_splits_and_seeds():
    labels = {"a": torch.arange(200) < 20}
    rows = [
        choose(labels, (Rule("a", 2),), *key, "Toy").rows.tolist() for key in [("train", 0), ("test", 0), ("train", 1)]
    ]
    assert len({tuple(r) for r in rows}) == 3


# --- the drawn faces --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subset", LABELS)
def test_drawn_subsets_are_rows_of_the_whole(subset):
    data = Synthetic(**SMALL, subset=subset)
    whole, loaded = Synthetic(**SMALL).load(), data.load()
    assert loaded.labels == LABELS[subset]
    assert loaded.attributes == (*ATTRIBUTES, *(["Facial_Hair"] if "Facial_Hair" in loaded.labels else []))
    assert not loaded.exclusive
    assert json.loads(json.dumps(loaded.manifest)) == loaded.manifest
    for split in SPLITS:
        faces, pool = loaded.splits[split], whole.splits[split]
        rows = faces.index - pool.index[0]
        assert torch.equal(faces.images, pool.images[rows])
        assert torch.equal(faces.identity, pool.identity[rows])
        assert torch.equal(faces.attributes[:, : len(ATTRIBUTES)], pool.attributes[rows])
        assert torch.equal(data.factors(faces.index).attributes, pool.attributes[rows])
        assert loaded.manifest["subset"]["splits"][split]["faces"] == len(faces)
        if len(loaded.labels) == 1:
            on = faces.attributes[:, loaded.attributes.index(loaded.labels[0])] > 0
            said = loaded.manifest["subset"]["splits"][split][loaded.labels[0]]
            assert said["positives"] == on.sum() > 0
            wanted = (2 if subset == "Glasses" else 1) * on.sum()
            assert (~on).sum() == min(wanted, len(pool) - on.sum())


def test_sunglasses_are_no_eyeglasses():
    loaded = Synthetic(**SMALL, subset="Glasses").load()
    train, pool = loaded.splits["train"].attributes, Synthetic(**SMALL).load().splits["train"].attributes
    assert train[:, COLUMN["Eyeglasses"]].sum() == pool[:, COLUMN["Eyeglasses"]].sum()
    assert train[train[:, COLUMN["Eyeglasses"]] == 0][:, COLUMN["Sunglasses"]].any()


@pytest.mark.parametrize("subset", LABELS)
def test_a_limit_gives_the_first_images_of_the_subset(subset):
    whole, limited = Synthetic(**SMALL, subset=subset), Synthetic(**SMALL, subset=subset, limit=6)
    for split in SPLITS:
        first, faces = whole.load().splits[split][:6], limited.load().splits[split]
        assert torch.equal(faces.index, first.index)
        assert torch.equal(faces.images, first.images)
        assert torch.equal(faces.attributes, first.attributes)
        assert torch.equal(render(limited.factors(faces.index), 16), faces.images)


def test_the_counterfactual_of_facial_hair():
    data = Synthetic(**SMALL, subset="FacialHair")
    data.setup()
    faces = data.splits["test"]
    on = data.spec.binary(faces.attributes)[:, data.spec.position("Facial_Hair")]
    assert on.any()
    assert not on.all()
    factors = data.factors(faces.index)
    beard = factors.attributes[:, [COLUMN["Mustache"], COLUMN["Goatee"]]]
    assert torch.equal(on, beard.amax(1) > 0)
    for value in (True, False):
        redrawn = data.counterfactual(faces.index, "Facial_Hair", value)
        # A face that is so already stays as it is.
        assert torch.equal((redrawn == faces.images).flatten(1).all(1), on == value)
    shaved, goatee = factors.attributes.clone(), factors.attributes.clone()
    shaved[:, [COLUMN["Mustache"], COLUMN["Goatee"]]] = 0
    goatee[~on, COLUMN["Goatee"]] = 1
    for value, attributes in ((False, shaved), (True, goatee)):
        expected = render(type(factors)(attributes, factors.nuisance), 16)
        assert torch.equal(data.counterfactual(faces.index, "Facial_Hair", value), expected)


def test_without_a_subset_nothing_changes():
    loaded = Synthetic(train=40, validation=9, test=11, size=16).load()
    assert loaded.attributes == ATTRIBUTES
    assert loaded.labels == ()
    assert "subset" not in loaded.manifest
    other = Synthetic(train=40, validation=9, test=11, size=16, subset_seed=4).load()
    assert other.manifest == loaded.manifest


def test_unknown_subsets_and_splits_without_the_label_are_named():
    with pytest.raises(UserError, match=r"data.subset must be one of all, Glasses, .*, got 'Hats'"):
        Synthetic(**SMALL, subset="Hats")
    with pytest.raises(UserError, match="Synthetic: no face of the validation split is Facial_Hair"):
        Synthetic(**{**SMALL, "validation": 1}, subset="FacialHair").load()

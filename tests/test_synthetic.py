"""The drawn faces: their logic, their pictures and their DataModule."""

import json
from dataclasses import replace

import pytest
import torch

from lit_faces.data import cartoon, cartoon_sheet
from lit_faces.data.base import SPLITS
from lit_faces.data.cartoon import ATTRIBUTES, NUISANCE, Factors, counterfactual, render, sample_factors
from lit_faces.data.synthetic import Synthetic
from lit_faces.errors import UserError

COLUMN = {name: i for i, name in enumerate(ATTRIBUTES)}
SMALL = {"train": 12, "validation": 5, "test": 7, "size": 16, "batch_size": 4}


def column(factors, name):
    return factors.attributes[:, COLUMN[name]]


def correlation(factors, a, b):
    return torch.corrcoef(torch.stack([column(factors, a), column(factors, b)]))[0, 1].item()


def assert_logical(factors):
    assert set(factors.attributes.unique().tolist()) <= {0.0, 1.0}
    on = {name: column(factors, name).bool() for name in ATTRIBUTES}
    assert bool((on["Eyeglasses"].int() + on["Sunglasses"].int() + on["No Eyewear"].int() == 1).all())
    assert bool((on["Mouth Closed"] ^ on["Mouth Wide Open"]).all())
    hair = on["Blond Hair"].int() + on["Black Hair"].int() + on["Gray Hair"].int()
    assert bool((hair <= 1).all())
    assert not bool((on["Bald"] & (on["Bangs"] | (hair > 0))).any())


@pytest.fixture(scope="module")
def people():
    return sample_factors(400, seed=3, per_identity=1)[0]


def test_sampling_is_deterministic_and_a_smaller_sample_is_the_start_of_a_larger_one():
    factors, identity = sample_factors(50, 7, 0.5)
    again, _ = sample_factors(50, 7, 0.5)
    longer, _ = sample_factors(333, 7, 0.5)
    other, _ = sample_factors(50, 8, 0.5)
    assert torch.equal(factors.attributes, again.attributes)
    assert torch.equal(factors.nuisance, again.nuisance)
    assert torch.equal(factors.attributes, longer[:50].attributes)
    assert torch.equal(factors.nuisance, longer[:50].nuisance)
    assert not torch.equal(factors.nuisance, other.nuisance)
    assert identity.tolist() == [row // 4 for row in range(50)]
    assert factors.nuisance.abs().max() <= 1


def test_the_global_generator_is_neither_used_nor_moved():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = render(sample_factors(3, 1)[0], 16)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(render(sample_factors(3, 1)[0], 16), first)


def test_pictures_of_one_identity_share_the_person_but_not_the_picture():
    factors, identity = sample_factors(400, 0, 0.5, per_identity=4)
    person = len(cartoon.IDENTITY_FACTORS)
    first = factors[identity * 4]
    assert torch.equal(factors.nuisance[:, :person], first.nuisance[:, :person])
    for name in ("Male", "Pale Skin", "Senior", "Big Nose", "Bald", "Gray Hair"):
        assert torch.equal(column(factors, name), column(first, name))
    assert (factors.nuisance[1::4, person:] != factors.nuisance[::4, person:]).all()
    assert (column(factors, "Smiling") != column(first, "Smiling")).any()


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_sampled_faces_are_logical_and_every_attribute_occurs_both_ways(strength):
    factors, _ = sample_factors(4000, 5, strength, per_identity=1)
    assert_logical(factors)
    share = factors.attributes.mean(0)
    assert ((share > 0.05) & (share < 0.95)).all()


def test_correlations_grow_with_their_strength_from_none():
    none, half, full = (sample_factors(8000, 2, c, per_identity=1)[0] for c in (0.0, 0.5, 1.0))
    pairs = [("Male", "Big Nose"), ("Male", "Mustache"), ("Senior", "Eyeglasses"), ("Smiling", "Mouth Wide Open")]
    for a, b in pairs:
        assert abs(correlation(none, a, b)) < 0.04
        assert 0.08 < correlation(half, a, b) < correlation(full, a, b)
    assert correlation(full, "Senior", "Gray Hair") > 0.4
    # By the default strength women have no beards.
    assert (column(half, "Mustache") <= column(half, "Male")).all()


@pytest.mark.parametrize("on", [False, True])
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_counterfactuals_are_logical_and_change_only_what_they_must(people, name, on):
    changed = counterfactual(people, name, on)
    assert_logical(changed)
    assert (column(changed, name) == float(on)).all()
    assert torch.equal(changed.nuisance, people.nuisance)
    groups = [{"Eyeglasses", "Sunglasses", "No Eyewear"}, {"Mouth Wide Open", "Mouth Closed"}]
    groups.append({"Blond Hair", "Black Hair", "Gray Hair", "Bald", "Bangs"})
    related = next((group for group in groups if name in group), {name})
    for other in set(ATTRIBUTES) - related:
        assert torch.equal(column(changed, other), column(people, other))
    same = column(people, name) == float(on)
    assert torch.equal(changed.attributes[same], people.attributes[same])


@pytest.mark.parametrize("subset", ["all", "FacialHair"])
def test_what_follows_from_an_attribute_is_what_its_counterfactuals_change(subset):
    data = Synthetic(batch_size=4, size=16, train=40, validation=40, test=40, subset=subset)
    data.setup()
    names, follows = data.spec.attributes, data.spec.follows
    factors, _ = sample_factors(2000, 1, 0.5)

    assert ("Facial_Hair" in names) == (subset == "FacialHair")
    for name in ATTRIBUTES:
        changed = torch.zeros(len(ATTRIBUTES), dtype=torch.bool)
        for on in (False, True):
            changed |= (counterfactual(factors, name, on).attributes != factors.attributes).any(0)
        drawn = {other for other in ATTRIBUTES if changed[COLUMN[other]]} - {name}
        derived = {"Facial_Hair"} if subset == "FacialHair" and name in ("Mustache", "Goatee") else set()
        assert set(follows.get(name, ())) == drawn | derived, name
    assert follows.get("Facial_Hair") == (("Mustache", "Goatee") if subset == "FacialHair" else None)
    assert follows["Eyeglasses"] == ("No Eyewear", "Sunglasses")
    assert "Rosy Cheeks" not in follows


def test_an_unknown_attribute_is_named_with_close_ones(people):
    with pytest.raises(UserError, match=r"'Smilling'.*did you mean Smiling"):
        counterfactual(people, "Smilling", True)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_attribute_is_visible(people, name):
    some = people[:48]
    off = render(counterfactual(some, name, False)).int()
    on = render(counterfactual(some, name, True)).int()
    difference = (on - off).abs().amax(3)
    visible = (difference > 24).float().sum((1, 2))
    # Hats, fringes and glasses may hide a part; most faces must show a dozen clearly changed pixels.
    assert visible.median() >= 20
    assert (visible >= 12).float().mean() > 0.75
    assert difference.float().mean() > 0.5


def test_changes_stay_where_the_feature_is(people):
    posed = ("roll", "turn", "shift_x", "shift_y", "scale")
    nuisance = people.nuisance.clone()
    nuisance[:, [NUISANCE.index(name) for name in posed]] = 0
    straight = replace(people, nuisance=nuisance)[:48]
    rows = {"Eyeglasses": (20, 41), "Sunglasses": (20, 41), "Smiling": (37, 62), "Mouth Wide Open": (37, 62)}
    rows |= {"Wearing Hat": (0, 20), "Goatee": (45, 64), "Bushy Eyebrows": (12, 32), "Rosy Cheeks": (32, 53)}
    for name, (top, bottom) in rows.items():
        off, on = (render(counterfactual(straight, name, value)) for value in (False, True))
        changed = (off != on).any(3).any(0).any(1).nonzero().flatten()
        assert top <= changed.min(), name
        assert changed.max() < bottom, name


def test_pale_skin_can_be_told_by_the_brightness_of_the_cheeks(people):
    cheeks = render(people)[:, 35:43, 17:47].float().mean((1, 2, 3))
    pale = column(people, "Pale Skin").bool()
    threshold = (cheeks[pale].mean() + cheeks[~pale].mean()) / 2
    assert ((cheeks > threshold) == pale).float().mean() > 0.85


def test_a_picture_depends_on_its_own_factors_alone(people):
    together = render(people[:70])
    order = torch.randperm(70, generator=torch.Generator().manual_seed(0))
    assert torch.equal(render(people[order]), together[order])
    assert torch.equal(render(people[33:34]), together[33:34])


def test_chunks_and_threads_do_not_show(people, monkeypatch):
    expected = render(people[:40], 32)
    threads = torch.get_num_threads()
    for pixels in (1, 7 * 32 * 32):
        monkeypatch.setattr(cartoon, "_CHUNK_PIXELS", pixels)
        assert torch.equal(render(people[:40], 32), expected)
    assert torch.get_num_threads() == threads


def test_features_fit_the_windows_they_are_drawn_in(people, monkeypatch):
    # The most extreme poses and measures there are.
    extreme = Factors(people.attributes, people.nuisance.sign())[:128]
    windowed = render(extreme)
    monkeypatch.setattr(cartoon_sheet.Sheet, "window", lambda self, *_: self)
    assert torch.equal(render(extreme), windowed)


@pytest.mark.parametrize("size", [32, 64, 96])
def test_a_size_changes_the_resolution_and_not_the_picture(people, size):
    images = render(people[:8], size)
    assert images.shape == (8, size, size, 3)
    assert images.dtype == torch.uint8
    means = [
        torch.nn.functional.adaptive_avg_pool2d(i.permute(0, 3, 1, 2).float(), 8) for i in (images, render(people[:8]))
    ]
    assert (means[0] - means[1]).abs().mean() < 3
    assert len(render(people[:0], size)) == 0


def test_splits_share_no_identity_and_rows_are_unique():
    loaded = Synthetic(**SMALL).load()
    assert [len(loaded.splits[name]) for name in SPLITS] == [12, 5, 7]
    people = [set(loaded.splits[name].identity.tolist()) for name in SPLITS]
    assert len(set.union(*people)) == sum(len(p) for p in people)
    rows = torch.cat([loaded.splits[name].index for name in SPLITS])
    assert sorted(rows.tolist()) == list(range(24))
    assert loaded.attributes == ATTRIBUTES
    assert loaded.splits["train"].attributes.dtype == torch.float32
    assert not torch.equal(loaded.splits["train"].attributes[:5], loaded.splits["validation"].attributes)
    assert json.loads(json.dumps(loaded.manifest)) == loaded.manifest


def test_a_limit_gives_the_first_images_of_each_split():
    whole, limited = Synthetic(**SMALL).load(), Synthetic(**SMALL, limit=6).load()
    for name in SPLITS:
        first = whole.splits[name][:6]
        assert torch.equal(limited.splits[name].images, first.images)
        assert torch.equal(limited.splits[name].identity, first.identity)
        assert torch.equal(limited.splits[name].index, first.index)


def test_the_same_data_seed_gives_the_same_data_and_another_another():
    first, again = Synthetic(**SMALL).load(), Synthetic(**SMALL, seed=9).load()
    other = Synthetic(**SMALL, data_seed=1).load()
    assert first.manifest["sha256"] == again.manifest["sha256"] != other.manifest["sha256"]


def test_batches_are_those_of_any_data_set_and_their_counterfactuals_can_be_drawn():
    data = Synthetic(**SMALL)
    data.setup()
    assert data.spec.image_shape == (3, 16, 16)
    batch = next(iter(data.train_dataloader()))
    rows = torch.cat([batch[3], data.splits["test"].index[:2]])
    pictures = torch.cat([batch.images, data.splits["test"].images[:2]])
    smiling = data.factors(rows).attributes[:, COLUMN["Smiling"]].bool()
    assert smiling.any()
    assert not smiling.all()
    redrawn = data.counterfactual(rows, "Smiling", True)
    same = (redrawn == pictures).flatten(1).all(1)
    assert torch.equal(same, smiling)
    with pytest.raises(UserError, match="no row 24"):
        data.factors(torch.tensor([0, 24]))


@pytest.mark.parametrize(
    ("name", "value"),
    [("size", 4), ("train", 0), ("validation", -1), ("test", 0), ("correlation", 1.5), ("correlation", -0.1)],
)
def test_bad_arguments_are_named(name, value):
    with pytest.raises(UserError, match=rf"data\.{name} must be"):
        Synthetic(**{**SMALL, name: value})

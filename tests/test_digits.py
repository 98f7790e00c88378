"""The drawn digits: what slant and stroke width do to them, that they can be told apart, and their DataModule."""

import json
from dataclasses import replace

import pytest
import torch

from lit_faces.data import digit_shapes
from lit_faces.data.base import SPLITS
from lit_faces.data.digit_shapes import render, sample_handwriting
from lit_faces.data.digits import Digits
from lit_faces.errors import UserError

SMALL = {"train": 30, "validation": 15, "test": 20, "batch_size": 5}


@pytest.fixture(scope="module")
def writing():
    return sample_handwriting(200, 3)


def ink(images):
    """How much is written, (N,), as a part of the image."""
    return images.double().div(255).mean((1, 2, 3))


def lean(images):
    """How far the ink runs to the right for each unit that it rises, (N,), by its second moments."""
    mass = images[..., 0].double()
    mass = mass / mass.sum((1, 2), keepdim=True)
    axis = torch.arange(mass.shape[1]).double()
    x, y = axis.view(1, 1, -1), axis.view(1, -1, 1)
    x = x - (mass * x).sum((1, 2), keepdim=True)
    y = y - (mass * y).sum((1, 2), keepdim=True)
    return -(mass * x * y).sum((1, 2)) / (mass * y * y).sum((1, 2))


def test_sampling_is_deterministic_and_a_smaller_sample_is_the_start_of_a_larger_one():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    small, large = sample_handwriting(20, 7), sample_handwriting(333, 7)
    assert torch.equal(render(small), render(large[:20]))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(small.slant, sample_handwriting(20, 8).slant)


def test_a_picture_depends_on_its_own_handwriting_alone(writing):
    together = render(writing)
    assert torch.equal(render(writing[torch.arange(199, -1, -1)]), together.flip(0))
    assert torch.equal(render(writing[131:132]), together[131:132])
    assert len(render(writing[:0])) == 0


def test_a_wider_stroke_is_more_ink(writing):
    inks = [ink(render(replace(writing, width=torch.full((200,), width)))) for width in (0.065, 0.1, 0.135)]
    assert (inks[1] > 1.2 * inks[0]).all()
    assert (inks[2] > 1.1 * inks[1]).all()


def test_a_slant_leans_to_the_right_by_as_much(writing):
    upright, leaning = (lean(render(replace(writing, slant=torch.full((200,), slant)), 56)) for slant in (0.0, 0.4))
    # A shear by s moves the ink's lean by s, but for strokes that become longer by it.
    assert (leaning - upright - 0.4).abs().max() < 0.1
    assert (leaning - upright - 0.4).abs().mean() < 0.035
    for digit in range(10):
        hands = lean(render(writing))[writing.digit == digit]
        slants = writing.slant[writing.digit == digit].double()
        assert torch.corrcoef(torch.stack([hands, slants]))[0, 1] > 0.3


def test_the_ink_is_as_wide_as_the_width_says():
    one = sample_handwriting(2, 0)[1:]
    one = replace(one, slant=torch.zeros(1), nuisance=torch.zeros_like(one.nuisance), width=torch.full((1,), 0.1))
    rows = render(one, 100)[0, 40:60, :, 0].double() / 255
    assert rows.sum(1).sub(10).abs().max() < 0.1


def test_the_pen_makes_dots_evenly_along_the_strokes_and_closer_than_they_are_wide(writing):
    places, weights = digit_shapes._pens()
    assert torch.allclose(weights.sum(2), torch.ones(10, 64), atol=1e-5)
    dots = torch.einsum("dpk,dkc->dpc", weights, places)
    steps = dots.diff(dim=1).norm(dim=2)
    # The pen of the 4 is lifted once.
    assert ((steps > 1.5 * steps.median(1, keepdim=True).values).sum(1) == torch.tensor([0] * 4 + [1] + [0] * 5)).all()
    assert steps.median(1).values.max() * 0.7 < 0.065 / 2


def test_a_digit_stays_within_the_image(writing):
    extreme = replace(writing, nuisance=writing.nuisance.sign(), slant=torch.full((200,), 0.45))
    path = digit_shapes.pen_path(extreme)
    outside = ((path < 0) | (path > 1)).any(2).double().mean(1)
    assert (outside > 0).double().mean() < 0.1
    assert outside.max() < 0.1
    usual = digit_shapes.pen_path(writing)
    assert usual.min() > 0
    assert usual.max() < 1


@pytest.mark.parametrize("size", [16, 56])
def test_a_size_changes_the_resolution_and_not_the_picture(writing, size):
    images = render(writing[:20], size)
    assert images.shape == (20, size, size, 1)
    assert images.dtype == torch.uint8
    coarse = [
        torch.nn.functional.adaptive_avg_pool2d(i.permute(0, 3, 1, 2).float(), 4)
        for i in (images, render(writing[:20]))
    ]
    assert (coarse[0] - coarse[1]).abs().mean() < 4


def test_strokes_have_smooth_edges_on_a_black_ground(writing):
    images = render(writing)
    grey = ((images > 0) & (images < 255)).double().mean()
    assert 0.03 < grey < 0.25
    assert (images == 0).double().mean() > 0.6
    assert (images.flatten(1).amax(1) > 200).all()


def test_a_linear_classifier_tells_the_digits():
    from sklearn.linear_model import LogisticRegression

    train, test = sample_handwriting(2000, 1), sample_handwriting(500, 2)
    seen = [render(w, 14).flatten(1).numpy() / 255 for w in (train, test)]
    classifier = LogisticRegression(C=0.1, max_iter=300).fit(seen[0], train.digit.numpy())
    assert classifier.score(seen[1], test.digit.numpy()) > 0.85


# --- the DataModule ---------------------------------------------------------------------------------------------------


def test_the_digits_are_labels_that_exclude_each_other_and_are_balanced():
    data = Digits(**SMALL)
    loaded = data.load()
    assert loaded.attributes == loaded.labels == tuple("0123456789")
    assert loaded.exclusive
    assert loaded.splits["train"].attributes.sum(0).tolist() == [3.0] * 10
    assert loaded.splits["validation"].attributes.sum(0).tolist() == [2.0] * 5 + [1.0] * 5
    assert (loaded.splits["test"].attributes.sum(1) == 1).all()
    data.setup()
    assert data.spec.image_shape == (1, 28, 28)
    assert torch.equal(data.spec.binary(data.splits["test"].attributes), loaded.splits["test"].attributes.bool())


def test_rows_and_identities_are_unique_over_the_splits():
    loaded = Digits(**SMALL).load()
    assert [len(loaded.splits[name]) for name in SPLITS] == [30, 15, 20]
    rows = torch.cat([loaded.splits[name].index for name in SPLITS])
    assert rows.tolist() == list(range(65))
    assert len(torch.cat([loaded.splits[name].identity for name in SPLITS]).unique()) == 65
    assert not torch.equal(loaded.splits["train"].images[:15], loaded.splits["validation"].images)
    assert json.loads(json.dumps(loaded.manifest)) == loaded.manifest


def test_a_limit_gives_the_first_images_of_each_split():
    whole, limited = Digits(**SMALL).load(), Digits(**SMALL, limit=9).load()
    for name in SPLITS:
        first = whole.splits[name][:9]
        assert torch.equal(limited.splits[name].images, first.images)
        assert torch.equal(limited.splits[name].index, first.index)


def test_the_same_data_seed_gives_the_same_data_and_another_another():
    first, again = Digits(**SMALL).load(), Digits(**SMALL, seed=9).load()
    other = Digits(**SMALL, data_seed=1).load()
    assert first.manifest["sha256"] == again.manifest["sha256"] != other.manifest["sha256"]


def test_the_factors_of_rows_are_those_that_they_were_drawn_from():
    data = Digits(**SMALL, limit=12)
    data.setup()
    rows = torch.tensor([46, 0, 31, 7, 56])
    known = data.factors(rows)
    splits = [data.splits[name] for name in SPLITS]
    drawn = {int(row): image for faces in splits for row, image in zip(faces.index, faces.images, strict=True)}
    assert torch.equal(render(known), torch.stack([drawn[row] for row in rows.tolist()]))
    assert len(data.factors(rows[:0])) == 0
    for row in (12, 65, -1):
        with pytest.raises(UserError, match=f"Digits has no row {row}: give indices that its batches give"):
            data.factors(torch.tensor([0, row]))


@pytest.mark.parametrize(("name", "value"), [("size", 4), ("train", 0), ("validation", -1), ("test", 0)])
def test_bad_arguments_are_named(name, value):
    with pytest.raises(UserError, match=rf"data\.{name} must be"):
        Digits(**{**SMALL, name: value})

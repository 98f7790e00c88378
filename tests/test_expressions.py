"""The drawn expressions: what changes with them, what does not, and their DataModule."""

import json

import pytest
import torch

from lit_faces.data import cartoon_sheet
from lit_faces.data.base import SPLITS
from lit_faces.data.cartoon import Factors
from lit_faces.data.expression_shapes import AT_REST, EXPRESSIONS, FACE, face_values
from lit_faces.data.expressions import Expressions, Portraits, render, sample_portraits
from lit_faces.errors import UserError

SMALL = {"train": 30, "validation": 16, "test": 14, "size": 32, "batch_size": 4}


@pytest.fixture(scope="module")
def people():
    """Five people, each with two pictures of each expression."""
    return sample_portraits(70, 3)[0]


def styled(people, expression, intensity, opening):
    """The first picture of the people, or as many as there are styles, with one expression."""
    style = torch.stack([torch.as_tensor(intensity), torch.as_tensor(opening)], 1)
    chosen = people[torch.arange(len(style)) % len(people)]
    return Portraits(chosen.person, torch.full((len(style),), EXPRESSIONS.index(expression)), style)


def test_an_identity_has_two_pictures_of_each_expression_that_differ():
    portraits, identity = sample_portraits(70, 0)
    assert identity.tolist() == [row // 14 for row in range(70)]
    counts = torch.stack([torch.bincount(portraits.expression[identity == i], minlength=7) for i in range(5)])
    assert (counts == 2).all()
    images = render(portraits, 32).int()
    twins = (images.view(5, 2, 7, -1)[:, 0] - images.view(5, 2, 7, -1)[:, 1]).abs().float().mean(2)
    assert (twins > 1).all()
    # The person is the identity's, the style and the picture are not.
    assert torch.equal(portraits.person.attributes, portraits.person.attributes[identity * 14])
    assert (portraits.style[::14] != portraits.style[1::14]).all()


def test_sampling_is_deterministic_and_a_smaller_sample_is_the_start_of_a_larger_one():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    (small, _), (large, _) = sample_portraits(20, 7), sample_portraits(33, 7)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(render(small, 16), render(large[:20], 16))
    assert not torch.equal(small.style, sample_portraits(20, 8)[0].style)


def test_a_neutral_face_is_at_rest_whatever_its_style():
    style = torch.rand(2, 9, generator=torch.Generator().manual_seed(0))
    values = face_values(torch.full((9,), EXPRESSIONS.index("Neutral")), *style)
    assert values.shape == (9, len(FACE))
    assert torch.allclose(values, torch.tensor([*AT_REST.values()]))


@pytest.mark.parametrize("name", ["Happy", "Surprise", "Disgust"])
def test_some_expressions_vary_in_two_dimensions(people, name):
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    for row in range(0, 70, 14):
        images = render(styled(people[row : row + 1], name, *corners.unbind(1)), 64).float().flatten(1)
        intensity, opening = images[1] - images[0], images[2] - images[0]
        assert intensity.norm() > 200
        assert opening.norm() > 200
        assert torch.nn.functional.cosine_similarity(intensity, opening, 0).abs() < 0.7


@pytest.mark.parametrize("name", EXPRESSIONS[:-1])
def test_the_weakest_expression_is_visible(people, name):
    style = torch.zeros(70)
    neutral, weak = (render(styled(people, which, style, style)).int() for which in ("Neutral", name))
    changed = ((weak - neutral).abs().amax(3) > 24).float().sum((1, 2))
    assert changed.min() >= 12
    assert changed.median() >= 40


def test_the_nearest_mean_picture_tells_the_expressions_apart():
    # Around each expression's mean change from neutral, with people and styles not seen before.
    train, test = sample_portraits(280, 1)[0], sample_portraits(140, 2)[0]

    def changes(portraits):
        neutral = Portraits(portraits.person, torch.full_like(portraits.expression, 6), portraits.style)
        return (render(portraits, 32).float() - render(neutral, 32).float()).flatten(1)

    seen = changes(train)
    means = torch.stack([seen[train.expression == e].mean(0) for e in range(7)])
    told = torch.cdist(changes(test), means).argmin(1)
    assert (told == test.expression).float().mean() > 0.75


def test_gray_pictures_have_one_channel_and_are_the_luma_of_the_coloured_ones(people):
    gray, coloured = render(people, 32), render(people, 32, gray=False)
    assert gray.shape == (70, 32, 32, 1)
    assert coloured.shape == (70, 32, 32, 3)
    assert (coloured != coloured[..., :1]).any()
    luma = (coloured.float() * torch.tensor([0.299, 0.587, 0.114])).sum(3)
    # Only saturated light may part them.
    assert (gray[..., 0].float() - luma).abs().mean() < 0.5


def test_a_picture_depends_on_its_own_portrait_alone(people):
    together = render(people, 48)
    assert torch.equal(render(people[torch.arange(69, -1, -1)], 48), together.flip(0))
    assert torch.equal(render(people[33:34], 48), together[33:34])
    assert len(render(people[:0], 48)) == 0


def test_features_fit_the_windows_they_are_drawn_in(people, monkeypatch):
    # The most extreme people, poses and styles there are.
    person = Factors(people.person.attributes, people.person.nuisance.sign())
    extreme = Portraits(person, people.expression, people.style.round())
    windowed = render(extreme)
    monkeypatch.setattr(cartoon_sheet.Sheet, "window", lambda self, *_: self)
    assert torch.equal(render(extreme), windowed)


@pytest.fixture(scope="module")
def data():
    module = Expressions(**SMALL)
    module.setup()
    return module


def test_splits_share_no_identity_and_rows_are_unique():
    loaded = Expressions(**SMALL).load()
    assert [len(loaded.splits[name]) for name in SPLITS] == [30, 16, 14]
    people = [set(loaded.splits[name].identity.tolist()) for name in SPLITS]
    assert [len(p) for p in people] == [3, 2, 1]
    assert len(set.union(*people)) == 6
    rows = torch.cat([loaded.splits[name].index for name in SPLITS])
    assert sorted(rows.tolist()) == list(range(60))
    assert json.loads(json.dumps(loaded.manifest)) == loaded.manifest


def test_exactly_one_expression_holds_and_neutral_is_no_label(data):
    loaded = Expressions(**SMALL).load()
    assert loaded.attributes == ("Anger", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
    assert loaded.labels == loaded.attributes[:6]
    assert loaded.exclusive
    for faces in loaded.splits.values():
        assert (faces.attributes.sum(1) == 1).all()
    assert data.spec.labels == loaded.labels
    assert data.spec.exclusive
    assert data.spec.image_shape == (1, 32, 32)
    train = data.splits["train"]
    assert torch.equal(data.spec.binary(train.attributes), loaded.splits["train"].attributes.bool())


def test_a_limit_gives_the_first_images_of_each_split():
    whole, limited = Expressions(**SMALL).load(), Expressions(**SMALL, limit=9).load()
    for name in SPLITS:
        first = whole.splits[name][:9]
        assert torch.equal(limited.splits[name].images, first.images)
        assert torch.equal(limited.splits[name].identity, first.identity)
        assert torch.equal(limited.splits[name].index, first.index)


def test_the_same_data_seed_gives_the_same_data_and_another_another():
    first, again = Expressions(**SMALL).load(), Expressions(**SMALL, seed=9).load()
    other = Expressions(**SMALL, data_seed=1).load()
    assert first.manifest["sha256"] == again.manifest["sha256"] != other.manifest["sha256"]


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_the_counterfactual_of_a_face_s_own_expression_is_the_face(data, name):
    rows = torch.tensor([59, 0, 31, 7, 46, 20])
    images = data.counterfactual(rows, name, True)
    assert images.shape == (6, 32, 32, 1)
    assert images.dtype == torch.uint8
    original = torch.cat([data.splits[split].images for split in SPLITS])[rows]
    same = (images == original).flatten(1).all(1)
    assert torch.equal(same, data.portraits(rows).expression == EXPRESSIONS.index(name))


def test_an_expression_taken_away_leaves_a_neutral_face_and_others_as_they_were(data):
    rows = torch.arange(14)
    happy = data.portraits(rows).expression == EXPRESSIONS.index("Happy")
    images, neutral = data.counterfactual(rows, "Happy", False), data.counterfactual(rows, "Neutral", True)
    assert torch.equal(images[happy], neutral[happy])
    assert torch.equal(images[~happy], data.splits["train"].images[rows][~happy])


def test_counterfactuals_change_brows_eyes_nose_bridge_and_mouth_alone(people):
    nuisance = people.person.nuisance.clone()
    nuisance[:, 19:24] = 0  # the pose
    straight = Portraits(Factors(people.person.attributes, nuisance), people.expression, people.style)
    images = [
        render(Portraits(straight.person, torch.full((70,), expression), straight.style)) for expression in range(7)
    ]
    changed = torch.stack([(image != images[6]).any(3) for image in images[:6]]).any(0).any(0)
    rows, columns = changed.any(1).nonzero().flatten(), changed.any(0).nonzero().flatten()
    # From the raised brows to the hanging tongue; the chin's outline, the ears, hair's sides and the clothes remain.
    assert rows.min() >= 14
    assert rows.max() <= 60
    assert columns.min() >= 12
    assert columns.max() <= 52


def test_errors_say_what_to_do(data):
    rows = torch.tensor([0])
    with pytest.raises(UserError, match=r"Expressions has no attribute 'Hapy': did you mean Happy"):
        data.counterfactual(rows, "Hapy", True)
    with pytest.raises(UserError, match=r"not neutral has an expression: set one of Anger, Disgust"):
        data.counterfactual(rows, "Neutral", False)
    for row in (60, -1):
        with pytest.raises(UserError, match=f"no row {row}: give indices that its batches give"):
            data.portraits(torch.tensor([0, row]))
    limited = Expressions(**SMALL, limit=5)
    assert torch.equal(limited.portraits(torch.tensor([34])).style, data.portraits(torch.tensor([34])).style)
    with pytest.raises(UserError, match="no row 5"):
        limited.portraits(torch.tensor([5]))


@pytest.mark.parametrize(("name", "value"), [("size", 4), ("train", 0), ("validation", -1), ("test", 0)])
def test_bad_arguments_are_named(name, value):
    with pytest.raises(UserError, match=rf"data\.{name} must be"):
        Expressions(**{**SMALL, name: value})

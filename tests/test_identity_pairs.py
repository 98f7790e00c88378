"""Pairs of one person, against loops over all of them."""

import pytest
import torch
from painter import TONE, CannotSwitch, Painter, Tinted, evaluate

from lit_faces.callbacks.identity_pairs import IdentityPairs, identity_pairs

METRICS = {"target_changed", "original_changed", "target_original"}


def test_pairs_are_of_one_person_with_two_expressions():
    identity, expression = torch.tensor([3, 7, 3, 3, 7, 9]), torch.tensor([0, 1, 0, 2, 0, 1])
    pairs = identity_pairs(identity, expression, 100, 0)
    found = {(a, b) for a, b in zip(pairs.original.tolist(), pairs.target.tolist(), strict=True)}
    assert found == {(0, 3), (3, 0), (2, 3), (3, 2), (1, 4), (4, 1)}
    assert len(pairs) == 6
    assert torch.equal(pairs.wanted, expression[pairs.target])
    assert len(identity_pairs(identity, torch.zeros(6, dtype=torch.long), 100, 0)) == 0


def test_a_limited_number_of_pairs_is_drawn_by_the_seed():
    identity, expression = torch.zeros(20, dtype=torch.long), torch.arange(20) % 3
    everything = identity_pairs(identity, expression, 1000, 0)

    def rows(pairs):
        return [(int(a), int(b)) for a, b in zip(pairs.original, pairs.target, strict=True)]

    some = rows(identity_pairs(identity, expression, 50, 1))
    assert len(set(some)) == 50
    assert set(some) < set(rows(everything))
    assert (
        some == rows(identity_pairs(identity, expression, 50, 1)) != rows(identity_pairs(identity, expression, 50, 2))
    )


def by_hand(data, tone):
    """Means over all pairs of the test split, in float64."""
    faces = data.splits["test"]
    images = faces.images.double() / 255
    kinds = data.spec.binary(faces.attributes)[:, :2].long().tolist()
    sums, count = torch.zeros(3, dtype=torch.float64), 0
    for i, x in enumerate(images):
        for j, y in enumerate(images):
            if faces.identity[i] == faces.identity[j] and kinds[i] != kinds[j]:
                changed = x.clone()
                changed[..., 1:] = torch.tensor(kinds[j]) * tone
                sums += torch.stack([((a - b) ** 2).sum() for a, b in ((y, changed), (x, changed), (y, x))])
                count += 1
    return (sums / count).tolist(), count


@pytest.mark.parametrize("neutral", [True, False])
def test_means_over_pairs_are_those_of_a_loop(neutral):
    data = Tinted(neutral=neutral)
    found = evaluate(CannotSwitch(0.7), data, IdentityPairs())
    assert set(found) == METRICS
    expected, count = by_hand(data, 0.7)
    for name, value in zip(("target_changed", "original_changed", "target_original"), expected, strict=True):
        assert found[name].value == pytest.approx(value, rel=1e-5)
        assert (found[name].n, found[name].settings) == (count, {"pairs": count, "identities": 5})
        assert found[name].unit == "squared error per image pair"


def test_the_error_takes_people_for_independent():
    found = evaluate(CannotSwitch(0.7), Tinted(people=2), IdentityPairs())["target_original"]
    one, two = (by_hand(data, 0.7)[0][2] for data in (half(0), half(1)))
    assert found.value == pytest.approx((one + two) / 2, rel=1e-5)
    assert found.stderr == pytest.approx(abs(one - two) / 2, rel=1e-3)
    assert evaluate(CannotSwitch(0.7), half(0), IdentityPairs())["target_original"].stderr is None


def half(person):
    data = Tinted(people=2)
    data.setup()
    data.splits["test"] = data.splits["test"][torch.arange(6 * person, 6 * person + 6)]
    return data


def test_the_styles_are_chosen_on_the_validation_split():
    data = Tinted()
    data.setup()
    found = evaluate(Painter(0.9), data, IdentityPairs())
    expected, count = by_hand(data, TONE)
    assert found["target_changed"].value == pytest.approx(expected[0], rel=1e-5)
    settings = found["target_changed"].settings
    assert settings["styles"] == {"A": [round(TONE, 6)], "B": [round(TONE, 6)]}
    assert (settings["search"], settings["candidates"]) == ("grid", 3)
    assert settings["validation_pairs"] == count
    # B is fainter on the validation faces: its style follows them, A's does not.
    images = data.splits["validation"].images
    images[..., 2] = images[..., 2] // 2
    found = evaluate(Painter(0.9), data, IdentityPairs())
    assert found["target_changed"].settings["styles"] == {"A": [round(TONE, 6)], "B": [0.2]}


def test_a_style_without_validation_pairs_stays():
    data = Tinted()
    data.setup()
    faces = data.splits["validation"]
    keep = ~data.spec.binary(faces.attributes)[:, 1]
    data.splits["validation"] = faces[keep]
    settings = evaluate(Painter(0.9), data, IdentityPairs())["target_changed"].settings
    assert settings["styles"] == {"A": [round(TONE, 6)], "B": [0.9]}


def test_fewer_pairs_edit_fewer_faces():
    edited = []

    class Counting(CannotSwitch):
        def edit(self, images, attributes, target, strength=1.0):
            edited.append(len(images))
            return super().edit(images, attributes, target)

    found = evaluate(Counting(), Tinted(), IdentityPairs(pairs=7))
    assert found["target_changed"].n == 7
    assert sum(edited) <= 7
    edited.clear()
    found = evaluate(Counting(), Tinted(), IdentityPairs())
    # Every face once for each of the two other expressions, though each has two pictures.
    assert (found["target_changed"].n, sum(edited)) == (5 * 6 * 4, 5 * 6 * 2)


def test_nothing_is_measured_without_pairs_exclusive_labels_or_leave():
    assert evaluate(Painter(), Tinted(), IdentityPairs(enabled=False)) == {}
    assert evaluate(Painter(), Tinted(exclusive=False), IdentityPairs()) == {}
    data = Tinted()
    data.setup()
    faces = data.splits["test"]
    data.splits["test"] = faces[torch.arange(0, len(faces), 6)]
    assert evaluate(Painter(), data, IdentityPairs()) == {}

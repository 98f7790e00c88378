"""How often a classifier sees what was added to a face: which faces are added, and what is measured."""

import pytest
import torch
from layered import Dim, Planes
from painter import PAINT, Painter, Tinted, evaluate

from lit_faces.callbacks.arithmetic import Arithmetic, asked_of, operands
from lit_faces.callbacks.attribute_edits import AttributeEdits
from lit_faces.callbacks.edits import Edit
from lit_faces.errors import UserError

# Which faces are added.


def test_faces_are_drawn_from_those_that_fit():
    generator = torch.Generator().manual_seed(0)
    holds, kinds = torch.rand(2, 300, generator=generator) < torch.tensor([[0.3], [0.4]])
    a, b, c = operands(holds, kinds, 1000, 0).unbind(1)
    assert torch.equal(a, (~holds).nonzero()[:, 0])
    assert not holds[b].any()
    assert holds[c].all()
    assert torch.equal(kinds[b], kinds[c])
    assert (a != b).all()
    # Every face that may be drawn is, now and then.
    assert len(c.unique()) > 0.8 * holds.sum()
    assert len(b.unique()) > 0.5 * (~holds).sum()
    assert set(kinds[b].tolist()) == {0, 1}
    again, other = operands(holds, kinds, 1000, 0), operands(holds, kinds, 1000, 1)
    assert torch.equal(again, torch.stack([a, b, c], 1))
    assert not torch.equal(again, other)
    assert torch.equal(operands(holds, kinds, 20, 0)[:, 0], a[:20])


@pytest.mark.parametrize(
    ("holds", "kinds", "found"),
    [
        ([0, 0, 1], [0, 0, 0], [[0, 1, 2], [1, 0, 2]]),
        # The one with it is of a kind of which there is only one without.
        ([0, 0, 0, 1], [1, 0, 0, 1], []),
        ([0, 0, 0, 1, 1], [1, 0, 0, 1, 0], [[1, 2, 4], [2, 1, 4]]),
        ([0, 0], [0, 0], []),
        ([1, 1], [0, 0], []),
    ],
)
def test_few_faces_leave_little_choice(holds, kinds, found):
    chosen = operands(torch.tensor(holds) > 0, torch.tensor(kinds) > 0, 9, 3)
    assert chosen.shape == (len(chosen), 3)
    # The last example's first face may take either of two.
    assert [line for line in chosen.tolist() if found and line[0] >= found[0][0]] == found


def test_the_attributes_are_those_of_edits_that_set_one():
    edits = [Edit(("A",), ("B",)), Edit(reset=("A",)), Edit(("B", "C")), Edit(("D",)), Edit(("A",))]
    assert asked_of(edits, ("E",)) == ("A", "D")
    assert asked_of([], ("E", "F")) == ("E", "F")
    assert asked_of([], "ABCDEFGHIJ") == tuple("ABCDEFGH")


# What the classifier sees.


def measured(data, callback, method=None, edits=None):
    found = evaluate(method or Planes(), data, AttributeEdits("judge", edits={} if edits is None else edits), callback)
    return {name: m for name, m in found.items() if "arithmetic" in name}


@pytest.mark.parametrize("batch_size", [3, 36])
def test_the_shares_are_those_of_a_loop_over_the_faces(batch_size):
    data, callback = Tinted(exclusive=False, people=9, batch_size=batch_size), Arithmetic(alike="B", seed=5)
    found = measured(data, callback, Dim())
    faces = data.splits["test"]
    images, truth = faces.images.permute(0, 3, 1, 2).double() / 255, data.spec.binary(faces.attributes)
    shares = {}
    for column, name in enumerate("AB"):
        kinds = truth[:, 1] if name == "A" else torch.zeros(len(faces))
        hits, plain = [], []
        for a, b, c in operands(truth[:, column], kinds, 1000, 5).tolist():
            sums = images[a] - images[b] + images[c]
            hits.append(float(sums[0, 0, 0] > 0.35 and sums[1 + column].mean() * 255 / PAINT * 0.9 > 0.5))
            plain.append(float(images[a, 0, 0, 0] > 0.35 and images[a, 1 + column].mean() * 255 / PAINT * 0.9 > 0.5))
        shares[name] = sum(hits) / len(hits)
        accuracy, unedited = found[f"arithmetic_accuracy/{name}"], found[f"arithmetic_unedited_rate/{name}"]
        assert (accuracy.value, accuracy.n, accuracy.unit) == (pytest.approx(shares[name]), 18, "share of faces")
        assert accuracy.stderr == pytest.approx(float(torch.tensor(hits).std()) / 18**0.5)
        assert unedited.value == sum(plain) / len(plain) == 0
        rows, values = callback.evaluation.per_image[f"arithmetic_hit/{name}"]
        assert torch.equal(rows, faces.index[~truth[:, column]])
        assert values.tolist() == hits
        assert callback.evaluation.per_image[f"arithmetic_unedited/{name}"][1].tolist() == plain
    assert 0 < shares["A"] < 1
    assert found["arithmetic_accuracy"].value == pytest.approx((shares["A"] + shares["B"]) / 2)
    assert set(found) == {f"arithmetic_{kind}{of}" for kind in ("accuracy", "unedited_rate") for of in ("", "/A", "/B")}


class Everywhere(Planes):
    """Paints all."""

    def decode(self, z):
        return torch.ones(len(z), *self.spec.image_shape)


def test_what_is_seen_without_arithmetic_is_told():
    found = measured(Tinted(exclusive=False), Arithmetic(images=3), Everywhere())
    assert {m.value for m in found.values()} == {1.0}
    assert {m.n for name, m in found.items() if "/" in name} == {3}


def test_the_attributes_are_the_run_s_or_those_asked_for():
    def names(**arguments):
        edits = {"mine": Edit(set=("B",), reset=("A",)), "no A": Edit(reset=("A",))}
        found = measured(Tinted(exclusive=False), Arithmetic(**arguments), edits=edits)
        return {name.partition("/")[2] for name in found if "/" in name}

    assert names() == {"B"}
    assert names(attributes=("A", "A")) == {"A"}
    with pytest.raises(UserError, match="Tinted has no attribute 'Q'"):
        names(attributes=("Q",))


def test_of_one_attribute_the_mean_is_its_share():
    found = measured(Tinted(exclusive=False), Arithmetic(attributes=("A",)))
    one, mean = found["arithmetic_accuracy/A"], found["arithmetic_accuracy"]
    assert (mean.value, mean.stderr, mean.n, mean.settings) == (one.value, one.stderr, one.n, one.settings)


def test_an_attribute_that_no_face_or_every_face_has_is_left_out():
    data = Tinted(exclusive=False)
    data.setup()
    faces = data.splits["test"]
    data.splits["test"] = faces[~data.spec.binary(faces.attributes)[:, 1]]
    assert set(measured(data, Arithmetic())) == {
        f"arithmetic_{kind}{of}" for kind in ("accuracy", "unedited_rate") for of in ("", "/A")
    }
    data.splits["test"] = faces[data.spec.binary(faces.attributes).all(1)]
    assert measured(data, Arithmetic()) == {}


def test_nothing_is_measured_without_layers_a_judge_or_attributes_that_go_together():
    assert measured(Tinted(), Arithmetic()) == {}
    assert measured(Tinted(exclusive=False), Arithmetic(), Painter()) == {}
    assert measured(Tinted(exclusive=False, labels=()), Arithmetic()) == {}
    assert evaluate(Planes(), Tinted(exclusive=False), AttributeEdits(), Arithmetic()) == {}


@pytest.mark.parametrize("wrong", [{"images": 0}, {"seed": -1}])
def test_wrong_numbers_are_refused(wrong):
    with pytest.raises(UserError, match=r"--arithmetic\.images must be at least 1 and --arithmetic\.seed"):
        Arithmetic(**wrong)

"""Errors against known pictures."""

import math

import pytest
import torch
from painter import LABELS, TONE, Painter, Tinted, evaluate

from lit_faces.callbacks.attribute_edits import AttributeEdits, Edit
from lit_faces.callbacks.counterfactual_error import CounterfactualError
from lit_faces.callbacks.measurement import squared_error
from lit_faces.callbacks.reconstruction import Reconstruction
from lit_faces.data.synthetic import Synthetic
from lit_faces.methods import CGAN, CMMA


def test_squared_error_is_the_mean_over_pixel_values():
    torch.manual_seed(0)
    a, b = torch.rand(3, 3, 4, 5), torch.rand(3, 3, 4, 5)
    expected = [
        sum((float(p) - float(q)) ** 2 for p, q in zip(x.flatten(), y.flatten(), strict=True)) / 60
        for x, y in zip(a, b, strict=True)
    ]
    assert squared_error(a, b).tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_true_counterfactual_has_no_error(exclusive):
    found = evaluate(Painter(), Tinted(exclusive=exclusive), CounterfactualError())
    names = [*LABELS, "Neutral"] if exclusive else ["A", "No A", "B", "No B"]
    kinds = ("counterfactual_mse", "unedited_mse")
    assert set(found) == {*kinds, *(f"{kind}/{name}" for kind in kinds for name in names)}
    for name in names:
        assert found[f"counterfactual_mse/{name}"].value == pytest.approx(0, abs=1e-12)
        assert found[f"unedited_mse/{name}"].value > 0.01
    assert found["counterfactual_mse"].value == pytest.approx(0, abs=1e-12)


def test_the_error_of_wrong_paint_is_known():
    found = evaluate(Painter(TONE + 0.3), Tinted(exclusive=False), CounterfactualError())
    # One of three planes is off by 0.3 where A holds, and B's plane too on every second face.
    assert found["counterfactual_mse/A"].value == pytest.approx((0.09 + 0.045) / 3, rel=1e-5)
    assert found["counterfactual_mse/No A"].value == pytest.approx(0.045 / 3, rel=1e-5)
    assert found["unedited_mse/A"].value == pytest.approx(TONE**2 / 3, rel=1e-5)
    assert found["counterfactual_mse/A"].n == 10
    mean = sum(found[f"counterfactual_mse/{n}"].value for n in ("A", "No A", "B", "No B")) / 4
    overall = found["counterfactual_mse"]
    assert (overall.value, overall.n, overall.settings) == (pytest.approx(mean), 20, {"mean_over": "edits"})
    # Each face is in two edits. In each, B's plane adds half an edit's spread to the error of those with B.
    half = 0.045 / 3
    away = {(0, 0): -2 * half, (0, 1): 0, (1, 0): 0, (1, 1): 2 * half}
    assert overall.stderr == pytest.approx(math.sqrt(20 / 19 * sum(5 * (a / 40) ** 2 for a in away.values())), rel=1e-5)


def test_the_edits_are_those_of_the_run_that_change_one_attribute():
    edits = {"one": Edit(set=("A",)), "two": Edit(set=("A", "B")), "off": Edit(reset=("A", "B"))}
    found = evaluate(Painter(), Tinted(exclusive=False), CounterfactualError(), AttributeEdits(None, edits))
    assert set(found) == {"counterfactual_mse", "unedited_mse", "counterfactual_mse/one", "unedited_mse/one"}
    # Without an attribute of that name, neutral is no single attribute.
    assert "counterfactual_mse/Neutral" not in evaluate(Painter(), Tinted(neutral=False), CounterfactualError())


def test_drawn_faces_are_compared_with_drawings():
    data = Synthetic(batch_size=4, size=32, train=8, validation=2, test=5)
    edits = {"No hat": Edit(reset=("Wearing Hat",)), "Smiling": Edit(set=("Smiling",))}
    method = CMMA(latent_dim=3, width=0.05)
    found = evaluate(method, data, CounterfactualError(), AttributeEdits(None, edits), Reconstruction())
    assert found["counterfactual_mse/Smiling"].value > 0
    assert found["unedited_mse/Smiling"].value > 0
    assert (found["reconstruction_mse"].n, found["reconstruction_mse"].unit) == (5, "squared error per pixel")


def test_reconstruction():
    class Dark(Painter):
        def reconstruct(self, images, attributes):
            return images - 0.25

    found = evaluate(Dark(), Tinted(), Reconstruction())["reconstruction_mse"]
    assert (found.value, found.stderr, found.n) == (pytest.approx(0.0625, rel=1e-5), pytest.approx(0, abs=1e-6), 30)
    assert evaluate(Painter(), Tinted(), Reconstruction())["reconstruction_mse"].value == 0


def test_methods_and_data_that_cannot_are_left_alone(data):
    cgan = CGAN(noise_dim=3, width=0.05)
    assert evaluate(cgan, data, CounterfactualError(), Reconstruction()) == {}

    class Plain(Tinted):
        counterfactual = None

    assert evaluate(Painter(), Plain(), CounterfactualError()) == {}

"""Sharpness of pictures whose gradient is known, and of reconstructions."""

import math

import pytest
import torch
import torch.nn.functional as F
from painter import Painter, Tinted, evaluate

from lit_faces.callbacks.reconstruction import Reconstruction
from lit_faces.data.swiss_roll import SwissRoll
from lit_faces.metrics.sharpness import sharpness


def ramp(across, down, channels=3, height=5, width=7):
    plane = across * torch.arange(width) + down * torch.arange(height)[:, None]
    return plane.expand(1, channels, height, width)


def test_a_ramp_has_its_slope_and_a_constant_has_none():
    assert sharpness(ramp(0.03, 0.04)).item() == pytest.approx(0.05)
    assert sharpness(ramp(-0.03, 0.0, channels=1)).item() == pytest.approx(0.03)
    assert sharpness(ramp(0.0, 0.02, channels=2)).item() == pytest.approx(0.02)
    # 0.3 is no binary fraction: a sum that rounds would leave a gradient.
    assert sharpness(torch.full((2, 3, 4, 4), 0.3)).tolist() == [0, 0]


def test_colours_weigh_as_their_luminance():
    for channel, weight in enumerate((0.299, 0.587, 0.114)):
        image = torch.zeros(1, 3, 4, 4)
        image[:, channel] = ramp(0.1, 0, 1, 4, 4)[0]
        assert sharpness(image).item() == pytest.approx(0.1 * weight)


def test_each_picture_has_its_own():
    torch.manual_seed(0)
    images = torch.rand(3, 3, 6, 5)
    luminance = (images * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)
    expected = [
        sum(
            math.hypot(p[i, j + 1] - p[i, j], p[i + 1, j] - p[i, j])
            for i in range(len(p) - 1)
            for j in range(len(p[0]) - 1)
        )
        / 20
        for p in luminance.double().numpy()
    ]
    assert sharpness(images).tolist() == pytest.approx(expected, rel=1e-5)
    assert sharpness(images[1:2]).tolist() == pytest.approx(expected[1:2], rel=1e-5)


def test_a_blurred_picture_is_less_sharp():
    torch.manual_seed(0)
    images = torch.rand(2, 3, 16, 16)
    blurred = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    assert (sharpness(blurred) < 0.5 * sharpness(images)).all()


@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (2, 3, 1, 4), (3, 4, 4)])
def test_a_picture_without_neighbours_is_refused(shape):
    with pytest.raises(ValueError, match="at least 2x2"):
        sharpness(torch.zeros(shape))


class Fading(Painter):
    """Gives a face back with half its contrast."""

    def reconstruct(self, images, attributes):
        return 0.5 * images + 0.2


def test_the_reconstruction_is_compared_with_the_image():
    found = evaluate(Fading(), Tinted(), Reconstruction())
    one = found["sharpness"]
    assert (one.value, one.n, one.unit) == (pytest.approx(0.5, rel=1e-4), 30, "share of the image's own gradient")
    assert one.stderr == pytest.approx(0, abs=1e-5)
    assert set(found) == {"sharpness", "reconstruction_mse"}
    assert evaluate(Painter(), Tinted(), Reconstruction())["sharpness"].value == 1


class Dotting(Painter):
    """Puts a dot on every face, also where there is nothing else to see."""

    def reconstruct(self, images, attributes):
        dotted = images.clone()
        dotted[:, :, 0, 0] += 0.5
        return dotted


def test_a_blank_image_is_left_out():
    data = Tinted()
    data.setup()
    data.splits["test"].images[:4, ..., 0] = 7
    callback = Reconstruction()
    found = evaluate(Fading(), data, callback)
    assert (found["sharpness"].value, found["sharpness"].n) == (pytest.approx(0.5, rel=1e-4), 26)
    assert found["reconstruction_mse"].n == 30
    assert len(callback.evaluation.per_image["sharpness"][0]) == 26
    dotted = evaluate(Dotting(), data, Reconstruction())["sharpness"]
    assert dotted.n == 26
    assert 1 < dotted.value < 100
    data.splits["test"].images[..., 0] = 7
    assert set(evaluate(Fading(), data, Reconstruction())) == {"reconstruction_mse"}


def test_points_have_no_sharpness():
    data = SwissRoll(batch_size=16, samples=50)
    assert set(evaluate(Painter(), data, Reconstruction())) == {"reconstruction_mse"}

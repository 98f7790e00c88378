"""Slant and stroke width of bars that are known, brightness and warmth of colours."""

import math

import pytest
import torch

from lit_faces.metrics.appearance import appearance


def bar(width, shear=0.0, length=20.0, size=32, x=0.0, contrast=1.0):
    """A bar with smooth edges, `width` across in its rows, that goes `shear` pixels to the right for each one up."""
    fine = 8
    place = (torch.arange(size * fine) + 0.5) / fine - size / 2
    up = -place[:, None]
    inside = ((place - x - shear * up).abs() < width / 2) & (up.abs() < length / 2)
    return contrast * inside.float().reshape(size, fine, size, fine).mean((1, 3))[None, None]


@pytest.mark.parametrize("shear", [-0.5, 0.0, 0.3, 1.0])
@pytest.mark.parametrize("x", [0.0, -3.0])
def test_the_slant_is_the_shear_and_leaning_right_is_positive(shear, x):
    slant = appearance(bar(3, shear, 16, x=x))["slant"].item()
    assert slant == pytest.approx(shear, abs=0.01)
    assert appearance(bar(3, shear, 16, x=x).flip(3))["slant"].item() == pytest.approx(-slant, abs=1e-5)
    assert appearance(bar(3, shear, 16, x=x, contrast=0.4))["slant"].item() == pytest.approx(slant, abs=1e-5)


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_the_stroke_width_is_that_of_a_long_bar(width):
    size, length = 64, 60
    # Of whole pixels.
    picture = bar(width, 0.0, length, size, x=width % 2 / 2)
    found = appearance(picture)["stroke width"].item()
    # The ends are edges too, and at one corner the gradient goes along both sides at once.
    edges = 2 * length + 2 * width - (2 - math.sqrt(2))
    assert found == pytest.approx(2 * length * width / edges, rel=1e-5)
    assert found == pytest.approx(width, rel=0.1)
    assert appearance(0.3 * picture)["stroke width"].item() == pytest.approx(found)


def test_a_slanted_stroke_is_measured_across():
    found = appearance(bar(5, 0.5, 56, 64))["stroke width"].item()
    assert found == pytest.approx(5 / math.hypot(1, 0.5), rel=0.12)


def test_ink_at_the_border_has_an_edge_there():
    image = torch.zeros(1, 1, 8, 8)
    image[..., :2] = 1
    inner = image.roll(3, 3)
    corner = 2 - math.sqrt(2)
    for picture in (image, inner):
        assert appearance(picture)["stroke width"].item() == pytest.approx(2 * 16 / (20 - corner), rel=1e-5)


def test_a_blank_image_and_a_flat_line_have_no_slant():
    blank, line = torch.zeros(1, 1, 9, 9), torch.zeros(1, 1, 9, 9)
    line[0, 0, 4, 1:8] = 1
    found = appearance(torch.cat([blank, line]))
    assert found["slant"].tolist() == pytest.approx([0, 0], abs=1e-6)
    assert found["stroke width"][0] == 0
    assert found["stroke width"].isfinite().all()


def test_brightness_and_warmth_are_means_of_the_planes():
    torch.manual_seed(0)
    images = torch.rand(3, 3, 5, 4)
    found = appearance(images)
    assert set(found) == {"brightness", "warmth"}
    assert torch.allclose(found["brightness"], images.mean((1, 2, 3)))
    assert torch.allclose(found["warmth"], (images[:, 0] - images[:, 2]).mean((1, 2)))


def test_each_image_has_its_own_and_other_channels_have_none():
    images = torch.cat([bar(2, 0.2), bar(4, -0.1), bar(3)])
    for name, values in appearance(images).items():
        assert values.shape == (3,)
        assert values.tolist() == pytest.approx([appearance(one[None])[name].item() for one in images], abs=1e-6)
    assert appearance(torch.zeros(2, 2, 1, 1)) == {}


def test_bf16_does_not_round_what_is_measured():
    images = bar(3, 0.3, 16)
    with torch.autocast("cpu", torch.bfloat16):
        found = appearance(images)
    for name, value in appearance(images).items():
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], value)

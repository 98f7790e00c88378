"""How far codes are from the prior, for codes of which it is known."""

import pytest
import torch
from layered import Fixed, Ladder, gaussian
from painter import Tinted, evaluate

from lit_faces.callbacks.code_match import CodeMatch, _discrepancies
from lit_faces.errors import UserError
from lit_faces.objectives.mmd import normal_discrepancies


def faces():
    return Tinted(people=40, batch_size=64)


def test_codes_of_the_prior_match_it_within_the_error():
    found = evaluate(Fixed(0.0, 1.0), faces(), CodeMatch())
    assert set(found) == {
        *(f"{metric}{of}" for metric in ("mmd", "code_mean", "code_covariance", "active_units") for of in ("", "/z_0")),
        *(f"{metric}/z_1" for metric in ("mmd", "code_mean", "code_covariance", "active_units")),
    }
    for name in ("mmd", "mmd/z_0", "mmd/z_1"):
        assert 0 < found[name].stderr < 0.01
        assert abs(found[name].value) < 3 * found[name].stderr
    assert found["mmd"].value == pytest.approx(found["mmd/z_0"].value + found["mmd/z_1"].value)
    assert (found["mmd/z_0"].settings, found["mmd/z_1"].settings) == ({"bandwidth": 100}, {"bandwidth": 4})
    assert found["mmd"].n == 240
    # As many draws have about these.
    assert found["code_mean"].value == pytest.approx(240**-0.5, rel=0.5)
    assert found["code_covariance"].value == pytest.approx((13 / 240) ** 0.5, rel=0.3)


def test_collapsed_codes_cost_what_is_known():
    found = evaluate(Fixed(0.0, 0.0), faces(), CodeMatch())
    assert found["mmd/z_0"].value == pytest.approx(0.0105, abs=5e-5)
    assert found["mmd/z_0"].stderr == pytest.approx(0, abs=1e-9)
    assert [found[name].value for name in ("code_mean", "active_units")] == [0, 0]
    # The covariance is 0, so that I remains.
    assert [found[f"code_covariance{of}"].value for of in ("", "/z_0", "/z_1")] == pytest.approx([1, 1, 1])


def test_a_shift_and_a_wrong_scale_are_found_where_they_are():
    mean, scale = [0.0] * 10 + [3.0, 4.0], [2.0] * 10 + [0.0] * 2
    found = evaluate(Fixed(mean, scale), faces(), CodeMatch())
    assert found["code_mean/z_1"].value == pytest.approx(5 / 2**0.5)
    assert found["code_mean/z_0"].value == pytest.approx(2 * 240**-0.5, rel=0.5)
    overall = (10 * found["code_mean/z_0"].value ** 2 + 25) / 12
    assert found["code_mean"].value == pytest.approx(overall**0.5)
    assert found["code_covariance/z_0"].value == pytest.approx(3, rel=0.2)
    assert found["code_covariance/z_1"].value == pytest.approx(1)
    assert found["mmd/z_0"].value > 5 * found["mmd/z_0"].stderr


class Twins(Ladder):
    """Both layers have the same code, a standardised pixel."""

    latent_dims = (1, 1)

    def posterior(self, images):
        mean = ((images[:, 0, 0, :1] - 0.485) / 0.23).expand(-1, 2)
        return gaussian(mean, torch.zeros_like(mean))


def test_what_layers_share_is_seen_in_the_covariance_of_all_codes_alone():
    found = evaluate(Twins(), faces(), CodeMatch())
    for layer in ("z_0", "z_1"):
        assert found[f"code_covariance/{layer}"].value < 0.3
        assert found[f"active_units/{layer}"].value == 1
    # Two entries of about 1 off the diagonal.
    assert found["code_covariance"].value == pytest.approx(1, abs=0.3)


class Half(Ladder):
    """Of four entries one varies with the image, one hardly, and noise is no use."""

    latent_dims = (3, 1)

    def posterior(self, images):
        pixel = images[:, 0, 0, :1]
        mean = torch.cat([pixel, 0.1 * pixel, 0 * pixel, pixel], 1)
        return gaussian(mean, torch.ones_like(mean))


def test_units_are_active_by_their_means():
    found = evaluate(Half(), faces(), CodeMatch())
    of = ("", "/z_0", "/z_1")
    assert [found[f"active_units{name}"].value for name in of] == pytest.approx([1 / 2, 1 / 3, 1])


def test_the_errors_are_those_of_leaving_each_image_out():
    torch.manual_seed(0)
    z = 0.7 * torch.randn(40, 13, dtype=torch.float64) + 0.3
    layers = {"z_0": slice(0, 1), "z_2": slice(1, 3), "z_3": slice(3, 13)}
    found = {m.metric: m for m in _discrepancies(z, layers)}
    values = {}
    for name, place in layers.items():
        parts = [torch.cat([z[:i], z[i + 1 :]])[:, place] for i in range(40)]
        values[f"mmd/{name}"] = torch.stack([normal_discrepancies(part).mean() for part in parts])
    values["mmd"] = torch.stack([*values.values()]).sum(0)
    assert found.keys() == values.keys()
    for name, without in values.items():
        jackknife = (39 / 40 * (without - without.mean()).square().sum()).sqrt().item()
        assert found[name].stderr * 39 / 38 == pytest.approx(jackknife, rel=1e-9)


def test_the_first_images_are_compared_and_noise_is_the_images_own():
    data = faces()
    of_all, of_some = (evaluate(Fixed(0.0, 1.0), data, CodeMatch(images)) for images in (10000, 30))
    assert (of_all["mmd"].n, of_some["mmd"].n, of_some["code_mean"].n) == (240, 30, 30)
    for name in ("images", "attributes", "identity", "index"):
        object.__setattr__(data.splits["test"], name, getattr(data.splits["test"], name)[:30])
    again = evaluate(Fixed(0.0, 1.0), data, CodeMatch())
    assert {name: one.value for name, one in again.items()} == {name: one.value for name, one in of_some.items()}
    other = evaluate(Fixed(0.0, 1.0), data, CodeMatch(seed=5))
    assert other["code_mean"].value != again["code_mean"].value


def test_too_few_images_are_refused_or_not_measured():
    with pytest.raises(UserError, match=r"codes.images must be at least 2 and codes.seed at least 0, got 1 and 4"):
        CodeMatch(1)
    with pytest.raises(UserError, match=r"codes.images must be at least 2 and codes.seed at least 0, got 9 and -1"):
        CodeMatch(9, -1)
    data = faces()
    data.setup()
    for name in ("images", "attributes", "identity", "index"):
        object.__setattr__(data.splits["test"], name, getattr(data.splits["test"], name)[:1])
    assert evaluate(Fixed(0.0, 1.0), data, CodeMatch()) == {}

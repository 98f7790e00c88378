"""CMMA's second version: the term of the attributes, what it trains, and edits of faces without attributes."""

import math

import pytest
import torch
from variants import make

from lit_faces.editing.changes import edited
from lit_faces.methods import CMMA2, load_method

POINTS = 3


def losses_at(seed, method, batch):
    torch.manual_seed(seed)
    return method.losses(batch)


def draws(seed, count):
    """The noise of the code and that of the attributes, in the order in which a step draws them."""
    torch.manual_seed(seed)
    return torch.randn(count, POINTS), torch.randn(count, POINTS)


def log_normal(value, mean, log_variance):
    """The density as it stands in the textbooks."""
    each = (value - mean) ** 2 / log_variance.exp() + log_variance + math.log(2 * math.pi)
    return -0.5 * each.sum(1)


def test_the_loss_is_the_negative_bound_less_the_weighted_density_of_the_attributes(data, batch):
    method = make("CMMA2", data, lambda_y=0.3)
    found = losses_at(1, method, batch)
    noise, other = draws(1, 4)
    y = batch.attributes
    log_likelihood, kl = (term.mean() for term in method.elbo(batch.images, y, noise))
    mean, log_variance = method.f(y)
    told = log_normal(y, *method.h2(mean + other * (log_variance / 2).exp())).mean()
    mean, log_variance = method.h(batch.images)
    of_faces = log_normal(y, *method.h2(mean + noise * (log_variance / 2).exp())).mean()
    torch.testing.assert_close(found["log_attributes"], told.detach())
    torch.testing.assert_close(found["log_attributes_of_faces"], of_faces.detach())
    torch.testing.assert_close(found["loss"], kl - log_likelihood - 0.3 * told)
    torch.testing.assert_close(found["log_likelihood"], log_likelihood.detach())
    torch.testing.assert_close(found["kl"], kl.detach())
    assert [name for name, value in found.items() if value.requires_grad] == ["loss"]


def test_the_attributes_train_f_and_h2_alone(data, batch):
    method = make("CMMA2", data)
    term = losses_at(0, method, batch)["loss"] - losses_at(0, make_silent(method), batch)["loss"]
    names = dict(method.named_parameters())
    gradients = torch.autograd.grad(term, list(names.values()), allow_unused=True)
    # What both losses share goes out but for rounding.
    moved = {
        name.partition(".")[0]
        for name, gradient in zip(names, gradients, strict=True)
        if gradient is not None and gradient.abs().max() > 1e-3
    }
    assert moved == {"f", "h2"}


def make_silent(method):
    """The same networks without the weight of the attributes."""
    silent = CMMA2(latent_dim=method.latent_dim, width=method.width, lambda_y=0.0)
    silent.h, silent.f, silent.g, silent.h2 = method.h, method.f, method.g, method.h2
    return silent


def test_without_its_weight_it_is_the_first_version(data, batch):
    first, second = make("CMMA", data), make("CMMA2", data, lambda_y=0.0)
    second.load_state_dict(first.state_dict(), strict=False)
    found, expected = losses_at(2, second, batch), losses_at(2, first, batch)
    assert found["loss"] == expected["loss"]
    assert all(torch.equal(found[name], expected[name]) for name in ("log_likelihood", "kl"))


@pytest.mark.parametrize(("bias", "clamped"), [(-100.0, -6.0), (-5.0, -5.0)])
def test_a_certain_attribute_is_worth_no_more_than_the_clamp_allows(bias, clamped, data):
    method = make("CMMA2", data)
    count = len(data.spec.attributes)
    with torch.no_grad():
        method.h2.heads.weight.zero_()
        method.h2.heads.bias[:count] = 0
        method.h2.heads.bias[count:] = bias
    density = method.attributes_given(torch.randn(2, POINTS)).log_prob(torch.zeros(2, count))
    expected = count * -0.5 * (clamped + math.log(2 * math.pi))
    torch.testing.assert_close(density, torch.full((2,), expected))


def test_the_density_of_the_attributes_is_computed_in_float32(data, batch):
    method = make("CMMA2", data)
    with torch.autocast("cpu", torch.bfloat16):
        given = method.attributes_given(torch.randn(4, POINTS))
        assert method.h2.hidden(torch.randn(4, POINTS)).dtype == torch.bfloat16
    assert given.mean.dtype == given.log_prob(batch.attributes).dtype == torch.float32


@torch.no_grad()
def test_a_face_without_attributes_is_edited_from_those_that_h2_sees_in_its_code(data, batch):
    method, x = make("CMMA2", data), batch.images
    code = method.h(x)[0]
    inferred = method.h2(code)[0]
    assert torch.equal(method.infer(x), inferred)
    target = data.spec.changed(inferred, ["Eyeglasses"])
    expected, _ = method.g(code + method.f(target)[0] - method.f(inferred)[0])
    torch.testing.assert_close(method.edit(x, inferred, target), expected)
    torch.testing.assert_close(edited(method, x, {"Eyeglasses": 1}), expected)
    assert not torch.allclose(method.edit(x, batch.attributes, target), expected)


def test_a_checkpoint_holds_all_of_it(data, batch, tmp_path):
    method = make("CMMA2", data, lambda_y=0.5)
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "last.ckpt")
    loaded = load_method(tmp_path / "last.ckpt")
    assert isinstance(loaded, CMMA2)
    assert loaded.arguments == method.arguments
    assert "posterior" not in loaded.arguments
    assert loaded.lambda_y == 0.5
    with torch.no_grad():
        assert torch.equal(loaded.infer(batch.images), method.infer(batch.images))

"""The deviations of prior and posterior, from distributions that are known."""

import pytest
import torch
from painter import evaluate
from variants import make

from lit_faces.callbacks.likelihood_bounds import LikelihoodBounds
from lit_faces.objectives.gaussian import gaussian


def known(method):
    """Posteriors as wide as the picture is bright, priors of 2 and 4 about the first two attributes."""
    method.posterior = lambda images, attributes: gaussian(
        attributes[:, :2] + 1, images.mean((1, 2, 3))[:, None] * torch.tensor([1.0, 3.0])
    )
    method.prior = lambda attributes: gaussian(attributes[:, :2], torch.tensor([2.0, 4.0]).expand(len(attributes), 2))
    return method


@pytest.mark.parametrize("variant", ["CMMA2", "CVAE"])
def test_deviations_are_means_over_the_dimensions_and_the_test_images(variant, data):
    method = known(make(variant, data, latent_dim=2))
    callback = LikelihoodBounds(importance_samples=0)
    found = evaluate(method, data, callback)
    faces = data.splits["test"]
    brightness = faces.images.double().mean((1, 2, 3)) / 255
    assert found["posterior_deviation"].value == pytest.approx(2 * brightness.mean().item(), rel=1e-5)
    assert (found["prior_deviation"].value, found["prior_deviation"].n) == (3, len(faces))
    rows, values = callback.evaluation.per_image["posterior_deviation"]
    assert torch.equal(rows, faces.index)
    torch.testing.assert_close(values, 2 * brightness, rtol=1e-5, atol=0)
    assert found["posterior_deviation"].stderr == pytest.approx(
        2 * brightness.std().item() / len(faces) ** 0.5, rel=1e-4
    )

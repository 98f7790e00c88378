"""Distances of samples with known answers, and their measurement."""

import math
from dataclasses import replace
from unittest import mock

import painter
import pytest
import torch
from layered import Describing, Gan, Ladder
from painter import Judge, Painter, Tinted, evaluate
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd

from lit_faces.callbacks import sample_quality
from lit_faces.callbacks.attribute_edits import AttributeEdits
from lit_faces.callbacks.sample_quality import SampleQuality
from lit_faces.errors import UserError
from lit_faces.metrics.noise import ImageNoise
from lit_faces.metrics.sample_distance import Features, frechet_distance, kernel_distance


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# The distances.


def test_a_shift_and_a_scale_have_their_frechet_distance():
    x = normal(50, 4) @ normal(4, 4, seed=1) + 1
    shift = torch.tensor([1.0, -2.0, 0.5, 0.0]).double()
    assert frechet_distance(x, x + shift) == pytest.approx(float(shift.square().sum()))
    # Means differ by 2 mu, and the roots of the covariances by 2 S^(1/2).
    expected = 4 * x.mean(0).square().sum() + 4 * x.T.cov().trace()
    assert frechet_distance(x, 3 * x) == pytest.approx(float(expected))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("count", [40, 4])
def test_the_frechet_distance_is_that_of_the_roots_of_matrices(count):
    # Four images have covariances that are singular in six dimensions.
    x, y = normal(count, 6), normal(50, 6, seed=1) @ normal(6, 6, seed=2) + 0.3
    cov_x, cov_y = x.T.cov(), y.T.cov()
    values, vectors = torch.linalg.eigh(cov_x)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    product = torch.linalg.eigvalsh(root @ cov_y @ root)
    expected = (x.mean(0) - y.mean(0)).square().sum() + cov_x.trace() + cov_y.trace()
    expected -= 2 * product.clamp(min=0).sqrt().sum()
    assert frechet_distance(x, y) == pytest.approx(float(expected), abs=1e-6)


class Same(torch.nn.Module):
    num_features = 6

    def forward(self, features):
        return features


def test_the_distances_are_those_of_torchmetrics():
    x, y = normal(40, 6), normal(40, 6, seed=1) @ normal(6, 6, seed=2) + 0.3
    theirs = FrechetInceptionDistance(Same(), normalize=True)
    theirs.update(x, real=True)
    theirs.update(y, real=False)
    assert frechet_distance(x, y) == pytest.approx(float(theirs.compute()), rel=1e-6)
    assert kernel_distance(x, y)[0] == pytest.approx(float(poly_mmd(x, y)), rel=1e-9)


def test_a_shifted_normal_has_its_kernel_distance():
    # k(a, b) = (a b + 1)^3, so the moments up to the third differ with the weights 3, 3 and 1.
    shift = 0.5
    expected = 3 * shift**2 + 3 * shift**4 + (shift**3 + 3 * shift) ** 2
    value, error = kernel_distance(normal(4000, 1), normal(3000, 1, seed=1) + shift)
    assert 0 < error < 0.3 * expected
    assert abs(value - expected) < 4 * error


@pytest.mark.parametrize(("shift", "low", "high"), [(0.0, 0.8, 2.0), (0.5, 0.8, 1.25)])
def test_the_error_of_the_kernel_distance_is_its_spread(shift, low, high):
    found = torch.tensor(
        [kernel_distance(normal(60, 5, seed=2 * i), normal(40, 5, seed=2 * i + 1) + shift) for i in range(400)]
    )
    value, spread = found[:, 0], float(found[:, 0].std())
    # Of equal distributions it is unbiased, and its error is on the safe side.
    assert shift or abs(float(value.mean())) < 4 * spread / math.sqrt(400)
    assert low < float(found[:, 1].square().mean().sqrt()) / spread < high


def test_the_error_of_the_kernel_distance_is_that_of_leaving_each_image_out():
    x, y = normal(7, 3), normal(5, 3, seed=1) + 1
    variance = 0.0
    for own, other in ((x, y), (y, x)):
        left = [kernel_distance(torch.cat([own[:i], own[i + 1 :]]), other)[0] for i in range(len(own))]
        left = torch.tensor(left).double()
        variance += float((left - left.mean()).square().sum()) * (len(own) - 1) / len(own)
    assert kernel_distance(x, y)[1] == pytest.approx(math.sqrt(variance))


def test_a_table_of_all_pairs_is_made_in_parts():
    x, y = normal(2300, 2), normal(1100, 2, seed=1) + 0.2
    k = [((a @ b.T) / 2 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
    expected = (k[0].sum() - k[0].trace()) / (2300 * 2299) + (k[1].sum() - k[1].trace()) / (1100 * 1099)
    assert kernel_distance(x, y)[0] == pytest.approx(float(expected - 2 * k[2].mean()))


def test_too_few_images_have_no_distance():
    with pytest.raises(ValueError, match="at least 2 images, got 1"):
        frechet_distance(normal(1, 2), normal(5, 2))
    with pytest.raises(ValueError, match="at least 3 images in each set, got 5 and 2"):
        kernel_distance(normal(5, 2), normal(2, 2))


def test_features_come_in_the_order_of_the_images():
    metric = Features(1)
    metric.update(torch.tensor([5]), torch.tensor([[0.5]]))
    metric.update(torch.tensor([2, 5]), torch.tensor([[0.25], [9.0]]))
    assert torch.equal(metric.compute(), torch.tensor([[0.25], [0.5]]).double())


# The measurement.


def quality(method, data, judge=Describing, **arguments):
    callback = SampleQuality(**{"enabled": True, **arguments})
    with mock.patch.object(painter, "Judge", judge):
        found = evaluate(method, data, AttributeEdits("judge", edits={}), callback)
    return {name: m for name, m in found.items() if name.startswith(("fid", "kid"))}


def people(count=6, **arguments):
    data = Tinted(exclusive=False, people=count, **arguments)
    data.setup()
    return data


def described(images):
    return Describing.features(None, images).double()


def stored(faces):
    return faces.images.permute(0, 3, 1, 2) / 255


@pytest.mark.parametrize("method", [Ladder, Gan])
@pytest.mark.parametrize("batch_size", [3, 24])
@pytest.mark.parametrize("samples", [13, 5000])
def test_pictures_are_drawn_for_the_first_test_images(method, batch_size, samples):
    data, method = people(batch_size=batch_size), method()
    found = quality(method, data, samples=samples, seed=7)
    test, validation = (data.splits[split][:samples] for split in ("test", "validation"))
    noise = ImageNoise(7, test.index, 6 if isinstance(method, Ladder) else 2).draw(1)[:, 0]
    drawn = method.decode(noise) if isinstance(method, Ladder) else method.generate(test.attributes, noise)
    count = min(samples, 24)
    real = described(stored(test))
    for suffix, others, kind in (("", drawn, "samples"), ("_of_photographs", stored(validation), "photographs")):
        fid, kid = found[f"fid{suffix}"], found[f"kid{suffix}"]
        assert fid.value == pytest.approx(frechet_distance(real, described(others)), rel=1e-5)
        assert (kid.value, kid.stderr) == pytest.approx(kernel_distance(real, described(others)), rel=1e-4)
        assert fid.stderr is None
        assert fid.settings == kid.settings == {"features": "judge", kind: count}
        assert fid.n == kid.n == count
    assert len(found) == 4


class Perfect(Ladder):
    """Draws the test images one after another."""

    drawn = 0

    def decode(self, z):
        self.drawn += len(z)
        return stored(self.trainer.datamodule.splits["test"])[self.drawn - len(z) : self.drawn]


def test_a_perfect_method_is_as_near_as_photographs():
    data = people(20)
    found = quality(Perfect(), data)
    assert found["fid"].value == pytest.approx(0, abs=1e-9)
    # Unbiased, so below 0 for the very same images.
    assert found["kid"].value < 0
    worse = quality(Ladder(), data)
    for kind in ("fid", "kid"):
        assert abs(found[kind].value) < 0.01
        assert abs(found[f"{kind}_of_photographs"].value) < 0.01
        assert worse[kind].value > 0.1


class Copying(Painter):
    """Draws nothing."""

    generate = None


def test_nothing_is_measured_unasked_or_without_pictures():
    assert set(quality(Ladder(), people(1))) == {"fid", "kid", "fid_of_photographs", "kid_of_photographs"}
    assert quality(Ladder(), people(1), enabled=False) == {}
    assert quality(Copying(), people(1)) == {}
    for split in ("test", "validation"):
        data = people(1)
        data.splits[split] = data.splits[split][:2]
        assert quality(Ladder(), data) == {}


def test_want_of_a_judge_is_told_in_one_line(caplog):
    caplog.set_level("INFO")
    for callbacks in ([], [AttributeEdits()]):
        assert evaluate(Ladder(), people(1), *callbacks, SampleQuality(enabled=True)) == {}
        lines = [record.getMessage() for record in caplog.records if "quality" in record.getMessage()]
        assert lines == [
            "quality.enabled: fid and kid are not measured without a classifier: give its checkpoint as --edits.classifier, "
            "or --quality.features inception"
        ]
        caplog.clear()
    with pytest.raises(UserError, match="the classifier describes no images: give another "):
        quality(Ladder(), people(1), judge=Judge)


class Planes(torch.nn.Module):
    """In place of Inception: what Describing says of an image, doubled."""

    made = 0

    def __init__(self):
        super().__init__()
        Planes.made += 1

    def forward(self, images):
        return 2 * Describing.features(None, images)


def test_inception_describes_without_a_classifier(monkeypatch):
    monkeypatch.setattr(sample_quality, "Inception", Planes)
    data, method = people(), Ladder()
    found = evaluate(method, data, SampleQuality(samples=13, seed=7, enabled=True, features="inception"))
    test, validation = (data.splits[split][:13] for split in ("test", "validation"))
    drawn = method.decode(ImageNoise(7, test.index, 6).draw(1)[:, 0])
    real = 2 * described(stored(test))
    for suffix, others, kind in (("", drawn, "samples"), ("_of_photographs", stored(validation), "photographs")):
        fid, kid = found[f"fid{suffix}"], found[f"kid{suffix}"]
        assert fid.value == pytest.approx(frechet_distance(real, 2 * described(others)), rel=1e-5)
        assert fid.settings == kid.settings == {"features": "inception", kind: 13}
    # Nor is it loaded for what draws nothing.
    made = Planes.made
    assert evaluate(Copying(), people(1), SampleQuality(enabled=True, features="inception")) == {}
    assert evaluate(Ladder(), people(1), SampleQuality(features="inception")) == {}
    assert Planes.made == made


def test_inception_needs_colours_or_greys():
    data = people(1)
    data.splits = {name: replace(faces, images=faces.images[..., :2]) for name, faces in data.splits.items()}
    data.spec = replace(data.spec, image_shape=(2, 4, 4))
    with pytest.raises(UserError, match="those of Tinted have 2 channels: leave it out"):
        evaluate(Ladder(), data, SampleQuality(enabled=True, features="inception"))


@pytest.mark.parametrize("arguments", [{"samples": 2}, {"seed": -1}])
def test_numbers_that_are_none_are_refused(arguments):
    with pytest.raises(UserError, match=r"quality\.samples must be at least 3 and quality\.seed at least 0, got"):
        SampleQuality(**arguments)

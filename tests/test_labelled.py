"""The four models of the CSVAE paper: what each step trains, what the terms are, and how labels are switched."""

import math

import pytest
import torch
from labelled_models import LABELS, MODELS, make
from sklearn.linear_model import LogisticRegression
from torch.distributions import Bernoulli, Categorical

from lit_faces.data.base import FaceDataModule, Faces, LoadedData, to_unit_range
from lit_faces.errors import UserError
from lit_faces.methods import CSVAE, VAE, CondVAEInfo
from lit_faces.methods.labelled import LabelledVAE
from lit_faces.networks.larsen import Decoder, Encoder, Predictor
from lit_faces.objectives.information import label_entropy, label_log_likelihood, with_none


@pytest.fixture
def step(monkeypatch):
    """Takes a training step without a trainer."""
    monkeypatch.setattr(LabelledVAE, "manual_backward", lambda self, loss: loss.backward())

    def take(method, batch):
        if not hasattr(method, "kept"):
            object.__setattr__(method, "kept", method.configure_optimizers()[0])
        optimisers = method.kept
        method.optimizers = lambda: optimisers if len(optimisers) > 1 else optimisers[0]
        return method.training_step(batch, 0)

    return take


def test_the_networks_have_the_published_sizes():
    shape = (3, 64, 64)
    count = [sum(p.numel() for p in net.parameters()) for net in (Encoder(shape, 128), Decoder(shape, 128))]
    assert count == [18_071_360, 4_693_155]
    assert sum(p.numel() for p in Predictor(128, 1).parameters()) == 129 * 256 + 257 * 256 + 257


@pytest.mark.parametrize("side", [16, 64, 96])
def test_the_decoder_returns_the_encoders_images(side):
    mean, log_variance = Encoder((3, side, side), 5, 2, 0.05)(torch.rand(2, 3, side, side), torch.ones(2, 2))
    images, log_variances = Decoder((3, side, side), 5, 0.05)(mean)
    assert log_variances is None
    assert images.shape == (2, 3, side, side)
    assert mean.shape == log_variance.shape == (2, 5)
    assert images.min() >= 0
    assert images.max() <= 1


def test_points_keep_their_range():
    images, _ = Decoder((3, 1, 1), 2)(100 * torch.randn(50, 2))
    assert images.shape == (50, 3, 1, 1)
    assert images.min() < 0
    assert Encoder((3, 1, 1), 2)(images)[0].shape == (50, 2)


@pytest.mark.parametrize("shape", [(3, 20, 20), (3, 8, 8), (3, 64, 48)])
def test_other_images_are_refused(shape):
    for network in (Encoder, Decoder):
        with pytest.raises(ValueError, match="a side divisible by 8"):
            network(shape, 4)


def test_information_is_that_of_the_distributions():
    torch.manual_seed(0)
    logits, labels = 3 * torch.randn(6, 3), (torch.rand(6, 3) > 0.5).float()
    bernoulli = Bernoulli(logits=logits)
    torch.testing.assert_close(label_log_likelihood(logits, labels), bernoulli.log_prob(labels).sum(1))
    torch.testing.assert_close(label_entropy(logits), bernoulli.entropy().sum(1))
    labels = torch.eye(4)[:, :3]
    categorical = Categorical(logits=3 * torch.randn(4, 4))
    four = categorical.logits
    torch.testing.assert_close(label_log_likelihood(four, labels, True), categorical.log_prob(torch.arange(4)))
    torch.testing.assert_close(label_entropy(four, True), categorical.entropy())
    assert torch.equal(with_none(labels), torch.eye(4))


def test_entropy_is_largest_where_nothing_is_known():
    assert label_entropy(torch.zeros(1, 2)).item() == pytest.approx(2 * math.log(2))
    assert label_entropy(torch.zeros(1, 4), True).item() == pytest.approx(math.log(4))
    assert label_entropy(torch.full((1, 2), 50.0)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("cls", MODELS)
def test_a_step_moves_every_parameter(cls, data, batch, step):
    method = make(cls, data)
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    losses = step(method, batch)
    assert [name for name, p in method.named_parameters() if torch.equal(p, before[name])] == []
    assert all(p.requires_grad for p in method.parameters())
    assert all(torch.isfinite(value) and not value.requires_grad for value in losses.values())


@pytest.mark.parametrize("cls", [CondVAEInfo, CSVAE])
def test_the_adversary_and_the_rest_train_apart(cls, data, batch, step):
    method = make(cls, data)
    for still in ("adversary", "rest"):
        optimisers = method.configure_optimizers()[0]
        # Only the other one may step.
        frozen = optimisers[0 if still == "rest" else 1]
        frozen.step = lambda: None
        object.__setattr__(method, "kept", optimisers)
        before = {name: p.detach().clone() for name, p in method.named_parameters()}
        step(method, batch)
        moved = {name.partition(".")[0] for name, p in method.named_parameters() if not torch.equal(p, before[name])}
        assert ("adversary" in moved) == (still == "rest")
        assert (moved - {"adversary"} == set()) == (still == "rest")


@pytest.mark.parametrize("cls", [CondVAEInfo, CSVAE])
def test_the_encoder_step_leaves_no_gradient_in_the_adversary(cls, data, batch, step):
    method = make(cls, data, beta_5=0.0)
    step(method, batch)
    assert all(p.grad.abs().sum() == 0 for p in method.adversary.parameters())


def test_the_encoder_confuses_a_fixed_adversary(data, batch, step):
    """The sign of M_2: with the adversary held fast, its entropy grows."""
    method = make(CSVAE, data, beta_1=0.0, beta_2=0.0, beta_3=0.0, beta_5=0.0, learning_rate=1e-3)
    for parameter in method.adversary.parameters():
        parameter.data.mul_(4)
    entropies = [-step(method, batch)["information"].item() for _ in range(60)]
    assert sum(entropies[-5:]) > sum(entropies[:5]) + 0.1
    assert max(entropies) <= 2 * math.log(2) + 1e-5


@pytest.mark.parametrize("cls", MODELS)
def test_the_loss_is_the_weighted_sum_of_its_terms(cls, data, batch, step):
    weights = {"beta_1": 3.0, "beta_3": 0.7}
    weights |= {"beta_4": 11.0} if cls in (CondVAEInfo, CSVAE) else {}
    weights |= {"beta_2": 1.7} if cls is CSVAE else {}
    losses = step(make(cls, data, **weights), batch)
    terms = {"beta_1": "reconstruction", "beta_2": "kl_w", "beta_3": "kl_z", "beta_4": "information"}
    expected = sum(weight * losses[terms[name]] for name, weight in weights.items())
    torch.testing.assert_close(losses["loss"], expected)
    assert set(losses) >= {terms[name] for name in weights}


def test_the_reconstruction_error_is_a_gaussian_of_unit_variance(data, batch):
    means = torch.rand_like(batch.images)
    density = torch.distributions.Normal(means, 1.0).log_prob(batch.images).flatten(1).sum(1).mean()
    constant = 0.5 * math.log(2 * math.pi) * batch.images[0].numel()
    torch.testing.assert_close(make(VAE, data).error(batch.images, means), -density - constant, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("swap", [False, True])
def test_the_prior_of_w_is_far_where_the_label_holds(swap, data):
    prior = make(CSVAE, data, prior_swap=swap).prior(torch.tensor([[1.0, 0.0]]))
    far, near = ([3.0, 3.0], 1.0), ([0.0, 0.0], 0.1)
    first, second = (near, far) if swap else (far, near)
    assert prior.mean[0].tolist() == first[0] + second[0]
    torch.testing.assert_close(prior.stddev[0], torch.tensor([first[1]] * 2 + [second[1]] * 2))


@pytest.mark.parametrize("cls", MODELS)
def test_nothing_is_edited_where_no_label_changes(cls, data, batch):
    method = make(cls, data).eval()
    other = batch.attributes.clone()
    # Attributes that the model does not know of change nothing.
    untouched = [c for c in range(other.shape[1]) if c not in method.columns]
    other[:, untouched] = -other[:, untouched]
    with torch.no_grad():
        expected = method.reconstruct(batch.images, batch.attributes)
        torch.testing.assert_close(method.edit(batch.images, batch.attributes, other), expected)


@pytest.mark.parametrize("cls", MODELS)
def test_a_style_moves_the_face_that_is_switched_and_no_other(cls, data, batch):
    method = make(cls, data).eval()
    if cls is VAE:
        method.class_means.copy_(torch.randn_like(method.class_means))
    target = batch.attributes.clone()
    column = method.columns[0]
    lacking = ~method.spec.binary(batch.attributes)[:, column]
    target[:, column] = method.spec.standard_value(LABELS[0], True)
    with torch.no_grad():
        same = method.reconstruct(batch.images, batch.attributes)
        edited = method.edit(batch.images, batch.attributes, target)
    moved = (edited - same).flatten(1).abs().amax(1) > 1e-7
    assert lacking.any()
    assert torch.equal(moved, lacking)
    candidates = method.candidate_styles()
    assert candidates.shape[1:] == (len(LABELS), method.style_dim)
    if method.style_dim:
        styles = candidates[-1]
        with torch.no_grad():
            further = method.switch(batch.images, batch.attributes, target, styles)
            each = method.switch(batch.images, batch.attributes, target, styles.expand(len(batch.images), -1, -1))
        assert not torch.allclose(further[lacking], edited[lacking])
        torch.testing.assert_close(further, each)


def test_the_vae_switches_by_the_classes_means(data, batch):
    method = make(VAE, data).eval()
    method.class_means.copy_(torch.arange(12.0).view(4, 3))
    z = method.encode(batch.images, batch.attributes)["z"]
    target = batch.attributes.clone()
    target[:, method.columns[1]] = method.spec.standard_value("Male", True)
    was = method.label_values(batch.attributes)[:, 1:]
    # Rows 1 and 3 are the means of "Male" and "not Male".
    shift = (1 - was) * (method.class_means[1] - method.class_means[3])
    torch.testing.assert_close(method.edit(batch.images, batch.attributes, target), method.decode(z + shift, None))


def test_codes_are_named_by_what_they_hold(data, batch):
    codes = make(CSVAE, data).encode(batch.images, batch.attributes)
    assert {name: code.shape[1] for name, code in codes.items()} == {"z": 3, "w_Eyeglasses": 2, "w_Male": 2}


def test_data_about_nothing_in_particular_need_labels(data):
    with pytest.raises(UserError, match=r"name some of their attributes with --model\.labels"):
        make(VAE, data, labels=())
    with pytest.raises(UserError, match="did you mean Eyeglasses"):
        make(VAE, data, labels=("Eyeglases",))
    with pytest.raises(UserError, match="labels must be different attributes, got Male, Male"):
        make(VAE, data, labels=("Male", "Male"))
    with pytest.raises(UserError, match="beta_2 must be at least 0"):
        make(CSVAE, data, beta_2=-1.0)


class TwoGaussians(FaceDataModule):
    """Points whose first coordinate tells the label, but for 2 % of them, and whose others are noise."""

    def load(self):
        generator = torch.Generator().manual_seed(0)
        label = (torch.rand(1500, 1, generator=generator) > 0.5).float()
        points = torch.randn(1500, 3, generator=generator)
        points[:, :1] = 0.5 * points[:, :1] + 2 * label - 1
        points[:, 1:] *= 0.5
        rows = torch.arange(1500)
        faces = Faces(points.view(-1, 1, 1, 3), label, rows, rows)
        splits = {"train": faces[:1000], "validation": faces[1000:1200], "test": faces[1200:]}
        return LoadedData(splits, ("Side",), {}, labels=("Side",))


def probe_accuracy(method, data):
    """Accuracy of a fresh linear probe of z for the label, trained on train codes and scored on test codes."""
    codes = {}
    for split in ("train", "test"):
        faces = data.splits[split]
        with torch.no_grad():
            z = method.eval().encode(faces.images.permute(0, 3, 1, 2), faces.attributes)["z"]
        codes[split] = z.numpy(), method.label_values(faces.attributes)[:, 0].numpy()
    method.train()
    return LogisticRegression().fit(*codes["train"]).score(*codes["test"])


@pytest.mark.parametrize("cls", [VAE, CSVAE])
def test_training_takes_the_label_out_of_z(cls, step):
    """I(Y; x) is about 0.9 bit: a random encoder leaves it in z, the VAE keeps it, CSVAE takes it out."""
    data = TwoGaussians(batch_size=200)
    data.setup()
    torch.manual_seed(0)
    method = cls(latent_dim=3, learning_rate=5e-3)
    method.prepare(data.spec)
    before = probe_accuracy(method, data)
    for _ in range(40):
        for stored in data.train_dataloader():
            step(method, to_unit_range(stored))
    after = probe_accuracy(method, data)
    assert before > 0.8
    assert after > 0.9 if cls is VAE else after < 0.65

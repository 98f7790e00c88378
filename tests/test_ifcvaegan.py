"""IFcVAE-GAN and the naive cVAE-GAN: sizes, what each step trains, and the objective term by term."""

import pytest
import torch
import torch.nn.functional as F

from lit_faces.errors import UserError
from lit_faces.methods import CVAEGAN, IFcVAEGAN
from lit_faces.methods.labels import LabelledMethod
from lit_faces.networks.layers import without_statistics
from lit_faces.networks.vaegan import Auxiliary, Decoder, Discriminator, Encoder
from lit_faces.objectives.adversarial import gan_loss

SHAPE = (3, 64, 64)
LABELS = ("Smiling",)
# Such that the gradient of each term shows among the others; that through y_hat is small at the start.
WEIGHTS = {"alpha": 2.0, "delta": 3.0}
FACTORS = {"rho": 0.07, "beta": 0.4, "gamma": 9.0}
# Which networks learn from which loss.
LEARNS = {("encoder", "decoder"): "loss", ("discriminator",): "discriminator_loss", ("auxiliary",): "auxiliary"}


def make(cls, data, **arguments):
    torch.manual_seed(0)
    method = cls(**{"labels": LABELS, "latent_dim": 5, "width": 0.06, **arguments})
    method.prepare(data.spec)
    return method


@pytest.fixture
def step(monkeypatch):
    """Takes a training step without a trainer; keeps what each optimiser was given."""
    monkeypatch.setattr(LabelledMethod, "manual_backward", lambda self, loss: loss.backward())

    def take(method, batch, still=()):
        optimisers = method.configure_optimizers()
        for number in still:
            optimisers[number].step = lambda: None
        method.optimizers = lambda: optimisers
        return method.training_step(batch, 0)

    return take


def parameters(method):
    return {name: p.detach().clone() for name, p in method.named_parameters()}


def moved(method, before):
    return {name.partition(".")[0] for name, p in method.named_parameters() if not torch.equal(p, before[name])}


def test_the_networks_have_the_published_sizes():
    networks = (Encoder(SHAPE, 100, 1), Decoder(SHAPE, 101), Discriminator(SHAPE), Auxiliary(100, 1))
    sizes = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert sizes == [4_306_560 + 1_646_793, 2_386_947, 4_314_753, 1_103_001]


@pytest.mark.parametrize("family", ["dcgan", "residual"])
@pytest.mark.parametrize("side", [16, 32, 64])
def test_the_decoder_returns_the_encoders_images(family, side):
    mean, log_variance, logits = Encoder((3, side, side), 5, 2, family, 0.05)(torch.rand(2, 3, side, side))
    assert mean.shape == log_variance.shape == (2, 5)
    assert logits.shape == (2, 2)
    assert Decoder((3, side, side), 7, family, 0.05)(torch.cat([mean, logits], 1)).shape == (2, 3, side, side)
    assert Discriminator((3, side, side), family, 0.05)(torch.rand(2, 3, side, side)).shape == (2,)


@pytest.mark.parametrize("shape", [(3, 24, 24), (3, 64, 48)])
def test_other_images_are_refused(shape):
    for network in (lambda: Encoder(shape, 4, 1), lambda: Discriminator(shape)):
        with pytest.raises(ValueError, match="a side divisible by 16"):
            network()


def test_a_residual_encoder_begins_as_its_shortcuts():
    x = torch.rand(2, 3, 32, 32)
    block = Encoder((3, 32, 32), 5, 0, "residual", 0.1).convolutions[0]
    # The bias of the last convolution is all that is added.
    expected = (block.shortcut(x) + block.conv2.bias[:, None, None]).relu()
    torch.testing.assert_close(block(x), expected)


def test_the_discriminators_loss_is_a_third_of_each_part():
    real, one, other = torch.randn(3, 6, dtype=torch.float64)
    expected = [
        F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
        for logits, target in ((real, 1.0), (one, 0.0), (other, 0.0))
    ]
    torch.testing.assert_close(gan_loss(real, one, other).double(), sum(expected) / 3, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("networks", ["dcgan", "residual"])
@pytest.mark.parametrize("cls", [CVAEGAN, IFcVAEGAN])
def test_two_steps_move_every_parameter(cls, networks, data, batch, step):
    method = make(cls, data, networks=networks, beta=1.0) if cls is IFcVAEGAN else make(cls, data, networks=networks)
    before = parameters(method)
    # A residual block begins as its shortcut: what lies before its last convolution has no gradient in the first step.
    step(method, batch)
    losses = step(method, batch)
    assert [name for name, p in method.named_parameters() if torch.equal(p, before[name])] == []
    assert next(iter(losses)) == "loss"
    assert all(torch.isfinite(value) and not value.requires_grad for value in losses.values())
    assert all(p.requires_grad for p in method.parameters())


@pytest.mark.parametrize(
    ("still", "expected"),
    [
        ((1, 2), {"encoder", "decoder"}),
        ((0, 2), {"discriminator"}),
        ((0, 1), {"auxiliary"}),
    ],
)
def test_each_optimiser_has_its_own_networks(still, expected, data, batch, step):
    method = make(IFcVAEGAN, data)
    before = parameters(method)
    step(method, batch, still)
    assert moved(method, before) == expected


@pytest.mark.parametrize(("detach", "reaches"), [(True, False), (False, True)])
def test_the_labels_head_is_detached_as_in_the_authors_code(detach, reaches, data, batch):
    method = make(IFcVAEGAN, data, detach_y_features=detach)
    _, _, logits = method.encoder(batch.images)
    logits.sum().backward()
    reached = [p.grad is not None for p in method.encoder.convolutions.parameters()]
    assert all(reached) if reaches else not any(reached)
    assert method.encoder.labels.weight.grad is not None


def written_down(method, batch, noises):
    """The losses of a step by the equations, a picture's kind at a time, for `WEIGHTS` and the noises that it draws."""
    images, labels = batch.images, method.label_values(batch.attributes)
    count, size, authors = len(images), images[0, 0].numel(), method.reduction == "authors"
    factorised, bce = isinstance(method, IFcVAEGAN), F.binary_cross_entropy_with_logits
    mean, log_variance, logits = method.encoder(images)
    z, second = (mean + (log_variance / 2).exp() * noises[i] for i in (0, 2))
    pixels = method.decoder(torch.cat([z, logits.sigmoid() if factorised else labels], 1))
    picture = pixels.sigmoid()
    fake = method.decoder(torch.cat([noises[1], labels], 1)).sigmoid()
    real, *fakes = (method.discriminator(x).sigmoid() for x in (images, picture, fake))
    losses = {
        "reconstruction": bce(pixels, images, reduction="sum") / count / (size if authors else 3 * size),
        "kl": 0.5 * (log_variance.exp() + mean**2 - 1 - log_variance).sum() / count,
        "generator_loss": -sum(said.log().mean() for said in fakes) / (2 if authors else 3),
        "discriminator_loss": -(real.log() + sum((1 - said).log() for said in fakes)).mean() / 3,
    }
    total = losses["reconstruction"] + WEIGHTS["alpha"] / 5 * losses["kl"] + WEIGHTS["delta"] * losses["generator_loss"]
    if factorised:
        logits_of = {
            "class": logits,
            "class_on_reconstruction": method.encoder.logits(picture),
            "auxiliary": method.auxiliary(second),
        }
        losses |= {name: bce(said, labels, reduction="sum") / count for name, said in logits_of.items()}
        signed = FACTORS["rho"] * losses["class"] + FACTORS["beta"] * losses["class_on_reconstruction"]
        total = total + (signed - FACTORS["gamma"] * losses["auxiliary"]) / (64 if authors else 1)
    return {"loss": total, **losses}


@pytest.mark.parametrize("reduction", ["authors", "paper"])
@pytest.mark.parametrize(
    ("cls", "own"),
    [(CVAEGAN, {}), (IFcVAEGAN, FACTORS), (IFcVAEGAN, {**FACTORS, "detach_y_features": False})],
    ids=["naive", "detached", "attached"],
)
def test_losses_and_gradients_are_those_written_down(cls, own, reduction, data, batch, step):
    arguments = {"labels": ("Eyeglasses", "Male"), "reduction": reduction, **WEIGHTS, **own}
    method, other = (make(cls, data, **arguments) for _ in range(2))
    torch.manual_seed(1)
    losses = step(method, batch, still=range(len(method.configure_optimizers())))

    torch.manual_seed(1)
    expected = written_down(other, batch, [torch.randn(len(batch.images), 5) for _ in range(3)])
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value.detach(), rtol=1e-5, atol=1e-6, msg=name)
    for networks, loss in LEARNS.items():
        names = [name for name, _ in other.named_parameters() if name.partition(".")[0] in networks]
        if loss not in expected:
            assert not names
            continue
        gradients = torch.autograd.grad(expected[loss], [other.get_parameter(n) for n in names], retain_graph=True)
        for name, gradient in zip(names, gradients, strict=True):
            found = method.get_parameter(name).grad
            torch.testing.assert_close(found, gradient, rtol=1e-5, atol=1e-7, msg=f"gradient of {name}")


def test_the_discriminators_smoothing_is_its_own(data):
    def smoothings(method):
        return [group["alpha"] for optimiser in method.configure_optimizers() for group in optimiser.param_groups]

    assert smoothings(make(CVAEGAN, data)) == [0.99, 0.5]
    assert smoothings(make(IFcVAEGAN, data)) == [0.99, 0.5, 0.99]
    assert smoothings(make(IFcVAEGAN, data, discriminator_smoothing=0.9)) == [0.99, 0.9, 0.99]


@pytest.mark.parametrize("cls", [CVAEGAN, IFcVAEGAN])
def test_the_running_statistics_are_those_of_reconstructions(cls, data, batch, step):
    method, other = make(cls, data), make(cls, data)
    torch.manual_seed(1)
    step(method, batch)
    torch.manual_seed(1)
    mean, log_variance, logits = other.encoder(batch.images)
    labels = other.label_values(batch.attributes) if cls is CVAEGAN else logits.sigmoid()
    other.decoder(torch.cat([mean + (log_variance / 2).exp() * torch.randn_like(mean), labels], 1))
    found = {name: buffer for name, buffer in method.decoder.named_buffers() if "running" in name}
    assert found
    for name, buffer in found.items():
        torch.testing.assert_close(buffer, other.decoder.get_buffer(name))


def test_a_weight_of_zero_takes_a_term_away(data, batch, step):
    assert set(step(make(IFcVAEGAN, data, gamma=0), batch)) == {
        "loss",
        "reconstruction",
        "kl",
        "generator_loss",
        "class",
        "discriminator_loss",
    }
    method = make(IFcVAEGAN, data, delta=0)
    before = parameters(method)
    assert {"generator_loss", "discriminator_loss"}.isdisjoint(step(method, batch))
    assert "discriminator" not in moved(method, before)


def test_pictures_of_noise_leave_the_running_statistics_alone(data):
    decoder = make(CVAEGAN, data).decoder
    before = {name: buffer.clone() for name, buffer in decoder.named_buffers() if "running" in name}
    without_statistics(decoder, torch.randn(4, 6))
    assert all(torch.equal(buffer, before[name]) for name, buffer in decoder.named_buffers() if name in before)
    decoder(torch.randn(4, 6))
    assert not any(torch.equal(buffer, before[name]) for name, buffer in decoder.named_buffers() if name in before)


def test_an_edit_gives_the_label_and_nothing_else(data, batch):
    method = make(IFcVAEGAN, data).eval()
    smiling, straight = (method.spec.vector(**{key: ["Smiling"]}).expand(4, -1) for key in ("on", "off"))
    edited = method.edit(batch.images, batch.attributes, smiling)
    torch.testing.assert_close(edited, method.edit(batch.images, straight, smiling))
    assert not torch.allclose(edited, method.edit(batch.images, batch.attributes, straight))
    torch.testing.assert_close(edited, method.decode(method.encoder(batch.images)[0], torch.ones(4, 1)))


def test_the_factorised_model_says_the_label_itself(data, batch):
    method = make(IFcVAEGAN, data).eval()
    said = method.label_probabilities(batch.images)
    assert said.shape == (4, 1)
    torch.testing.assert_close(
        method.reconstruct(batch.images, batch.attributes), method.decode(method.encoder(batch.images)[0], said)
    )


def test_a_negative_weight_is_refused(data):
    with pytest.raises(UserError, match=r"model.rho must be at least 0, got -1"):
        make(IFcVAEGAN, data, rho=-1.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"reduction": "mean"}, r"model\.reduction must be authors or paper, got 'mean'"),
        ({"networks": "unet"}, r"model\.networks must be dcgan or residual, got 'unet'"),
        ({"discriminator_smoothing": 1.0}, r"model\.discriminator_smoothing must be in \[0, 1\), got 1\.0"),
        ({"discriminator_smoothing": -0.1}, r"model\.discriminator_smoothing must be in \[0, 1\), got -0\.1"),
    ],
)
@pytest.mark.parametrize("cls", [CVAEGAN, IFcVAEGAN])
def test_what_it_does_not_know_is_refused(cls, wrong, message, data):
    with pytest.raises(UserError, match=f"^{message}$"):
        make(cls, data, **wrong)


def test_names_may_have_spaces_or_underscores(data):
    assert make(CVAEGAN, data, labels=("Blond_Hair",)).labels == ("Blond Hair",)

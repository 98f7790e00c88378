"""IcGAN: its sizes, its losses, and edits through the labels that it reads itself."""

import math
from copy import deepcopy

import pytest
import torch

from lit_faces.callbacks.attribute_edits import Edit
from lit_faces.errors import UserError
from lit_faces.methods.capabilities import Edits, Encodes, Generates, Recognises, Reconstructs
from lit_faces.methods.icgan import CONDITIONS, IcGAN, matching_loss
from lit_faces.networks.icgan import Discriminator, Encoder, Generator

LABELS = ("Smiling",)


pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


def make(data, **arguments):
    torch.manual_seed(0)
    method = IcGAN(**{"labels": LABELS, "latent_dim": 5, "width": 0.06, **arguments})
    method.prepare(data.spec)
    return method


def ready(method):
    """The method, to take steps without a trainer."""
    optimisers = method.configure_optimizers()
    method.optimizers = lambda: optimisers
    method.manual_backward = lambda loss: loss.backward()
    return method


# Networks.


def test_the_networks_have_the_published_sizes():
    shape = (3, 64, 64)
    networks = (Generator(shape, 100, 18), Discriminator(shape, 18), Encoder(shape, 4096, 100), Encoder(shape, 512, 18))
    convolutions = 5 * 5 * (3 * 32 + 32 * 64 + 64 * 128 + 128 * 256) + 3 * (32 + 64 + 128 + 256)
    assert [sum(p.numel() for p in network.parameters()) for network in networks] == [
        16 * (118 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 3) + 3 * (512 + 256 + 128 + 64) + 3,
        16 * (3 * 64 + 82 * 128 + 128 * 256 + 256 * 512 + 512) + 64 + 3 * (128 + 256 + 512) + 1,
        convolutions + 4096 * 4096 + 3 * 4096 + 4096 * 100 + 100,
        convolutions + 4096 * 512 + 3 * 512 + 512 * 18 + 18,
    ]
    assert [sum(p.numel() for p in network.parameters()) for network in networks] == [
        3_725_123,
        2_803_393,
        18_278_244,
        3_186_962,
    ]


@pytest.mark.parametrize("side", [32, 48, 64])
def test_shapes_and_ranges(side):
    shape, y = (3, side, side), torch.ones(2, 4)
    generator, discriminator = Generator(shape, 5, 4, 0.05), Discriminator(shape, 4, 0.05)
    with torch.autocast("cpu", torch.bfloat16):
        images = generator(torch.randn(2, 5), y)
        logits, code = discriminator(images, y), Encoder(shape, 4096, 5, 0.05)(images)
    assert (images.shape, logits.shape, code.shape) == ((2, *shape), (2,), (2, 5))
    assert {images.dtype, logits.dtype, code.dtype} == {torch.float32}
    assert generator(1e4 * torch.randn(2, 5), 1e4 * y).abs().max() <= 1


def test_the_discriminator_keeps_the_fast_layout():
    network = Discriminator((3, 32, 32), 4, 0.05).to(memory_format=torch.channels_last)
    seen = []
    network.rest.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    network(
        torch.rand(2, 3, 32, 32).contiguous(memory_format=torch.channels_last), torch.tensor([[1.0] * 4, [-1.0] * 4])
    )
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert seen[0][:, -4:].flatten(1).unique(dim=1).tolist() == [[1.0], [-1.0]]


@pytest.mark.parametrize("shape", [(3, 16, 16), (3, 40, 40), (3, 64, 48)])
def test_other_images_are_refused(shape):
    for network in (
        lambda: Generator(shape, 4, 1),
        lambda: Discriminator(shape, 1),
        lambda: Encoder(shape, 512, 1),
    ):
        with pytest.raises(ValueError, match="at least 32x32, with a side divisible by 16"):
            network()


def test_the_gan_begins_as_published():
    torch.manual_seed(0)
    for network in (Generator((3, 64, 64), 100, 18), Discriminator((3, 64, 64), 18)):
        for name, p in network.named_parameters():
            if p.dim() > 1:
                assert p.std().item() == pytest.approx(0.02, rel=0.1), name
                assert abs(p.mean().item()) < 0.002, name
            elif name.endswith("bias"):
                assert not p.any(), name
            else:
                assert p.mean().item() == pytest.approx(1, abs=0.01), name


# Losses.


def test_the_discriminators_loss_is_that_of_float64():
    right, wrong, fake = [0.3, -1.2, 2.0], [0.7, -0.4, 1.1], [-0.2, 0.9, 0.1]
    differs = [True, False, True]

    def log(logit):
        return math.log(1 / (1 + math.exp(-logit)))

    expected = -sum(log(a) for a in right) / 3
    expected -= 0.5 * (log(-0.7) + log(-1.1)) / 2
    expected -= 0.5 * sum(log(-a) for a in fake) / 3
    found = matching_loss(torch.tensor(right), torch.tensor(wrong), torch.tensor(fake), torch.tensor(differs))
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_labels_that_are_right_by_chance_do_not_count_as_wrong():
    right, fake, wrong = torch.zeros(3), torch.zeros(3), torch.tensor([0.0, 50.0, 0.0], requires_grad=True)
    loss = matching_loss(right, wrong, fake, torch.tensor([True, False, True]))
    loss.backward()
    assert loss.item() == pytest.approx(2 * math.log(2))
    assert wrong.grad.tolist() == pytest.approx([0.125, 0, 0.125])
    # Where all images have the same labels, none are wrong.
    assert matching_loss(right, wrong, fake, torch.zeros(3, dtype=torch.bool)).item() == pytest.approx(
        1.5 * math.log(2)
    )


def test_faces_of_one_kind_teach_the_discriminator_nothing_about_wrong_labels(data, batch, monkeypatch):
    seen = []

    def spy(*arguments):
        seen.append(arguments[3])
        return matching_loss(*arguments)

    monkeypatch.setattr("lit_faces.methods.icgan.matching_loss", spy)
    method = ready(make(data))
    kinds = torch.stack([data.spec.vector(on=["Smiling"]), data.spec.vector(off=["Smiling"])])
    for rows in ([0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1]):
        method.train_gan(batch._replace(attributes=kinds[rows]))
    assert [differs.tolist() for differs in seen] == [[False] * 4, [True, False, True, False], [True] * 4]


def test_a_step_of_the_gan_is_the_one_written_down(data, batch):
    method = ready(make(data))
    other = deepcopy(method)
    torch.manual_seed(1)
    losses = method.train_gan(batch)

    torch.manual_seed(1)
    turned = torch.rand(4, 1, 1, 1) < 0.5
    images = 2 * torch.where(turned, batch.images.flip(3), batch.images) - 1
    y = other.signs(batch.attributes)
    drawn, z = y[torch.randperm(4)], torch.randn(4, 5)
    fake = other.generator(z, drawn)
    wrong = y[[3, 0, 1, 2]]
    differs = (wrong != y).any(1)
    assert 0 < differs.sum() < 4
    with torch.no_grad():
        logits = [other.discriminator(x, c).double() for x, c in ((images, y), (images, wrong), (fake, drawn))]
    p_right, p_wrong, p_fake = (one.sigmoid() for one in logits)
    d_loss = -p_right.log().mean() - 0.5 * (1 - p_wrong[differs]).log().mean() - 0.5 * (1 - p_fake).log().mean()
    torch.testing.assert_close(losses["discriminator_loss"].double(), d_loss, rtol=1e-5, atol=1e-7)
    # G is judged by the D that has made its step.
    g_loss = -method.discriminator(fake, drawn).double().sigmoid().log().mean()
    torch.testing.assert_close(losses["generator_loss"].double(), g_loss.detach(), rtol=1e-5, atol=1e-7)
    assert (g_loss + p_fake.log().mean()).abs() > 1e-3
    gradients = torch.autograd.grad(g_loss, list(other.generator.parameters()))
    for p, expected in zip(method.generator.parameters(), gradients, strict=True):
        torch.testing.assert_close(p.grad, expected, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(losses["loss"], losses["discriminator_loss"] + losses["generator_loss"])
    assert all(p.requires_grad for p in method.parameters())


def test_the_encoders_errors_are_those_written_down(data, batch):
    method = ready(make(data))
    for _ in range(3):
        method.generator(torch.randn(4, 5), method.signs(batch.attributes))
    other = deepcopy(method)
    torch.manual_seed(1)
    z_error = method.train_encoder_z(batch)["z_error"]
    torch.manual_seed(1)
    z, y = torch.randn(4, 5), other.signs(batch.attributes)
    running = other.generator.eval()(z, y)
    assert not torch.allclose(other.generator.train()(z, y), running)
    expected = (other.encoder_z(running).double() - z).square().sum() / z.numel()
    torch.testing.assert_close(z_error.double(), expected)
    assert method.generator.training

    torch.manual_seed(1)
    y_error = method.train_encoder_y(batch)["y_error"]
    torch.manual_seed(1)
    turned = torch.rand(4, 1, 1, 1) < 0.5
    assert 0 < turned.sum() < 4
    images = torch.where(turned, batch.images.flip(3), batch.images)
    expected = (other.encoder_y(2 * images - 1).double() - y).square().sum() / y.numel()
    torch.testing.assert_close(y_error.double(), expected)


@pytest.mark.parametrize("stage", ["train_encoder_z", "train_encoder_y"])
def test_an_encoder_learns_a_tiny_batch(stage, data, batch, monkeypatch):
    method = ready(make(data, encoder_learning_rate=1e-3))
    monkeypatch.setattr(torch, "randn", lambda *size, device: torch.linspace(-1, 1, 20, device=device).view(size))
    errors = [getattr(method, stage)(batch)["loss"].item() for _ in range(30)]
    assert errors[-1] < 0.5 * errors[0]


# Conditions.


def test_the_conditions_are_those_of_the_paper_that_the_data_have(data):
    assert len(set(CONDITIONS)) == 18
    expected = [name.replace("_", " ") for name in CONDITIONS if name.replace("_", " ") in data.spec.attributes]
    assert "Smiling" in expected
    assert list(make(data).conditions) == expected
    assert list(make(data, labels=("Goatee", "Male")).conditions) == [*expected, "Goatee"]


def test_conditions_may_be_given(data):
    assert make(data, conditions=("Blond_Hair", "Smiling")).conditions == ("Blond Hair", "Smiling")
    assert make(data, conditions=("Male",)).conditions == ("Male", "Smiling")
    with pytest.raises(UserError, match=r"model\.conditions must be different attributes, got Bald, Bald"):
        make(data, conditions=("Bald", "Bald"))
    with pytest.raises(UserError, match="no attribute 'Blad': did you mean Bald"):
        make(data, conditions=("Blad",))


def test_shares_must_be_three_and_positive(data):
    for stages in ((25, 0, 15), (25, 15)):
        with pytest.raises(UserError, match=r"model\.stages must be three shares of at least 1, got \[25, "):
            make(data, stages=stages)


# What a trained model can do.


@pytest.fixture
def method(data):
    """Untrained, with a generator that tells every label and encoders that say both signs."""
    torch.manual_seed(0)
    method = make(data, labels=("Smiling", "Goatee")).eval()
    torch.nn.init.normal_(method.generator.layers[0].weight)
    torch.nn.init.normal_(method.encoder_y.layers[-1].weight, std=50.0)
    return method


def said(method, images):
    return method.encoder_y(2 * images - 1).sign()


@torch.no_grad()
def test_it_reads_the_labels_from_the_face(method, batch):
    assert all(isinstance(method, one) for one in (Generates, Reconstructs, Edits, Encodes, Recognises))
    images, attributes = batch.images, batch.attributes
    y = said(method, images)
    assert set(y.unique().tolist()) == {-1.0, 1.0}
    z = method.encode(images, attributes)["z"]
    found = method.reconstruct(images, attributes)
    torch.testing.assert_close(found, (method.generator(z, y) + 1) / 2)
    assert torch.equal(found, method.reconstruct(images, -attributes))
    assert 0 <= found.min() < 0.5 < found.max() <= 1


@torch.no_grad()
def test_noise_is_decoded_with_the_labels_of_the_data(method, batch, data):
    noise = torch.randn(4, method.noise_dim)
    names = [data.spec.attributes[column] for column in method.condition_columns]
    assert tuple(names) == method.conditions
    y = torch.where(data.spec.binary(batch.attributes), 1.0, -1.0)[:, method.condition_columns]
    assert set(y.unique().tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(method.generate(batch.attributes, noise), (method.generator(noise, y) + 1) / 2)


@torch.no_grad()
def test_an_edit_changes_what_it_is_asked_for_and_nothing_else(method, batch, data):
    images, attributes = batch.images, batch.attributes
    z, y = method.encode(images, attributes)["z"], said(method, images)
    assert (y != method.signs(attributes)).any()
    labels = [method.conditions.index(name) for name in ("Smiling", "Goatee")]

    def expected(**values):
        wanted = y.clone()
        wanted[:, labels] = method.signs(attributes)[:, labels]
        for name, value in values.items():
            wanted[:, method.conditions.index(name)] = value
        return (method.generator(z, wanted) + 1) / 2

    def edited(edit):
        return method.edit(images, attributes, edit.apply(attributes, data.spec))

    for edit, values in (
        (Edit(set=("Smiling",)), {"Smiling": 1.0}),
        (Edit(reset=("Smiling",)), {"Smiling": -1.0}),
        (Edit(set=("Goatee",)), {"Goatee": 1.0}),
    ):
        torch.testing.assert_close(edited(edit), expected(**values))
    assert not torch.allclose(edited(Edit(set=("Smiling",))), edited(Edit(reset=("Smiling",))))
    # Of another condition the change counts: where the data have it already, the face is believed.
    attributes = torch.stack([data.spec.vector(on=["Male"]), data.spec.vector(off=["Male"])])[[0, 1, 1, 0]]
    method.encoder_y.layers[-1].bias[method.conditions.index("Male")] = -1e4
    y = said(method, images)
    male = torch.tensor([-1.0, 1.0, 1.0, -1.0])
    torch.testing.assert_close(edited(Edit(set=("Male",))), expected(Male=male))


@torch.no_grad()
def test_it_says_the_labels_as_probabilities(method, batch):
    found = method.label_probabilities(batch.images)
    raw = method.encoder_y(2 * batch.images - 1)[:, [method.conditions.index(name) for name in ("Smiling", "Goatee")]]
    assert raw.abs().max() > 1
    torch.testing.assert_close(found, ((raw + 1) / 2).clamp(0, 1))
    assert found.shape == (4, 2)


def test_it_needs_labels(data):
    with pytest.raises(UserError, match="IcGAN models a few labels"):
        make(data, labels=())

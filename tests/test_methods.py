"""Every method trains what it should and does what it says it can."""

import pytest
import torch
import torch.nn.functional as F
from variants import VARIANTS, make

from lit_faces.callbacks.edited import Pictures, part_of
from lit_faces.callbacks.edits import Edit
from lit_faces.methods import CGAN, METHODS, CGANGauthier
from lit_faces.methods.capabilities import (
    BoundsLikelihood,
    Classifies,
    Describes,
    Edits,
    Encodes,
    Generates,
    Identifies,
    Infers,
    Layered,
    Recognises,
    Reconstructs,
    Switches,
)

# An accumulator above 0 keeps the first step from taking every weight equally far.
CALM = {"initial_accumulator_value": 1.0}


VARIATIONAL = ["CMMA", "CMMA xy", "CVAE"]


@pytest.fixture
def manual(monkeypatch):
    """Lets a method with several optimisers take steps without a trainer."""
    for method in (CGAN, CGANGauthier):
        monkeypatch.setattr(method, "manual_backward", lambda self, loss: loss.backward())

    def step(method, batch):
        if not hasattr(method, "kept"):
            optimisers = method.configure_optimizers()
            object.__setattr__(method, "kept", optimisers)
            method.optimizers = lambda: optimisers
        if method.automatic_optimization:
            method.kept.zero_grad()
            losses = method.training_step(batch, 0)
            losses["loss"].backward()
            method.kept.step()
            return losses
        return method.training_step(batch, 0)

    return step


def changed(method, step):
    """Names of the networks (children) in which a step changed every parameter; none may be changed in part."""
    before = {name: p.detach().clone() for name, p in method.named_parameters()}
    step()
    moved = {name: not torch.equal(before[name], p) for name, p in method.named_parameters()}
    networks = {name: [m for n, m in moved.items() if n.startswith(name + ".")] for name, _ in method.named_children()}
    assert all(all(m) or not any(m) for m in networks.values()), moved
    return {name for name, m in networks.items() if all(m)}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_step_moves_every_parameter(variant, data, batch, manual):
    method = make(variant, data)
    assert changed(method, lambda: manual(method, batch)) == {name for name, _ in method.named_children()}
    assert all(p.requires_grad for p in method.parameters())


@pytest.mark.parametrize(
    ("still", "moving"),
    [("learning_rate", "discriminator"), ("discriminator_learning_rate", "generator")],
)
def test_each_network_of_the_cgan_is_moved_by_its_own_optimiser_alone(still, moving, data, batch, manual):
    method = make("CGAN", data, learning_rate=1e-3, discriminator_learning_rate=1e-3)
    setattr(method, still, 0.0)
    assert changed(method, lambda: manual(method, batch)) == {moving}


@pytest.mark.parametrize("variant", ["CMMA", "CMMA xy"])
def test_the_divergence_trains_f_and_h_and_the_reconstruction_g_and_h(variant, data, batch):
    method = make(variant, data)

    def trained(term):
        gradients = torch.autograd.grad(term.mean(), list(method.parameters()), retain_graph=True, allow_unused=True)
        named = zip(dict(method.named_parameters()), gradients, strict=True)
        return {name[0] for name, g in named if g is not None and g.abs().sum() > 0}

    log_likelihood, kl = method.elbo(batch.images, batch.attributes, torch.randn(4, 3))
    assert trained(kl) == {"f", "h"}
    assert trained(log_likelihood) == {"g", "h"}


def test_the_cgan_on_one_forward_pass_equals_the_textbook_with_two(data, batch, manual):
    method = make("CGAN", data, **CALM)
    # The textbook: D on fresh fakes, then G on fakes drawn again from the same noise, losses as cross-entropies.
    other = make("CGAN", data, **CALM)
    g, d = other.generator, other.discriminator
    g_optimiser, d_optimiser = (
        torch.optim.Adagrad(net.parameters(), lr=1e-3, initial_accumulator_value=1.0) for net in (g, d)
    )
    x, y, one, zero = batch.images, batch.attributes, torch.ones(4), torch.zeros(4)
    bce = F.binary_cross_entropy_with_logits
    for step in range(3):
        torch.manual_seed(step)
        losses = manual(method, batch)
        torch.manual_seed(step)
        noise = torch.randn(4, 3)
        with torch.no_grad():
            fake = g(noise, y)
        d_optimiser.zero_grad()
        d_loss = (bce(d(x, y), one) + bce(d(fake, y), zero)) / 2
        d_loss.backward()
        d_optimiser.step()
        g_optimiser.zero_grad()
        g_loss = bce(d(g(noise, y), y), one)
        g_loss.backward()
        g_optimiser.step()
        torch.testing.assert_close(losses["discriminator_loss"], d_loss.detach(), rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(losses["generator_loss"], g_loss.detach(), rtol=1e-6, atol=1e-7)
    start = make("CGAN", data)
    for name, found in method.named_parameters():
        torch.testing.assert_close(found, other.get_parameter(name), rtol=1e-6, atol=1e-7)
        assert not torch.equal(found, start.get_parameter(name))


@pytest.mark.parametrize("variant", ["CMMA", "CVAE", "AttributeClassifier"])
def test_a_tiny_batch_is_learnt(variant, data, batch, manual):
    method = make(variant, data)
    losses = [manual(method, batch)["loss"].item() for _ in range(40)]
    first, last = sum(losses[:3]), sum(losses[-3:])
    assert last < first - abs(first) / 4


@pytest.mark.parametrize(
    ("still", "loss"),
    [("learning_rate", "discriminator_loss"), ("discriminator_learning_rate", "generator_loss")],
)
def test_each_network_of_the_cgan_learns_against_the_other_standing_still(still, loss, data, batch, manual):
    method = make("CGAN", data, learning_rate=0.01, discriminator_learning_rate=0.01)
    setattr(method, still, 0.0)
    losses = [manual(method, batch)[loss].item() for _ in range(20)]
    assert losses[-1] < losses[0] - 0.02


@pytest.mark.parametrize("variant", VARIATIONAL)
def test_the_loss_is_the_negative_bound(variant, data, batch):
    method = make(variant, data)
    torch.manual_seed(1)
    losses = method.losses(batch)
    torch.manual_seed(1)
    log_likelihood, kl = method.elbo(batch.images, batch.attributes, torch.randn(4, 3))
    torch.testing.assert_close(losses["loss"], (kl - log_likelihood).mean())
    assert (losses["log_likelihood"], losses["kl"]) == (log_likelihood.mean(), kl.mean())


@pytest.mark.parametrize("variant", VARIATIONAL)
def test_one_importance_weight_is_the_bound_with_the_divergence_estimated_from_the_sample(variant, data, batch):
    method = make(variant, data)
    noise = torch.randn(4, 2, 3)
    weights = method.log_weights(batch.images, batch.attributes, noise)
    q, p = method.posterior(batch.images, batch.attributes), method.prior(batch.attributes)
    for k in range(2):
        log_likelihood, _ = method.elbo(batch.images, batch.attributes, noise[:, k])
        z = q.mean + noise[:, k] * q.stddev
        torch.testing.assert_close(weights[:, k], log_likelihood + p.log_prob(z) - q.log_prob(z))


@torch.no_grad()
def test_without_noise_cmma_decodes_the_mean_of_the_prior(data, batch):
    method = make("CMMA", data)
    expected, _ = method.g(method.f(batch.attributes)[0])
    assert torch.equal(method.generate(batch.attributes, torch.zeros(4, 3)), expected)
    assert not torch.equal(method.generate(batch.attributes, torch.ones(4, 3)), expected)


@torch.no_grad()
def test_without_noise_cvae_decodes_zero_with_the_attributes(data, batch):
    method = make("CVAE", data)
    expected, _ = method.decoder(torch.zeros(4, 3), batch.attributes)
    assert torch.equal(method.generate(batch.attributes, torch.zeros(4, 3)), expected)


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIATIONAL)
def test_an_edit_to_the_same_attributes_is_the_reconstruction(variant, data, batch):
    method = make(variant, data)
    x, y = batch.images, batch.attributes
    assert torch.equal(method.edit(x, y, y), method.reconstruct(x, y))
    assert not torch.equal(method.edit(x, y, y + 1), method.reconstruct(x, y))


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIATIONAL)
@pytest.mark.parametrize("strength", [None, 2.0])
def test_edits_of_one_batch_share_its_codes(variant, strength, data, batch, monkeypatch):
    method = make(variant, data)
    edits = [Edit(set=(name,), strength=strength) for name in ("Smiling", "Male")]
    faces = [part_of(batch, edit.lacking(batch.attributes, data.spec)) for edit in edits]
    assert all(len(face.row) for face in faces)
    each = [edit.made(method, face.images, face.attributes, data.spec) for edit, face in zip(edits, faces, strict=True)]
    encoded, posterior = [], method.posterior
    monkeypatch.setattr(method, "posterior", lambda *given: encoded.append(1) or posterior(*given))
    pictures = Pictures(method, batch)
    for edit, expected in zip(edits, each, strict=True):
        torch.testing.assert_close(pictures.edited(edit), expected)
    assert len(encoded) == 1


@torch.no_grad()
@pytest.mark.parametrize("variant", ["CMMA", "CMMA xy"])
def test_an_edit_moves_the_code_by_the_difference_of_the_priors(variant, data, batch):
    method = make(variant, data)
    x, y, target = batch.images, batch.attributes, batch.attributes + 1
    z, _ = method.h(x, y if variant == "CMMA xy" else None)
    expected, _ = method.g(z + method.f(target)[0] - method.f(y)[0])
    torch.testing.assert_close(method.edit(x, y, target), expected)


def test_methods_can_do_what_the_papers_say():
    everything = (
        Generates,
        Reconstructs,
        Edits,
        Switches,
        Encodes,
        BoundsLikelihood,
        Classifies,
        Describes,
        Recognises,
        Identifies,
        Infers,
        Layered,
    )
    labelled = {Reconstructs, Edits, Switches, Encodes}
    can = {name: {c for c in everything if isinstance(method(), c)} for name, method in METHODS.items()}
    assert can == {
        "CMMA": {Generates, Reconstructs, Edits, BoundsLikelihood},
        "CVAE": {Generates, Reconstructs, Edits, BoundsLikelihood},
        "CGAN": {Generates},
        "CMMA2": {Generates, Reconstructs, Edits, BoundsLikelihood, Infers},
        "CGANGauthier": {Generates},
        "VAE": labelled,
        "CondVAE": {Generates, *labelled},
        "CondVAEInfo": {Generates, *labelled},
        "CSVAE": {Generates, *labelled},
        "CVAEGAN": {Generates, Reconstructs, Edits, Encodes},
        "CVAEGANBao": {Generates, Reconstructs, Edits, Encodes},
        "IFcVAEGAN": {Generates, Reconstructs, Edits, Encodes, Recognises},
        "IcGAN": {Generates, Reconstructs, Edits, Encodes, Recognises},
        "DIPVAE": {Reconstructs, Encodes},
        "VLAE": {Reconstructs, Layered},
        "MMDVLAE": {Reconstructs, Layered},
        "AttributeClassifier": {Classifies, Describes},
        "IdentityEmbedding": {Identifies},
    }

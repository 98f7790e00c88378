"""The ladder networks: their sizes, TensorFlow's padding, and which part reads or writes which code."""

import pytest
import torch
from torch import nn

from lit_faces.networks.ladder import Decoder, Encoder, _convolution, _transposed

SMALL, LARGE = (1, 28, 28), (3, 48, 48)
LADDERS = [
    (SMALL, (2, 3, 4)),
    (SMALL, (0, 0, 4)),
    (SMALL, (2, 0, 4)),
    ((3, 32, 32), (0, 3, 4)),
    (LARGE, (2, 3, 4, 5)),
    (LARGE, (0, 0, 0, 5)),
    (LARGE, (2, 0, 4, 5)),
    ((1, 64, 64), (0, 3, 0, 5)),
]


def networks(shape, latent_dims, width=0.05, **arguments):
    torch.manual_seed(0)
    return Encoder(shape, latent_dims, width, **arguments), Decoder(shape, latent_dims, width)


# 25.9 and 51.6 million, without a bias before each normalisation.
@pytest.mark.parametrize(
    ("shape", "latent_dims", "expected"),
    [(SMALL, (2, 2, 2), [14_075_148, 11_832_705]), ((3, 64, 64), (10,) * 4, [27_924_048, 23_662_339])],
)
def test_the_networks_have_the_sizes_stated(shape, latent_dims, expected):
    with torch.device("meta"):
        found = networks(shape, latent_dims, 1.0)
    assert [sum(p.numel() for p in network.parameters()) for network in found] == expected


@pytest.mark.parametrize(("shape", "latent_dims"), LADDERS)
def test_the_decoder_returns_the_encoders_images(shape, latent_dims):
    encoder, decoder = networks(shape, latent_dims)
    mean, std = encoder(torch.rand(3, *shape))
    assert mean.shape == std.shape == (3, sum(latent_dims))
    assert decoder(mean).shape == (3, *shape)


@pytest.mark.parametrize(
    "shape", [(3, 40, 40), (3, 30, 30), (3, 4, 4), (3, 56, 56), (3, 64, 48), (3, 28, 32), (3, 1, 1)]
)
def test_other_images_are_refused(shape):
    message = r"side of 8 to 32 that 4 divides \(three layers\) or of 48 or more that 16 divides \(four layers\), got"
    for network in (Encoder, Decoder):
        with pytest.raises(ValueError, match=rf"{message} {shape[1]}x{shape[2]}"):
            network(shape, (2, 2, 2, 2))


@pytest.mark.parametrize(
    ("shape", "latent_dims", "message"),
    [
        (SMALL, (2, 2, 2, 2), r"3 numbers for 28x28 images, got \[2, 2, 2, 2\]"),
        (LARGE, (2, 2, 2), r"4 numbers for 48x48 images, got \[2, 2, 2\]"),
        (SMALL, (), r"3 numbers"),
        (SMALL, (2, 2, 0), r"at least 0, and the last at least 1, got \[2, 2, 0\]"),
        (LARGE, (2, -1, 2, 2), r"at least 0, and the last at least 1, got \[2, -1, 2, 2\]"),
    ],
)
def test_other_layers_are_refused(shape, latent_dims, message):
    for network in (Encoder, Decoder):
        with pytest.raises(ValueError, match=f"^latent_dims must be {message}"):
            network(shape, latent_dims)


@pytest.mark.parametrize("stride", [1, 2])
def test_padding_is_tensorflows_and_the_transposed_convolution_the_transpose(stride):
    torch.manual_seed(0)
    forth = nn.Sequential(*_convolution(3, 5, stride)).double()
    back = nn.Sequential(*_transposed(5, 3, stride)).double()
    weight = forth[-1].weight.data
    back[-1].weight.data = weight if stride == 2 else weight.flip(2, 3).transpose(0, 1)
    x, y = torch.randn(1, 3, 6, 6).double(), torch.randn(1, 5, 6 // stride, 6 // stride).double()
    assert forth(x).shape == y.shape
    assert back(y).shape == x.shape
    torch.testing.assert_close((forth(x) * y).sum(), (x * back(y)).sum())
    # One pixel of padding on the left: the kernel's tap (1, 1) is on the output's own pixel.
    weight.zero_()
    weight[0, 0, 1, 1] = 1
    torch.testing.assert_close(forth(x)[0, 0], x[0, 0, ::stride, ::stride])


@pytest.mark.parametrize(("shape", "latent_dims"), LADDERS)
def test_a_code_is_read_by_its_own_network_from_the_chain_below(shape, latent_dims):
    encoder, _ = networks(shape, latent_dims)
    means, stds = encoder(torch.rand(4, *shape))
    codes = torch.split(means + stds, list(latent_dims), 1)
    for level, code in enumerate(codes):
        if not latent_dims[level]:
            continue
        # Squared, since the sum of what batch normalisation gives is constant.
        named = dict(encoder.named_parameters())
        gradients = torch.autograd.grad(code.square().sum(), [*named.values()], retain_graph=True, allow_unused=True)
        used = {name for name, g in zip(named, gradients, strict=True) if g is not None and g.any()}
        below = tuple(f"chain.{i}." for i in range(level))
        assert used == {name for name in named if name.startswith((*below, f"ladders.z_{level}."))}
    assert set(encoder.ladders) == {f"z_{level}" for level, size in enumerate(latent_dims) if size}


@torch.no_grad()
@pytest.mark.parametrize(("shape", "latent_dims"), LADDERS)
def test_another_head_changes_its_own_code_alone(shape, latent_dims):
    images = torch.rand(4, *shape)
    for level, size in enumerate(latent_dims):
        if size:
            encoder, _ = networks(shape, latent_dims)
            before = torch.cat(encoder(images), 1)
            encoder.ladders[f"z_{level}"][-1].bias += 1
            changed = (torch.cat(encoder(images), 1) != before).all(0).tolist()
            own = [i == level for i, d in enumerate(latent_dims) for _ in range(d)]
            assert changed == own * 2


@torch.no_grad()
@pytest.mark.parametrize(("shape", "latent_dims"), LADDERS)
def test_every_number_of_the_code_changes_the_picture(shape, latent_dims):
    _, decoder = networks(shape, latent_dims)
    z = torch.randn(4, sum(latent_dims))
    before = decoder.eval()(z)
    for i in range(sum(latent_dims)):
        assert not torch.equal(decoder(z + 3 * torch.eye(z.shape[1])[i]), before)


@torch.no_grad()
@pytest.mark.parametrize(("shape", "latent_dims"), [(SMALL, (2, 3, 4)), (LARGE, (2, 3, 4, 5))])
def test_a_code_joins_through_a_gate_of_a_tenth_or_beside_the_state(shape, latent_dims):
    _, decoder = networks(shape, latent_dims)
    entering = []
    decoder.stages[1].register_forward_pre_hook(lambda _, given: entering.append(given[0]))
    features, state = [], []
    decoder.joins["z_1"].features.register_forward_hook(lambda _, given, out: features.append(out))
    decoder.stages[2].register_forward_hook(lambda _, given, out: state.append(out))
    decoder(torch.randn(4, sum(latent_dims)))
    expected = state[0] + 0.1 * features[0] if shape == SMALL else torch.cat([state[0], features[0]], 1)
    assert features[0].shape == state[0].shape
    torch.testing.assert_close(entering[0], expected, rtol=0, atol=0)


@torch.no_grad()
@pytest.mark.parametrize("relu_top", [False, True])
@pytest.mark.parametrize(("shape", "latent_dims"), [(SMALL, (2, 0, 4)), (LARGE, (2, 3, 4, 5))])
def test_the_standard_deviation_has_a_floor_and_the_authors_top_a_relu(shape, latent_dims, relu_top):
    encoder, _ = networks(shape, latent_dims, relu_top=relu_top)
    top = latent_dims[-1]
    for ladder in encoder.ladders.values():
        ladder[-1].weight *= 1e3
    mean, std = encoder(torch.rand(40, *shape))
    below = std[:, :-top]
    assert below.min() == pytest.approx(0.001)
    assert below.max() == pytest.approx(1.001)
    assert mean[:, :-top].min() < -1
    assert std[:, -top:].min() == pytest.approx(0.001)
    assert (std[:, -top:].max() > 2) == relu_top
    assert (mean[:, -top:].min() == 0) == relu_top


@torch.no_grad()
@pytest.mark.parametrize(("shape", "latent_dims"), [(SMALL, (2, 3, 4)), ((3, 64, 64), (2, 3, 4, 5))])
def test_weights_begin_as_the_authors_do(shape, latent_dims):
    layers = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    for network in networks(shape, latent_dims, 0.25):
        found = [module for module in network.modules() if isinstance(module, layers)]
        normalised = torch.cat([module.weight.flatten() for module in found if module.bias is None])
        assert float(normalised.mean()) == pytest.approx(0, abs=5e-4)
        assert float(normalised.std()) == pytest.approx(0.02, rel=0.02)
        for module in (module for module in found if module.bias is not None):
            assert module.bias.abs().sum() == 0
            inputs, outputs, *taps = module.weight.shape
            bound = (6 / ((inputs + outputs) * (taps[0] ** 2 if taps else 1))) ** 0.5
            assert 0.8 * bound < module.weight.abs().max() <= bound


@pytest.mark.parametrize(("shape", "latent_dims"), [(SMALL, (2, 3, 4)), (LARGE, (2, 3, 4, 5))])
def test_what_the_networks_give_is_float32_under_autocast(shape, latent_dims):
    encoder, decoder = networks(shape, latent_dims)
    with torch.autocast("cpu", torch.bfloat16):
        mean, std = encoder(torch.rand(3, *shape))
        assert {t.dtype for t in (mean, std, decoder(mean))} == {torch.float32}

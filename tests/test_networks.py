"""The networks have the sizes and compute the functions that the papers give."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lit_faces.networks.classifier import AttributeNet
from lit_faces.networks.cmma import Convolutions, Decoder, Discriminator, Encoder, Generator, SoftplusNet
from lit_faces.networks.layers import UpsampleConv2d, check_square, scaled

PAPER = (3, 64, 64)
# With 73 attributes and 500 latent dimensions.
PARAMETERS = {
    "h": (lambda: Encoder(PAPER, 500), 5_350_264),
    "f": (lambda: SoftplusNet(73, 500), 860_200),
    "h2": (lambda: SoftplusNet(500, 73), 517_746),
    "g": (lambda: Decoder(PAPER, 500), 2_641_254),
    "CVAE encoder": (lambda: Encoder(PAPER, 500, 73), 5_423_264),
    "CVAE decoder": (lambda: Decoder(PAPER, 500, 73), 2_991_654),
    "CGAN generator": (lambda: Generator(PAPER, 500, 73), 2_977_251),
    "CGAN discriminator": (lambda: Discriminator(PAPER, 73), 554_138),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_number_of_parameters_is_the_papers(name):
    build, expected = PARAMETERS[name]
    with torch.device("meta"):
        network = build()
    assert sum(p.numel() for p in network.parameters()) == expected


@pytest.mark.parametrize("kernel", [3, 5])
def test_upsampling_convolution_equals_upsampling_then_convolution(kernel):
    torch.manual_seed(0)
    layer = UpsampleConv2d(4, 3, kernel).double()
    x = torch.randn(2, 4, 5, 7, dtype=torch.float64, requires_grad=True)
    expected = F.conv2d(F.interpolate(x, scale_factor=2.0, mode="nearest"), layer.weight, layer.bias)
    assert expected.shape == (2, 3, 10 - kernel + 1, 14 - kernel + 1)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    upstream = torch.randn_like(expected)
    inputs = (x, layer.weight, layer.bias)
    found = torch.autograd.grad(layer(x), inputs, upstream)
    for a, b in zip(found, torch.autograd.grad(expected, inputs, upstream), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_a_layer_has_the_nearest_whole_number_of_channels_and_four_or_more():
    assert [scaled(96, width) for width in (1.0, 0.5, 0.13, 0.01, 2.0)] == [96, 48, 12, 4, 192]


@pytest.mark.parametrize("shape", [(3, 32, 48), (1, 16, 16), (3, 40, 40)])
def test_what_four_halvings_do_not_fit_is_refused(shape):
    message = f"images must be square, at least 32x32, with a side divisible by 16, got {shape[1]}x{shape[2]}"
    with pytest.raises(ValueError, match=f"^{message}$"):
        check_square(shape, 32, 16)
    check_square((shape[0], 48, 48), 32, 16)


def test_upsampling_convolution_refuses_an_even_kernel():
    with pytest.raises(ValueError, match="odd"):
        UpsampleConv2d(1, 1, 4)


def test_the_state_of_an_upsampling_convolution_is_that_of_a_convolution():
    assert UpsampleConv2d(2, 3, 5).state_dict().keys() == nn.Conv2d(2, 3, 5).state_dict().keys()


def test_pooling_before_the_rectifier_equals_pooling_after_it():
    torch.manual_seed(0)
    net = Convolutions((3, 32, 32), 0.05)
    x = torch.rand(2, 3, 32, 32)
    after = F.max_pool2d(F.relu(net.conv1(x)), 2)
    after = F.max_pool2d(F.relu(net.conv2(after)), 2)
    after = F.relu(net.conv3(after)).permute(0, 2, 3, 1).flatten(1)
    assert after.count_nonzero() > 0
    assert torch.equal(net(x), after)


@pytest.mark.parametrize("size", [32, 64, 96])
def test_shapes_and_ranges_for_every_size(size):
    shape, y = (3, size, size), torch.randn(2, 5)
    x, z = torch.rand(2, *shape), torch.randn(2, 7)
    for encoded in (Encoder(shape, 7, width=0.03)(x), Encoder(shape, 7, 5, 0.03)(x, y), SoftplusNet(5, 7, 0.03)(y)):
        assert [part.shape for part in encoded] == [(2, 7), (2, 7)]
    for mean, log_variance in (Decoder(shape, 7, width=0.03)(z), Decoder(shape, 7, 5, 0.03)(z, y)):
        assert mean.shape == log_variance.shape == (2, *shape)
        assert mean.min() >= 0
        assert mean.max() <= 1
        assert log_variance.min() < 0
    assert Generator(shape, 7, 5, 0.03)(z, y).shape == (2, *shape)
    assert Discriminator(shape, 5, 0.03)(x, y).shape == (2,)
    assert AttributeNet(shape, 5, 0.125)(x).shape == (2, 5)


def test_one_channel_is_enough():
    assert Decoder((1, 32, 32), 2, width=0.03)(Encoder((1, 32, 32), 2, width=0.03)(torch.rand(2, 1, 32, 32))[0])[
        0
    ].shape == (2, 1, 32, 32)


@pytest.mark.parametrize("shape", [(3, 64, 32), (3, 24, 24), (3, 60, 60)])
def test_images_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match=f"{shape[1]}x{shape[2]}"):
        Encoder(shape, 4)


@pytest.mark.parametrize(
    "network",
    [lambda: Encoder((3, 32, 32), 4, 2, 0.03), lambda: Discriminator((3, 32, 32), 2, 0.03)],
    ids=["encoder", "discriminator"],
)
def test_the_condition_changes_the_output(network):
    torch.manual_seed(0)
    net, x = network(), torch.rand(1, 3, 32, 32)
    first, second = (net(x, torch.full((1, 2), value)) for value in (0.0, 1.0))
    assert not torch.equal(torch.as_tensor(first[0]), torch.as_tensor(second[0]))

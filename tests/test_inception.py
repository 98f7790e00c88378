"""Inception's features, of weights made here: as torchvision has them, and verified before they are read."""

import hashlib
import pickle
from math import sqrt
from pathlib import Path

import pytest
import torch
from torchvision.models import Inception_V3_Weights, inception_v3
from torchvision.transforms.functional import normalize, resize

from lit_faces.errors import UserError
from lit_faces.metrics.inception import Inception

# No server answers here.
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The contents of a file of weights, small since all are views of the same random numbers."""
    with torch.device("meta"):
        network = inception_v3(weights=None, transform_input=True, init_weights=False)
    numbers = torch.randn(2_500_000, generator=torch.Generator().manual_seed(0))
    state = {}
    for name, value in network.state_dict().items():
        if value.dim() > 1:
            state[name] = numbers[: value.numel()].view(value.shape)
            # What comes out of a layer is as large as what goes in.
            state[f"{name} scale"] = torch.tensor(sqrt(2 / value[0].numel()))
        elif name.endswith("bn.weight"):
            state[name] = state[name.replace("bn.weight", "conv.weight scale")].expand(value.shape)
        else:
            state[name] = torch.tensor(float("var" in name), dtype=value.dtype).expand(value.shape)
    file = tmp_path_factory.mktemp("made") / "weights.pth"
    torch.save({name: state[name] for name in network.state_dict()}, file)
    return file.read_bytes()


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Puts contents into the hub's cache as the weights of a checksum, their own by default; gives the file."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def _put(content, checksum=None):
        checksum = checksum or hashlib.sha256(content).hexdigest()[:8]
        url = f"{NOWHERE}/inception-{checksum}.pth"
        monkeypatch.setattr(Inception_V3_Weights.IMAGENET1K_V1.value, "url", url)
        file = tmp_path / "hub" / "checkpoints" / Path(url).name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    return _put


@torch.no_grad()
def test_the_features_are_those_that_torchvision_s_network_classifies_by(made, put):
    file = put(made)
    torch.manual_seed(3)
    network, drawn = Inception(), torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(2))
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    images = torch.rand(2, 1, 40, 32, generator=torch.Generator().manual_seed(1))
    images = torch.cat([images, images.flip(2), images.flip(3)], 1)
    with torch.autocast("cpu", torch.bfloat16):
        found = network(images)
    assert found.shape == (2, 2048)
    assert found.dtype == torch.float32
    # An image's features are its own, whatever batch it is in.
    grey = images[:1, :1]
    assert torch.allclose(network(images[1:]), found[1:], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found[0], found[1], rtol=0.01)
    theirs = inception_v3(weights=None, transform_input=True, init_weights=False)
    theirs.load_state_dict(torch.load(file, weights_only=True))
    theirs.fc = torch.nn.Identity()
    inputs = torch.cat([images[:1], grey.expand(-1, 3, -1, -1)])
    inputs = normalize(resize(inputs, [299, 299]), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    expected = theirs.eval()(inputs)
    assert torch.allclose(found[:1], expected[:1], rtol=1e-3, atol=1e-4)
    assert torch.allclose(network(grey), expected[1:], rtol=1e-3, atol=1e-4)


def test_weights_that_are_not_there_and_cannot_be_had_are_told_in_one_line(put, tmp_path):
    put(b"").unlink()
    with pytest.raises(
        UserError, match=rf"^cannot download {NOWHERE}/inception-e3b0c442\.pth to .*refused; check"
    ) as e:
        Inception()
    assert "\n" not in str(e.value)
    assert [*tmp_path.rglob("*.p*")] == []


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_weights_of_another_checksum_are_not_read(made, put, tmp_path):
    canary = tmp_path / "canary"
    for content in (made[:-1], pickle.dumps(Touch(canary))):
        file = put(content, "0cc3c7bd")
        with pytest.raises(UserError) as error:
            Inception()
        assert str(error.value).startswith(f"{file} is damaged, its SHA-256 is not the one in its name: remove it")
    assert not canary.exists()


def test_what_is_downloaded_has_the_checksum_of_its_name(made, put, tmp_path, monkeypatch):
    source = tmp_path / "inception-00000000.pth"
    source.write_bytes(b"something else")
    file = put(b"", "00000000")
    file.unlink()
    monkeypatch.setattr(Inception_V3_Weights.IMAGENET1K_V1.value, "url", source.as_uri())
    with pytest.raises(UserError, match=r"invalid hash value .expected .00000000., got "):
        Inception()
    assert [*file.parent.iterdir()] == []


def test_nothing_is_executed_even_under_the_right_checksum(put, tmp_path):
    canary = tmp_path / "canary"
    put(pickle.dumps(Touch(canary), protocol=2))
    with pytest.raises(pickle.UnpicklingError):
        Inception()
    assert not canary.exists()

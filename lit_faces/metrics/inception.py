"""What a network trained on photographs of all kinds sees in an image: torchvision's Inception v3."""

import sys
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlparse

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import Inception_V3_Weights, inception_v3

from lit_faces.errors import UserError
from lit_faces.files import sha256

WEIGHTS = Inception_V3_Weights.IMAGENET1K_V1
_SIDE = 299


class Inception(nn.Module):
    """The 2,048 pooled features of torchvision's Inception v3, trained on ImageNet (IMAGENET1K_V1), frozen.

    Images are scaled bilinearly to 299x299 and normalised as torchvision's weights say; a grey one has three equal
    channels. Published FIDs are of another network, TensorFlow's Inception, so no value compares with them. The weights
    are downloaded once, into torch's hub cache.

    Shapes: images (B, 1 or 3, H, W) in [0, 1]; gives (B, 2048) in float32.
    Errors: UserError if the weights cannot be downloaded, or are not those that the checksum in their name says.
    """

    def __init__(self) -> None:
        super().__init__()
        weights = _download()
        # The first weights are drawn before they are loaded, which must not change what the training draws.
        with torch.random.fork_rng(devices=[]):
            network = inception_v3(weights=None, transform_input=True, init_weights=False)
        network.load_state_dict(weights)
        network.AuxLogits, network.fc = None, nn.Identity()
        self.network = network.requires_grad_(False)
        normal = WEIGHTS.transforms()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(normal.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(normal.std)[:, None, None])
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 2048) of images (B, 1 or 3, H, W)."""
        # A distance of features is not to depend on a run's precision.
        with torch.autocast(images.device.type, enabled=False):
            scaled = F.interpolate(images.float(), (_SIDE, _SIDE), mode="bilinear", antialias=True)
            features: Tensor = self.network((scaled - self.mean) / self.std)
        return features


def _download() -> dict[str, Tensor]:
    """The weights. torch checks what it downloads, but not what it has kept."""
    file = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(WEIGHTS.url).path).name)
    try:
        if file.is_file() and not sha256(file).startswith(file.stem.rpartition("-")[2]):
            raise UserError(
                f"{file} is damaged, its SHA-256 is not the one in its name: remove it and run the same command again"
            )
        found: dict[str, Tensor] = WEIGHTS.get_state_dict(
            check_hash=True, weights_only=True, map_location="cpu", progress=sys.stderr.isatty()
        )
    except (OSError, HTTPException, RuntimeError) as error:
        reason = " ".join(str(getattr(error, "reason", None) or error).split())
        raise UserError(
            f"cannot download {WEIGHTS.url} to {file.parent}: {reason}; check the network and the folder, then run the same "
            "command again"
        ) from error
    return found

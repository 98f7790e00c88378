"""One LightningModule a model of the papers."""

from lit_faces.methods.attribute_classifier import AttributeClassifier
from lit_faces.methods.base import Method, load_method
from lit_faces.methods.cgan import CGAN
from lit_faces.methods.cmma import CMMA
from lit_faces.methods.condvae import CondVAE
from lit_faces.methods.condvae_info import CondVAEInfo
from lit_faces.methods.csvae import CSVAE
from lit_faces.methods.cvae import CVAE
from lit_faces.methods.vae import VAE

METHODS: dict[str, type[Method]] = {
    method.__name__: method for method in (CMMA, CVAE, CGAN, VAE, CondVAE, CondVAEInfo, CSVAE, AttributeClassifier)
}

__all__ = [
    "CGAN",
    "CMMA",
    "CSVAE",
    "CVAE",
    "METHODS",
    "VAE",
    "AttributeClassifier",
    "CondVAE",
    "CondVAEInfo",
    "Method",
    "load_method",
]

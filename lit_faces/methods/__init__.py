"""One LightningModule a model of the papers."""

from lit_faces.methods.attribute_classifier import AttributeClassifier
from lit_faces.methods.bao import CVAEGANBao
from lit_faces.methods.base import Method, load_method
from lit_faces.methods.cgan import CGAN
from lit_faces.methods.cmma import CMMA
from lit_faces.methods.cmma2 import CMMA2
from lit_faces.methods.condvae import CondVAE
from lit_faces.methods.condvae_info import CondVAEInfo
from lit_faces.methods.csvae import CSVAE
from lit_faces.methods.cvae import CVAE
from lit_faces.methods.cvaegan import CVAEGAN
from lit_faces.methods.dipvae import DIPVAE
from lit_faces.methods.gauthier import CGANGauthier
from lit_faces.methods.icgan import IcGAN
from lit_faces.methods.identity_embedding import IdentityEmbedding
from lit_faces.methods.ifcvaegan import IFcVAEGAN
from lit_faces.methods.vae import VAE
from lit_faces.methods.vlae import MMDVLAE, VLAE

METHODS: dict[str, type[Method]] = {
    method.__name__: method
    for method in (
        CMMA,
        CVAE,
        CGAN,
        CMMA2,
        CGANGauthier,
        VAE,
        CondVAE,
        CondVAEInfo,
        CSVAE,
        CVAEGAN,
        CVAEGANBao,
        IFcVAEGAN,
        IcGAN,
        DIPVAE,
        VLAE,
        MMDVLAE,
        AttributeClassifier,
        IdentityEmbedding,
    )
}

__all__ = [
    "CGAN",
    "CMMA",
    "CMMA2",
    "CSVAE",
    "CVAE",
    "CVAEGAN",
    "DIPVAE",
    "METHODS",
    "MMDVLAE",
    "VAE",
    "VLAE",
    "AttributeClassifier",
    "CGANGauthier",
    "CVAEGANBao",
    "CondVAE",
    "CondVAEInfo",
    "IFcVAEGAN",
    "IcGAN",
    "IdentityEmbedding",
    "Method",
    "load_method",
]

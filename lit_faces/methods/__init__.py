"""One LightningModule a model of the papers."""

from lit_faces.methods.attribute_classifier import AttributeClassifier as AttributeClassifier
from lit_faces.methods.bao import CVAEGANBao as CVAEGANBao
from lit_faces.methods.base import Method as Method
from lit_faces.methods.cgan import CGAN as CGAN
from lit_faces.methods.cmma import CMMA as CMMA
from lit_faces.methods.cmma2 import CMMA2 as CMMA2
from lit_faces.methods.condvae import CondVAE as CondVAE
from lit_faces.methods.condvae_info import CondVAEInfo as CondVAEInfo
from lit_faces.methods.csvae import CSVAE as CSVAE
from lit_faces.methods.cvae import CVAE as CVAE
from lit_faces.methods.cvaegan import CVAEGAN as CVAEGAN
from lit_faces.methods.dipvae import DIPVAE as DIPVAE
from lit_faces.methods.gauthier import CGANGauthier as CGANGauthier
from lit_faces.methods.icgan import IcGAN as IcGAN
from lit_faces.methods.identity_embedding import IdentityEmbedding as IdentityEmbedding
from lit_faces.methods.ifcvaegan import IFcVAEGAN as IFcVAEGAN
from lit_faces.methods.trained import load_method as load_method
from lit_faces.methods.vae import VAE as VAE
from lit_faces.methods.vlae import MMDVLAE as MMDVLAE
from lit_faces.methods.vlae import VLAE as VLAE

METHODS: dict[str, type[Method]] = {
    name: value
    for name, value in list(globals().items())
    if isinstance(value, type) and issubclass(value, Method) and value is not Method
}
"""The methods of the suite by their names."""

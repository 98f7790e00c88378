"""One LightningModule a model of the papers."""

from lit_faces.methods.base import Method, load_method
from lit_faces.methods.cgan import CGAN
from lit_faces.methods.cmma import CMMA
from lit_faces.methods.cvae import CVAE

METHODS: dict[str, type[Method]] = {method.__name__: method for method in (CMMA, CVAE, CGAN)}

__all__ = ["CGAN", "CMMA", "CVAE", "METHODS", "Method", "load_method"]

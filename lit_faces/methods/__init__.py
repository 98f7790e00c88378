"""One LightningModule a model of the papers."""

from lit_faces.methods.attribute_classifier import AttributeClassifier
from lit_faces.methods.base import Method, load_method
from lit_faces.methods.cgan import CGAN
from lit_faces.methods.cmma import CMMA
from lit_faces.methods.cvae import CVAE

METHODS: dict[str, type[Method]] = {method.__name__: method for method in (CMMA, CVAE, CGAN, AttributeClassifier)}

__all__ = ["CGAN", "CMMA", "CVAE", "METHODS", "AttributeClassifier", "Method", "load_method"]

"""The four models of the CSVAE paper, tiny and untrained, for the tests of what they share and of what sets them apart."""

import torch

from lit_faces.methods import CSVAE, VAE, CondVAE, CondVAEInfo

MODELS = [VAE, CondVAE, CondVAEInfo, CSVAE]
LABELS = ("Eyeglasses", "Male")


def make(cls, data, **arguments):
    torch.manual_seed(0)
    method = cls(**{"labels": LABELS, "latent_dim": 3, "width": 0.06, **arguments})
    method.prepare(data.spec)
    return method

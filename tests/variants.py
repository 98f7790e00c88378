"""Tiny methods of each kind, the same wherever they are tested."""

import torch

from lit_faces.methods import CGAN, CMMA, CMMA2, CVAE, AttributeClassifier, CGANGauthier

TINY = {"width": 0.05, "latent_dim": 3}

VARIANTS = {
    "CMMA": (CMMA, {**TINY, "learning_rate": 0.01}),
    "CMMA xy": (CMMA, {**TINY, "learning_rate": 0.01, "posterior": "xy"}),
    "CVAE": (CVAE, {**TINY, "learning_rate": 0.01}),
    "CMMA2": (CMMA2, {**TINY, "learning_rate": 0.01}),
    "CGAN": (CGAN, {"width": 0.05, "noise_dim": 3}),
    "CGANGauthier": (CGANGauthier, {"width": 0.05, "noise_dim": 3}),
    "AttributeClassifier": (AttributeClassifier, {"width": 0.125, "dropout": 0.0}),
}


def make(variant, data, **arguments):
    torch.manual_seed(0)
    cls, defaults = VARIANTS[variant]
    method = cls(**{**defaults, **arguments})
    method.prepare(data.spec)
    return method

"""An embedding that knows the painted persons by three pixels, and what it is asked."""

from unittest import mock

import torch
from painter import Painter, Tinted, evaluate
from pytorch_lightning import Trainer
from torch.nn import functional as F

from lit_faces.callbacks import identity_kept
from lit_faces.callbacks.identity_kept import IdentityKept
from lit_faces.methods.identity_embedding import IdentityEmbedding
from lit_faces.metrics.verification import verification_pairs

TINY = {"width": 0.0625, "embedding_dim": 5, "classes": 7}


class Eye:
    """Knows persons by three noisy pixels of the plane that no label touches."""

    embedding_dim = 3

    def embed(self, images):
        return F.normalize(images[:, 0, 0, :3] - 0.45)


class Seeing(Eye, Painter):
    """A method that identifies."""


def quiet_trainer(*callbacks, **arguments):
    return Trainer(
        accelerator="cpu",
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **arguments,
    )


def similarities(split):
    """Of every two photographs, and whether they are of one person."""
    vectors = Eye().embed(split.images.permute(0, 3, 1, 2).double() / 255)
    return vectors @ vectors.T, split.identity[:, None] == split.identity


def prepared(**arguments):
    data = Tinted(people=7, train=20, **arguments)
    data.setup()
    return data


def kept(method, data, *others, embedding="eye.ckpt", callback=None, devices=1):
    """The measurements of the identity for a method."""
    eye = Eye()
    eye.spec = data.spec
    with mock.patch.object(identity_kept, "load_method", return_value=eye):
        return evaluate(method, data, *others, callback or IdentityKept(embedding), devices=devices)


def pairs_of(split):
    """Similarities of the pairs that are compared, from the table of all."""
    table, one = similarities(split)
    same, different = verification_pairs(split.identity, 100, 0)
    assert one[same[:, 0], same[:, 1]].all()
    return table[same[:, 0], same[:, 1]], table[different[:, 0], different[:, 1]], split.identity[same[:, 0]]


def make(data, **arguments):
    torch.manual_seed(0)
    method = IdentityEmbedding(**{**TINY, **arguments})
    method.prepare(data.spec)
    return method

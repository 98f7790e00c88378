"""Untrained methods of the suite and their checkpoints, to be exported."""

import torch
from every_method import ARGUMENTS

from lit_faces.methods import METHODS

TRAINING = {"epochs": 3, "batches": 12, "seconds": 7200.0, "precision": "32-true"}


def tiny(name, data):
    """An untrained method of the suite, of which nothing is as it was made but for the seed."""
    torch.manual_seed(0)
    method = METHODS[name](**ARGUMENTS[name])
    method.prepare(data.spec)
    for buffer in method.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return method.eval()


def checkpoint_of(method, path):
    checkpoint = {"state_dict": method.state_dict(), "training": TRAINING}
    method.on_save_checkpoint(checkpoint)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, path)
    return path

"""A small MNIST in its published layout, for the tests of its reader and of its verb."""

import gzip
import hashlib
from dataclasses import replace

import numpy as np

from lit_faces.data import mnist
from lit_faces.data.mnist_files import FILES

TRAIN, VALIDATION, TEST, SIDE = 30, 8, 12, 28


def idx(values):
    """The file of an array: zero, zero, uint8, its dimensions, its shape, itself."""
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


def arrays():
    """Noise with the digits in turn, by the names of the files."""
    generator = np.random.default_rng(0)
    made = {}
    for part, count in (("train", TRAIN), ("t10k", TEST)):
        made[f"{part}-images-idx3-ubyte"] = generator.integers(0, 256, (count, SIDE, SIDE), np.uint8)
        made[f"{part}-labels-idx1-ubyte"] = np.arange(count, dtype=np.uint8) % 10
    return made


def zipped(content):
    return gzip.compress(content, mtime=0)


def publish(monkeypatch):
    """Take this MNIST for the published one; gives its files' contents, by name."""
    contents = {name: idx(values) for name, values in arrays().items()}
    for name, content in contents.items():
        monkeypatch.setitem(
            FILES,
            name,
            replace(
                FILES[name],
                shape=arrays()[name].shape,
                gz_md5=hashlib.md5(zipped(content)).hexdigest(),
                sha256=hashlib.sha256(content).hexdigest(),
            ),
        )
    monkeypatch.setattr(mnist, "VALIDATION", VALIDATION)
    return contents


def write(folder, contents, gz=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / (f"{name}.gz" if gz else name)).write_bytes(zipped(content) if gz else content)
    return folder

"""MNIST, the handwritten digits, from its published files."""

from typing import Any

import numpy as np
import torch
from pytorch_lightning.utilities import rank_zero_info

from lit_faces.data.base import FaceDataModule, Faces, LoadedData, Split
from lit_faces.data.mnist_files import FILES, Content, find_files, read_file
from lit_faces.data.sources import data_root

DIGITS: tuple[str, ...] = tuple("0123456789")
# The last so many of the training file.
VALIDATION = 5_000


class MNIST(FaceDataModule):
    """Handwritten digits: 55,000 train, 5,000 validation (the last of the training file), 10,000 test, grey, 28 x 28 pixels.

    `root` (default `$LIT_FACES_DATA`, else `data/`) holds the four idx files, plain or gzipped, in `MNIST/raw` as torchvision
    puts them, in `mnist` or `MNIST`, or directly; nothing is downloaded from here. The attributes and labels are the digits "0"
    to "9", of which one holds. MNIST does not tell its writers: each image has an identity of its own, its row in the training
    file followed by the test file. Source: LeCun, Bottou, Bengio and Haffner 1998.
    """

    def __init__(self, root: str | None = None, batch_size: int = 100, limit: int | None = None, seed: int = 0) -> None:
        super().__init__(batch_size, limit, seed)
        self.root = data_root(root)

    def load(self) -> LoadedData:
        """Read and verify the files. Raises UserError if one is missing, not whole or not what was published."""
        paths = find_files(self.root)
        read = {name: read_file(path) for name, path in paths.items()}
        images, labels = (
            torch.from_numpy(np.concatenate([read[f"{part}-{what}-ubyte"].values for part in ("train", "t10k")]))
            for what in ("images-idx3", "labels-idx1")
        )
        row = torch.arange(len(labels))
        attributes = torch.nn.functional.one_hot(labels.long(), len(DIGITS)).float()
        faces = Faces(images.unsqueeze(-1), attributes, row, row)
        end = len(read["train-labels-idx1-ubyte"].values)
        start = end - VALIDATION
        splits: dict[Split, Faces] = {"train": faces[:start], "validation": faces[start:end], "test": faces[end:]}
        manifest: dict[str, Any] = {
            "files": {path.name: {"sha256 of the content": FILES[name].sha256} for name, path in paths.items()}
        }
        if note := recompressed({paths[name].name: content for name, content in read.items()}):
            rank_zero_info(f"MNIST: {note}")
            manifest["note"] = note
        return LoadedData(splits, DIGITS, manifest, labels=DIGITS, exclusive=True, groups=(DIGITS,))


def recompressed(read: dict[str, Content]) -> str:
    """One line naming the files whose .gz is not the published one, empty if there are none."""
    names = [name for name, content in read.items() if content.recompressed]
    return f"compressed anew, while the content is the published one: {', '.join(names)}" if names else ""

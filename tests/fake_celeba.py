"""A small CelebA in every official layout, for the tests of its files, of its DataModule and of its verbs."""

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from lit_faces.data.base import SPLITS
from lit_faces.data.celeba import CelebA

NAMES = ("Eyeglasses", "Goatee", "Heavy_Makeup", "Mouth_Slightly_Open", "Mustache", "No_Beard")


class Fake:
    """A small CelebA: 200 images of some of the official numbers, two a person, each of one colour that tells its row."""

    def __init__(self, rows=200):
        self.numbers = [3 * row + 1 for row in range(rows)]
        chance = np.random.default_rng(0).random((rows, len(NAMES)))
        self.values = np.where(chance < (0.15, 0.05, 0.3, 0.5, 0.08, 0.85), 1, -1)
        self.partition = [0 if row < 0.6 * rows else 1 if row < 0.8 * rows else 2 for row in range(rows)]
        self.identity = [900 - row // 2 for row in range(rows)]

    def names(self):
        return [f"{number:06d}.jpg" for number in self.numbers]

    def jpeg(self, row, frame=(44, 54)):
        buffer = io.BytesIO()
        Image.new("RGB", frame, (row, 255 - row, 7)).save(buffer, "JPEG", quality=100, subsampling=0)
        return buffer.getvalue()

    def members(self, skip=()):
        return {name: self.jpeg(row) for row, name in enumerate(self.names()) if row not in skip}

    def write_folder(self, folder, skip=()):
        folder.mkdir(parents=True)
        for name, content in self.members(skip).items():
            (folder / name).write_bytes(content)

    def write_zip(self, path, skip=(), replaced=None):
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("__MACOSX/img_align_celeba/._000001.jpg", b"no picture")
            # The archive's order is not the official one.
            for name, content in sorted({**self.members(skip), **(replaced or {})}.items(), reverse=True):
                archive.writestr(f"img_align_celeba/{name}", content)

    def lines(self):
        """The lines of each list, as published: the attributes padded with blanks, and a blank at the end of their names."""
        rows = [
            f"{name} " + " ".join(f"{value:2d}" for value in values)
            for name, values in zip(self.names(), self.values.tolist(), strict=True)
        ]
        return {
            "list_attr_celeba.txt": ["202599", " ".join(NAMES) + " ", *rows],
            "list_eval_partition.txt": [f"{n} {v}" for n, v in zip(self.names(), self.partition, strict=True)],
            "identity_CelebA.txt": [f"{n} {v}" for n, v in zip(self.names(), self.identity, strict=True)],
        }

    def write_lists(self, folder, change=None):
        folder.mkdir(parents=True, exist_ok=True)
        for name, lines in {**self.lines(), **(change or {})}.items():
            (folder / name).write_text("\n".join(lines) + "\n")

    def write_usual(self, root):
        """The official zip and the three lists in `root/celeba`."""
        self.write_zip(root / "celeba" / "img_align_celeba.zip")
        self.write_lists(root / "celeba")
        return root


@pytest.fixture(scope="session")
def celeba():
    return Fake()


@pytest.fixture
def celeba_root(tmp_path, celeba):
    """The usual layout: the official zip and the three lists in `root/celeba`."""
    return celeba.write_usual(tmp_path / "data")


def load(root, **options):
    data = CelebA(str(root), batch_size=10, size=8, **options)
    data.prepare_data()
    return data.load()


def joined(loaded, field):
    return torch.cat([getattr(loaded.splits[name], field) for name in SPLITS])


def assert_is_fake(loaded, fake):
    assert loaded.attributes == NAMES
    assert (loaded.labels, loaded.exclusive) == ((), False)
    assert [len(loaded.splits[name]) for name in SPLITS] == [120, 40, 40]
    assert (joined(loaded, "index") + 1).tolist() == fake.numbers
    np.testing.assert_array_equal(joined(loaded, "attributes").numpy(), fake.values)
    assert joined(loaded, "attributes").dtype == torch.float32
    images = joined(loaded, "images")
    assert images.shape == (200, 8, 8, 3)
    # The colour tells the row, so pictures and attributes were joined by name.
    assert torch.allclose(images[..., 0].double().mean((1, 2)), torch.arange(200.0).double(), atol=2)

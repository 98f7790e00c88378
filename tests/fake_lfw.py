"""A small LFW in every official layout, for the tests of its files and of its cache."""

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from lit_faces.data import lfw_files
from lit_faces.data.lfw import LFW
from lit_faces.errors import UserError

NAMES = ("Male", "No Eyewear", "5 o' Clock Shadow", "Strong Nose-Mouth Lines")
FRAME = 20


class Fake:
    """A small LFW: 120 rows, persons of one to four pictures, each picture of one colour that tells its row."""

    def __init__(self, rows=120):
        self.pictures = []
        person = 0
        while len(self.pictures) < rows:
            count = min(1 + person % 4, rows - len(self.pictures))
            self.pictures += [(f"Given_Name-{person:03d}", number) for number in range(1, count + 1)]
            person += 1
        self.values = np.random.default_rng(0).normal(size=(rows, len(NAMES))).round(6)

    def jpeg(self, row, frame=FRAME):
        buffer = io.BytesIO()
        Image.new("RGB", (frame, frame), (row, 255 - row, 7)).save(buffer, "JPEG", quality=100, subsampling=0)
        return buffer.getvalue()

    def members(self, skip=()):
        extra = {"Nobody_Known/Nobody_Known_0001.jpg": self.jpeg(0)}
        known = {lfw_files.picture_name(p): self.jpeg(row) for row, p in enumerate(self.pictures) if row not in skip}
        # The archive's order is not that of the attribute file.
        return dict(sorted({**known, **extra}.items(), reverse=True))

    def write_folder(self, folder, skip=()):
        for name, content in self.members(skip).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    def write_archive(self, path, top, skip=(), replaced=None):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            for name, content in {**self.members(skip), **(replaced or {})}.items():
                info = tarfile.TarInfo(f"{top}/{name}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))

    def write_usual(self, root):
        """An archive and the text file in `root/lfw`."""
        self.write_archive(root / "lfw" / "lfw-deepfunneled.tgz", "lfw-deepfunneled")
        self.write_text(root / "lfw" / "lfw_attributes.txt")
        return root

    def lines(self):
        rows = [
            "\t".join([person.replace("_", " "), str(number), *(str(v) for v in values)])
            for (person, number), values in zip(self.pictures, self.values, strict=True)
        ]
        return ["# LFW attributes", "\t".join(["#", "person", "imagenum", *NAMES]), *rows]

    def write_text(self, path, lines=None):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines or self.lines()) + "\n")

    def write_mat(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        names = [name.replace("'", "").replace(" ", "_") for name in NAMES]
        files = [lfw_files.picture_name(p).replace("/", "\\") for p in self.pictures]
        content = {"label": (self.values > 0).astype(np.uint8), "AttrName": cells(names), "name": cells(files)}
        savemat(path, content)


def cells(strings):
    array = np.empty((1, len(strings)), dtype=object)
    array[0] = strings
    return array


def load(root, **options):
    data = LFW(str(root), batch_size=10, size=8, **options)
    data.prepare_data()
    return data.load()


def assert_is_fake(loaded, fake, values):
    assert loaded.attributes == NAMES
    splits = loaded.splits
    assert torch.equal(torch.cat([f.index for f in splits.values()]), torch.arange(len(fake.pictures)))
    np.testing.assert_array_equal(torch.cat([f.attributes for f in splits.values()]).numpy(), values.astype(np.float32))
    for faces in splits.values():
        assert faces.images.shape == (len(faces), 8, 8, 3)
        assert faces.images.dtype == torch.uint8
        # The colour tells the row, so pictures and attributes were joined by person and number.
        reds = faces.images[..., 0].double().mean((1, 2))
        assert torch.allclose(reds, faces.index.double(), atol=2)
        people = [fake.pictures[row][0] for row in faces.index.tolist()]
        assert len(set(people)) == len(set(faces.identity.tolist()))


def fails(root, match):
    """Preparing raises one line that matches, and leaves no cache behind."""
    with pytest.raises(UserError, match=match) as caught:
        LFW(str(root), size=8).prepare_data()
    assert "\n" not in str(caught.value)
    cache = Path(os.environ["LIT_FACES_CACHE"])
    assert not cache.exists() or not list(cache.iterdir())

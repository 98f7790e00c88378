"""Figures read back."""

import csv
from pathlib import Path

from PIL import Image


def table(picture: Path) -> list[dict[str, str]]:
    """The data of a picture that is whole and small enough for a report."""
    with Image.open(picture) as image:
        image.load()
        assert min(image.size) > 100
    assert picture.stat().st_size < 300_000
    with picture.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))

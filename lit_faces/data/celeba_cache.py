"""CelebA at training resolution: cropped, joined with its lists, split as published, and kept in a cache."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_faces.data import cache, celeba_files
from lit_faces.data.cache import CachedFaces, Contents, Crop
from lit_faces.data.celeba_files import Sources, image_name, number_of, picture_files
from lit_faces.data.sources import fingerprint, images_sha256
from lit_faces.errors import UserError
from lit_faces.files import sha256, sha256_of

FORMAT = 1
# Larsen et al. (2016), in their code: rows 40 to 187 and columns 15 to 162, both inclusive, of the 218 x 178 frame.
LARSEN = Crop(15 / 178, 40 / 218, 163 / 178, 188 / 218)
_SPLITS = ("train", "validation", "test")


def cached_celeba(root: Path, size: int, crop: Crop) -> CachedFaces:
    """The faces under `root`, from the cache where there is one; else it is built, which takes a minute or two.

    Raises UserError if the data are not there or cannot be read; a failure leaves no cache behind.
    """
    sources = celeba_files.find_sources(root)
    name = _name(sources, size, crop)
    return cache.open_or_build(name, sources.images.parent, lambda: _build(sources, size, crop))


def find_cache(sources: Sources, size: int, crop: Crop) -> CachedFaces | None:
    """The cache built from exactly these files, if there is one; rereads none of them."""
    return cache.find_cache(_name(sources, size, crop), sources.images.parent)


def _name(sources: Sources, size: int, crop: Crop) -> str:
    paths = (sources.images, sources.attributes, sources.partition, sources.identity)
    prints = [fingerprint(path, picture_files) if path else None for path in paths]
    key = sha256_of(["CelebA", FORMAT, *prints, asdict(crop), size])
    return f"{sources.images.name.removesuffix('.zip')}-{size}-{key[:16]}"


def _build(sources: Sources, size: int, crop: Crop) -> Contents:
    table = celeba_files.read_attributes(sources.attributes)
    partition = celeba_files.read_partition(sources.partition)
    identity = celeba_files.read_identity(sources.identity) if sources.identity else None
    lists = [set(table.numbers), set(partition), *([set(identity)] if identity is not None else [])]
    listed = set.intersection(*lists)
    # One split after another, each in the official order, whatever the order of the lists.
    numbers = sorted(listed, key=lambda number: (partition[number], number))
    row_of = {number: row for row, number in enumerate(numbers)}
    cropped = cache.crop_all(
        sources.images,
        celeba_files.read_images(sources.images),
        lambda name: row_of.get(number) if (number := number_of(name)) is not None else None,
        len(numbers),
        size,
        crop,
        remedy=f"get the images again at {celeba_files.OFFICIAL_SITE}",
    )
    found = cropped.found
    order = np.array(numbers, np.int64)[found]
    cuts = np.searchsorted([partition[number] for number in order.tolist()], [0, 1, 2, 3]).tolist()
    bounds = {name: [cuts[split], cuts[split + 1]] for split, name in enumerate(_SPLITS)}
    for split, (name, (start, end)) in enumerate(bounds.items()):
        if start == end:
            raise UserError(
                f"CelebA: no image of {sources.images} is in the {name} split (partition {split}): put images and lists of "
                "all three splits there"
            )
    position = {number: row for row, number in enumerate(table.numbers)}
    kept_rows = [position[number] for number in order.tolist()]
    # Images without a known person count as one person each.
    people = order - 1 if identity is None else np.array([identity[number] for number in order.tolist()], np.int64)
    missing = [image_name(number) for number in np.array(numbers)[~found].tolist()]
    partial = [image_name(number) for number in sorted(set.union(*lists) - listed)]
    manifest = {
        "format": FORMAT,
        "data": "CelebA",
        "images": {"file": sources.images.name, "sha256": images_sha256(sources.images, picture_files)},
        "frame": cropped.frame,
        "attributes": _described(sources.attributes) | {"names": list(table.names)},
        "partition": _described(sources.partition),
        "identity": _described(sources.identity)
        if sources.identity
        else f"no {celeba_files.IDENTITY}: every image counts as a person of its own",
        "crop": asdict(crop),
        "size": size,
        "faces": len(order),
        "splits": bounds,
        "people": {name: len(np.unique(people[start:end])) for name, (start, end) in bounds.items()},
        "people_in_several_splits": _shared(people, bounds) if identity is not None else None,
        "join": {
            "rows_without_image": len(missing),
            "images_without_attributes": len(cropped.leftover),
            "rows_not_in_every_list": len(partial),
        },
    }
    return Contents(
        images=cropped.pixels if found.all() else cropped.pixels[found],
        attributes=table.values[kept_rows].astype(np.float32),
        identity=people,
        index=order - 1,
        manifest=manifest,
        unmatched={
            "rows_without_image": missing,
            "images_without_attributes": sorted(cropped.leftover),
            "rows_not_in_every_list": partial,
        },
    )


def _described(path: Path) -> dict[str, Any]:
    return {"file": path.name, "sha256": sha256(path)}


def _shared(people: NDArray[np.int64], bounds: dict[str, list[int]]) -> int:
    """How many people have images in more than one split."""
    each = [np.unique(people[start:end]) for start, end in bounds.values()]
    _, splits = np.unique(np.concatenate(each), return_counts=True)
    return int((splits > 1).sum())

"""`lit-faces data` for CelebA: take over local files, since there is no download, and say what is there."""

import hashlib
from pathlib import Path

from lit_faces.data.celeba_cache import LARSEN, cached_celeba, find_cache
from lit_faces.data.celeba_files import (
    IMAGES,
    LISTS,
    MD5,
    Sources,
    check_list,
    find_images,
    find_list,
    find_sources,
    holds_pictures,
    is_archive,
    read_images,
    search_folders,
)
from lit_faces.data.placing import print_counts, take_over
from lit_faces.errors import UserError


def list_celeba(root: Path) -> None:
    """Say where CelebA's files and cache are."""

    def line(what: str, path: Path | None, absent: str) -> None:
        print(f"  {what:<10}  {path or absent}")

    lists = [find_list(root, name) for name in LISTS]
    images, (attributes, partition, identity) = find_images(root), lists
    print(f"celeba: looked in {' and '.join(str(folder) for folder in search_folders(root))}")
    for what, path in (("images", images), ("attributes", attributes), ("partition", partition)):
        line(what, path, "not found: run `lit-faces data prepare celeba --from FILES`")
    line("identity", identity, "not found: every image counts as a person of its own")
    cached = None
    if images and attributes and partition:
        cached = find_cache(Sources(images, attributes, partition, identity), 64, LARSEN)
    line("cache", cached.folder if cached else None, "not built")
    if cached is not None:
        print_counts(cached)


def prepare_celeba(root: Path, sources: list[Path]) -> None:
    """Put `sources` of CelebA in place, say which of its files are the official ones, and build its cache.

    Raises UserError for a source that is not whole, for files that are still missing, and a folder that cannot be written.
    """
    take_over(sources, root / "celeba", _parts, _verify)
    found = find_sources(root)
    cached = cached_celeba(root, 64, LARSEN)
    paths = {"images": found.images, "attributes": found.attributes, "partition": found.partition}
    for what, path in (paths | ({"identity": found.identity} if found.identity else {})).items():
        official = path.is_file() and _md5(path) == MD5.get(path.name)
        verdict = "the official file" if official else "not the official file as it was published"
        print(f"{what:<10}  {path}  SHA-256 {cached.manifest[what]['sha256']}, {verdict}")
    if found.identity is None:
        print(f"identity    {cached.manifest['identity']}")
    print(f"cache       {cached.folder}")
    print_counts(cached)


def _parts(given: Path) -> list[Path]:
    """The image sources and lists that a path named with --from stands for."""
    if given.is_dir():
        if given.name == IMAGES and holds_pictures(given):
            return [given]
        found = [find_images(given), *(find_list(given, name) for name in LISTS)]
        if present := [path for path in found if path is not None]:
            return present
    elif given.name in LISTS or is_archive(given):
        return [given]
    raise UserError(
        f"--from {given} holds nothing of CelebA: name a folder {IMAGES}, an archive {IMAGES}*.zip, a file "
        f"{', '.join(LISTS)}, or a folder of these"
    )


def _verify(source: Path) -> None:
    """Read a source to its end. Raises UserError if that fails or if it holds no pictures."""
    if source.name in LISTS:
        check_list(source)
    elif not sum(1 for _ in read_images(source)):
        raise UserError(f"--from {source} holds no picture 000001.jpg: name an archive of CelebA's aligned images")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

"""`lit-faces data` for LFW: download it or take over local files, and say what is there."""

from collections.abc import Callable
from pathlib import Path

from lit_faces.data.download import download
from lit_faces.data.lfw_cache import LFWCROP, cached_lfw, find_cache
from lit_faces.data.lfw_files import (
    ATTRIBUTE_FILES,
    IMAGE_SOURCES,
    find_attributes,
    find_images,
    holds_pictures,
    picture_of,
    read_attributes,
    read_images,
    search_folders,
)
from lit_faces.data.placing import print_counts, take_over, writing_into
from lit_faces.errors import UserError

ATTRIBUTES_URL = "http://www.cs.columbia.edu/CAVE/databases/pubfig/download/lfw_attributes.txt"
LFW_ROWS, LFW_ATTRIBUTES = 13_143, 73


def list_lfw(root: Path) -> None:
    """Say where LFW's files and cache are."""
    images, attributes = find_images(root), find_attributes(root)
    cached = find_cache(images, attributes, 64, LFWCROP) if images and attributes else None
    print(f"lfw: looked in {' and '.join(str(folder) for folder in search_folders(root))}")
    print(f"  images      {images or 'not found: run `lit-faces data prepare lfw`'}")
    print(f"  attributes  {attributes or 'not found: run `lit-faces data prepare lfw`'}")
    print(f"  cache       {cached.folder if cached else 'not built'}")
    if cached is not None:
        print_counts(cached)


def prepare_lfw(root: Path, sources: list[Path], images_url: str | None, attributes_url: str | None) -> None:
    """Put LFW in place, from `sources` and for the rest from the network, and build its cache.

    Raises UserError for a source that is not whole, a download that fails, and a folder that cannot be written.
    """
    folder = root / "lfw"
    take_over(sources, folder, _parts, _verify)
    with writing_into(folder):
        # The small file first: if it cannot be had, the large one is not worth waiting for.
        if find_attributes(root) is None:
            _download_attributes(attributes_url or ATTRIBUTES_URL, folder / "lfw_attributes.txt")
        if find_images(root) is None:
            _download_images(images_url, folder)
    cached = cached_lfw(root, 64, LFWCROP)
    manifest = cached.manifest
    print(f"images      {find_images(root)}  SHA-256 {manifest['images']['sha256']}")
    print(f"attributes  {find_attributes(root)}  SHA-256 {manifest['attributes']['sha256']}")
    print(f"cache       {cached.folder}")
    print_counts(cached)


def _parts(given: Path) -> list[Path]:
    """The image sources and attribute files that a path named with --from stands for."""
    archives = [name for names in IMAGE_SOURCES.values() for name in names]
    if given.is_dir():
        if given.name in IMAGE_SOURCES and holds_pictures(given):
            return [given]
        if found := [path for path in (find_images(given), find_attributes(given)) if path is not None]:
            return found
    elif given.name in (*archives, *ATTRIBUTE_FILES):
        return [given]
    raise UserError(
        f"--from {given} holds nothing of LFW: name a folder {', '.join(IMAGE_SOURCES)}, an archive {', '.join(archives)}, a "
        f"file {', '.join(ATTRIBUTE_FILES)}, or a folder of these"
    )


def _verify(source: Path) -> None:
    """Read a source to its end. Raises UserError if that fails or if it holds no pictures."""
    if source.name in ATTRIBUTE_FILES:
        read_attributes(source)
    elif not sum(picture_of(name) is not None for name, _ in read_images(source)):
        raise UserError(f"--from {source} holds no picture Person_Name/Person_Name_0001.jpg: name an archive of LFW")


def _download_attributes(url: str, destination: Path) -> None:
    def check(path: Path) -> None:
        # No SHA-256 of this file was ever published, so its structure has to do.
        try:
            rows, columns = read_attributes(path).values.shape
        except UserError as error:
            raise UserError(f"{url} gave no file of LFW's attributes ({error})") from error
        if (rows, columns) != (LFW_ROWS, LFW_ATTRIBUTES):
            raise UserError(
                f"{url} gave {rows:,} rows of {columns} attributes, expected {LFW_ROWS:,} of {LFW_ATTRIBUTES}"
            )

    digest = _fetch(url, destination, check=check)
    print(
        f"{destination.name} has no published checksum: its {LFW_ROWS:,} x {LFW_ATTRIBUTES} values were checked, SHA-256 {digest}"
    )


def _download_images(url: str | None, folder: Path) -> None:
    from sklearn.datasets._lfw import FUNNELED_ARCHIVE as ARCHIVE

    _fetch(url or ARCHIVE.url, folder / ARCHIVE.filename, ARCHIVE.checksum)


def _fetch(url: str, destination: Path, sha256: str | None = None, check: Callable[[Path], None] | None = None) -> str:
    try:
        return download(url, destination, sha256, check=check)
    except UserError as error:
        raise UserError(f"{error}; or name a local copy with --from FILE_OR_DIR") from error

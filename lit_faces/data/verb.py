"""`lit-faces data`: put data sets in place, and say what is there. Imports nothing heavy until it runs."""

import argparse
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lit_faces.errors import UserError
from lit_faces.files import replacing, sha256

if TYPE_CHECKING:
    from lit_faces.data.lfw_cache import CachedFaces

ATTRIBUTES_URL = "http://www.cs.columbia.edu/CAVE/databases/pubfig/download/lfw_attributes.txt"
LFW_ROWS, LFW_ATTRIBUTES = 13_143, 73


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-verbs of `lit-faces data` to a parser."""
    verbs = parser.add_subparsers(dest="data_verb", required=True, metavar="VERB")
    prepare = verbs.add_parser("prepare", help="download or take over a data set, check it and build its cache")
    prepare.add_argument("dataset", choices=["lfw"], help="which data set")
    prepare.add_argument(
        "--from",
        dest="sources",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE_OR_DIR",
        help="local images (folder or .tgz) and attribute files to take instead of downloading them",
    )
    prepare.add_argument(
        "--images-url", metavar="URL", help="mirror of lfw-funneled.tgz; its SHA-256 is demanded all the same"
    )
    prepare.add_argument("--attributes-url", metavar="URL", default=ATTRIBUTES_URL, help="mirror of lfw_attributes.txt")
    listing = verbs.add_parser("list", help="say which data sets are found, and where")
    for verb in (prepare, listing):
        verb.add_argument("--root", metavar="DIR", help="folder of all data sets (default: $LIT_FACES_DATA, else data)")


def run(arguments: argparse.Namespace) -> None:
    """Run a parsed `lit-faces data` command. Raises UserError for what the user can mend."""
    from lit_faces.data.lfw_files import data_root

    root = data_root(arguments.root)
    if arguments.data_verb == "list":
        _list(root)
    else:
        _prepare(root, arguments.sources, arguments.images_url, arguments.attributes_url)


def _list(root: Path) -> None:
    from lit_faces.data.lfw_cache import Crop, find_cache
    from lit_faces.data.lfw_files import find_attributes, find_images, search_folders

    images, attributes = find_images(root), find_attributes(root)
    cached = find_cache(images, attributes, 64, Crop()) if images and attributes else None
    print(f"lfw: looked in {' and '.join(str(folder) for folder in search_folders(root))}")
    print(f"  images      {images or 'not found: run `lit-faces data prepare lfw`'}")
    print(f"  attributes  {attributes or 'not found: run `lit-faces data prepare lfw`'}")
    print(f"  cache       {cached.folder if cached else 'not built'}")
    if cached is not None:
        _print_counts(cached)


def _prepare(root: Path, sources: list[Path], images_url: str | None, attributes_url: str) -> None:
    from lit_faces.data.lfw_cache import Crop, cached_lfw
    from lit_faces.data.lfw_files import find_attributes, find_images

    folder = root / "lfw"
    # All sources are checked before the first is put in place.
    local = [path for given in sources for path in _official_files(given)]
    for source in local:
        _verify(source)
    try:
        for source in local:
            _take_over(source, folder / source.name)
        # The small file first: if it cannot be had, the large one is not worth waiting for.
        if find_attributes(root) is None:
            _download_attributes(attributes_url, folder / "lfw_attributes.txt")
        if find_images(root) is None:
            _download_images(images_url, folder)
    except OSError as error:
        raise UserError(f"cannot write into {folder} ({error.strerror}): choose another folder with --root") from error
    cached = cached_lfw(root, 64, Crop())
    manifest = cached.manifest
    print(f"images      {find_images(root)}  SHA-256 {manifest['images']['sha256']}")
    print(f"attributes  {find_attributes(root)}  SHA-256 {manifest['attributes']['sha256']}")
    print(f"cache       {cached.folder}")
    _print_counts(cached)


def _print_counts(cached: "CachedFaces") -> None:
    manifest = cached.manifest
    parts = [
        f"{end - start:,} {name} ({manifest['people'][name]:,} people)"
        for name, (start, end) in manifest["splits"].items()
    ]
    join = manifest["join"]
    print(f"{manifest['faces']:,} faces with {len(manifest['attributes']['names'])} attributes: {', '.join(parts)}")
    print(
        f"{join['images_without_attributes']:,} images have no attributes, {join['rows_without_image']:,} rows have no image: "
        f"listed in {cached.folder / 'unmatched.json'}"
    )


def _official_files(given: Path) -> list[Path]:
    """The image sources and attribute files that a path named with --from stands for."""
    from lit_faces.data.lfw_files import ATTRIBUTE_FILES, IMAGE_SOURCES, find_attributes, find_images, holds_pictures

    archives = [name for names in IMAGE_SOURCES.values() for name in names]
    if not given.exists():
        raise UserError(f"--from {given}: there is no such file or folder")
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
    from lit_faces.data.lfw_files import ATTRIBUTE_FILES, picture_of, read_attributes, read_images

    if source.name in ATTRIBUTE_FILES:
        read_attributes(source)
    elif not sum(picture_of(name) is not None for name, _ in read_images(source)):
        raise UserError(f"--from {source} holds no picture Person_Name/Person_Name_0001.jpg: name an archive of LFW")


def _take_over(source: Path, destination: Path) -> None:
    """Link or copy a source into place; what is there already is never replaced."""
    if destination.exists():
        same = destination.samefile(source) or (
            source.is_file() and destination.is_file() and sha256(source) == sha256(destination)
        )
        if same:
            return
        raise UserError(f"{destination} is there already and differs from {source}: move one of them away")
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.unlink(missing_ok=True)  # a link that leads nowhere
    if source.is_dir():
        destination.symlink_to(source.resolve(), target_is_directory=True)
        return
    try:
        os.link(source.resolve(), destination)
    except OSError:  # another file system, or one without hard links
        with replacing(destination) as temporary:
            shutil.copyfile(source, temporary)


def _download_attributes(url: str, destination: Path) -> None:
    from lit_faces.data.lfw_files import read_attributes

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
    from lit_faces.data.download import download

    try:
        return download(url, destination, sha256, check=check)
    except UserError as error:
        raise UserError(f"{error}; or name a local copy with --from FILE_OR_DIR") from error

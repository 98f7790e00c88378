"""Taking local files of a data set into its folder, and saying what was made of them."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lit_faces.data.cache import CachedFaces
from lit_faces.errors import UserError
from lit_faces.files import replacing, sha256


def take_over(
    given: list[Path], folder: Path, parts: Callable[[Path], list[Path]], verify: Callable[[Path], None]
) -> None:
    """Link or copy into `folder` what the paths named with --from stand for; what is there already is never replaced.

    `parts` tells the sources in a path that exists, `verify` reads a source to its end; all are checked before the first is put
    in place. Raises UserError for a path that is not there, for what `parts` and `verify` refuse, and for another file in place.
    """
    for path in given:
        if not path.exists():
            raise UserError(f"--from {path}: there is no such file or folder")
    sources = [source for path in given for source in parts(path)]
    for source in sources:
        verify(source)
    with writing_into(folder):
        for source in sources:
            _place(source, folder / source.name)


@contextmanager
def writing_into(folder: Path) -> Iterator[None]:
    """Turn an error of the file system into one that says which folder cannot be written."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write into {folder} ({error.strerror}): choose another folder with --root") from error


def _place(source: Path, destination: Path) -> None:
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


def print_counts(cached: CachedFaces) -> None:
    """Say how many faces and people each split has, and what did not join."""
    manifest = cached.manifest
    parts = [
        f"{end - start:,} {name} ({manifest['people'][name]:,} people)"
        for name, (start, end) in manifest["splits"].items()
    ]
    join = manifest["join"]
    print(f"{manifest['faces']:,} faces with {len(manifest['attributes']['names'])} attributes: {', '.join(parts)}")
    print(
        f"{join['images_without_attributes']:,} images have no attributes, {join['rows_without_image']:,} rows have no image"
        f"{f', {partial:,} rows are not in every list' if (partial := join.get('rows_not_in_every_list')) else ''}: "
        f"listed in {cached.folder / 'unmatched.json'}"
    )

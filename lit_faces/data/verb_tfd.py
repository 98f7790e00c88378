"""`lit-faces data` for TFD: extend its labels, and say what is there; its authors license it, so that nothing is fetched."""

from pathlib import Path

from lit_faces.data.tfd import FILES, Table, find_file, find_labels, search_folders
from lit_faces.files import sha256


def list_tfd(root: Path) -> None:
    """Say where TFD's file and the labels prepared for the default split are, and on what terms the file is had."""
    path = find_file(root)
    absent = f"not found: put {' or '.join(FILES)} there"
    table = find_labels(path, sha256(path), 0) if path else None
    print(f"tfd: looked in {' and '.join(str(folder) for folder in search_folders(root))}")
    print(f"  file        {path or absent}")
    print(f"  labels      {table.path if table else 'not extended: run `lit-faces data prepare tfd`'}")
    if table is not None:
        _print_added(table)
    print("  licence     from its authors (University of Toronto); it is not public and must not be passed on")


def prepare_tfd(root: Path, data_seed: int) -> None:
    """Label further images of TFD for the split of `data_seed`, and say how many and how well.

    Raises UserError if its file is not there or cannot be read, and for a folder that cannot be written.
    """
    from lit_faces.data.tfd_labels import prepare_labels

    table = prepare_labels(root, data_seed)
    manifest = table.manifest
    print(f"file        {find_file(root)}  SHA-256 {manifest['source_sha256']}")
    print(f"labels      {table.path}")
    _print_added(table)
    print(
        f"on labelled training images that they had not seen, classifiers were right about {manifest['accuracy']:.1%}; they were "
        f"confident of {manifest['kept']:.1%}, and right about {manifest['precision']:.1%} of these"
    )


def _print_added(table: Table) -> None:
    manifest = table.manifest
    parts = ", ".join(f"{number:,} {name}" for name, number in manifest["labels_by_expression"].items())
    print(
        f"{manifest['labels']:,} images labelled with a probability of at least {manifest['threshold']}, for data_seed "
        f"{manifest['data_seed']}: {parts}"
    )

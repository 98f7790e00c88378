"""`lit-faces data` for TFD: say what is there; its authors license it, so that nothing is downloaded or taken over."""

from pathlib import Path

from lit_faces.data.tfd import FILES, find_file, search_folders


def list_tfd(root: Path) -> None:
    """Say where TFD's file is, and on what terms it is had."""
    absent = f"not found: put {' or '.join(FILES)} there"
    print(f"tfd: looked in {' and '.join(str(folder) for folder in search_folders(root))}")
    print(f"  file        {find_file(root) or absent}")
    print("  licence     from its authors (University of Toronto); it is not public and must not be passed on")

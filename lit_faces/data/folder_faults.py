"""What is wrong with the pictures of a table, told all at once. Knows no torch."""

import csv
from collections.abc import Mapping
from pathlib import Path

from lit_faces.data.cache import new_caches
from lit_faces.data.folder_table import Table
from lit_faces.errors import UserError
from lit_faces.files import replacing, sha256_of


def absent(table: Table, root: Path) -> dict[int, str]:
    """What is wrong with the pictures that are not in `root`, by their rows of the table, counted from 0."""
    faults = {}
    for row, file in enumerate(table.files):
        try:
            there, why = (root / file).is_file(), ""
        except OSError as error:
            # A name that is too long, a folder that may not be entered.
            there, why = False, f" ({error.strerror})"
        if not there:
            faults[row] = f"there is no picture {root / file}{why}: put it there, or remove the row"
    return faults


def refuse(table: Table, root: Path, faults: Mapping[int, str]) -> None:
    """Raise UserError with the first of the `faults`, by row, after all of them were listed in a file that the error names.

    Without any, a list that was made before is removed.
    """
    name = f"{table.path.stem[:100]}-{sha256_of(str(table.path.resolve()))[:8]}-unusable.csv"
    listed = new_caches(root) / name
    if not faults:
        listed.unlink(missing_ok=True)
        return
    with replacing(listed) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "file", "what is wrong"])
        writer.writerows([table.lines[row], table.files[row], faults[row]] for row in sorted(faults))
    first = min(faults)
    raise UserError(
        f"{table.path}, row {table.lines[first]}: {faults[first]}; {len(faults):,} of {len(table.files):,} pictures cannot be "
        f"used, {listed} lists them"
    )

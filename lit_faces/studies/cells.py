"""Tables as they are printed, and numbers as they stand in them."""

from dataclasses import dataclass, field

from lit_faces.studies.collect import Row
from lit_faces.studies.shares import interval


@dataclass(frozen=True)
class Cells:
    """A table as it is printed: its file's name, a title, a header, rows of text, what to know before reading, and what its
    short headings mean.
    """

    name: str
    title: str
    header: list[str]
    rows: list[list[str]]
    note: str = ""
    legend: dict[str, str] = field(default_factory=dict)


# Of which much may lie below 0.001.
_SMALL = ("squared error per pixel", "squared MMD", "squared distance of features")


def digits(unit: str) -> int:
    """Digits behind the point that a number of a unit is printed with."""
    return 0 if unit == "nats per image" else 5 if unit.startswith(_SMALL) else 3


def number(row: Row | None) -> str:
    """A row's number with its standard error and, of several seeds, their spread."""
    if row is None:
        return "-"
    places = digits(row.unit)
    error = "" if row.stderr is None else f" ± {row.stderr:,.{places}f}"
    return f"{row.value:,.{places}f}{error}{_spread(row)}"


def share(row: Row | None) -> str:
    """A row's share of faces with its 95 % interval and, of several seeds, their spread."""
    if row is None:
        return "-"
    low, high = interval(row)
    return f"{row.value:.3f} [{low:.3f}, {high:.3f}]{_spread(row)}"


def _spread(row: Row) -> str:
    return "" if row.spread is None else f" (seeds: ± {row.spread:,.{digits(row.unit)}f})"


def brief(value: float) -> str:
    """A number with three digits, without an exponent below a million."""
    return f"{float(f'{value:.3g}'):,g}"


def text_table(table: Cells) -> str:
    """A table as aligned text."""
    lines = [table.header, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.header))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    title = [table.title, *([table.note] if table.note else [])]
    return "\n".join([*title, text[0], "  ".join("-" * width for width in widths), *text[1:]])

"""STAR files as tables of text, read and written back with nothing lost but comments."""

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.io.files import replacing
from cryoal.io.plain_text import read_text
from cryoal.io.star_parsing import QUOTED, Blocks, parse_star

#: Values that need no quotes: no white space, and nothing a reader takes for syntax.
_PLAIN = re.compile(r"(?!data_|loop_|save_|global_|stop_)[^\s\"'#_;]\S*", re.IGNORECASE)
#: Anything in a column, one value a line, that could need quotes.
_SUSPECT = re.compile(
    r"[^\S\n]|[\"'#;]|^(?:_|$|data_|loop_|save_|global_|stop_)", re.IGNORECASE | re.MULTILINE
)


def read_star(path: str | Path) -> Blocks:
    """Read every block of a STAR file as text.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict of block name (without ``data_``) to DataFrame of str
        In the file's order. A value is exactly what stood there, so "001" is not 1. A block of
        name-value pairs is a table of one row with ``is_simple(table)`` true.

    Raises
    ------
    CryoalError
        Names the file and the line: not text, no block, a row with too few or too many values, a
        column or block that stands twice, a quote that never ends.
    """
    path = Path(path)
    return parse_star(read_text(path), path)


def is_simple(table: pd.DataFrame) -> bool:
    """Whether this block was written as name-value pairs, not as a loop."""
    return bool(table.attrs.get("simple")) and len(table) == 1


def simple(**values: str) -> pd.DataFrame:
    """Make a block of name-value pairs."""
    table = pd.DataFrame({name: [value] for name, value in values.items()}, dtype=str)
    table.attrs["simple"] = True
    return table


def write_star(path: str | Path, blocks: Mapping[str, pd.DataFrame], comment: str = "") -> None:
    """Write blocks in their order; the file appears only when it is whole.

    Parameters
    ----------
    blocks : mapping of name to DataFrame
        Cells are written as ``str`` has them; format numbers first.
    comment : str
        One line on top, for example ``"version 50001"``.

    Raises
    ------
    CryoalError
        A value that STAR cannot hold (a line break, or both kinds of quotes at word ends).
    """
    text = star_text(blocks, comment, path)
    with replacing(Path(path)) as file:
        file.write(text)


def star_text(
    blocks: Mapping[str, pd.DataFrame], comment: str = "", path: str | Path = "STAR file"
) -> str:
    """Text of a STAR file with these blocks; ``path`` is for messages."""
    parts = [f"# {comment}\n"] if comment else []
    for name, table in blocks.items():
        columns = [_quoted_column([str(v) for v in table[c].tolist()], path) for c in table]
        parts.append(f"\ndata_{name}\n\n")
        if is_simple(table):
            width = max(len(str(c)) for c in table.columns) + 2
            for label, (value,) in zip(labels(table), columns, strict=True):
                parts.append(f"_{label:<{width}}{value}\n")
        elif len(table.columns):
            parts.append("loop_\n")
            parts += [f"_{label} #{i}\n" for i, label in enumerate(labels(table), 1)]
            parts += ["\t".join(row) + "\n" for row in zip(*columns, strict=True)]
        parts.append("\n")
    return "".join(parts)


def labels(table: pd.DataFrame) -> list[str]:
    """Names of columns as STAR can hold them: without white space, each its own.

    Examples
    --------
    >>> labels(pd.DataFrame(columns=["X [A]", "rlnTomoName"]))
    ['X_[A]', 'rlnTomoName']
    """
    found: list[str] = []
    for column in table.columns:
        label = re.sub(r"\s+", "_", str(column).strip()) or "column"
        count = 1
        while label in found:
            count += 1
            label = f"{label}_{count}"
        found.append(label)
    return found


def _quoted_column(values: list[str], path: str | Path) -> list[str]:
    """Values as they must stand; columns that need no quotes at all are seen at once."""
    together = "\n".join(values)
    if together.count("\n") == len(values) - 1 and not _SUSPECT.search(together):
        return values
    return [quoted(value, path) for value in values]


def quoted(value: str, path: str | Path = "STAR file") -> str:
    """Return the value as it must stand in a STAR file.

    Examples
    --------
    >>> print(quoted("TS_01"), quoted(""), quoted('a "b" c'))
    TS_01 "" "a "b" c"
    """
    if _PLAIN.fullmatch(value):
        return value
    for mark in "\"'":
        candidate = f"{mark}{value}{mark}"
        found = QUOTED.fullmatch(candidate)
        if found and value in found.groups() and "\n" not in value and "\r" not in value:
            return candidate
    raise CryoalError(f"{path}: a STAR file cannot hold the value {value[:40]!r}")

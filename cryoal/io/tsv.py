"""Tables in plain text: tab- or comma-separated, every value a string."""

import csv
import io
from pathlib import Path

import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.io.files import replacing
from cryoal.io.plain_text import read_text

#: By what values of a table can be separated.
SEPARATORS = ("\t", ",", ";", "|")


def read_tsv(path: str | Path, required: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a table with a header line, which shows by what values are separated.

    The first of tab, comma, semicolon and bar that stands in it.

    Parameters
    ----------
    required : tuple of str
        Columns that must be there.

    Returns
    -------
    DataFrame of str

    Raises
    ------
    CryoalError
        Names the file and the line or the missing columns.
    """
    return parse_tsv(read_text(Path(path)), Path(path), required)


def parse_tsv(text: str, path: Path, required: tuple[str, ...] = ()) -> pd.DataFrame:
    """Split the text of a table; ``path`` is for messages."""
    header = text.lstrip("\n").split("\n", 1)[0]
    separator = next((sign for sign in SEPARATORS if sign in header), ",")
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=separator, strict=True))
    except csv.Error as problem:
        raise CryoalError(f"{path}: not a table ({problem})") from problem
    numbered = [(n, row) for n, row in enumerate(rows, 1) if any(cell.strip() for cell in row)]
    columns = [name.strip() for name in numbered[0][1]]
    missing = [name for name in required if name not in columns]
    if missing:
        raise CryoalError(
            f"{path}: no column {', '.join(map(repr, missing))} in the header line, "
            f"which has {', '.join(map(repr, columns))}"
        )
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise CryoalError(f"{path}: column {twice!r} stands twice in the header line")
    for n, row in numbered[1:]:
        if len(row) != len(columns):
            raise CryoalError(
                f"{path}, line {n}: {len(row)} values under a header of {len(columns)}"
            )
    return pd.DataFrame([row for _, row in numbered[1:]], columns=columns, dtype=str)


def write_tsv(path: str | Path, frame: pd.DataFrame, separator: str = "\t") -> None:
    """Write a table, tab-separated unless told otherwise; the file appears only when it is whole.

    Cells are written as ``str`` has them, a missing value as nothing.
    """
    text = frame.to_csv(sep=separator, index=False, lineterminator="\n", na_rep="")
    with replacing(Path(path)) as file:
        file.write(text)

"""How a plain text of positions is laid out: its header, what separates values, its comments."""

import csv
import re
from dataclasses import dataclass

import pandas as pd

from cryoal.io.axes import axes
from cryoal.io.base import is_number
from cryoal.io.content import Content
from cryoal.io.tsv import SEPARATORS

_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+|[+-]?\d+")


@dataclass(frozen=True)
class Layout:
    """The lines of a text without comments.

    Attributes
    ----------
    lines : tuple of str
        Every line in its place, so that its number is the file's; comments are empty.
    first : str
        The first line that says something; empty for STAR, XML, JSON and binary files.
    separator : str
        Of a header; a space for any white space.
    header : bool
        Whether the first line names x, y and z.
    """

    lines: tuple[str, ...]
    first: str
    separator: str
    header: bool

    @property
    def text(self) -> str:
        """The lines as one text, values separated by tabs where it was by white space."""
        if self.separator != " ":
            return "\n".join(self.lines)
        return "\n".join("\t".join(line.split()) for line in self.lines)


def layout(content: Content) -> Layout:
    """Look at a text; a header may stand in the comment before the first line (NumPy's savetxt)."""
    if b"\0" in content.head or content.blocks:
        return Layout((), "", ",", header=False)
    lines = [line.strip() for line in content.text.split("\n")]
    at = next((n for n, line in enumerate(lines) if line and not line.startswith("#")), 0)
    named = lines[at - 1].lstrip("#").strip() if at else ""
    plain = [line if not line.startswith("#") else "" for line in lines]
    if named and _says_more(named, lines[at]):
        at -= 1
        plain[at] = named
    first = plain[at]
    if first[:1] in "<{[":
        return Layout((), "", ",", header=False)
    return Layout(tuple(plain), first, _separator(first), _header(first))


def cells(line: str) -> list[str]:
    """Values of a line without a header, whatever stands between them."""
    return [cell.strip() for cell in re.split(r"[,;\s]+", line.strip()) if cell.strip()]


def with_points(table: pd.DataFrame, separator: str, columns: list[str]) -> pd.DataFrame:
    """A table with decimal points where it had decimal commas, as spreadsheets abroad write them.

    Nothing changes unless the coordinates are no numbers otherwise.
    """
    if separator == "," or all(is_number(v) for c in columns for v in table[c].tolist()):
        return table
    plain = table.copy()
    for column in table:
        if all(_DECIMAL_COMMA.fullmatch(value) for value in table[column].tolist()):
            plain[column] = table[column].str.replace(",", ".", regex=False)
    return plain


def _says_more(comment: str, line: str) -> bool:
    """Whether a comment is a header that says more than that the values are x, y and z."""
    fits = _header(comment) and not _header(line) and len(_words(comment)) == len(_words(line))
    return fits and [word.lower() for word in cells(comment)] != ["x", "y", "z"]


def _separator(line: str) -> str:
    return next((sign for sign in SEPARATORS if sign in line), " " if " " in line else ",")


def _words(line: str) -> list[str]:
    """Values of a line, without the quotes in which spreadsheets and R put words."""
    sign = _separator(line)
    return line.split() if sign == " " else next(csv.reader([line], delimiter=sign), [])


def _header(line: str) -> bool:
    return len(axes(_words(line))) == 3

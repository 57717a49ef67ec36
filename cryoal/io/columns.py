"""Columns of tables that cryoal wrote itself, checked as they are read back."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.tilting import Tilting

#: Angstrom, further than any particle is from anything: squares of it do not overflow.
FARTHEST = 1e9

#: Angstrom: no microscope sees finer, and no voxel that is coarser shows a particle.
SMALLEST_VOXEL, LARGEST_VOXEL = 0.01, 1e5


@dataclass(frozen=True)
class Columns:
    """The columns of one table, and what to say where one is not as cryoal writes it.

    Attributes
    ----------
    table : DataFrame of str
    place : str
        File and block, for messages.
    remedy : str
        What to do about a damaged file: which command makes it again.
    """

    table: pd.DataFrame
    place: str
    remedy: str

    @classmethod
    def of_block(
        cls, blocks: Mapping[str, pd.DataFrame], name: str, path: Path, remedy: str
    ) -> "Columns":
        """Those of a block of a STAR file.

        Raises
        ------
        CryoalError
            The file has no such block.
        """
        if name not in blocks:
            raise CryoalError(f"{path}: no block data_{name}; {remedy}")
        return cls(blocks[name], f"{path}, block data_{name}", remedy)

    def refused(self, what: str) -> CryoalError:
        """The error that says what is wrong with the table, and what to do next."""
        return CryoalError(f"{self.place}: {what}; {self.remedy}")

    def __len__(self) -> int:
        return len(self.table)

    def first_row(self) -> "pd.Series[str]":
        """The first row, of a table that must have one.

        Raises
        ------
        CryoalError
            There is none.
        """
        if not len(self.table):
            raise self.refused("no row in it")
        return self.table.iloc[0]

    def text(self, name: str) -> list[str]:
        """Values of a column.

        Raises
        ------
        CryoalError
            There is no such column.
        """
        if name not in self.table:
            raise self.refused(f"no column {name}")
        return [str(value) for value in self.table[name]]

    def names(self, name: str) -> list[str]:
        """Values of a column that name something: none is empty, none stands twice."""
        values = self.text(name)
        if "" in values:
            raise self.refused(f"row {values.index('') + 1}: {name} is empty")
        if len(set(values)) < len(values):
            twice = next(value for value in values if values.count(value) > 1)
            raise self.refused(f"{name} {twice[:80]!r} stands {values.count(twice)} times")
        return values

    def numbers(
        self,
        name: str,
        low: float = -FARTHEST,
        high: float = FARTHEST,
        *,
        missing: bool = False,
    ) -> NDArray[np.float64]:
        """Values of a column of numbers from ``low`` to ``high``; with ``missing`` also NaN.

        Raises
        ------
        CryoalError
            There is no such column, or names the first value that is none.
        """
        values = self.text(name)
        found = np.array([_number(value) for value in values], dtype=np.float64)
        spelled = np.array([value.lower() == "nan" for value in values], dtype=bool)
        right = (found >= low) & (found <= high) | (spelled if missing else False)
        if not right.all():
            row = int(np.argmin(right))
            span = f" from {low:g} to {high:g}" if max(abs(low), abs(high)) < FARTHEST else ""
            raise self.refused(
                f"row {row + 1}: {name} is {values[row][:40]!r}, a number{span} was expected"
            )
        return found

    def whole(self, name: str, low: int, high: int) -> NDArray[np.intp]:
        """Values of a column of whole numbers from ``low`` to ``high``."""
        found = self.numbers(name, low, high)
        if (found % 1).any():
            row = int(np.argmax(found % 1 != 0))
            raise self.refused(f"row {row + 1}: {name} is {found[row]:g}, a whole number expected")
        return found.astype(np.intp)


def tiltings_of(rows: Columns) -> list[Tilting]:
    """How each tomogram was tilted, in columns as every table of cryoal has them.

    Raises
    ------
    CryoalError
        A tilt that cannot be.
    """
    rows.numbers("cryoalTiltMin", -90, 90)
    rows.numbers("cryoalTiltMax", -90, 90)
    rows.text("cryoalTiltAxis")
    found = []
    for number, values in enumerate(rows.table.fillna("").to_dict("records"), 1):
        try:
            found.append(Tilting.of({str(name): str(value) for name, value in values.items()}))
        except CryoalError as problem:
            raise rows.refused(f"row {number}: {problem}") from problem
    return found


def _number(text: str) -> float:
    """The number as C and Fortran write it; NaN where there is none: Python takes 1_0 and ٣."""
    try:
        return float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return math.nan

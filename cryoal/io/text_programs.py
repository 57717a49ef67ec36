"""Programs that are known by the columns of their CSV, and what these columns mean."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
from scipy.spatial.transform import Rotation

from cryoal.core.geometry import reverse_axes
from cryoal.io.base import numbers, rotations


class Program(NamedTuple):
    """A program: columns that it alone writes, and the unit of its plain x, y and z."""

    name: str
    marks: frozenset[str]
    unit: str
    evidence: str


_ROTATION_VECTOR = ["zvec", "yvec", "xvec"]
_MATRIX = [f"transform_{i}{j}" for i in range(3) for j in range(3)]
#: copick ``util/formats.py``; the submissions of the CZII challenge; acryo ``Molecules.to_csv``
#: as cylindra calls it, whose tomograms have a scale in nanometres.
PROGRAMS = (
    Program("copick", frozenset({"run_name", "transform_00"}), "a", "copick writes Angstrom"),
    Program(
        "the CZII challenge",
        frozenset({"experiment", "particle_type"}),
        "a",
        "the CZII challenge writes Angstrom",
    ),
    Program(
        "cylindra",
        frozenset({"z", "y", "x", *_ROTATION_VECTOR}),
        "nm",
        "cylindra writes nanometres (zvec, yvec, xvec beside z, y, x)",
    ),
)


def program_of(table: pd.DataFrame) -> Program | None:
    """The program that wrote a table, by its columns."""
    return next((known for known in PROGRAMS if known.marks <= set(table.columns)), None)


def rotation_of(table: pd.DataFrame, path: Path) -> Rotation | None:
    """Rotations that a table states as matrices (copick) or as vectors (cylindra).

    acryo's vectors belong to a rotation of zyx components. The same rotation of xyz components has
    the axis in reverse order and turns the other way round, as exchanging x and z is a mirror.
    """
    if all(c in table for c in _MATRIX):
        values = numbers(table, _MATRIX, path).reshape(-1, 3, 3)
        return rotations(list(values), path)
    if all(c in table for c in _ROTATION_VECTOR):
        return Rotation.from_rotvec(-reverse_axes(numbers(table, _ROTATION_VECTOR, path)))
    return None

"""What a particle file holds before its tomograms are known, and the formats that read it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError
from cryoal.core.particles import ParticleSet
from cryoal.core.registry import Registry
from cryoal.core.tomogram import Tomogram
from cryoal.io.content import Content
from cryoal.io.names import safe_name

#: What a coordinate can count, see ``docs/guide/formats.md``.
UNITS = ("voxel", "unbinned_pixel", "angstrom", "centred_angstrom", "fraction", "output_pixel")

#: Columns in which pickers leave their score. rlnMaxValueProbDistribution is none: it says how
#: sure a refinement was of an orientation.
SCORES = ("rlnAutopickFigureOfMerit", "rlnLCCmax", "ptmLCCmax", "score")


class NotParticlesError(CryoalError):
    """A file whose writer is known, and which holds no positions."""


@dataclass(frozen=True)
class Picks:
    """Particles as a file states them, its unit told but not yet applied.

    Attributes
    ----------
    path : Path
    dialect, unit : str
    evidence : str
        Why this unit, in words.
    xyz : (N, 3) float64, in ``unit``
    tomogram : (N,) str, optional
        Names as written; None when the file names no tomograms.
    pixel_size : (N,) float64, Angstrom
        Of ``unbinned_pixel`` or ``output_pixel``; NaN where the file does not say.
    origin_xyz : (N, 3) float64
        To be subtracted, in the tomogram's frame.
    origin_pixel_size : (N,) float64, Angstrom
        Unit of ``origin_xyz``; NaN stands for the unit of ``xyz``.
    stated_voxel : (N,) float64, Angstrom, optional
        Voxel size of the volume that ``voxel`` coordinates count in, as the file states it.
    picked_voxel : float, Angstrom, optional
        Voxel size of the volume that ``voxel`` coordinates count in, as the user says it.
    stated_in_names : bool
        It stands in the tomograms' names, so it is that of the very volume that was picked in.
    numbered : bool
        Tomograms are named by numbers only.
    from_middle : bool
        Coordinates count from voxel n // 2 of the volume (EMAN2).
    rotation : (N,) Rotation, optional
    score : (N,) float64, optional
    score_name : str
    id : (N,) str, optional
        Only where the file gives unique ones.
    table : DataFrame of str
    blocks : mapping of name to DataFrame
        Every block in its order; the particles' block stands there without its rows.
    remarks : tuple of str
        Oddities of a file that could be read, one sentence each.
    """

    path: Path
    dialect: str
    unit: str
    evidence: str
    xyz: NDArray[np.float64]
    table: pd.DataFrame
    tomogram: NDArray[np.str_] | None = None
    pixel_size: NDArray[np.float64] | None = None
    origin_xyz: NDArray[np.float64] | None = None
    origin_pixel_size: NDArray[np.float64] | None = None
    rotation: Rotation | None = None
    score: NDArray[np.float64] | None = None
    score_name: str = ""
    id: NDArray[np.str_] | None = None
    blocks: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    stated_voxel: NDArray[np.float64] | None = None
    picked_voxel: float | None = None
    stated_in_names: bool = False
    numbered: bool = False
    from_middle: bool = False
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.xyz)


#: Writes particles in a dialect they did not come in: (particles, path, tomograms, centre).
Writer = Callable[[ParticleSet, Path, Mapping[str, Tomogram], str], None]


@dataclass(frozen=True)
class Format:
    """One dialect of particle files.

    Attributes
    ----------
    recognise : Content -> int
        0 not mine, 1 could be, 2 and more: its own marks are there. The largest number wins.
    read : (Content, unit or None) -> Picks
        A given unit overrules the evidence.
    write : Writer, optional
    rewrite : (ParticleSet, Path) -> None, optional
        Writes particles back as they came, with the columns their table has now.
    placing : frozenset of str
        Columns of its tables that say where a particle lies and how it is turned; in another
        dialect they would contradict that dialect's own.
    carries : frozenset of str or None
        Columns that ``write`` puts into the file beside those; None is every column. "score" and
        "class" stand for whatever column holds them.
    suffix : str
        What its files are called by; they are told by content.
    own : frozenset of str
        Columns that ``rewrite`` puts into the file; needed where ``carries`` is not None.
    one_tomogram : bool
        A file names no tomogram of its particles, or one for all.
    layout : str
        Path of its files in a folder, with ``{tomogram}`` and ``{class}``; empty where one file
        holds everything.
    class_in_name : str -> str
        What ``{class}`` becomes.
    """

    name: str
    recognise: Callable[[Content], int]
    read: Callable[[Content, str | None], Picks]
    write: Writer | None = None
    rewrite: Callable[[ParticleSet, Path], None] | None = None
    placing: frozenset[str] = frozenset()
    carries: frozenset[str] | None = None
    own: frozenset[str] = frozenset()
    suffix: str = ".star"
    one_tomogram: bool = False
    layout: str = ""
    class_in_name: Callable[[str], str] = safe_name


formats: Registry[Format] = Registry("dialect", "cryoal.io")


def recognised(content: Content) -> Format:
    """Return the format of a file, by its content.

    Raises
    ------
    CryoalError
        No format knows it.
    """
    certainty = {name: formats.get(name).recognise(content) for name in formats.names()}
    best = max(certainty, key=lambda name: certainty[name])
    if certainty[best] == 0:
        raise CryoalError(
            f"{content.path}: no particle positions found (for a STAR file: rlnCoordinateX/Y/Z or "
            f"rlnCenteredCoordinateX/Y/ZAngst); dialects read here are {', '.join(formats.names())}"
        )
    return formats.get(best)


def is_number(text: str) -> bool:
    """Whether a word is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def numbers(
    table: pd.DataFrame, columns: list[str], path: Path, *, missing: bool = False
) -> NDArray[np.float64]:
    """Columns as numbers: (N, len(columns)); ``missing`` lets values that are none be NaN.

    Raises
    ------
    CryoalError
        Names the particle's row and the column.
    """
    values = np.empty((len(table), len(columns)), dtype=np.float64)
    for i, column in enumerate(columns):
        values[:, i] = pd.to_numeric(table[column], errors="coerce")
        bad = np.flatnonzero(~np.isfinite(values[:, i]))
        if len(bad) and not missing:
            raise CryoalError(
                f"{path}, particle {bad[0] + 1}: {column} is "
                f"{str(table[column].iloc[bad[0]])!r}, a number was expected"
            )
    return values


def within_one(xyz: NDArray[np.float64]) -> bool:
    """Whether coordinates can be fractions of a volume: all from 0 to 1, not all whole."""
    return bool(xyz.min() >= 0 and xyz.max() <= 1 and (xyz % 1 != 0).any())


def scores_of(table: pd.DataFrame, path: Path) -> tuple[NDArray[np.float64] | None, str]:
    """Score of the picker and the name of its column; RELION's -999 stands for none."""
    for column in SCORES:
        if column in table:
            values = numbers(table, [column], path, missing=True)[:, 0]
            values = np.where(values <= -999, np.nan, values)
            if np.isfinite(values).any():
                return values, column
    return None, ""


def unique_ids(table: pd.DataFrame, columns: tuple[str, ...]) -> NDArray[np.str_] | None:
    """Values of the first of these columns that is there, unique and nowhere empty."""
    for column in columns:
        if column in table and table[column].is_unique and (table[column].str.strip() != "").all():
            return np.asarray(table[column], dtype=str)
    return None


def rotations(matrices: list[Any], path: Path) -> Rotation:
    """Rotations of 3 x 3 or 4 x 4 matrices.

    Raises
    ------
    CryoalError
        One of them is no rotation.
    """
    try:
        turned = np.array([np.asarray(m, dtype=np.float64)[:3, :3] for m in matrices])
        square = np.einsum("nij,nkj->nik", turned, turned)
        wrong = ~np.isclose(square, np.eye(3), atol=1e-3).all(axis=(1, 2))
    except (ValueError, TypeError, IndexError) as problem:
        raise CryoalError(f"{path}: an orientation is no 3 x 3 matrix ({problem})") from None
    wrong |= np.linalg.det(turned) < 0
    if wrong.any():
        raise CryoalError(
            f"{path}, particle {np.flatnonzero(wrong)[0] + 1}: its matrix is no rotation"
        )
    return Rotation.from_matrix(turned)

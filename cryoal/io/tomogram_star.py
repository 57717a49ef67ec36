"""What a tomograms.star says: its rows, the numbers in them, the tilts of each tomogram."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.io.names import is_none
from cryoal.io.paths import follow, resolve
from cryoal.io.star import read_star
from cryoal.io.star_parsing import Blocks

log = logging.getLogger(__name__)

TILT_COLUMNS = ("rlnTomoYTilt", "rlnTomoNominalStageTiltAngle")


def tomogram_set(path: Path) -> tuple[Path, Blocks]:
    """Read a tomograms.star, directly or through the optimisation_set.star that names it."""
    blocks = read_star(path)
    return follow(path, blocks, "rlnTomoTomogramsFile")


def tomogram_rows(blocks: Blocks, path: Path) -> list[dict[str, str]]:
    """Rows of the block that lists tomograms, by its columns.

    Raises
    ------
    CryoalError
        There is none, or a row without a name.
    """
    for block in blocks.values():
        about = [c for c in block.columns if c.startswith(("rlnTomoReconstructed", "rlnTomoSize"))]
        if "rlnTomoName" in block and (about or "rlnTomoTiltSeriesStarFile" in block):
            unnamed = [i for i, name in enumerate(block["rlnTomoName"], 1) if is_none(str(name))]
            if unnamed:
                raise CryoalError(f"{path}, tomogram {unnamed[0]}: rlnTomoName names none")
            names = [str(column) for column in block.columns]
            return [dict(zip(names, row, strict=True)) for row in block.to_numpy().tolist()]
    raise CryoalError(
        f"{path}: no block lists tomograms (rlnTomoName with rlnTomoSizeX or "
        "rlnTomoReconstructedTomogram); is this a particle file?"
    )


def number(row: Mapping[str, str], column: str, place: str) -> float | None:
    """Value of a column as a positive number, None where it is missing, 0 or RELION's -999."""
    text = row.get(column, "")
    if is_none(text):
        return None
    try:
        value = float(text)
    except ValueError as problem:
        raise CryoalError(f"{place}: {column} is {text!r}, a number was expected") from problem
    return value if np.isfinite(value) and value > 0 else None


def unbinned_size(tomogram: Tomogram) -> tuple[NDArray[np.float64], float] | None:
    """rlnTomoSizeX/Y/Z in unbinned pixels and the pixel's size in Angstrom, if both are known."""
    row = tomogram.columns or {}
    place = f"{tomogram.path or 'tomogram'} {tomogram.name}"
    size = [number(row, f"rlnTomoSize{axis}", place) for axis in "XYZ"]
    pixel = number(row, "rlnTomoTiltSeriesPixelSize", place)
    if pixel is None or any(side is None for side in size):
        return None
    return np.array(size, dtype=np.float64), pixel


def first_there(row: dict[str, str], columns: tuple[str, ...], star: Path) -> Path | None:
    """The first of the files that these columns name that is there."""
    found = [resolve(row[column], star) for column in columns if row.get(column)]
    return next((path for path in found if path is not None), None)


def _limits(table: pd.DataFrame) -> tuple[float, float] | None:
    for column in TILT_COLUMNS:
        if column in table:
            angles = pd.to_numeric(table[column], errors="coerce")
            angles = angles[np.isfinite(angles)]
            if len(angles) and float(angles.max()) > float(angles.min()):
                return float(angles.min()), float(angles.max())
    return None


def tilts_of_blocks(blocks: Blocks) -> dict[str, tuple[float, float]]:
    """Lowest and highest tilt in degrees of each block that lists tilts."""
    found = {name: _limits(block) for name, block in blocks.items()}
    return {name: limits for name, limits in found.items() if limits}


def tilt_range_of(row: dict[str, str], star: Path) -> tuple[float, float] | None:
    """Lowest and highest tilt in degrees by the tilt series' own STAR file; None without one."""
    path = first_there(row, ("rlnTomoTiltSeriesStarFile",), star)
    if path is None:
        return None
    try:
        return next(iter(tilts_of_blocks(read_star(path)).values()), None)
    except CryoalError as problem:
        log.warning("tilt range of %s taken as -60 to 60: %s", row["rlnTomoName"], problem)
        return None

"""Positions in plain text: ``.coords`` without a header, CSV and TSV with one.

TomoTwin and IMOD's ``model2point`` write x y z; ``model2point -object -contour`` puts two numbers
before them, DeepETPicker a class; EMAN2's ``--extractboxes3d`` puts score and class behind;
RELION's "External coordinates" has x y z rot tilt psi, SHREC's truth a name before those. Voxels
count from 0 at the centre of the first voxel; IMOD's do from half a voxel off in x and y, which is
left as it is. Commas make a ``csv`` also without a header.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import relion_rotation
from cryoal.io.axes import axes
from cryoal.io.base import (
    Format,
    Picks,
    formats,
    is_number,
    numbers,
    rotations,
    scores_of,
    unique_ids,
    within_one,
)
from cryoal.io.content import Content
from cryoal.io.numbering import numbered_tomograms
from cryoal.io.text_writing import (
    HEADLESS,
    SCORED,
    SHIFTS,
    rewrite_coords,
    rewrite_csv,
    write_coords,
    write_csv,
)
from cryoal.io.tsv import SEPARATORS, parse_tsv

#: Fewer points between 0 and 1 are voxels beside the corner.
_FEWEST_FRACTIONS = 8
_TOMOGRAM = ("tomogram", "tomo", "tomo_name", "tomogram_name", "rlntomoname", "experiment", "run",
             "run_name", "rlnmicrographname", "tomo_id", "tomo_num")  # fmt: skip
#: Columns of cryoCAT's motive lists in CSV: tomograms by number, shifts to be added.
_NUMBERED = ("tomo_id", "tomo_num")
_ROTATION = ["rot", "tilt", "psi"]
_IDS = ("cryoalId", "id")
#: Columns by which programs that write Angstrom under plain names are known: copick's
#: ``util/formats.py``, the submissions of the CZII challenge.
_ANGSTROM = {
    "copick": {"run_name", "transform_00"},
    "the CZII challenge": {"experiment", "particle_type"},
}


def _first_line(content: Content) -> str:
    """First line that says something; empty for STAR, XML, JSON and binary files."""
    if b"\0" in content.head or content.blocks:
        return ""
    lines = (line.strip() for line in content.text.split("\n"))
    line = next((line for line in lines if line and not line.startswith("#")), "")
    return "" if line[:1] in "<{[" else line


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"[,;\s]+", line.strip()) if cell.strip()]


def _headless(content: Content) -> bool:
    """Whether the first line is a particle: numbers, or SHREC's name before six of them."""
    cells = _cells(_first_line(content))
    named = len(cells) == 7 and not is_number(cells[0])
    return (
        len(cells) in HEADLESS and all(map(is_number, cells[named:])) and (len(cells) < 7 or named)
    )


def _recognise_coords(content: Content) -> int:
    return 1 if "," not in _first_line(content) and _headless(content) else 0


def _recognise_csv(content: Content) -> int:
    line = _first_line(content)
    if "," in line and _headless(content):
        return 1
    separator = next((sign for sign in SEPARATORS if sign in line), ",")
    return 1 if len(axes(line.split(separator))) == 3 else 0


def _read_coords(content: Content, unit: str | None = None) -> Picks:
    return _read_headless(content, "coords", unit)


def _read_headless(content: Content, dialect: str, unit: str | None) -> Picks:
    path = content.path
    lines = [(n, line.strip()) for n, line in enumerate(content.text.split("\n"), 1)]
    rows = [(n, _cells(line)) for n, line in lines if line and not line.startswith("#")]
    width = len(rows[0][1])
    if width not in HEADLESS:
        raise CryoalError(
            f"{path}: {width} numbers a line; without a header line 3 (x y z), 4 (class x y z), 5 "
            "(object contour x y z) or 6 (x y z rot tilt psi) are understood"
        )
    wrong = next((n for n, cells in rows if len(cells) != width), None)
    if wrong is not None:
        raise CryoalError(f"{path}, line {wrong}: not {width} numbers as in the lines before")
    cells = [cells for _, cells in rows]
    if width == 4 and len(cells) > 1 and len({(row[2], row[3]) for row in cells}) == 1:
        raise CryoalError(
            f"{path}: boxes of single images (x y width height); boxes of a tomogram are needed"
        )
    table = pd.DataFrame(cells, columns=list(_names(cells, width)), dtype=str)
    return _picks(path, dialect, table, ["x", "y", "z"], "", unit)


def _names(rows: list[list[str]], width: int) -> tuple[str, ...]:
    """Names of the columns; of 4 or 5 numbers the first are counts, or the last are a score."""
    counts = width - 3
    if width in (4, 5) and not all(_is_count(c) for row in rows for c in row[:counts]):
        return SCORED[:width]
    return HEADLESS[width]


def _is_count(text: str) -> bool:
    return is_number(text) and float(text) >= 0 and float(text).is_integer()


def _read_csv(content: Content, unit: str | None = None) -> Picks:
    if _headless(content):
        return _read_headless(content, "csv", unit)
    table = parse_tsv(content.text, content.path)
    if not len(table):
        raise CryoalError(f"{content.path}: a header line and no particles")
    found = axes([str(column) for column in table.columns])
    missing = [axis for axis in "xyz" if axis not in found]
    if missing:
        raise CryoalError(f"{content.path}: no column for {', '.join(missing)} in its header line")
    columns = [found[axis][0] for axis in "xyz"]
    stated = {found[axis][1] for axis in "xyz"} - {""}
    if len(stated) > 1:
        raise CryoalError(f"{content.path}: its header states several units: {sorted(stated)}")
    program = next((name for name, marks in _ANGSTROM.items() if marks <= set(table.columns)), "")
    if program and not stated:
        stated = {"a"}
    picks = _picks(content.path, "csv", table, columns, next(iter(stated), ""), unit)
    if not unit and program:
        picks = replace(picks, evidence=f"{program} writes Angstrom")
    matrix = [f"transform_{i}{j}" for i in range(3) for j in range(3)]
    if all(c in table for c in matrix):
        values = numbers(table, matrix, content.path).reshape(-1, 3, 3)
        picks = replace(picks, rotation=rotations(list(values), content.path))
    return picks


def _picks(
    path: Path, dialect: str, table: pd.DataFrame, columns: list[str], stated: str, unit: str | None
) -> Picks:
    xyz = numbers(table, columns, path)
    if unit:
        evidence = "given by --unit"
    elif stated.startswith(("a", "å")):
        unit, evidence = "angstrom", "stated in the header"
    elif stated:
        unit, evidence = "voxel", "stated in the header"
    elif len(xyz) >= _FEWEST_FRACTIONS and within_one(xyz):
        unit, evidence = "fraction", "all coordinates lie between 0 and 1"
    else:
        unit, evidence = "voxel", "nothing says otherwise"
    names = {str(c).lower(): str(c) for c in table.columns}
    tomogram = next((names[n] for n in _TOMOGRAM if n in names), None)
    named = None if tomogram is None else np.asarray(table[tomogram], dtype=str)
    numbered = False
    by_number = tomogram is not None and tomogram.lower() in _NUMBERED
    if tomogram is not None and by_number and all(map(is_number, table[tomogram])):
        named, numbered = numbered_tomograms(numbers(table, [tomogram], path)[:, 0], path)
    shifted = all(c in table for c in SHIFTS)
    # SHREC's angles are of another convention, which its lists do not state.
    turned = all(a in table for a in _ROTATION) and "class_name" not in table
    bare = int((table[_ROTATION] == "").any(axis=1).sum()) if turned else 0
    angles = numbers(table, _ROTATION, path) if turned and not bare else None
    score, score_name = scores_of(table, path)
    return Picks(
        path=path,
        dialect=dialect,
        unit=unit,
        evidence=evidence,
        xyz=xyz,
        table=table,
        tomogram=named,
        numbered=numbered,
        origin_xyz=-numbers(table, list(SHIFTS), path) if shifted else None,
        origin_pixel_size=np.full(len(table), np.nan),
        rotation=None if angles is None else relion_rotation(angles),
        score=score,
        score_name=score_name,
        id=unique_ids(table, _IDS),
        remarks=(f"{bare} rows have no angles, so none are used",) if bare else (),
    )


formats.register("coords")(
    Format(
        "coords",
        _recognise_coords,
        _read_coords,
        write_coords,
        rewrite_coords,
        placing=frozenset({"x", "y", "z", "rot", "tilt", "psi"}),
        carries=frozenset(),
        suffix=".coords",
        own=frozenset(name for names in (*HEADLESS.values(), SCORED) for name in names),
    )
)
formats.register("csv")(
    Format("csv", _recognise_csv, _read_csv, write_csv, rewrite_csv, suffix=".csv")
)

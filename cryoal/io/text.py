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
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import relion_rotation
from cryoal.io.axes import axes
from cryoal.io.base import (
    Format,
    Picks,
    formats,
    is_number,
    numbers,
    scores_of,
    unique_ids,
    within_one,
)
from cryoal.io.content import Content
from cryoal.io.numbering import numbered_tomograms
from cryoal.io.text_layout import cells, layout, with_points
from cryoal.io.text_programs import program_of, rotation_of
from cryoal.io.text_writing import (
    HEADLESS,
    SCORED,
    SHIFTS,
    SHREC,
    SHREC_2019,
    rewrite_coords,
    rewrite_csv,
    write_coords,
    write_csv,
)
from cryoal.io.tsv import parse_tsv

#: Fewer points between 0 and 1 are voxels beside the corner.
_FEWEST_FRACTIONS = 8
#: Names of columns that name tomograms, without case, spaces and signs, in the order in which they
#: are believed; those by number are written by cryoCAT and others.
_TOMOGRAM = ("tomogram", "tomo", "tomoname", "tomogramname", "rlntomoname", "experiment", "run",
             "runname", "rlnmicrographname", "tomoid", "tomonum", "tomogramid", "tomoidx",
             "micrograph", "micrographname", "tiltseries", "filename")  # fmt: skip
_NUMBERED = ("tomoid", "tomonum", "tomogramid", "tomoidx")
_ROTATION = ["rot", "tilt", "psi"]
_IDS = ("cryoalId", "id")
#: Fewer points say nothing of the field that they were picked in.
_FEWEST_SPANS = 20
_THIN_FIRST = "its first coordinate spans the least by far: read as z, y, x (SHREC 2019)"


def _headless(content: Content) -> bool:
    """Whether the first line is a particle: numbers, or SHREC's name before six of them."""
    found = layout(content)
    words = cells(found.first)
    named = len(words) == 7 and not is_number(words[0])
    numeric = all(map(is_number, words[named:])) and (len(words) < 7 or named)
    return len(words) in HEADLESS and numeric and not found.header


def _recognise_coords(content: Content) -> int:
    return 1 if "," not in layout(content).first and _headless(content) else 0


def _recognise_csv(content: Content) -> int:
    """Numbers without commas and header could be either; then the file's name says which."""
    found = layout(content)
    if found.header:
        return 1
    if not _headless(content):
        return 0
    called_so = content.path.suffix.lower() in (".csv", ".tsv")
    return 2 if called_so else int("," in found.first)


def _read_coords(content: Content, unit: str | None = None) -> Picks:
    return _read_headless(content, "coords", unit)


def _read_headless(content: Content, dialect: str, unit: str | None) -> Picks:
    path = content.path
    rows = [(n, cells(line)) for n, line in enumerate(layout(content).lines, 1) if line]
    width = len(rows[0][1])
    if width not in HEADLESS:
        raise CryoalError(
            f"{path}: {width} numbers a line; without a header line 3 (x y z), 4 (class x y z), 5 "
            "(object contour x y z) or 6 (x y z rot tilt psi) are understood"
        )
    wrong = next((n for n, words in rows if len(words) != width), None)
    if wrong is not None:
        raise CryoalError(f"{path}, line {wrong}: not {width} numbers as in the lines before")
    values = [words for _, words in rows]
    if width == 4 and len(values) > 1 and len({(row[2], row[3]) for row in values}) == 1:
        raise CryoalError(
            f"{path}: boxes of single images (x y width height); boxes of a tomogram are needed"
        )
    table = pd.DataFrame(values, columns=list(_names(values, width)), dtype=str)
    if width == len(SHREC) and _thin_first(numbers(table, ["x", "y", "z"], path)):
        table.columns = pd.Index(SHREC_2019)
        picks = _picks(path, dialect, table, ["x", "y", "z"], "", unit)
        return replace(picks, remarks=(*picks.remarks, _THIN_FIRST))
    return _picks(path, dialect, table, ["x", "y", "z"], "", unit)


def _thin_first(xyz: NDArray[np.float64]) -> bool:
    """Whether the first coordinate spans a thickness and the others a field of view.

    SHREC 2019 wrote z first (its scripts read ``pdb_id, Z, Y, X``), SHREC 2020 and 2021 x.
    """
    spans = np.ptp(xyz, axis=0)
    return len(xyz) >= _FEWEST_SPANS and bool(spans[0] < 0.6 * spans[1:].min())


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
    path, found = content.path, layout(content)
    table = parse_tsv(found.text, path)
    if not len(table):
        raise CryoalError(f"{path}: a header line and no particles")
    named = axes([str(column) for column in table.columns])
    missing = [axis for axis in "xyz" if axis not in named]
    if missing:
        raise CryoalError(f"{path}: no column for {', '.join(missing)} in its header line")
    columns = [named[axis][0] for axis in "xyz"]
    stated = {named[axis][1] for axis in "xyz"} - {""}
    if len(stated) > 1:
        raise CryoalError(f"{path}: its header states several units: {sorted(stated)}")
    table = with_points(table, found.separator, columns)
    program = program_of(table)
    if program is None or stated:
        picks = _picks(path, "csv", table, columns, next(iter(stated), ""), unit)
    else:
        picks = _picks(path, "csv", table, columns, program.unit, unit)
        if not unit:
            picks = replace(picks, evidence=program.evidence)
    turned = rotation_of(table, path)
    return picks if turned is None else replace(picks, rotation=turned)


def _picks(
    path: Path, dialect: str, table: pd.DataFrame, columns: list[str], stated: str, unit: str | None
) -> Picks:
    xyz = numbers(table, columns, path)
    if unit:
        evidence = "given by --unit"
    elif stated.startswith(("a", "å")):
        unit, evidence = "angstrom", "stated in the header"
    elif stated.startswith("n"):
        unit, evidence, xyz = "angstrom", "nanometres, stated in the header", xyz * 10
    elif stated:
        unit, evidence = "voxel", "stated in the header"
    elif len(xyz) >= _FEWEST_FRACTIONS and within_one(xyz):
        unit, evidence = "fraction", "all coordinates lie between 0 and 1"
    else:
        unit, evidence = "voxel", "nothing says otherwise"
    names = {re.sub(r"[\W_]", "", str(c)).lower(): str(c) for c in table.columns}
    called = next((n for n in _TOMOGRAM if n in names), None)
    tomogram = names[called] if called else None
    named = None if tomogram is None else np.asarray(table[tomogram], dtype=str)
    numbered = False
    if tomogram is not None and called in _NUMBERED and all(map(is_number, table[tomogram])):
        named, numbered = numbered_tomograms(numbers(table, [tomogram], path)[:, 0], path)
    shifted = all(c in table for c in SHIFTS)
    turned = all(a in table for a in _ROTATION)
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
        one_tomogram=True,
        layout="{tomogram}.coords",
        own=frozenset(name for names in (*HEADLESS.values(), SCORED) for name in names),
    )
)
formats.register("csv")(
    Format("csv", _recognise_csv, _read_csv, write_csv, rewrite_csv, suffix=".csv")
)

"""Positions in plain text: ``.coords`` without a header, CSV and TSV with one.

TomoTwin and IMOD's ``model2point`` write x y z; ``model2point -object -contour`` puts two numbers
before them; RELION's "External coordinates" has x y z rot tilt psi. Voxels count from 0 at the
centre of the first voxel; IMOD's do from half a voxel off in x and y, which is left as it is.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import relion_angles, relion_rotation, reverse_axes
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import Content, Format, Picks, formats, numbers, scores_of, unique_ids
from cryoal.io.files import replacing
from cryoal.io.tsv import parse_tsv, write_tsv

_HEADLESS = {
    3: ("x", "y", "z"),
    5: ("object", "contour", "x", "y", "z"),
    6: ("x", "y", "z", "rot", "tilt", "psi"),
}
_AXIS = re.compile(
    r"(?:pos(?:ition)?_?|coord(?:inate)?_?|location_?|orig_?)?([xyz])"
    r"\s*_?[\[(]?\s*(voxels?|px|pixels?|a|å|ang|angstroms?|angst)?\s*[\])]?",
    re.IGNORECASE,
)
_TOMOGRAM = ("tomogram", "tomo", "tomo_name", "tomogram_name", "rlntomoname", "experiment", "run")
_IDS = ("cryoalId", "id")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _first_line(content: Content) -> str:
    """First line that says something; empty for STAR, XML, JSON and binary files."""
    if b"\0" in content.head or content.blocks:
        return ""
    lines = (line.strip() for line in content.text.split("\n"))
    line = next((line for line in lines if line and not line.startswith("#")), "")
    return "" if line[:1] in "<{[" else line


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"[,;\s]+", line.strip()) if cell.strip()]


def _axes(header: list[str]) -> dict[str, tuple[str, str]]:
    """Column and stated unit of each axis that a header names."""
    axes: dict[str, tuple[str, str]] = {}
    for name in header:
        found = _AXIS.fullmatch(name.strip())
        if found:
            axes.setdefault(found.group(1).lower(), (name, (found.group(2) or "").lower()))
    return axes


def _recognise_coords(content: Content) -> int:
    cells = _cells(_first_line(content))
    return 1 if len(cells) in (3, 4, 5, 6) and all(map(_is_number, cells)) else 0


def _recognise_csv(content: Content) -> int:
    header = re.split(r"[,\t]", _first_line(content))
    return 1 if len(_axes(header)) == 3 else 0


def _read_coords(content: Content, unit: str | None = None) -> Picks:
    path = content.path
    lines = [(n, line.strip()) for n, line in enumerate(content.text.split("\n"), 1)]
    rows = [(n, _cells(line)) for n, line in lines if line and not line.startswith("#")]
    width = len(rows[0][1])
    if width not in _HEADLESS:
        raise CryoalError(
            f"{path}: {width} numbers a line; without a header line 3 (x y z), 5 (object contour "
            "x y z) or 6 (x y z rot tilt psi) are understood"
        )
    wrong = next((n for n, cells in rows if len(cells) != width), None)
    if wrong is not None:
        raise CryoalError(f"{path}, line {wrong}: not {width} numbers as in the lines before")
    table = pd.DataFrame([cells for _, cells in rows], columns=list(_HEADLESS[width]), dtype=str)
    return _picks(path, "coords", table, ["x", "y", "z"], "", unit)


def _read_csv(content: Content, unit: str | None = None) -> Picks:
    table = parse_tsv(content.text, content.path)
    if not len(table):
        raise CryoalError(f"{content.path}: a header line and no particles")
    axes = _axes([str(column) for column in table.columns])
    columns = [axes[axis][0] for axis in "xyz"]
    stated = {axes[axis][1] for axis in "xyz"} - {""}
    if len(stated) > 1:
        raise CryoalError(f"{content.path}: its header states several units: {sorted(stated)}")
    return _picks(content.path, "csv", table, columns, next(iter(stated), ""), unit)


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
    elif xyz.min() >= 0 and xyz.max() <= 1 and (xyz % 1 != 0).any():
        unit, evidence = "fraction", "all coordinates lie between 0 and 1"
    else:
        unit, evidence = "voxel", "nothing says otherwise"
    names = {str(c).lower(): str(c) for c in table.columns}
    tomogram = next((names[n] for n in _TOMOGRAM if n in names), None)
    turned = all(angle in table for angle in ("rot", "tilt", "psi"))
    angles = numbers(table, ["rot", "tilt", "psi"], path) if turned else None
    score, score_name = scores_of(table, path)
    return Picks(
        path=path,
        dialect=dialect,
        unit=unit,
        evidence=evidence,
        xyz=xyz,
        table=table,
        tomogram=None if tomogram is None else np.asarray(table[tomogram], dtype=str),
        rotation=None if angles is None else relion_rotation(angles),
        score=score,
        score_name=score_name,
        id=unique_ids(table, _IDS),
    )


def _rewrite_coords(particles: ParticleSet, path: Path) -> None:
    known = ("object", "contour", "x", "y", "z", "rot", "tilt", "psi")
    rows = particles.table[[c for c in known if c in particles.table]].to_numpy().tolist()
    with replacing(path) as file:
        file.writelines(" ".join(row) + "\n" for row in rows)


def _write_coords(
    particles: ParticleSet, path: Path, tomograms: Mapping[str, Tomogram], centre: str
) -> None:
    """Voxels x y z of one tomogram."""
    names = sorted(set(particles.tomogram.tolist()))
    if len(names) != 1:
        raise CryoalError(
            f"{path}: a .coords file holds one tomogram and these particles lie in {len(names)}; "
            "write csv, which names them"
        )
    voxels = reverse_axes(particles.position) / tomograms[names[0]].voxel_size
    with replacing(path) as file:
        file.writelines(f"{x:.6f} {y:.6f} {z:.6f}\n" for x, y, z in voxels)


def _rewrite_csv(particles: ParticleSet, path: Path) -> None:
    write_tsv(path, particles.table, separator="," if path.suffix.lower() == ".csv" else "\t")


def _write_csv(
    particles: ParticleSet, path: Path, tomograms: Mapping[str, Tomogram], centre: str
) -> None:
    """Angstrom from the corner, with id, tomogram, angles, score and every other column."""
    xyz = reverse_axes(particles.position)
    columns: dict[str, list[str]] = {
        "id": particles.id.tolist(),
        "tomogram": particles.tomogram.tolist(),
    }
    for i, axis in enumerate("xyz"):
        columns[f"{axis}_angstrom"] = [f"{value:.6f}" for value in xyz[:, i]]
    if particles.rotation is not None:
        angles = relion_angles(particles.rotation)
        for i, name in enumerate(("rot", "tilt", "psi")):
            columns[name] = [f"{value:.6f}" for value in angles[:, i]]
    if particles.score is not None and "score" not in particles.table:
        columns["score"] = [f"{value:.6f}" for value in particles.score]
    front = pd.DataFrame(columns, dtype=str)
    taken = {*columns, *(c for c in particles.table if _AXIS.fullmatch(str(c)))}
    rest = particles.table[[c for c in particles.table if c not in taken]]
    whole = pd.concat([front, rest.reset_index(drop=True)], axis=1)
    write_tsv(path, whole, separator="," if path.suffix.lower() == ".csv" else "\t")


formats.register("coords")(
    Format("coords", _recognise_coords, _read_coords, _write_coords, _rewrite_coords)
)
formats.register("csv")(Format("csv", _recognise_csv, _read_csv, _write_csv, _rewrite_csv))

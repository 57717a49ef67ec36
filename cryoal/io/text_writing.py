"""Positions in plain text, written; ``text`` reads them."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from cryoal.core.geometry import relion_angles, reverse_axes
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.axes import names_axis
from cryoal.io.base import formats
from cryoal.io.dialects import STAR_DIALECTS
from cryoal.io.files import replacing
from cryoal.io.tsv import write_tsv

#: SHREC's angles are named by their place, as its lists do not state which way they turn.
SHREC = ("class_name", "x", "y", "z", "angle1", "angle2", "angle3")
SHREC_2019 = ("class_name", "z", "y", "x", "angle1", "angle2", "angle3")
#: Columns of lines of so many words, without a header.
HEADLESS = {
    3: ("x", "y", "z"),
    4: ("class", "x", "y", "z"),
    5: ("object", "contour", "x", "y", "z"),
    6: ("x", "y", "z", "rot", "tilt", "psi"),
    7: SHREC,
}
#: 4 and 5 numbers of which the last are no coordinates (EMAN2's box3d files).
SCORED = ("x", "y", "z", "score", "class")
#: Columns of cryoCAT's motive lists in CSV, to be added to the position.
SHIFTS = ("shift_x", "shift_y", "shift_z")


def rewrite_coords(particles: ParticleSet, path: Path) -> None:
    """The columns it came with, which are the first of the table."""
    columns = next(
        names
        for names in (*HEADLESS.values(), SCORED, SCORED[:4], SHREC_2019)
        if tuple(particles.table.columns[: len(names)]) == names
    )
    rows = particles.table[list(columns)].to_numpy().tolist()
    with replacing(path) as file:
        file.writelines(" ".join(row) + "\n" for row in rows)


def write_coords(
    particles: ParticleSet, path: Path, tomograms: Mapping[str, Tomogram], centre: str
) -> None:
    """Voxels x y z of one tomogram."""
    voxels = reverse_axes(particles.position) / tomograms[str(particles.tomogram[0])].voxel_size
    with replacing(path) as file:
        file.writelines(f"{x:.6f} {y:.6f} {z:.6f}\n" for x, y, z in voxels)


def rewrite_csv(particles: ParticleSet, path: Path) -> None:
    """The table as it is now, with the tomograms' names where several lists had none in them."""
    table, names = particles.table, particles.tomogram.tolist()
    if len(set(names)) > 1 and not any(_tells(table[c].tolist(), names) for c in table):
        table = table.assign(tomogram=names)
    write_tsv(path, table, separator="," if path.suffix.lower() == ".csv" else "\t")


def _tells(values: list[str], names: list[str]) -> bool:
    """Whether a column has one value for each tomogram, and another for every other."""
    return len(set(zip(values, names, strict=True))) == len(set(values)) == len(set(names))


def write_csv(
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
    taken = {*columns, *(c for c in particles.table if names_axis(str(c)))}
    if particles.dialect not in STAR_DIALECTS and particles.dialect in formats.names():
        # Shifts and angles of another program's own, which the columns in front contain.
        taken |= {*SHIFTS, *formats.get(particles.dialect).placing}
    rest = particles.table[[c for c in particles.table if c not in taken]]
    whole = pd.concat([front, rest.reset_index(drop=True)], axis=1)
    write_tsv(path, whole, separator="," if path.suffix.lower() == ".csv" else "\t")

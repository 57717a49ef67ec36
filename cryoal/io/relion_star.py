"""RELION's particle STAR files, versions 3.0, 3.1, 4 and 5.

A version is told by its columns, never by a number in the file (``relion_columns``). Formulas:
``core/geometry.py``.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import relion_matrix, relion_rotation
from cryoal.core.particles import ParticleSet
from cryoal.io.base import Picks, numbers, scores_of, unique_ids
from cryoal.io.content import Content
from cryoal.io.relion_columns import (
    ANGLES,
    CENTRED,
    CORNER,
    ORIGIN_ANGSTROM,
    ORIGIN_PIXELS,
    SUBTOMOGRAM_ANGLES,
    TOMOGRAM_NAMES,
    WARP_M,
    WARP_M_ANGLES,
    dialect_of,
    image_pixel_size,
    is_flat,
    particle_block,
    particle_blocks,
    stated_voxel_size,
    tell_unit,
    voxel_size_in_names,
)
from cryoal.io.star import write_star
from cryoal.io.star_parsing import Blocks


def read_relion(content: Content, unit: str | None = None) -> Picks:
    """Read a particle STAR file of RELION, Warp or pytom-match-pick.

    Raises
    ------
    CryoalError
        No positions, only two coordinates, or a value that is no number.
    """
    blocks, path = content.blocks, content.path
    name = particle_block(blocks)
    if name is None:
        raise CryoalError(
            f"{path}: particles of single images (no rlnCoordinateZ); subtomograms are needed"
            if is_flat(blocks)
            else f"{path}: no rlnCoordinateX/Y/Z or rlnCenteredCoordinateX/Y/ZAngst in any block"
        )
    if not len(blocks[name]):
        raise CryoalError(f"{path}: block 'data_{name}' holds no particles")
    table = blocks[name]
    optics = _per_particle(blocks, table, path)
    told, evidence = tell_unit(blocks, name, optics, path)
    unit, evidence = (unit, "given by --unit") if unit else (told, evidence)
    columns = _coordinate_columns(table, unit)
    xyz = numbers(table, columns, path)
    turns = next((a for a in (ANGLES, WARP_M_ANGLES) if all(c in table for c in a)), None)
    angles = None if turns is None else numbers(table, turns, path)
    tilted = all(c in table for c in SUBTOMOGRAM_ANGLES)
    frame = numbers(table, SUBTOMOGRAM_ANGLES, path) if tilted else None
    rotation = None if angles is None else relion_rotation(angles)
    if frame is not None:
        outer = relion_rotation(frame)
        rotation = outer if rotation is None else outer * rotation
    origin, origin_pixel = _origins(table, optics, frame, path)
    score, score_name = scores_of(table, path)
    named = next((c for c in TOMOGRAM_NAMES if c in table), None)
    pixel = optics["rlnTomoTiltSeriesPixelSize"]
    pixel = np.where(np.isfinite(pixel), pixel, optics["rlnMicrographPixelSize"])
    others = [n for n in particle_blocks(blocks) if n != name]
    return Picks(
        path=path,
        dialect=dialect_of(blocks) or "relion5",
        unit=unit,
        evidence=evidence,
        xyz=xyz,
        table=table,
        tomogram=None if named is None else np.asarray(table[named], dtype=str),
        pixel_size=image_pixel_size(optics) if unit == "output_pixel" else pixel,
        origin_xyz=origin,
        origin_pixel_size=origin_pixel,
        rotation=rotation,
        score=score,
        score_name=score_name,
        id=unique_ids(table, ("cryoalId", "rlnTomoParticleName")),
        blocks={key: block.iloc[:0] if key == name else block for key, block in blocks.items()},
        stated_voxel=stated_voxel_size(table, optics) if unit == "voxel" else None,
        stated_in_names=bool(np.isfinite(voxel_size_in_names(table)).all()),
        remarks=tuple(
            f"block 'data_{other}' holds positions too and is not read, only 'data_{name}' is"
            for other in others
        ),
    )


def _coordinate_columns(table: pd.DataFrame, unit: str) -> list[str]:
    """Columns that can hold this unit: RELION 5 files may carry both kinds."""
    order = [CENTRED, CORNER] if unit == "centred_angstrom" else [CORNER, CENTRED]
    return next(c for c in (*order, WARP_M) if all(name in table for name in c))


def _per_particle(
    blocks: Mapping[str, pd.DataFrame], table: pd.DataFrame, path: Path
) -> dict[str, NDArray[np.float64]]:
    """Pixel sizes of every particle, from its own row or its optics group; NaN where unknown."""
    wanted = ("rlnTomoTiltSeriesPixelSize", "rlnMicrographPixelSize", "rlnImagePixelSize",
              "rlnPixelSize", "rlnMagnification", "rlnDetectorPixelSize")  # fmt: skip
    optics = blocks.get("optics", pd.DataFrame())
    groups = optics.get("rlnOpticsGroup")
    found = {}
    for column in wanted:
        values = np.full(len(table), np.nan)
        if column in table:
            values = numbers(table, [column], path, missing=True)[:, 0]
        elif column in optics and len(optics):
            of_group = numbers(optics, [column], path, missing=True)[:, 0]
            if groups is not None and "rlnOpticsGroup" in table:
                values = of_group[optics_rows(optics, table, path)]
            elif len(optics) == 1:
                values[:] = of_group[0]
        found[column] = np.where(values > 0, values, np.nan)
    return found


def optics_rows(optics: pd.DataFrame, table: pd.DataFrame, place: Path | str) -> NDArray[np.intp]:
    """Row of each particle's optics group.

    Raises
    ------
    CryoalError
        A group that is not there, or stands twice.
    """
    grouped = "rlnOpticsGroup" in optics and "rlnOpticsGroup" in table
    groups = pd.Index(optics["rlnOpticsGroup"].map(group_number) if grouped else [])
    if grouped and groups.is_unique:
        wanted = pd.Index(table["rlnOpticsGroup"].map(group_number))
        at: NDArray[np.intp] = groups.get_indexer(wanted)
        if (at >= 0).all():
            return at
    raise CryoalError(f"{place}: an rlnOpticsGroup does not stand exactly once in 'data_optics'")


def group_number(number: str) -> str:
    """A group's number without the decimals that table programs add to it.

    Examples
    --------
    >>> group_number("1.0"), group_number("2"), group_number("1.5"), group_number("a")
    ('1', '2', '1.5', 'a')
    """
    whole, point, decimals = number.strip().partition(".")
    return whole if point and not decimals.strip("0") else number.strip()


def _origins(
    table: pd.DataFrame,
    optics: Mapping[str, NDArray[np.float64]],
    frame: NDArray[np.float64] | None,
    path: Path,
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Offsets to subtract, turned into the tomogram's frame, and their pixel sizes."""
    if any(c in table for c in ORIGIN_ANGSTROM):
        columns, size = ORIGIN_ANGSTROM, np.ones(len(table))
    elif any(c in table for c in ORIGIN_PIXELS):
        columns, size = ORIGIN_PIXELS, image_pixel_size(optics)
    else:
        return None, None
    origin = np.zeros((len(table), 3))
    there = [i for i, c in enumerate(columns) if c in table]
    origin[:, there] = numbers(table, [columns[i] for i in there], path)
    if frame is not None:
        origin = np.einsum("nij,nj->ni", relion_matrix(frame), origin)
    return origin, size


def rewrite_star(particles: ParticleSet, path: Path) -> None:
    """Write particles back as they came: every block in its place, the table as it is now."""
    blocks: Blocks = {}
    at = particle_block(particles.blocks)
    for name, block in particles.blocks.items():
        if name == at:
            blocks[name] = particles.table
        elif len(block) or not len(block.columns):
            blocks[name] = block
    if at is None:
        blocks["particles"] = particles.table
    write_star(path, blocks)


def recognises(dialect: str, certainty: int) -> Callable[[Content], int]:
    """Make the function that knows a STAR file of this dialect."""
    return lambda content: certainty if dialect_of(content.blocks) == dialect else 0

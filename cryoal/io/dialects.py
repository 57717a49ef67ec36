"""One STAR dialect to another: coordinates counted anew, everything else kept."""

import logging
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import relion_angles, reverse_axes
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.axes import names_axis
from cryoal.io.base import formats
from cryoal.io.names import file_stem, series_name, without_pixel_size
from cryoal.io.optics import (
    UNBINNED,
    fold_optics,
    grouped,
    image_optics,
    six_decimals,
    stated_sizes,
    tomo_optics,
    unbinned_sizes,
    voxel_sizes,
)
from cryoal.io.placing import centre_of
from cryoal.io.relion_columns import (
    ANGLES,
    CENTRED,
    CORNER,
    LCC,
    ORIGIN_ANGSTROM,
    ORIGIN_PIXELS,
    SUBTOMOGRAM_ANGLES,
    WARP_M,
    WARP_M_ANGLES,
    of_warp,
    particle_block,
)

log = logging.getLogger(__name__)

STAR_DIALECTS = ("relion3", "relion31", "relion4", "relion5", "warp", "pytom")
_IMAGE_SIZES = ["rlnImagePixelSize", "rlnPixelSize", "rlnMagnification", "rlnDetectorPixelSize"]
#: Columns that say where and how turned in one dialect and would contradict another.
_PLACING = {*CENTRED, *CORNER, *WARP_M, *WARP_M_ANGLES, *ORIGIN_ANGSTROM, *ORIGIN_PIXELS}


def same_layout(first: ParticleSet, second: ParticleSet) -> bool:
    """Whether both count their coordinates alike, so that their rows fit in one table."""
    if first.dialect != second.dialect:
        return False
    placing = _PLACING | {"rlnTomoName", "rlnMicrographName"}
    return {c for c in first.table if c in placing} == {c for c in second.table if c in placing}


def canonical(particles: ParticleSet) -> bool:
    """Whether the coordinates are in the columns their dialect is known by."""
    if particles.dialect == "relion5":
        return all(column in particles.table for column in CENTRED)
    return True


def as_dialect(
    particles: ParticleSet,
    dialect: str,
    tomograms: Mapping[str, Tomogram],
    relion_centre: str = "half",
) -> ParticleSet:
    """Particles with the table and blocks of another STAR dialect; positions stay what they are.

    Origins are folded into the coordinates and become 0. Columns that mean the same in every
    dialect, and all unknown ones, stay as they are.
    """
    if dialect not in STAR_DIALECTS:
        raise CryoalError(f"lists cannot be joined as {dialect}; convert them to one dialect first")
    missing = sorted(set(particles.tomogram.tolist()) - set(tomograms))
    if missing:
        raise CryoalError(f"no tomogram {missing[0]!r} is given, so its particles cannot be placed")
    table = particles.table if len(particles.table) else pd.DataFrame(index=range(len(particles)))
    elsewhere = _PLACING | _foreign_placing(particles)
    kept = table.drop(columns=[c for c in table if c in elsewhere])
    kept, optics = grouped(kept, particles.blocks.get("optics", pd.DataFrame()))
    new: dict[str, list[str]] = {}
    if dialect in ("relion4", "relion5"):
        new["rlnTomoName"] = _tomo_names(table, particles)
        if dialect == "relion4" and new["rlnTomoName"][:1] and of_warp(pd.DataFrame(new)):
            # Beside such a name the size of the images would be taken for the coordinates' unit.
            kept = kept.drop(columns=[c for c in _IMAGE_SIZES if c in kept])
            optics = optics.drop(columns=[c for c in _IMAGE_SIZES if c in optics])
        # rlnLCCmax without optics would be taken for pytom-match-pick's own.
        needed = dialect == "relion4" or any(c in kept for c in LCC)
        kept, optics = tomo_optics(kept, optics, particles, tomograms, needed=needed)
    else:
        kept = fold_optics(kept, optics) if dialect != "relion31" else kept
        spare = [*SUBTOMOGRAM_ANGLES, "rlnTomoName", UNBINNED]
        if dialect == "relion3":
            spare.append("rlnOpticsGroup")  # a number that refers to nothing there
        if dialect in ("warp", "pytom"):
            # These would be taken for the unit of the coordinates.
            spare += _IMAGE_SIZES
        kept = kept.drop(columns=[c for c in spare if c in kept])
        new["rlnMicrographName"] = _micrograph_names(particles, dialect)
        if dialect == "relion31":
            kept, optics = image_optics(kept, optics, particles, tomograms)
        else:
            optics = pd.DataFrame()
    new |= _coordinates(particles, dialect, tomograms, kept, optics, relion_centre)
    new |= _angles(particles, table, kept)
    if any(c in table for c in (*ORIGIN_ANGSTROM, *ORIGIN_PIXELS)):
        columns = ORIGIN_PIXELS if dialect == "relion3" else ORIGIN_ANGSTROM
        new |= {c: ["0.000000"] * len(particles) for c in columns}
    new |= _marks(particles, dialect, tomograms, kept)
    kept = kept.drop(columns=[c for c in kept if c in new])
    front = pd.DataFrame(new, dtype=str)
    whole = pd.concat([front, kept.reset_index(drop=True)], axis=1)
    return replace(
        particles, table=whole, blocks=_blocks(particles, whole, optics, dialect), dialect=dialect
    )


def _foreign_placing(particles: ParticleSet) -> frozenset[str]:
    """Columns of another program's table that would say where particles lie in its own way."""
    if particles.dialect in STAR_DIALECTS or particles.dialect not in formats.names():
        return frozenset()
    if particles.dialect == "csv":
        return frozenset(str(c) for c in particles.table if names_axis(str(c)))
    return formats.get(particles.dialect).placing


def _tomo_names(table: pd.DataFrame, particles: ParticleSet) -> list[str]:
    """Names for rlnTomoName: as they were, unless they were Warp's and the tomograms' are not."""
    if "rlnTomoName" in table and not of_warp(table):
        return list(table["rlnTomoName"])
    return list(map(str, particles.tomogram.tolist()))


def _micrograph_names(particles: ParticleSet, dialect: str) -> list[str]:
    """Names for rlnMicrographName.

    A pixel size in the name would make a reader doubt the unit (``relion_columns.tell_unit``). Two
    tomograms never get one name: where shortening would give them one, they keep their own.
    """
    names = dict.fromkeys(particles.tomogram.tolist())
    if dialect == "warp":
        short = {name: f"{series_name(name)}.tomostar" for name in names}
        if len(set(short.values())) < len(short):
            short = {name: f"{file_stem(name)}.tomostar" for name in names}
    elif dialect == "pytom":
        short = {name: name.removesuffix(".tomostar") for name in names}
    else:
        short = {name: without_pixel_size(file_stem(name)) for name in names}
        if len(set(short.values())) < len(short):
            short = {name: name for name in names}
    if len(set(short.values())) < len(short):
        twice = next(s for s in short.values() if list(short.values()).count(s) > 1)
        raise CryoalError(
            f"two tomograms would both be called {twice!r} in {dialect}; give their files "
            "different names"
        )
    return [short[name] for name in particles.tomogram.tolist()]


def _coordinates(
    particles: ParticleSet,
    dialect: str,
    tomograms: Mapping[str, Tomogram],
    kept: pd.DataFrame,
    optics: pd.DataFrame,
    relion_centre: str,
) -> dict[str, list[str]]:
    xyz = reverse_axes(particles.position)
    if dialect == "relion5":
        pixel = unbinned_sizes(particles, tomograms)
        for name in np.unique(particles.tomogram).tolist():
            rows = particles.tomogram == name
            xyz[rows] -= centre_of(tomograms[name], pixel[rows], relion_centre)
        columns = CENTRED
    else:
        size = voxel_sizes(particles, tomograms)
        if dialect == "relion4":
            size = stated_sizes(kept, optics)
        xyz = xyz / size[:, None]
        columns = CORNER
    return {column: six_decimals(xyz[:, i]) for i, column in enumerate(columns)}


def _angles(
    particles: ParticleSet, table: pd.DataFrame, kept: pd.DataFrame
) -> dict[str, list[str]]:
    """Angles to add or replace: of a set without them, or whose two levels become one."""
    if particles.rotation is None:
        return {}
    levels = all(c in table for c in SUBTOMOGRAM_ANGLES)
    if all(c in kept for c in ANGLES) and (not levels or SUBTOMOGRAM_ANGLES[0] in kept):
        return {}
    angles = relion_angles(particles.rotation)
    return {column: six_decimals(angles[:, i]) for i, column in enumerate(ANGLES)}


def _marks(
    particles: ParticleSet, dialect: str, tomograms: Mapping[str, Tomogram], kept: pd.DataFrame
) -> dict[str, list[str]]:
    """Columns that the target's own programs expect: pixel sizes and the picker's score."""
    marks: dict[str, list[str]] = {}
    voxels = voxel_sizes(particles, tomograms)
    if dialect == "relion3" and "rlnPixelSize" not in kept and "rlnMagnification" not in kept:
        image = kept.get("rlnImagePixelSize")
        sizes = voxels if image is None else np.asarray(pd.to_numeric(image), dtype=np.float64)
        marks |= {
            "rlnMagnification": ["10000.0"] * len(kept),
            "rlnDetectorPixelSize": six_decimals(sizes),
        }
    if dialect == "warp":
        marks["rlnPixelSize"] = six_decimals(voxels)
    if dialect == "pytom":
        marks["rlnDetectorPixelSize"] = six_decimals(voxels)
    column = "rlnLCCmax" if dialect == "pytom" else "rlnAutopickFigureOfMerit"
    foreign = particles.score_name != column and (
        dialect in ("warp", "pytom") or not particles.score_name.startswith(("rln", "ptm"))
    )
    if particles.score is not None and foreign and column not in kept:
        marks[column] = six_decimals(particles.score)
    return marks


def _blocks(
    particles: ParticleSet, table: pd.DataFrame, optics: pd.DataFrame, dialect: str
) -> dict[str, pd.DataFrame]:
    """Blocks of the new file; RELION 3.0, Warp and pytom-match-pick know one table only."""
    if dialect in ("relion3", "warp"):
        return {"": table.iloc[:0]}
    if dialect == "pytom":
        return {"particles": table.iloc[:0]}
    at = particle_block(particles.blocks)
    others = {n: b for n, b in particles.blocks.items() if n not in (at, "optics")}
    if dialect != "relion5":
        others.pop("general", None)
    blocks = {n: b for n, b in others.items() if n == "general"}
    if len(optics):
        blocks["optics"] = optics
    blocks["particles"] = table.iloc[:0]
    return blocks | others

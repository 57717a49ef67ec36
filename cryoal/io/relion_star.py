"""RELION's particle STAR files, versions 3.0, 3.1, 4 and 5.

A version is told by its columns, never by a number in the file. Labels:
``src/metadata_label.h`` of RELION 5. Formulas: ``core/geometry.py``.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import relion_matrix, relion_rotation
from cryoal.core.particles import ParticleSet
from cryoal.io.base import Content, Picks, numbers, scores_of, unique_ids
from cryoal.io.names import pixel_size_in_name
from cryoal.io.star import Blocks, write_star

CENTRED = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
CORNER = [f"rlnCoordinate{axis}" for axis in "XYZ"]
WARP_M = [f"wrpCoordinate{axis}1" for axis in "XYZ"]
ORIGIN_ANGSTROM = [f"rlnOrigin{axis}Angst" for axis in "XYZ"]
ORIGIN_PIXELS = [f"rlnOrigin{axis}" for axis in "XYZ"]
ANGLES = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
SUBTOMOGRAM_ANGLES = ["rlnTomoSubtomogramRot", "rlnTomoSubtomogramTilt", "rlnTomoSubtomogramPsi"]
TOMOGRAM_NAMES = ("rlnTomoName", "rlnMicrographName", "wrpSourceName")
LCC = ("rlnLCCmax", "ptmLCCmax")


def particle_block(blocks: Mapping[str, pd.DataFrame]) -> str | None:
    """Name of the block that holds positions, ``particles`` first; None without one."""
    holding = [
        name
        for name, block in blocks.items()
        if any(all(c in block for c in columns) for columns in (CENTRED, CORNER, WARP_M))
    ]
    return "particles" if "particles" in holding else next(iter(holding), None)


def dialect_of(blocks: Blocks) -> str | None:
    """Dialect of a particle STAR file, by its columns; None if it holds no positions."""
    name = particle_block(blocks)
    if name is None:
        # Refused by read_relion, which says why.
        return ("relion31" if "optics" in blocks else "relion3") if _is_flat(blocks) else None
    table = blocks[name]
    if any(column in table for column in LCC):
        return "pytom"
    if all(c in table for c in WARP_M) or (
        _of_warp(table) and not _exported_for_relion_3(blocks, table)
    ):
        return "warp"
    optics = "optics" in blocks
    if all(c in table for c in CENTRED) or "general" in blocks:
        return "relion5"
    if "rlnTomoName" in table and not any(c in table for c in ORIGIN_PIXELS):
        return "relion4" if optics or name == "particles" else "relion5"
    return "relion31" if optics else "relion3"


def _is_flat(blocks: Mapping[str, pd.DataFrame]) -> bool:
    """Whether these are particles of single images: x and y, no z."""
    return any("rlnCoordinateX" in b and "rlnCoordinateZ" not in b for b in blocks.values())


def _of_warp(table: pd.DataFrame) -> bool:
    """Whether names end as Warp's do, ``.tomostar``."""
    return any(
        column in table and len(table) and bool(table[column].str.endswith(".tomostar").all())
        for column in TOMOGRAM_NAMES[:2]
    )


def _exported_for_relion_3(blocks: Mapping[str, pd.DataFrame], table: pd.DataFrame) -> bool:
    """Whether it lists volumes that Warp 1 exported in RELION 3's dialects."""
    images = "rlnMicrographName" in table and "rlnImageName" in table
    return images and ("rlnMagnification" in table or "optics" in blocks)


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
            if _is_flat(blocks)
            else f"{path}: no rlnCoordinateX/Y/Z or rlnCenteredCoordinateX/Y/ZAngst in any block"
        )
    if not len(blocks[name]):
        raise CryoalError(f"{path}: block 'data_{name}' holds no particles")
    table = blocks[name]
    optics = _per_particle(blocks, table, path)
    told, evidence = tell_unit(name, table, optics, path)
    unit, evidence = (unit, "given by --unit") if unit else (told, evidence)
    columns = _coordinate_columns(table, unit)
    xyz = numbers(table, columns, path)
    angles = numbers(table, ANGLES, path) if all(c in table for c in ANGLES) else None
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
    )


def _coordinate_columns(table: pd.DataFrame, unit: str) -> list[str]:
    """Columns that can hold this unit: RELION 5 files may carry both kinds."""
    order = [CENTRED, CORNER] if unit == "centred_angstrom" else [CORNER, CENTRED]
    return next(c for c in (*order, WARP_M) if all(name in table for name in c))


def tell_unit(
    block: str, table: pd.DataFrame, optics: Mapping[str, NDArray[np.float64]], path: Path
) -> tuple[str, str]:
    """Unit of the coordinates and the evidence for it, in a fixed order of precedence.

    The order is that of ``docs/guide/formats.md``: columns that can mean one thing only, then
    values that can, then the names and pixel sizes of the programs known to write them.
    """
    if all(c in table for c in CENTRED):
        return "centred_angstrom", "columns rlnCenteredCoordinateX/Y/ZAngst"
    if all(c in table for c in WARP_M):
        return "angstrom", "columns wrpCoordinateX1/Y1/Z1 (M)"
    if any(column in table for column in LCC):
        return "voxel", "column rlnLCCmax (pytom-match-pick counts voxels of the searched volume)"
    xyz = numbers(table, CORNER, path)
    if xyz.min() >= 0 and xyz.max() <= 1 and (xyz % 1 != 0).any():
        return "fraction", "all coordinates lie between 0 and 1 (Warp's template matching)"
    image = image_pixel_size(optics)
    known = bool(np.isfinite(image).all())
    if known and _of_warp(table):
        return "output_pixel", f"names end in .tomostar; pixels of {image[0]:g} A (Warp)"
    named = next((c for c in TOMOGRAM_NAMES if c in table), None)
    if known and named == "rlnMicrographName":
        sizes = np.array([pixel_size_in_name(n) or np.nan for n in table[named]])
        if np.isfinite(sizes).all() and (np.abs(sizes - image) > 0.01 * image).all():
            return "output_pixel", (
                f"pixels of {image[0]:g} A, while the tomogram's name says {sizes[0]:g} A (Warp 1)"
            )
    if named == "rlnTomoName":
        if np.isfinite(optics["rlnTomoTiltSeriesPixelSize"]).all():
            return "unbinned_pixel", "rlnTomoTiltSeriesPixelSize beside rlnTomoName (RELION 4/5)"
        if block == "particles":
            return "unbinned_pixel", "rlnTomoName in a block 'particles' (RELION 4/5)"
        return "voxel", "rlnTomoName without optics or a block 'particles' (RELION 5 annotation)"
    if named == "rlnMicrographName":
        return "voxel", "rlnMicrographName: pixels of that tomogram (RELION 3)"
    return "voxel", "nothing says otherwise"


def _per_particle(
    blocks: Mapping[str, pd.DataFrame], table: pd.DataFrame, path: Path
) -> dict[str, NDArray[np.float64]]:
    """Pixel sizes of every particle, from its own row or its optics group; NaN where unknown."""
    wanted = ("rlnTomoTiltSeriesPixelSize", "rlnImagePixelSize", "rlnPixelSize",
              "rlnMagnification", "rlnDetectorPixelSize")  # fmt: skip
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
    groups = pd.Index(optics["rlnOpticsGroup"] if grouped else [])
    if grouped and groups.is_unique:
        at: NDArray[np.intp] = groups.get_indexer(pd.Index(table["rlnOpticsGroup"]))
        if (at >= 0).all():
            return at
    raise CryoalError(f"{place}: an rlnOpticsGroup does not stand exactly once in 'data_optics'")


def image_pixel_size(optics: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Angstrom per pixel of each particle's own image; NaN where unknown.

    rlnImagePixelSize (3.1 on), or rlnPixelSize (Warp), or, in RELION 3.0, the detector's pixel
    in micrometres over the magnification.
    """
    from_magnification = optics["rlnDetectorPixelSize"] * 1e4 / optics["rlnMagnification"]
    size = optics["rlnImagePixelSize"]
    for other in (optics["rlnPixelSize"], from_magnification):
        size = np.where(np.isfinite(size), size, other)
    return size


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

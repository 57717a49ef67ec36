"""Labels of RELION, Warp and M that particle files are known by, and what they say of units.

Labels: ``src/metadata_label.h`` of RELION 5; M's: ``CreateSpecies.cs`` of Warp.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.io.base import numbers, within_one
from cryoal.io.names import pixel_size_in_name
from cryoal.io.star_parsing import Blocks

CENTRED = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
CORNER = [f"rlnCoordinate{axis}" for axis in "XYZ"]
WARP_M = [f"wrpCoordinate{axis}1" for axis in "XYZ"]
ORIGIN_ANGSTROM = [f"rlnOrigin{axis}Angst" for axis in "XYZ"]
ORIGIN_PIXELS = [f"rlnOrigin{axis}" for axis in "XYZ"]
ANGLES = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
WARP_M_ANGLES = ["wrpAngleRot1", "wrpAngleTilt1", "wrpAnglePsi1"]
SUBTOMOGRAM_ANGLES = ["rlnTomoSubtomogramRot", "rlnTomoSubtomogramTilt", "rlnTomoSubtomogramPsi"]
TOMOGRAM_NAMES = ("rlnTomoName", "rlnMicrographName", "wrpSourceName")
LCC = ("rlnLCCmax", "ptmLCCmax")
#: Columns that say where a particle lies and how it is turned.
PLACING = frozenset({*CENTRED, *CORNER, *WARP_M, *ORIGIN_ANGSTROM, *ORIGIN_PIXELS, *ANGLES,
                     *WARP_M_ANGLES, *SUBTOMOGRAM_ANGLES, *TOMOGRAM_NAMES})  # fmt: skip
#: More voxels than a tomogram has along any side that anybody picks in.
_LARGEST_PICKED_IN = 2048


def particle_block(blocks: Mapping[str, pd.DataFrame]) -> str | None:
    """Name of the block that holds positions, ``particles`` first; None without one."""
    holding = particle_blocks(blocks)
    return "particles" if "particles" in holding else next(iter(holding), None)


def particle_blocks(blocks: Mapping[str, pd.DataFrame]) -> list[str]:
    """Names of all blocks that hold positions."""
    return [
        name
        for name, block in blocks.items()
        if any(all(c in block for c in columns) for columns in (CENTRED, CORNER, WARP_M))
    ]


def dialect_of(blocks: Blocks) -> str | None:
    """Dialect of a particle STAR file, by its columns; None if it holds no positions."""
    name = particle_block(blocks)
    optics = has_optics(blocks)
    if name is None:
        # Refused by read_relion, which says why.
        return ("relion31" if optics else "relion3") if is_flat(blocks) else None
    table = blocks[name]
    if of_pytom(blocks, table):
        return "pytom"
    if all(c in table for c in WARP_M) or (
        of_warp(table) and not _exported_for_relion_3(table, optics=optics)
    ):
        return "warp"
    if all(c in table for c in CENTRED) or "general" in blocks:
        return "relion5"
    if "rlnTomoName" in table and not any(c in table for c in ORIGIN_PIXELS):
        # RELION 5's napari picker writes names and coordinates, nothing else.
        annotation = not optics and name != "particles" and not any(c in table for c in ANGLES)
        return "relion5" if annotation else "relion4"
    grouped = "rlnOpticsGroup" in table or any(c in table for c in ORIGIN_ANGSTROM)
    return "relion31" if optics or grouped else "relion3"


def nearest_dialect(blocks: Mapping[str, pd.DataFrame]) -> str | None:
    """Dialect that a damaged file would be of, were all axes there of which it has one."""
    whole = {}
    for name, block in blocks.items():
        there = [axes for axes in (CENTRED, CORNER, WARP_M) if any(c in block for c in axes)]
        lost = [c for axes in there for c in axes if c not in block]
        whole[name] = block.assign(**dict.fromkeys(lost, "0"))
    return dialect_of(whole)


def has_optics(blocks: Mapping[str, pd.DataFrame]) -> bool:
    """Whether a block lists optics groups, by its name or by its columns."""
    return "optics" in blocks or any(
        "rlnOpticsGroup" in b and "rlnVoltage" in b and "rlnCoordinateX" not in b
        for b in blocks.values()
    )


def is_flat(blocks: Mapping[str, pd.DataFrame]) -> bool:
    """Whether these are particles of single images: x and y, no z."""
    return any("rlnCoordinateX" in b and "rlnCoordinateZ" not in b for b in blocks.values())


def of_pytom(blocks: Mapping[str, pd.DataFrame], table: pd.DataFrame) -> bool:
    """Whether pytom-match-pick wrote it: its score, in one table without optics.

    Its columns travel: a list converted for another program keeps rlnLCCmax, and has that
    program's own marks beside it.
    """
    travelled = has_optics(blocks) or "general" in blocks or "rlnMagnification" in table
    return any(c in table for c in LCC) and not travelled and not of_warp(table)


def of_warp(table: pd.DataFrame) -> bool:
    """Whether the names of tomograms end as Warp's do, ``.tomostar``.

    Beside rlnTomoName, rlnMicrographName is left over from another dialect and says nothing.
    """
    named = next((c for c in TOMOGRAM_NAMES[:2] if c in table), None)
    return (
        named is not None and len(table) > 0 and bool(table[named].str.endswith(".tomostar").all())
    )


def _exported_for_relion_3(table: pd.DataFrame, *, optics: bool) -> bool:
    """Whether it lists volumes that Warp exported in RELION 3's dialects."""
    images = "rlnMicrographName" in table and "rlnImageName" in table
    return images and ("rlnMagnification" in table or optics)


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


def stated_voxel_size(
    table: pd.DataFrame, optics: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Voxel size of the volume that was picked in, where a file states it: (N,), Angstrom.

    rlnDetectorPixelSize without a magnification (pytom-match-pick, MTFit: Angstrom here), then
    rlnPixelSize beside rlnTomoName (TOMOMAN), then ``_10.00Apx`` in the tomogram's name (Warp).
    """
    size = _in_columns(table, optics)
    return np.where(np.isfinite(size), size, voxel_size_in_names(table))


def voxel_size_in_names(table: pd.DataFrame) -> NDArray[np.float64]:
    """Voxel size in the name of each particle's tomogram: (N,), Angstrom; NaN without one."""
    named = next((c for c in TOMOGRAM_NAMES if c in table), None)
    if named is None:
        return np.full(len(table), np.nan)
    sizes = {n: pixel_size_in_name(n) or np.nan for n in table[named].unique()}
    return np.asarray(table[named].map(sizes), dtype=np.float64)


def _in_columns(
    table: pd.DataFrame, optics: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    size = np.where(np.isfinite(optics["rlnMagnification"]), np.nan, optics["rlnDetectorPixelSize"])
    if "rlnTomoName" in table:
        size = np.where(np.isfinite(size), size, optics["rlnPixelSize"])
    return np.asarray(size, dtype=np.float64)


def tell_unit(
    blocks: Mapping[str, pd.DataFrame],
    block: str,
    optics: Mapping[str, NDArray[np.float64]],
    path: Path,
) -> tuple[str, str]:
    """Unit of the coordinates and the evidence for it, in a fixed order of precedence.

    The order is that of ``docs/guide/formats.md``: columns that can mean one thing only, then
    values that can, then the names and pixel sizes of the programs known to write them.

    Parameters
    ----------
    block : str
        Name of the particles' block.
    optics : mapping of label to (N,) float64
        Pixel sizes of every particle, NaN where unknown.
    """
    table = blocks[block]
    if all(c in table for c in CENTRED):
        return "centred_angstrom", "columns rlnCenteredCoordinateX/Y/ZAngst"
    if all(c in table for c in WARP_M):
        return "angstrom", "columns wrpCoordinateX1/Y1/Z1 (M)"
    if of_pytom(blocks, table):
        return "voxel", "column rlnLCCmax (pytom-match-pick counts voxels of the searched volume)"
    xyz = numbers(table, CORNER, path)
    if within_one(xyz):
        return "fraction", "all coordinates lie between 0 and 1 (Warp's template matching)"
    image = image_pixel_size(optics)
    known = bool(np.isfinite(image).all())
    if known and of_warp(table):
        return "output_pixel", f"names end in .tomostar; pixels of {image[0]:g} A (Warp)"
    named = next((c for c in TOMOGRAM_NAMES if c in table), None)
    if known and named == "rlnMicrographName":
        sizes = np.array([pixel_size_in_name(n) or np.nan for n in table[named]])
        if np.isfinite(sizes).all() and (np.abs(sizes - image) > 0.01 * image).all():
            return "output_pixel", (
                f"pixels of {image[0]:g} A, while the tomogram's name says {sizes[0]:g} A (Warp 1)"
            )
    if named == "rlnTomoName":
        return _unit_beside_tomo_name(block, xyz, table, optics)
    if named == "rlnMicrographName":
        return "voxel", "rlnMicrographName: pixels of that tomogram (RELION 3)"
    return "voxel", "nothing says otherwise"


def _unit_beside_tomo_name(
    block: str,
    xyz: NDArray[np.float64],
    table: pd.DataFrame,
    optics: Mapping[str, NDArray[np.float64]],
) -> tuple[str, str]:
    """Unit of rlnCoordinateX/Y/Z where rlnTomoName names the tomogram."""
    if np.isfinite(optics["rlnTomoTiltSeriesPixelSize"]).all():
        return "unbinned_pixel", "rlnTomoTiltSeriesPixelSize beside rlnTomoName (RELION 4/5)"
    stated = stated_voxel_size(table, optics)
    picked = np.isfinite(stated).all() and not np.isfinite(optics["rlnImagePixelSize"]).any()
    if picked:
        return "voxel", f"the file states voxels of {stated[0]:g} A beside rlnTomoName"
    if block == "particles":
        return "unbinned_pixel", "rlnTomoName in a block 'particles' (RELION 4/5)"
    if xyz.max() > _LARGEST_PICKED_IN:
        return "unbinned_pixel", (
            f"rlnTomoName, and coordinates up to {xyz.max():.0f}: no tomogram that is picked in "
            f"has more than {_LARGEST_PICKED_IN} voxels a side"
        )
    return "voxel", "rlnTomoName without optics or a block 'particles' (RELION 5 annotation)"

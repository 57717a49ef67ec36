"""Coordinates of every unit to positions in the frame of a tomogram."""

import logging
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import RELION_CENTRES, relion_uncentred, reverse_axes
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import Picks
from cryoal.io.tomogram_star import number, unbinned_size

log = logging.getLogger(__name__)


def positions(
    picks: Picks,
    names: NDArray[np.str_],
    known: NDArray[np.bool_],
    tomograms: Mapping[str, Tomogram],
    relion_centre: str = "half",
    *,
    warn: bool = True,
) -> NDArray[np.float64]:
    """Positions in the frame of each tomogram: (N, 3), zyx, Angstrom; NaN where none is known.

    Raises
    ------
    CryoalError
        A pixel size that this unit needs is not stated anywhere.
    """
    xyz = np.full((len(picks), 3), np.nan)
    for name in np.unique(names[known]).tolist():
        rows = np.flatnonzero((names == name) & known)
        tomogram = tomograms[name]
        pixel = np.full(len(rows), np.nan)
        if picks.pixel_size is not None:
            pixel = picks.pixel_size[rows]
        if picks.unit == "centred_angstrom":
            there = _from_centre(picks.xyz[rows], tomogram, pixel, relion_centre)
            scale = np.ones((len(rows), 1))
        else:
            scale = _angstrom_per_unit(picks, tomogram, pixel)
            if picks.unit == "voxel":
                scale = _picked_elsewhere(picks, tomogram, rows, warn=warn)
            there = picks.xyz[rows] * scale
            if picks.from_middle:
                there = there + _middle_voxel(tomogram, picks)
        if picks.origin_xyz is not None and picks.origin_pixel_size is not None:
            size = picks.origin_pixel_size[rows, None]
            there = there - picks.origin_xyz[rows] * np.where(np.isfinite(size), size, scale)
        xyz[rows] = there
    return reverse_axes(xyz)


def _angstrom_per_unit(
    picks: Picks, tomogram: Tomogram, pixel: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Angstrom in one unit of the coordinates: (n, 1) or (n, 3)."""
    n = len(pixel)
    if picks.unit == "angstrom":
        return np.ones((n, 1))
    if picks.unit == "voxel":
        return np.full((n, 1), tomogram.voxel_size)
    if picks.unit == "fraction":
        # MatchFull.cs of WarpTools divides by the volume's physical dimensions.
        extent = np.array(tomogram.shape[::-1]) * tomogram.voxel_size
        return np.broadcast_to(extent, (n, 3))
    if picks.unit == "unbinned_pixel":
        place = f"{tomogram.path} {tomogram.name}"
        stated = number(tomogram.columns or {}, "rlnTomoTiltSeriesPixelSize", place)
        pixel = np.where(np.isfinite(pixel), pixel, stated or np.nan)
    if not np.isfinite(pixel).all():
        wanted = (
            "rlnTomoTiltSeriesPixelSize is in neither its optics block nor a tomograms.star"
            if picks.unit == "unbinned_pixel"
            else "it states no rlnImagePixelSize"
        )
        raise CryoalError(
            f"{picks.path}: coordinates are read as {picks.unit} ({picks.evidence}), but {wanted}; "
            "give --tomograms tomograms.star, or say what they count with --unit"
        )
    return pixel[:, None]


def _picked_elsewhere(
    picks: Picks, tomogram: Tomogram, rows: NDArray[np.intp], *, warn: bool
) -> NDArray[np.float64]:
    """Angstrom per voxel where a list states another voxel size than its tomogram has: (n, 1).

    It was picked in a volume of another binning if that size stands in the tomograms' names, or is
    the tomogram's times or over a whole number and puts no more positions outside. Any other size
    is taken for a mistake: pickers write what an MRC header said, and headers are often wrong.
    """
    own = tomogram.voxel_size
    if picks.picked_voxel is not None:
        return np.full((len(rows), 1), picks.picked_voxel)
    stated = np.full(len(rows), np.nan)
    if picks.stated_voxel is not None:
        stated = picks.stated_voxel[rows]
    other = np.isfinite(stated) & (np.abs(stated - own) > 0.01 * own)
    if not other.any():
        return np.full((len(rows), 1), own)
    size = float(stated[other][0])
    ratio = max(size / own, own / size)
    binned = round(ratio) >= 2 and abs(ratio - round(ratio)) <= 0.01 * ratio
    shape = np.array(tomogram.shape[::-1])
    if binned and shape.all():
        voxels = picks.xyz[rows]
        inside = [np.all(voxels * scale < shape, axis=1).mean() for scale in (size / own, 1.0)]
        binned = inside[0] >= inside[1]
    believed = picks.stated_in_names or binned
    if warn:
        log.warning(
            "%s: it states voxels of %g A, tomogram %s has %g A; %s", picks.path, size,
            tomogram.name, own, "positions are scaled to that" if believed else
            "counted in the tomogram's: if it was picked in another volume, give that one, or say "
            f"--pick-voxel-size {size:g}",
        )  # fmt: skip
    return np.where(other, stated, own)[:, None] if believed else np.full((len(rows), 1), own)


def _middle_voxel(tomogram: Tomogram, picks: Picks) -> NDArray[np.float64]:
    """Position of voxel n // 2, from which EMAN2 counts: (3,), xyz, Angstrom."""
    if not all(tomogram.shape):
        raise CryoalError(
            f"{picks.path}: it counts from the middle of tomogram {tomogram.name}, whose size is "
            "not known; give --tomograms"
        )
    return np.array([side // 2 for side in tomogram.shape[::-1]]) * tomogram.voxel_size


def _from_centre(
    centred: NDArray[np.float64], tomogram: Tomogram, pixel: NDArray[np.float64], centre: str
) -> NDArray[np.float64]:
    """Angstrom from the corner of Angstrom from the centre: (n, 3), xyz."""
    return centred + centre_of(tomogram, pixel, centre)


def centre_of(
    tomogram: Tomogram, pixel: NDArray[np.float64] | None, centre: str
) -> NDArray[np.float64]:
    """Where RELION 5 counts from in this tomogram: (3,) or (n, 3), xyz, Angstrom.

    Half of rlnTomoSize in unbinned pixels; without a tomograms.star half of the volume itself.
    """
    known = unbinned_size(tomogram)
    if known is not None:
        size, pixel_size = known
        return relion_uncentred(np.zeros(3), size, pixel_size, centre) * pixel_size
    if not all(tomogram.shape):
        raise CryoalError(
            f"tomogram {tomogram.name}: its size is needed to place coordinates from its centre; "
            "give --tomograms"
        )
    middle = np.array(tomogram.shape[::-1]) * tomogram.voxel_size / 2
    shift = RELION_CENTRES[centre]
    if shift == 0:
        return middle
    size_of_one = tomogram.voxel_size if pixel is None else pixel[:, None]
    if not np.isfinite(size_of_one).all():
        raise CryoalError(
            f"tomogram {tomogram.name}: --relion-centre {centre} needs the unbinned pixel size; "
            "give --tomograms tomograms.star"
        )
    return middle + shift * size_of_one


def share_inside(
    position: NDArray[np.float64], names: NDArray[np.str_], tomograms: Mapping[str, Tomogram]
) -> float:
    """Share of positions that lie in their volumes; 1 where sizes are unknown."""
    inside = np.ones(len(position), dtype=bool)
    for name in np.unique(names).tolist():
        rows = names == name
        shape = np.array(tomograms[name].shape)
        if shape.all():
            voxels = position[rows] / tomograms[name].voxel_size
            inside[rows] = np.all((voxels > -1) & (voxels < shape), axis=1)
    return float(inside.mean()) if len(inside) else 1.0

"""Other ways to read the numbers of a particle file: its other units, voxels of other sizes."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import UNITS, Format, Picks
from cryoal.io.content import Content
from cryoal.io.placing import positions, share_inside
from cryoal.io.tomogram_star import number

#: By how much tomograms are binned for picking, over or under the one that is given.
_BINNINGS = (2, 3, 4, 6, 8)

#: Voxel sizes that are tried at most: of many, one fits by chance.
_MOST_SIZES = 16

Positions = NDArray[np.float64]


def fitting_units(
    form: Format,
    content: Content,
    names: NDArray[np.str_],
    known: NDArray[np.bool_],
    tomograms: Mapping[str, Tomogram],
    relion_centre: str,
) -> dict[str, float]:
    """Share of positions inside their tomograms for every unit the file could be in."""
    found = _in_units(form, content, names, known, tomograms, relion_centre)
    return {
        unit: share_inside(position[known], names[known], tomograms)
        for unit, position in found.items()
    }


def other_readings(
    form: Format,
    content: Content,
    picks: Picks,
    names: NDArray[np.str_],
    known: NDArray[np.bool_],
    tomograms: Mapping[str, Tomogram],
    relion_centre: str,
) -> dict[str, Positions]:
    """Positions of a list's particles by every option that reads its numbers otherwise.

    Parameters
    ----------
    picks : Picks
        The list as it is read now.
    names, known
        Of the tomogram of each particle, and whether it is given.

    Returns
    -------
    dict of reading ("with --unit voxel", "with --pick-voxel-size 20") to (N, 3) zyx, Angstrom
        NaN where the tomogram is not known.
    """
    found = {
        f"with --unit {unit}": position
        for unit, position in _in_units(
            form, content, names, known, tomograms, relion_centre
        ).items()
        if unit != picks.unit or picks.picked_voxel is not None
    }
    used = [tomograms[name] for name in np.unique(names[known]).tolist()]
    try:
        counted = form.read(content, "voxel")
    except CryoalError:
        return found
    for size in _sizes(counted, used):
        there = replace(counted, picked_voxel=size)
        option = f"with --pick-voxel-size {size:g}"
        found[option] = positions(there, names, known, tomograms, relion_centre)
    return found


def _in_units(
    form: Format,
    content: Content,
    names: NDArray[np.str_],
    known: NDArray[np.bool_],
    tomograms: Mapping[str, Tomogram],
    relion_centre: str,
) -> dict[str, Positions]:
    """Positions in every unit that the file could be in."""
    found = {}
    for unit in UNITS:
        try:
            picks = form.read(content, unit)
            found[unit] = positions(picks, names, known, tomograms, relion_centre, warn=False)
        except CryoalError:
            continue
    return found


def _sizes(picks: Picks, tomograms: list[Tomogram]) -> list[float]:
    """Voxel sizes that a list may have been picked in, the likelier first: Angstrom."""
    sizes: dict[float, None] = {}
    if picks.stated_voxel is not None:
        stated = picks.stated_voxel[np.isfinite(picks.stated_voxel)]
        sizes.update(dict.fromkeys(np.unique(stated.round(4)).tolist()))
    for tomogram in tomograms:
        own, row = tomogram.voxel_size, tomogram.columns or {}
        binning = number(row, "rlnTomoTomogramBinning", tomogram.name)
        pixel = number(row, "rlnTomoTiltSeriesPixelSize", tomogram.name)
        sizes[own] = None
        for factor in (binning, own / pixel if pixel else None):
            if factor:
                sizes.update({own * factor: None, own / factor: None})
    for tomogram in tomograms:
        for factor in _BINNINGS:
            sizes.update({tomogram.voxel_size * factor: None, tomogram.voxel_size / factor: None})
    different: list[float] = []
    for size in sizes:
        if all(abs(size - other) > 0.01 * other for other in different) and size > 0:
            different.append(size)
    return different[:_MOST_SIZES]

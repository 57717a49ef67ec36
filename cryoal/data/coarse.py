"""A tomogram as the placement check looks at it: binned, level, nothing missing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryoal.data.missing import any_missing, filled, missing
from cryoal.data.normalise import CLIP


@dataclass(frozen=True)
class Coarse:
    """A binned tomogram.

    Attributes
    ----------
    volume : (z, y, x) float32
        Filled from their surroundings where nothing was measured.
    missing : int
        Voxels of the tomogram itself that hold no measurement.
    """

    volume: NDArray[np.float32]
    missing: int


def binned(volume: NDArray[np.generic], step: int) -> Coarse:
    """Mean over cubes of ``step`` voxels, what is left at the far faces cut off."""
    shape = [size // step for size in volume.shape]
    coarse = np.empty(shape, dtype=np.float32)
    count = 0
    for z in range(0, volume.shape[0], step):  # the volume may be larger than the memory
        with np.errstate(over="ignore"):  # too large for single precision: missing
            slab = np.asarray(volume[z : z + step], dtype=np.float32)
        gaps = missing(slab) if any_missing(slab) else None
        count += 0 if gaps is None else int(gaps.sum())
        if z // step >= shape[0]:
            continue
        cut = slab[:, : shape[1] * step, : shape[2] * step]
        if gaps is None:
            coarse[z // step] = _cubes(cut, step).mean((0, 2, 4))
            continue
        known = ~gaps[:, : shape[1] * step, : shape[2] * step]
        total = _cubes(np.where(known, cut, 0), step).sum((0, 2, 4))
        measured = _cubes(known, step).sum((0, 2, 4))
        with np.errstate(invalid="ignore", divide="ignore"):
            coarse[z // step] = total / measured  # NaN where a cube holds nothing
    return Coarse(filled(coarse) if count else coarse, count)


def _cubes(slab: NDArray[np.generic], step: int) -> NDArray[np.generic]:
    depth, height, width = slab.shape
    return slab.reshape(depth, height // step, step, width // step, step)


def flattened(volume: NDArray[np.float32], diameter: float) -> NDArray[np.float32]:
    """Less what is wider than a particle (ice thickness, carbon) and finer than can be seen.

    Gold and hot voxels are clipped: one bead must not outvote a hundred particles.
    """
    wide = ndimage.gaussian_filter(volume, diameter)
    flat = ndimage.gaussian_filter(volume, 1.0) - wide
    deviation = float(flat.std(dtype=np.float64)) or 1.0
    return np.asarray(np.clip(flat / deviation, -CLIP, CLIP))

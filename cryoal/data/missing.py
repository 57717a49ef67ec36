"""Voxels that hold no measurement: not a number, infinite, or too large for single precision."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

#: Grey values from here on have squares that overflow single precision: damage, no measurement.
LARGEST = 1e18

#: Radii, in voxels, of the neighbourhoods that a missing voxel is filled from; the first that
#: holds enough counts.
_NEAR = (1.0, 2.0, 4.0)

#: Weight of measured voxels in a neighbourhood that is enough.
_ENOUGH = 0.1


def missing(volume: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Which voxels hold no measurement.

    Examples
    --------
    >>> missing(np.array([0.0, np.nan, -np.inf, 1e30])).tolist()
    [False, True, True, True]
    """
    if volume.dtype.kind != "f":
        return np.zeros(volume.shape, dtype=bool)
    return np.asarray(~(np.abs(volume) < LARGEST))


def any_missing(values: NDArray[np.generic], largest: float = LARGEST) -> bool:
    """Whether any voxel holds no measurement; twice as fast as ``missing`` says which."""
    if values.dtype.kind != "f" or not values.size:
        return False
    # A NaN makes both comparisons false.
    return not (float(values.min()) > -largest and float(values.max()) < largest)


def count_missing(volume: NDArray[np.generic]) -> int:
    """Count the voxels without a measurement, a layer at a time."""
    if volume.dtype.kind != "f":
        return 0
    layers = (np.asarray(layer) for layer in volume)
    return sum(int(missing(layer).sum()) for layer in layers if any_missing(layer))


def filled(
    values: NDArray[np.float32], gaps: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Copy with the mean of its surroundings at every voxel that holds no measurement.

    Parameters
    ----------
    values : (Z, Y, X) float32
    gaps : (Z, Y, X) bool, optional
        Those voxels; default ``missing(values)``.

    Returns
    -------
    (Z, Y, X) float32
        Far from any measurement the mean of all; 0 where there is none.
    """
    gaps = missing(values) if gaps is None else gaps
    result = np.where(gaps, np.float32(0), values)
    if not gaps.any() or gaps.all():
        return result
    known = (~gaps).astype(np.float32)
    left = gaps.copy()
    measured = result.copy()
    for radius in _NEAR:
        weight = ndimage.gaussian_filter(known, radius, mode="nearest")
        near = left & (weight > _ENOUGH)
        if near.any():
            mean = ndimage.gaussian_filter(measured, radius, mode="nearest")
            result[near] = mean[near] / weight[near]
        left &= ~near
        if not left.any():
            return result
    result[left] = measured[~gaps].mean(dtype=np.float64)
    return result

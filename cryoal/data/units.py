"""Positions that lie outside their tomogram, and the units in which they would lie inside."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cryoal.core.tomogram import Tomogram


def suspected_unit(position: NDArray[np.float64], tomogram: Tomogram) -> Iterator[str]:
    """Name the readings under which most positions would lie inside after all.

    Parameters
    ----------
    position : (N, 3) float, zyx, Angstrom
        Most of them outside the tomogram.
    """
    voxel_size, extent = tomogram.voxel_size, tomogram.extent
    readings = {
        "--unit voxel": position * voxel_size,
        "--unit angstrom": position / voxel_size,
        "--unit centred_angstrom": position / voxel_size + extent / 2,
        "--unit fraction": position / voxel_size * extent,
    }
    for binning in (2, 3, 4, 6, 8, 10):
        readings[f"--unit unbinned_pixel (binned by {binning})"] = position / binning
    for name, reading in readings.items():
        if outside(reading, tomogram).mean() < 0.1:
            yield name


def outside(position: NDArray[np.float64], tomogram: Tomogram) -> NDArray[np.bool_]:
    """Which positions lie outside the tomogram: (N,) bool."""
    half = tomogram.voxel_size / 2
    beyond = (position < -half) | (position > tomogram.extent + half) | ~np.isfinite(position)
    return np.asarray(beyond.any(axis=1))

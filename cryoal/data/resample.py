"""Reading band-limited samples between voxels: a windowed sinc, as small matrices.

Output samples are computed in tiles, each from the few input samples it needs, so that the cost of
a sample does not grow with the box. A tile's matrix depends on one number, where its first sample
lies between two voxels; it is read from a table.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: Half-width of the sinc's window, in samples of the coarser grid; inside a tile it is wider.
REACH = 7

#: Shape of the Kaiser window (J. F. Kaiser, ICASSP 1974): between 4 and 6 the error of waves below
#: half of Nyquist falls from 0.25 to 0.04 %, that of waves up to 0.9 rises from 1.4 to 2.6 %
#: (root mean squares).
BETA = 5.0

#: Largest tile: larger ones multiply by more zeros, smaller ones read more input beside them.
LARGEST_TILE = 16

#: Steps of the table from one voxel to the next; between them the error is 2e-6 of a sample.
STEPS = 512


def windowed_sinc(
    distance: NDArray[np.float64], reach: NDArray[np.float64] | float, step: float = 1.0
) -> NDArray[np.float64]:
    """Weight of an input sample at a distance from the output's, both in input samples.

    Parameters
    ----------
    distance : float array
    reach : float array or float
        Half-width of the window; the weight is 0 beyond it.
    step : float
        Distance of the output's grid points; frequencies above the Nyquist of the coarser of both
        grids are cut.
    """
    within = np.clip(1 - (distance / reach) ** 2, 0, None)
    window = np.where(np.abs(distance) <= reach, np.i0(BETA * np.sqrt(within)) / np.i0(BETA), 0)
    return np.asarray(np.sinc(distance / max(step, 1.0)) * window)


@dataclass(frozen=True)
class Tiles:
    """How a line of samples is computed from another grid's.

    Attributes
    ----------
    box : int
        Samples of the output.
    step : float
        Distance of the output's samples, in input samples.
    size : int
        Output samples a tile.
    first : tuple of int
        Output sample with which each tile begins; the last may overlap the one before.
    before : int
        Input samples that a tile needs before the one at or below its first sample.
    taps : int
        Input samples that a tile needs.
    table : (STEPS + 1, taps, size) float32
        Matrix of a tile whose first sample lies k / STEPS beyond an input sample.
    """

    box: int
    step: float
    size: int
    first: tuple[int, ...]
    before: int
    taps: int
    table: NDArray[np.float32]

    @property
    def source(self) -> int:
        """Input samples that all tiles together need, at most."""
        return math.ceil((self.first[-1] - self.first[0]) * self.step) + self.taps

    def matrices(self, fraction: NDArray[np.float64]) -> NDArray[np.float32]:
        """Matrix of each tile: (...) fractions from 0 to 1 give (..., taps, size)."""
        place = np.asarray(fraction, dtype=np.float64) * STEPS
        below = np.minimum(place.astype(np.intp), STEPS - 1)
        rest = (place - below).astype(np.float32)[..., None, None]
        low = self.table[below]
        matrices: NDArray[np.float32] = low + rest * (self.table[below + 1] - low)
        return matrices


@lru_cache(maxsize=8)
def tiles(box: int, step: float) -> Tiles:
    """Tile a line of ``box`` samples, ``step`` input samples apart.

    Each row of a matrix sums to 1, so a constant is kept.

    Examples
    --------
    >>> line = tiles(32, 1.0)
    >>> line.first, line.taps, line.source
    ((0, 16), 29, 45)
    >>> wave = np.cos(2 * np.pi * np.arange(29) / 8)
    >>> halfway = wave @ line.matrices(0.5)
    >>> expected = np.cos(2 * np.pi * (np.arange(16) + line.before + 0.5) / 8)
    >>> bool(np.abs(halfway - expected).max() < 4e-3)
    True
    """
    count = math.ceil(box / LARGEST_TILE)
    size = math.ceil(box / count)
    first = tuple(min(t * size, box - size) for t in range(count))
    reach = REACH * max(step, 1.0)
    before = math.ceil(reach) - 1
    taps = math.ceil((size - 1) * step) + 2 * math.ceil(reach)
    samples = np.arange(size, dtype=np.float64)
    at = np.arange(STEPS + 1)[:, None, None] / STEPS + samples * step  # (steps, 1, size)
    # What lies beyond a sample inside its tile is read anyway, so its window is wider.
    reaches = reach + np.minimum(samples, samples[::-1]) * step
    weights = windowed_sinc(np.arange(-before, taps - before)[:, None] - at, reaches, step)
    weights /= weights.sum(axis=1, keepdims=True)
    table = weights.astype(np.float32)
    table.flags.writeable = False
    return Tiles(box, step, size, first, before, taps, table)

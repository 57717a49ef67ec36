"""One grey scale for all boxes: background at 0 with standard deviation 1."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from cryoal.core.geometry import box_centre, radius_grid

#: Standard deviations beyond which a voxel is clipped: gold and hot pixels, not protein.
CLIP = 5.0

#: Fraction of constant or padded voxels above which a box counts as empty.
MOSTLY_CONSTANT = 0.25

#: Background voxels that are looked at: their mean is good to 1.6 % of the standard deviation.
SHELL_SAMPLE = 4096

#: Every how many of them the median is taken over, with which the mean begins.
MEDIAN_OF = 8

#: Standard deviation of a normal distribution in units of its median absolute deviation.
MAD_TO_STD = 1.4826

#: Standard deviations from the median up to which a background voxel counts fully.
HUBER = 2.0

#: Of a normal distribution cut at ``HUBER``: the share within, the mean square, and the power that
#: takes the square's ratio to the standard deviation's, to first order (P. J. Huber, Robust
#: Statistics, 1981, chapter 6: one step from a robust start does what many do).
_WITHIN, _SQUARE, _POWER = 0.95450, 0.92054, 0.62314


@dataclass(frozen=True)
class Normalised:
    """A normalised box and what it looked like before.

    Attributes
    ----------
    box : (b, b, b) float32
        Background mean 0 and standard deviation 1, clipped at +-5; 0 where nothing was measured.
    mean, std : float
        Of the measured voxels, in the tomogram's grey values.
    constant : float
        Fraction of voxels that are padding or a constant.
    """

    box: NDArray[np.float32]
    mean: float
    std: float
    constant: float

    @property
    def empty(self) -> bool:
        """Whether too little of the box was measured, or it has no contrast at all."""
        return self.constant > MOSTLY_CONSTANT or self.std == 0


@dataclass(frozen=True)
class Shells:
    """The particle's sphere and the background shell around it, in one box geometry.

    Attributes
    ----------
    box : int, voxels
    radius : float, voxels
        Of the particle.
    """

    box: int
    radius: float

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """Voxels of the particle: (box, box, box)."""
        return radius_grid(self.box) <= self.radius

    @cached_property
    def shell(self) -> NDArray[np.bool_]:
        """Voxels of the background: outside the particle, inside the box."""
        distance = radius_grid(self.box)
        shell: NDArray[np.bool_] = distance > min(self.radius, 0.8 * box_centre(self.box))
        return shell

    @cached_property
    def sample(self) -> NDArray[np.intp]:
        """Flat indices of at most ``SHELL_SAMPLE`` background voxels, spread over the shell."""
        flat = np.flatnonzero(self.shell)
        # A fixed scattering: a regular stride would line up with the rows of the box.
        order = np.random.default_rng(0).permutation(len(flat))
        return np.sort(flat[order[:SHELL_SAMPLE]])


@dataclass(frozen=True)
class Batch:
    """What several boxes looked like before and after they were normalised: (n,) float each.

    Attributes
    ----------
    mean, std, constant
        As ``Normalised`` has them.
    low, high, total, squares
        Of the normalised box: extremes, sum, sum of squares.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    constant: NDArray[np.float64]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Which boxes were measured too little, or have no contrast at all: (n,)."""
        return np.asarray((self.constant > MOSTLY_CONSTANT) | (self.std == 0))


def normalise(raw: NDArray[np.float32], shells: Shells, sign: int = 1) -> Normalised:
    """Bring a box to background mean 0 and standard deviation 1, whatever gold lies in it.

    Parameters
    ----------
    raw : (b, b, b) float32
        NaN where the box reaches outside the tomogram.
    shells : Shells of the same box
    sign : 1 or -1
        -1 where protein is dark, so that it comes out bright.
    """
    box = np.array(raw, dtype=np.float32)
    was = normalise_in_place(box[None], shells, sign)
    return Normalised(box, float(was.mean[0]), float(was.std[0]), float(was.constant[0]))


def normalise_in_place(boxes: NDArray[np.float32], shells: Shells, sign: int = 1) -> Batch:
    """Normalise several boxes where they lie; each comes out as ``normalise`` returns it.

    Every step is taken for all boxes before the next one: a batch that fits into the processor's
    cache is read from memory once.

    Parameters
    ----------
    boxes : (n, b, b, b) float32, contiguous
    """
    flat = boxes.reshape(len(boxes), -1)
    low, high = flat.min(axis=1), flat.max(axis=1)
    masks = {
        row: mask
        for row in _suspects(boxes, low, high)
        if (mask := unmeasured(boxes[row])) is not None
    }
    constant, measured = np.zeros(len(flat)), np.full(len(flat), flat.shape[1])
    background = np.take(flat, shells.sample, axis=1, mode="clip")
    middle, spread = _location_and_scale(background)
    for row, mask in masks.items():
        constant[row] = mask.mean()
        measured[row] -= np.count_nonzero(mask)
        known = background[row][~mask.ravel()[shells.sample]]
        if known.size <= SHELL_SAMPLE // 16:
            known = flat[row][~mask.ravel()]
        (middle[row],), (spread[row],) = _location_and_scale(known[None])
    flat -= middle[:, None]
    for row, mask in masks.items():
        boxes[row][mask] = 0
        low[row], high[row] = flat[row].min() + middle[row], flat[row].max() + middle[row]
    total, squares = _sums(flat)
    mean = total / np.maximum(measured, 1)
    std = np.sqrt(np.maximum(squares / np.maximum(measured, 1) - mean**2, 0))
    empty = (constant > MOSTLY_CONSTANT) | (spread == 0)
    factor = np.where(empty, 0, sign / np.where(empty, 1, spread)).astype(np.float32)
    flat *= factor[:, None]
    ends = np.stack([low - middle, high - middle]) * factor
    total, squares = total * factor, squares * factor.astype(np.float64) ** 2
    for row in np.flatnonzero(np.abs(ends).max(axis=0) > CLIP):
        np.clip(flat[row], -CLIP, CLIP, out=flat[row])
        (total[row],), (squares[row],) = _sums(flat[row : row + 1])
    ends = np.clip(np.sort(ends, axis=0), -CLIP, CLIP)
    std[spread == 0] = 0
    return Batch(mean + middle, std, constant, ends[0], ends[1], total, squares)


def _suspects(
    boxes: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32]
) -> NDArray[np.intp]:
    """Boxes in which something may be unmeasured: not finite, or equal to its neighbour.

    A constant region is at least two planes deep, so that every second plane tells.
    """
    n, planes, rows, columns = boxes.shape
    step = 2 if planes % 2 == 0 else 1
    some = boxes.reshape(n * planes // step, -1)[:, : rows * columns]
    equal = (some[:, 1:] == some[:, :-1]).any(axis=1).reshape(n, -1).any(axis=1)
    return np.flatnonzero(equal | ~np.isfinite(low) | ~np.isfinite(high))


def _location_and_scale(
    values: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of each row's bulk: (n,) each; 0 of an empty row.

    One Huber step from the median and the MAD of a part of the row: twice as exact as the median
    of the whole row, in half its time.
    """
    if not values.shape[1]:
        return np.zeros(len(values), np.float32), np.zeros(len(values), np.float32)
    part = values[:, ::MEDIAN_OF]
    half = part.shape[1] // 2
    middle = np.partition(part, half, axis=1)[:, half]
    away = np.abs(part - middle[:, None])
    away.partition(half, axis=1)
    spread = away[:, half] * np.float32(MAD_TO_STD)
    flat = spread == 0  # coarse integers: more than half the background has one value
    spread[flat] = values[flat].std(axis=1)
    cut = values - middle[:, None]
    cut /= np.where(spread == 0, 1, spread)[:, None]
    np.clip(cut, -HUBER, HUBER, out=cut)
    total, squares = _sums(cut)
    n = values.shape[1]
    middle += (spread * (total / (n * _WITHIN))).astype(np.float32)
    spread *= ((squares / (n * _SQUARE)) ** _POWER).astype(np.float32)
    return middle, spread


def _sums(flat: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and sum of squares of each row: (n,) each.

    Row by row, so that no box depends on those beside it. float32 is enough near the median.
    """
    ones = _ones(flat.shape[1])
    return (
        np.array([np.dot(row, ones) for row in flat], dtype=np.float64),
        np.array([np.dot(row, row) for row in flat], dtype=np.float64),
    )


@lru_cache(maxsize=8)
def _ones(n: int) -> NDArray[np.float32]:
    return np.ones(n, dtype=np.float32)


def unmeasured(raw: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Voxels that are padding or part of a constant region; None when there are none.

    Constant means equal to the next voxel along x, y and z at once: chance does this to one
    voxel in a million of a byte-valued tomogram.
    """
    outside = ~np.isfinite(raw)
    flat_x = raw[:, :, 1:] == raw[:, :, :-1]
    if not flat_x.any():
        return outside if outside.any() else None
    flat = np.zeros(raw.shape, dtype=bool)
    corner = flat_x[:-1, :-1] & (raw[:-1, 1:, :-1] == raw[:-1, :-1, :-1])
    corner &= raw[1:, :-1, :-1] == raw[:-1, :-1, :-1]
    flat[:-1, :-1, :-1] = corner
    # The equal neighbours belong to the region too, or its far faces would be missed.
    flat[1:, :-1, :-1] |= corner
    flat[:-1, 1:, :-1] |= corner
    flat[:-1, :-1, 1:] |= corner
    flat |= outside
    return flat if flat.any() else None


def _moments(values: NDArray[np.float32]) -> tuple[float, float]:
    if values.size == 0:
        return 0.0, 0.0
    return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))


@dataclass(frozen=True)
class GreyScale:
    """Mean and standard deviation of a whole tomogram, constant regions left out."""

    mean: float
    std: float


def grey_scale(volume: NDArray[np.generic]) -> GreyScale:
    """Measure a tomogram's grey scale on sixteen of its slices, every second row."""
    slices = np.linspace(0, volume.shape[0] - 1, 16).round().astype(int)
    planes = np.stack([np.asarray(volume[z, ::2], dtype=np.float32) for z in np.unique(slices)])
    varies = np.ones(planes.shape, dtype=bool)
    varies[..., 1:] = planes[..., 1:] != planes[..., :-1]
    values = planes[varies & np.isfinite(planes)]
    if values.size == 0:
        return GreyScale(0.0, 0.0)
    return GreyScale(*_moments(values))

"""Compiled loops over the grey values of boxes: finding their background, and scaling by it."""

import math

import numpy as np
from numpy.typing import NDArray

from cryoal.data.compiling import compiled
from cryoal.data.lanes import LANES

Floats = NDArray[np.float32]

#: Values that are summed up in single precision before the sum is taken over.
_AT_ONCE = 4096

_ABSOLUTE = np.int32(0x7FFFFFFF)
_INFINITE = np.int32(0x7F800000)
_SIGN_BIT = np.int32(31)


@compiled
def normalise_boxes(
    boxes: Floats,
    sample: NDArray[np.int64],
    sign: float,
    limits: tuple[float, float],
    looks: NDArray[np.float64],
) -> None:
    """Normalise boxes where they lie, see ``normalise.normalise_in_place``.

    Parameters
    ----------
    boxes : (n, b, b, b) float32, contiguous
    sample : (m,) int64
        Flat indices of the background.
    limits : clip, and mostly constant
        Standard deviations, and the fraction from which on a box is empty.
    looks : (n, 7) float64
        Receives mean, standard deviation, constant fraction; low, high, total, squares.
    """
    clip, mostly_constant = limits
    n, side = len(boxes), boxes.shape[1]
    size = side**3
    known = np.empty(max(size, len(sample)), np.float32)
    mask = np.empty((side, side, side), np.bool_)
    for k in range(n):
        flat = boxes[k].reshape(-1)
        missing = 0
        if _is_suspect(flat, side):
            missing = mark_unmeasured(boxes[k], mask)
        count = 0
        if missing:
            unknown = mask.reshape(-1)
            for at in sample:
                if not unknown[at]:
                    known[count] = flat[at]
                    count += 1
            if count <= len(sample) // 16:
                count = 0
                for at in range(size):
                    if not unknown[at]:
                        known[count] = flat[at]
                        count += 1
        else:
            for at in sample:
                known[count] = flat[at]
                count += 1
        middle, spread = location_and_scale(known[:count])
        if missing:
            unknown = mask.reshape(-1)
            for at in range(size):
                if unknown[at]:
                    flat[at] = middle
        look = looks[k]
        constant = missing / size
        empty = constant > mostly_constant or spread == 0
        factor = np.float32(0) if empty else np.float32(sign / spread)
        _rescale(flat, middle, factor, np.float32(clip), look)
        look[2] = constant
        measured = max(size - missing, 1)
        mean = look[0] / measured
        look[1] = 0 if spread == 0 else math.sqrt(max(look[1] / measured - mean**2, 0))
        look[0] = mean + middle


@compiled
def _rescale(
    flat: Floats,
    middle: np.float32,
    factor: np.float32,
    clip: np.float32,
    look: NDArray[np.float64],
) -> None:
    """Subtract, multiply and clip; sums before and after multiplying into ``look``."""
    for i in range(len(look)):
        look[i] = 0
    lowest, highest = np.int32(_ABSOLUTE), np.int32(-_ABSOLUTE)
    sums = np.zeros((4, LANES), np.float32)
    for begin in range(0, len(flat), _AT_ONCE):
        some = flat[begin : begin + _AT_ONCE]
        sums[:] = 0
        for start in range(0, len(some), LANES):
            part = some[start : start + LANES]
            for i in range(len(part)):
                value = part[i] - middle
                sums[0, i] += value
                sums[1, i] += value * value
                value *= factor
                value = clip if value > clip else value
                value = -clip if value < -clip else value
                sums[2, i] += value
                sums[3, i] += value * value
                part[i] = value
        for i in range(LANES):
            look[0] += sums[0, i]
            look[1] += sums[1, i]
            look[5] += sums[2, i]
            look[6] += sums[3, i]
        bits = some.view(np.int32)
        for i in range(len(bits)):
            key = _in_order(bits[i])
            lowest = min(lowest, key)
            highest = max(highest, key)
    look[3], look[4] = _as_float(lowest), _as_float(highest)


@compiled
def _in_order(bits: np.int32) -> np.int32:
    """A float's bits as an integer in the order of the floats, and back.

    Extremes and counts of integers run in vectors, those of floats do not.
    """
    return np.int32(bits ^ (np.int32(bits >> _SIGN_BIT) & _ABSOLUTE))


@compiled
def _as_float(key: np.int32) -> np.float32:
    keys = np.empty(1, np.int32)
    keys[0] = _in_order(key)
    value: np.float32 = keys.view(np.float32)[0]
    return value


@compiled
def _is_suspect(flat: Floats, side: int) -> bool:
    """Whether something may be unmeasured: not finite, or equal to its neighbour.

    A constant region is at least two planes deep, so that every second plane tells.
    """
    bits = flat.view(np.int32)
    infinite = 0
    for i in range(len(bits)):
        infinite += (bits[i] & _ABSOLUTE) >= _INFINITE
    if infinite:
        return True
    area = side * side
    for z in range(0, side, 2 if side % 2 == 0 else 1):
        here, there = flat[z * area : (z + 1) * area - 1], flat[z * area + 1 : (z + 1) * area]
        equal = 0
        for i in range(len(here)):
            equal += here[i] == there[i]
        if equal:
            return True
    return False


@compiled
def mark_unmeasured(raw: Floats, mask: NDArray[np.bool_]) -> int:
    """Mark voxels that are no numbers or part of a constant region, see ``normalise.unmeasured``.

    Returns
    -------
    int, their number
    """
    depth, height, width = raw.shape
    marks = mask.reshape(-1)
    for i in range(len(marks)):
        marks[i] = False
    for z in range(depth):
        for y in range(height):
            row, marked = raw[z, y], mask[z, y]
            for x in range(width):
                if not math.isfinite(row[x]):
                    marked[x] = True
            if z + 1 < depth and y + 1 < height:
                for x in range(width - 1):
                    value = row[x]
                    if (
                        value == row[x + 1]
                        and value == raw[z, y + 1, x]
                        and value == raw[z + 1, y, x]
                    ):
                        # The neighbours belong to the region too, or it would lack its far faces.
                        marked[x] = marked[x + 1] = True
                        mask[z, y + 1, x] = mask[z + 1, y, x] = True
    count = 0
    for i in range(len(marks)):
        count += marks[i]
    return count


#: Every how many of the background's values the median is taken over, with which the mean begins.
_MEDIAN_OF = 8

#: Standard deviation of a normal distribution in units of its median absolute deviation.
_MAD_TO_STD = np.float32(1.4826)

#: Standard deviations from the median up to which a background voxel counts fully.
_HUBER = np.float32(2.0)

#: Of a normal distribution cut at ``_HUBER``: the share within, the mean square, and the power that
#: takes the square's ratio to the standard deviation's, to first order (P. J. Huber, Robust
#: Statistics, 1981, chapter 6: one step from a robust start does what many do).
_WITHIN, _SQUARE, _POWER = 0.95450, 0.92054, 0.62314


@compiled
def location_and_scale(values: Floats) -> tuple[np.float32, np.float32]:
    """Mean and standard deviation of the bulk of some finite values; 0 of none.

    One Huber step from the median and the MAD of a part of them: twice as exact as the median of
    them all, in half its time.
    """
    n = len(values)
    if not n:
        return np.float32(0), np.float32(0)
    some = np.empty((n + _MEDIAN_OF - 1) // _MEDIAN_OF, np.float32)
    for i in range(len(some)):
        some[i] = values[i * _MEDIAN_OF]
    middle = _of_rank(some, len(some) // 2)
    for i in range(len(some)):
        some[i] = abs(some[i] - middle)
    spread = _of_rank(some, len(some) // 2) * _MAD_TO_STD
    if spread == 0:  # coarse integers: more than half the background has one value
        spread = _deviation(values)
    inverse = np.float32(1) / (spread if spread != 0 else np.float32(1))
    sums = np.zeros((2, LANES), np.float32)
    for start in range(0, n, LANES):
        part = values[start : start + LANES]
        for i in range(len(part)):
            cut = (part[i] - middle) * inverse
            cut = _HUBER if cut > _HUBER else cut
            cut = -_HUBER if cut < -_HUBER else cut
            sums[0, i] += cut
            sums[1, i] += cut * cut
    total = squares = 0.0
    for i in range(LANES):
        total += sums[0, i]
        squares += sums[1, i]
    return (
        np.float32(middle + spread * np.float32(total / (n * _WITHIN))),
        np.float32(spread * (squares / (n * _SQUARE)) ** _POWER),
    )


@compiled
def _deviation(values: Floats) -> np.float32:
    """Standard deviation."""
    mean = squares = 0.0
    for value in values:
        mean += value
    mean /= len(values)
    for value in values:
        squares += (value - mean) ** 2
    return np.float32(math.sqrt(squares / len(values)))


@compiled
def _of_rank(values: Floats, rank: int) -> np.float32:
    """The value with this many smaller ones, by halving the range they are searched in.

    For a few hundred values that is faster than sorting.
    """
    bits = values.view(np.int32)
    keys = np.empty(len(bits), np.int32)
    low, high = np.int32(_ABSOLUTE), np.int32(-_ABSOLUTE)
    for i in range(len(bits)):
        keys[i] = _in_order(bits[i])
        low, high = min(low, keys[i]), max(high, keys[i])
    lowest, highest = np.int64(low), np.int64(high)
    while lowest < highest:
        middle = (lowest + highest) >> 1
        limit, below = np.int32(middle), 0
        for i in range(len(keys)):
            below += keys[i] <= limit
        if below > rank:
            highest = middle
        else:
            lowest = middle + 1
    return _as_float(np.int32(lowest))

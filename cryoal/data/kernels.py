"""Compiled loops over boxes: copying them, and reading them between the voxels.

Three passes, along z, y and x, each with the small matrices of ``resample.tiles``. Along z and y
a matrix yields four planes or rows from the same rows of input, sixteen columns at a time; along x
it yields sixteen columns of a row. What a pass reads again lies in the processor's own cache.
"""

import math

import numpy as np
from numpy.typing import NDArray

from cryoal.data.compiling import compiled
from cryoal.data.lanes import LANES, added, load, spread, store
from cryoal.data.resample import LANE_TILE, ROW_TILE

assert LANE_TILE == LANES
assert ROW_TILE == 4
_ROWS = 8
_NOTHING = np.float32(0)

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@compiled
def mirrored(index: int, size: int) -> int:
    """Fold an index beyond 0 .. size - 1 back inside, the edge voxel repeated once.

    Examples
    --------
    >>> [mirrored(i, 4) for i in range(-2, 6)]
    [1, 0, 0, 1, 2, 3, 3, 2]
    """
    if 0 <= index < size:  # first, since dividing takes longer than all else here
        return index
    folded = index % (2 * size)
    return folded if folded < size else 2 * size - 1 - folded


@compiled
def copy_boxes(volume: Floats, corners: Ints, rows: Ints, boxes: Floats) -> None:
    """Copy boxes at whole voxels; NaN where they reach outside.

    Parameters
    ----------
    volume : (Z, Y, X) float32, contiguous
    corners : (n, 3) int64, zyx
        First voxel of each box.
    rows : (n,) int64
        Which of ``boxes`` receive them.
    boxes : (m, box, box, box) float32, contiguous
    """
    box = boxes.shape[1]
    depth, height, width = volume.shape
    source, target = volume.reshape(-1), boxes.reshape(-1)
    for k in range(len(rows)):
        at = rows[k] * box**3
        left = corners[k, 2]
        low, high = min(max(0, -left), box), max(min(box, width - left), 0)
        in_vectors = low == 0 and high == box and box % LANES == 0
        for z in range(corners[k, 0], corners[k, 0] + box):
            for y in range(corners[k, 1], corners[k, 1] + box):
                start = (z * height + y) * width + left
                if not (0 <= z < depth and 0 <= y < height):
                    for x in range(box):
                        target[at + x] = np.nan
                elif in_vectors:
                    for x in range(0, box, LANES):
                        store(target, at + x, load(source, start + x))
                else:
                    _copy(source, start, target, at, low, high)
                    for x in range(low):
                        target[at + x] = np.nan
                    for x in range(high, box):
                        target[at + x] = np.nan
                at += box


@compiled
def _copy(source: Floats, start: int, target: Floats, at: int, low: int, high: int) -> None:
    whole = low + (high - low) // LANES * LANES
    for x in range(low, whole, LANES):
        store(target, at + x, load(source, start + x))
    for x in range(whole, high):
        target[at + x] = source[start + x]


@compiled
def interpolate_boxes(
    volume: Floats,
    low: NDArray[np.float64],
    step: float,
    row_tiles: tuple[Ints, int, Floats],
    lane_tiles: tuple[Ints, int, Floats],
    scratch: tuple[Floats, Floats, Floats],
    rows: Ints,
    boxes: Floats,
    suspects: NDArray[np.bool_],
) -> None:
    """Read boxes at places between the voxels; beyond the faces the volume is its mirror image.

    Parameters
    ----------
    volume : (Z, Y, X) float32, contiguous
    low : (n, 3) float64, zyx, voxels
        Where the first sample of each box lies.
    step : float, voxels
        Distance of the samples.
    row_tiles, lane_tiles : first, before and table of ``resample.Tiles``
        Of ``ROW_TILE`` samples for z and y, and of ``LANE_TILE`` samples for x.
    scratch : the arrays that ``scratch_for`` makes
    rows : (n,) int64
        Which of ``boxes`` receive them.
    boxes : (m, box, box, box) float32, contiguous, box 16 or more
    suspects : (n,) bool
        Receives whether a box's source has equal neighbours along x in one of every fourth plane.
    """
    box = boxes.shape[1]
    first, before, table = row_tiles
    first_x, before_x, table_x = lane_tiles
    window, window_x = table.shape[1], table_x.shape[1]
    block, planes, lines = scratch
    count, count_x = len(first), len(first_x)
    weights = np.empty((2, count * window * ROW_TILE), np.float32)
    weights_x = np.empty(count_x * window_x * LANES, np.float32)
    begins = np.empty((2, count), np.int64)
    begins_x = np.empty(count_x, np.int64)
    corner = np.empty(3, np.int64)
    needed = np.empty(2, np.int64)
    target = boxes.reshape(-1)
    for k in range(len(rows)):
        for axis in range(2):
            corner[axis] = _tile_weights(
                low[k, axis], step, first, before, table, weights[axis], begins[axis]
            )
            needed[axis] = begins[axis, -1] + window
        corner[2] = _tile_weights(low[k, 2], step, first_x, before_x, table_x, weights_x, begins_x)
        width = _up(begins_x[-1] + window_x, LANES)
        # An odd number of line pairs from row to row spreads them over all of the cache.
        stride = _up(needed[1] * width, 4 * LANES) + 2 * LANES
        suspects[k] = _read_block(volume, corner, needed, width, stride, block)
        # z: two vectors of a plane at a time, so that their columns stay in the nearest cache.
        for i in range(0, needed[1] * width, 2 * LANES):
            for tile in range(count):
                _four_rows(
                    planes, first[tile] * stride + i, stride, LANES,
                    block, begins[0, tile] * stride + i, stride, LANES,
                    weights[0], tile * window * ROW_TILE, window,
                )  # fmt: skip
        for pair in range(0, box, 2):
            z = min(pair, box - 2)
            # y: the same rows of two planes.
            for tile in range(count):
                for x in range(0, width, LANES):
                    _four_rows(
                        lines, first[tile] * width + x, width, box * width,
                        planes, z * stride + begins[1, tile] * width + x, width, stride,
                        weights[1], tile * window * ROW_TILE, window,
                    )  # fmt: skip
            for some in range(0, 2 * box, _ROWS):
                row = min(some, 2 * box - _ROWS)
                for tile in range(count_x):
                    _eight_lines(
                        target, ((rows[k] * box + z) * box + row) * box + first_x[tile], box,
                        lines, row * width + begins_x[tile], width,
                        weights_x, tile * window_x * LANES, window_x,
                    )  # fmt: skip
        _mark_outside(boxes[rows[k]], low[k], step, volume.shape)


def scratch_for(box: int, source: int, source_x: int) -> tuple[Floats, Floats, Floats]:
    """Arrays that ``interpolate_boxes`` works in, given ``Tiles.source`` along z and y, and x."""
    width = -(-source_x // LANES) * LANES
    stride = -(-source * width // (4 * LANES)) * 4 * LANES + 2 * LANES
    return _aligned(source * stride), _aligned(box * stride), _aligned(2 * box * width)


def _aligned(count: int) -> Floats:
    """An array that begins with a line of the cache, so that no vector lies across two."""
    array = np.zeros(count + LANES, np.float32)
    begin = -array.ctypes.data // array.itemsize % LANES
    return array[begin : begin + count]


@compiled
def _up(number: int, multiple: int) -> int:
    return (number + multiple - 1) // multiple * multiple


@compiled
def _tile_weights(
    low: float, step: float, first: Ints, before: int, table: Floats, weights: Floats, begins: Ints
) -> int:
    """Weights of each tile and the row with which it begins; returns the row of the first."""
    size = table.shape[1] * table.shape[2]
    steps = table.shape[0] - 1
    corner = math.floor(low) - before
    for tile in range(len(first)):
        at = low + first[tile] * step
        below = math.floor(at)
        place = (at - below) * steps
        entry = min(int(place), steps - 1)
        rest = np.float32(place - entry)
        begins[tile] = below - before - corner
        here, there = table[entry].reshape(-1), table[entry + 1].reshape(-1)
        made = weights[tile * size : (tile + 1) * size]
        for i in range(size):
            made[i] = here[i] + rest * (there[i] - here[i])
    return corner


@compiled
def _read_block(
    volume: Floats, corner: Ints, needed: Ints, width: int, stride: int, block: Floats
) -> bool:
    """Copy what a box is computed from; whether neighbours along x are equal somewhere."""
    depth, height, length = volume.shape
    source = volume.reshape(-1)
    left = corner[2]
    low, high = min(max(0, -left), width), max(min(width, length - left), 0)
    beyond = np.empty(width, np.int64)
    for x in range(width):
        beyond[x] = mirrored(left + x, length)
    equal = 0
    for z in range(needed[0]):
        plane = mirrored(corner[0] + z, depth) * height
        at = z * stride
        for y in range(needed[1]):
            start = (plane + mirrored(corner[1] + y, height)) * length
            if low == 0 and high == width:
                for x in range(0, width, LANES):
                    store(block, at + x, load(source, start + left + x))
            else:
                _copy(source, start + left, block, at, low, high)
                for x in range(low):
                    block[at + x] = source[start + beyond[x]]
                for x in range(high, width):
                    block[at + x] = source[start + beyond[x]]
            at += width
        if z % 4 == 0 and low < high:
            equal += _equal_neighbours(block[z * stride : at], width, low, high)
    return equal > 0


@compiled
def _equal_neighbours(plane: Floats, width: int, low: int, high: int) -> int:
    """How many values equal the next, of those from ``low`` to ``high`` in each row."""
    equal = 0
    if low == 0 and high == width:
        here, there = plane[:-1], plane[1:]
        for i in range(len(here)):
            equal += here[i] == there[i]
        return equal
    for row in range(low, len(plane), width):
        here, there = plane[row : row + high - low - 1], plane[row + 1 : row + high - low]
        for i in range(len(here)):
            equal += here[i] == there[i]
    return equal


@compiled
def _four_rows(
    target: Floats, to: int, row: int, second_to: int,
    source: Floats, at: int, stride: int, second: int,
    weights: Floats, w: int, window: int,
) -> None:  # fmt: skip
    """Four weighted sums of ``window`` rows, of one vector and of a second one beside it."""
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = spread(_NOTHING)
    for _ in range(window):
        a, b = load(source, at), load(source, at + second)
        c0, c1 = spread(weights[w]), spread(weights[w + 1])
        c2, c3 = spread(weights[w + 2]), spread(weights[w + 3])
        a0, b0 = added(a0, a, c0), added(b0, b, c0)
        a1, b1 = added(a1, a, c1), added(b1, b, c1)
        a2, b2 = added(a2, a, c2), added(b2, b, c2)
        a3, b3 = added(a3, a, c3), added(b3, b, c3)
        at += stride
        w += ROW_TILE
    store(target, to, a0)
    store(target, to + second_to, b0)
    store(target, to + row, a1)
    store(target, to + second_to + row, b1)
    store(target, to + 2 * row, a2)
    store(target, to + second_to + 2 * row, b2)
    store(target, to + 3 * row, a3)
    store(target, to + second_to + 3 * row, b3)


@compiled
def _eight_lines(
    target: Floats, to: int, row: int,
    source: Floats, at: int, stride: int,
    weights: Floats, w: int, window: int,
) -> None:  # fmt: skip
    """Sixteen samples of eight lines, each from ``window`` samples of its own line."""
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = spread(_NOTHING)
    for x in range(at, at + window):
        c = load(weights, w)
        a0 = added(a0, c, spread(source[x]))
        a1 = added(a1, c, spread(source[x + stride]))
        a2 = added(a2, c, spread(source[x + 2 * stride]))
        a3 = added(a3, c, spread(source[x + 3 * stride]))
        a4 = added(a4, c, spread(source[x + 4 * stride]))
        a5 = added(a5, c, spread(source[x + 5 * stride]))
        a6 = added(a6, c, spread(source[x + 6 * stride]))
        a7 = added(a7, c, spread(source[x + 7 * stride]))
        w += LANES
    store(target, to, a0)
    store(target, to + row, a1)
    store(target, to + 2 * row, a2)
    store(target, to + 3 * row, a3)
    store(target, to + 4 * row, a4)
    store(target, to + 5 * row, a5)
    store(target, to + 6 * row, a6)
    store(target, to + 7 * row, a7)


@compiled
def _mark_outside(
    box: Floats, low: NDArray[np.float64], step: float, shape: tuple[int, int, int]
) -> None:
    """Put NaN where samples lie beyond the faces, which are half a voxel outside of the last."""
    side = box.shape[0]
    all_inside = True
    inside = np.empty((3, side), np.bool_)
    for axis in range(3):
        for i in range(side):
            at = low[axis] + i * step
            inside[axis, i] = -0.5 < at < shape[axis] - 0.5
            all_inside = all_inside and inside[axis, i]
    if all_inside:
        return
    for z in range(side):
        for y in range(side):
            for x in range(side):
                if not (inside[0, z] and inside[1, y] and inside[2, x]):
                    box[z, y, x] = np.nan

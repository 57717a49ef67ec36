"""Cutting boxes out of a volume: exact on whole voxels, band-limited in between."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryoal.data.normalise import unmeasured
from cryoal.data.resample import tiles

#: A position closer than this to a whole voxel is taken to be one (voxels): a hundred times
#: finer than what the eye or a network could notice, coarser than the rounding of any file.
WHOLE = 1e-4

#: Fraction of voxels up to which equal neighbours are chance, as they are among integers.
CHANCE = 0.02

#: Multiplications up to which OpenBLAS multiplies matrices without packing them first
#: (``interface/gemm.c``); for matrices as narrow as a tile that takes two thirds of the time.
UNPACKED = 1_000_000


class Cropper:
    """Cuts cubic boxes out of one volume, rescaling to a working voxel size on the way.

    Parameters
    ----------
    volume : (Z, Y, X) array, any real dtype, memory-mapped or not
    box : int, working voxels
    scale : float
        Working voxel size / the volume's voxel size; 1 keeps the grid.
    """

    def __init__(self, volume: NDArray[np.generic], box: int, scale: float = 1.0) -> None:
        # Windows of a memory map cost several times those of the array it is.
        self.volume = volume.view(np.ndarray) if isinstance(volume, np.memmap) else volume
        self.box = box
        # Below a ten-thousandth a box of 96 is off by a hundredth of a voxel: keep the grid.
        self.scale = 1.0 if abs(scale - 1) < 1e-4 else scale
        self._buffers: list[NDArray[np.float32]] = []

    def box_edges(self, centre: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Lowest and highest voxel index that the box's samples fall on: (..., 3) zyx each."""
        low = centre - self.box // 2 * self.scale
        return low, low + (self.box - 1) * self.scale

    def inside(self, centre: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fraction of each box's samples that lie inside the volume: (...,)."""
        low, _ = self.box_edges(np.asarray(centre))
        steps = np.arange(self.box) * self.scale
        fraction = np.ones(low.shape[:-1])
        for axis, size in enumerate(self.volume.shape):
            at = low[..., axis, None] + steps
            fraction = fraction * ((at > -0.5) & (at < size - 0.5)).mean(-1)
        return fraction

    def __call__(self, centre: NDArray[np.float64]) -> NDArray[np.float32]:
        """Cut one box.

        Parameters
        ----------
        centre : (3,) float, zyx, voxels of the volume
            Lands on voxel ``box // 2``, RELION's box centre.

        Returns
        -------
        (box, box, box) float32
            At a whole-voxel centre without rescaling an exact copy; else NaN where the volume is a
            constant, which interpolation would hide. NaN outside the volume.
        """
        box = np.empty((self.box,) * 3, dtype=np.float32)
        self.cut(np.asarray(centre, dtype=np.float64)[None], box[None])
        return box

    def cut(self, centres: NDArray[np.float64], boxes: NDArray[np.float32]) -> None:
        """Cut several boxes into an array that is there already.

        Parameters
        ----------
        centres : (n, 3) float, zyx, voxels of the volume
        boxes : (n, box, box, box) float32, contiguous
            Receives what ``__call__`` returns for each.
        """
        nearest = np.rint(centres)
        whole = (np.abs(centres - nearest) < WHOLE).all(axis=1) & (self.scale == 1)
        corners = (nearest - self.box // 2).astype(int).tolist()
        for row in np.flatnonzero(whole).tolist():
            _read(self.volume, corners[row], boxes[row], outside=np.nan)
        between = np.flatnonzero(~whole)
        if len(between):
            self._interpolate(centres[between], boxes, between)

    def _interpolate(
        self, centres: NDArray[np.float64], boxes: NDArray[np.float32], rows: NDArray[np.intp]
    ) -> None:
        line = tiles(self.box, self.scale)
        low = centres - self.box // 2 * self.scale
        at = low[..., None] + np.array(line.first) * self.scale  # (n, 3, tiles)
        below = np.floor(at)
        matrices = line.matrices(at - below)  # (n, 3, tiles, taps, size)
        starts = below.astype(int) - line.before
        corners = starts[..., 0].tolist()
        offsets = (starts - starts[..., :1]).tolist()
        if not self._buffers:
            n, b = line.source, self.box
            self._buffers = [
                np.empty(shape, np.float32) for shape in ((n,) * 3, (n, n, b), (n, b, b))
            ]
        source, planes, lines = self._buffers
        steps = np.arange(self.box) * self.scale
        for k, row in enumerate(rows.tolist()):
            _read(self.volume, corners[k], source, outside=None)
            # Each step contracts the first axis and puts the new one last: zyx, yxz, xzy, zyx.
            _contract(source, offsets[k][0], line.first, matrices[k, 0], planes)
            _contract(planes, offsets[k][1], line.first, matrices[k, 1], lines)
            _contract(lines, offsets[k][2], line.first, matrices[k, 2], boxes[row])
            if (constant := _constant(source)) is not None:
                at_voxel = [
                    np.rint(x + steps).astype(int) - c
                    for x, c in zip(low[k], corners[k], strict=True)
                ]
                boxes[row][constant[np.ix_(*at_voxel)]] = np.nan
        for axis, size in enumerate(self.volume.shape):
            positions = low[:, axis, None] + steps
            beyond = (positions <= -0.5) | (positions >= size - 0.5)
            for k in np.flatnonzero(beyond.any(axis=1)).tolist():
                np.moveaxis(boxes[rows[k]], axis, 0)[beyond[k]] = np.nan


def _constant(source: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Voxels of regions without any measurement, at least four voxels wide; None without any."""
    planes = source.reshape(len(source), -1)[::4]  # one of them meets every such region
    if not (planes[:, 1:] == planes[:, :-1]).any():
        return None
    mask = unmeasured(source)
    if mask is None or mask.mean() < CHANCE:
        return None
    regions = ndimage.binary_opening(mask, np.ones((4, 4, 4), dtype=bool))
    return regions if regions.any() else None


def _contract(
    source: NDArray[np.float32],
    offsets: Sequence[int],
    first: Sequence[int],
    matrices: NDArray[np.float32],
    target: NDArray[np.float32],
) -> None:
    """Replace the first axis by a resampled one, put last: (n, p, q) to (p, q, box)."""
    taps, size = matrices.shape[1:]
    flat = source.reshape(len(source), -1)
    out = target.reshape(flat.shape[1], -1)
    columns = flat.shape[1]
    parts = math.ceil(columns * taps * size / UNPACKED)
    edges = [columns * part // parts for part in range(parts + 1)]
    for low, high in pairwise(edges):
        for offset, begin, matrix in zip(offsets, first, matrices, strict=True):
            window = flat[offset : offset + taps, low:high].T
            np.matmul(window, matrix, out=out[low:high, begin : begin + size])


def _read(
    volume: NDArray[np.generic],
    start: Sequence[int],
    target: NDArray[np.float32],
    outside: float | None,
) -> None:
    """Copy a block from the volume; beyond its faces a constant, or (None) its mirror image."""
    low = [max(a, 0) for a in start]
    high = [min(a + n, size) for a, n, size in zip(start, target.shape, volume.shape, strict=True)]
    window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    inner = [(a - s, b - s) for a, b, s in zip(low, high, start, strict=True)]
    if all(a == 0 and b == n for (a, b), n in zip(inner, target.shape, strict=True)):
        target[...] = volume[window]
        return
    if any(a >= b for a, b in inner):
        target[...] = np.nan
        return
    if outside is not None:
        target[...] = outside
    block = target[tuple(slice(a, b) for a, b in inner)]
    block[...] = volume[window]
    if outside is None:
        for axis, (a, b) in enumerate(inner):
            # Half-sample mirroring keeps the values continuous, so the sinc does not ring.
            _mirror(np.moveaxis(target, axis, 0), a, b)


def _mirror(target: NDArray[np.float32], low: int, high: int) -> None:
    """Fill the planes before ``low`` and from ``high`` on with the mirror image of those between.

    Examples
    --------
    >>> line = np.array([0, 0, 1, 2, 3, 0], dtype=np.float32)
    >>> _mirror(line, 2, 5)
    >>> line
    array([2., 1., 1., 2., 3., 3.], dtype=float32)
    """
    if low == 0 and high == len(target):
        return
    planes = np.arange(len(target))
    folded = low + mirrored(planes - low, high - low)
    for plane in planes[folded != planes]:
        target[plane] = target[folded[plane]]


def mirrored(index: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Fold indices beyond 0 .. size - 1 back inside, the edge voxel repeated once.

    Examples
    --------
    >>> mirrored(np.arange(-2, 6), 4)
    array([1, 0, 0, 1, 2, 3, 3, 2])
    """
    folded = np.mod(index, 2 * size)
    return np.where(folded < size, folded, 2 * size - 1 - folded)

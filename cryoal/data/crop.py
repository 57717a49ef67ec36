"""Cutting boxes out of a volume: exact on whole voxels, band-limited in between."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryoal.data.missing import any_missing, filled, missing
from cryoal.data.normalise import MOSTLY_CONSTANT, unmeasured
from cryoal.data.resample import LANE_TILE, REACH, ROW_TILE, tiles

#: A position closer than this to a whole voxel is taken to be one (voxels): a hundred times
#: finer than what the eye or a network could notice, coarser than the rounding of any file.
WHOLE = 1e-4

#: Fraction of voxels up to which equal neighbours are chance, as they are among integers.
CHANCE = 0.02

#: Grey values of a box from which on its source is looked at: interpolation spreads a voxel that
#: is no measurement with small weights.
SUSPECT = 1e6

Scratch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


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
        self._plain = _plain(self.volume)
        self._scratch: Scratch | None = None

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
            constant, which interpolation would hide. NaN outside the volume. Single voxels without
            a measurement are filled from their surroundings; NaN where many lie together, or
            where too much of the box is missing.
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
        if whole.any():
            self._copy(nearest, np.flatnonzero(whole), boxes)
        if not whole.all():
            between = np.flatnonzero(~whole)
            if self.box < LANE_TILE:
                self._cut_larger(centres[between], boxes, between)
            else:
                self._interpolate(centres[between], boxes, between)
        for k in range(len(centres)):
            if any_missing(boxes[k], SUSPECT):
                self._fill(centres[k], boxes[k])

    def _copy(
        self, nearest: NDArray[np.float64], rows: NDArray[np.intp], boxes: NDArray[np.float32]
    ) -> None:
        from cryoal.data.kernels import copy_boxes

        corners = nearest[rows].astype(np.int64) - self.box // 2
        for some, volume, start in self._blocks(corners, np.array([self.box] * 3)):
            copy_boxes(volume, corners[some] - start, rows[some], boxes)

    def _cut_larger(
        self, centres: NDArray[np.float64], boxes: NDArray[np.float32], rows: NDArray[np.intp]
    ) -> None:
        # The compiled loops write as many columns at once.
        larger = np.empty((len(rows), *(LANE_TILE,) * 3), dtype=np.float32)
        Cropper(self.volume, LANE_TILE, self.scale).cut(centres, larger)
        middle = slice(LANE_TILE // 2 - self.box // 2, None)
        boxes[rows] = larger[:, middle, middle, middle][:, : self.box, : self.box, : self.box]

    def _interpolate(
        self, centres: NDArray[np.float64], boxes: NDArray[np.float32], rows: NDArray[np.intp]
    ) -> None:
        from cryoal.data.kernels import interpolate_boxes, scratch_for

        short, long = (tiles(self.box, self.scale, size) for size in (ROW_TILE, LANE_TILE))
        if self._scratch is None:
            self._scratch = scratch_for(self.box, short.source, long.source)
        low = centres - self.box // 2 * self.scale
        before = np.array([short.before, short.before, long.before])
        corners = np.floor(low).astype(np.int64) - before
        extent = np.array([short.source, short.source, long.source])
        suspects = np.zeros(len(rows), dtype=bool)
        for some, volume, start in self._blocks(corners, extent):
            interpolate_boxes(
                volume,
                low[some] - start,
                self.scale,
                (short.first, short.before, short.table),
                (long.first, long.before, long.table),
                self._scratch,
                rows[some],
                boxes,
                suspects[some],
            )
        for k in np.flatnonzero(suspects).tolist():
            self._mark_constant(low[k], corners[k], extent, boxes[rows[k]])

    def _blocks(
        self, corners: NDArray[np.int64], extent: NDArray[np.int64]
    ) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.int64]]]:
        """Which boxes to cut from which float32 array, and where in the volume that begins."""
        if self._plain is not None:
            yield slice(None), self._plain, np.zeros(3, np.int64)
            return
        for k, corner in enumerate(corners):
            block, start = self._block(corner, extent)
            yield slice(k, k + 1), block, start

    def _block(
        self, corner: NDArray[np.int64], extent: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The voxels from a corner on that the volume has, and the first of them."""
        shape = np.array(self.volume.shape)
        # Cut off where the volume ends, so that it continues as its mirror image there.
        low = np.clip(corner, 0, shape - 1)
        high = np.clip(corner + extent, low + 1, shape)
        window = tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True))
        block = np.array(self.volume[window], dtype=np.float32, order="C")
        block.flags.writeable = False
        return block, low

    def _fill(self, centre: NDArray[np.float64], box: NDArray[np.float32]) -> None:
        """Cut a box again from a block whose voxels without a measurement are filled."""
        low = centre - self.box // 2 * self.scale
        beside = REACH * max(self.scale, 1.0) + LANE_TILE * self.scale
        corner = np.floor(low - beside).astype(np.int64)
        extent = np.ceil((self.box - 1) * self.scale + 2 * beside + 2).astype(np.int64)
        block, start = self._block(corner, np.array([extent] * 3))
        gaps = missing(block)
        if not gaps.any():
            return  # it only reaches outside
        patched = filled(block, gaps)
        Cropper(patched, self.box, self.scale).cut((centre - start)[None], box[None])
        lacking = self._nearest(gaps, low - start)
        if lacking.mean() <= MOSTLY_CONSTANT:
            lacking &= self._nearest(_wide(gaps), low - start)
        box[lacking] = np.nan

    def _nearest(self, mask: NDArray[np.bool_], low: NDArray[np.float64]) -> NDArray[np.bool_]:
        """The mask's value at the voxel nearest to each sample of a box: (box, box, box)."""
        at = np.rint(low[:, None] + np.arange(self.box) * self.scale).astype(int)
        return mask[np.ix_(*np.clip(at, 0, np.array(mask.shape)[:, None] - 1))]

    def _mark_constant(
        self,
        low: NDArray[np.float64],
        corner: NDArray[np.int64],
        extent: NDArray[np.int64],
        box: NDArray[np.float32],
    ) -> None:
        """Put NaN where a box was computed from a region without any measurement."""
        block, start = self._block(corner, extent)
        mask = unmeasured(block)
        if mask is None or mask.mean() < CHANCE:
            return
        after = corner + extent - start - block.shape
        around = np.clip(np.stack([start - corner, after], axis=1), 0, None)
        regions = _wide(np.pad(mask, around, mode="symmetric"))
        steps = np.arange(self.box) * self.scale
        nearest = np.rint(low[:, None] + steps).astype(int) - corner[:, None]
        box[regions[np.ix_(*np.clip(nearest, 0, np.array(regions.shape)[:, None] - 1))]] = np.nan


def _wide(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a mask is four voxels wide along every axis."""
    opened: NDArray[np.bool_] = ndimage.binary_opening(mask, np.ones((4, 4, 4), dtype=bool))
    return opened


def _plain(volume: NDArray[np.generic]) -> NDArray[np.float32] | None:
    """The volume as compiled code can take it, None where it first needs a copy."""
    if not isinstance(volume, np.ndarray) or volume.dtype != np.float32:
        return None
    if not (volume.dtype.isnative and volume.flags.c_contiguous and volume.flags.aligned):
        return None
    plain = volume.view(np.float32)
    plain.flags.writeable = False  # compiled code is one for both kinds of array
    return plain

"""Pictures of one box for a person to look at: numpy in, numpy out, without Qt.

Pictures have rows down and columns right, as napari and browsers draw them, and protein bright,
as the boxes of a project have it.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import box_centre, frequencies
from cryoal.report.montage import central_slab

#: Low-pass that shows a particle in the noise of a tomogram, Angstrom.
LOW_PASS = 40.0

#: Width of a filter's edge as a fraction of its cut-off frequency; a sharp edge would ring.
SOFT_EDGE = 0.3

#: Axes of the three pictures of ``orthogonal``: rows, then columns.
PLANES = ("xy", "xz", "yz")

#: Percentiles of a picture that are drawn black and white.
PERCENTILES = (1.0, 99.0)


def orthogonal(volume: NDArray[np.floating], slab_voxels: float) -> NDArray[np.float32]:
    """Slabs through the centre of a box, seen along z, along y and along x.

    Parameters
    ----------
    volume : (box, box, box) float, zyx
    slab_voxels : float
        Thickness; rounded to an odd number of slices, so that the particle's own is the middle.

    Returns
    -------
    (3, box, box) float32
        xy with rows y and columns x; xz with rows z and columns x; yz with rows z and columns y.
    """
    half = max(0, math.floor(slab_voxels / 2))
    return np.stack([central_slab(np.moveaxis(volume, axis, 0), half) for axis in range(3)])


def projection(volume: NDArray[np.floating], radius_voxels: float) -> NDArray[np.float32]:
    """Mean along z through a slab of the particle's size: (box, box), rows y, columns x.

    Parameters
    ----------
    radius_voxels : float
        Of the particle; what lies above and below it stays out of the picture.
    """
    return central_slab(volume, max(0, round(radius_voxels)))


def band_pass(
    volume: NDArray[np.floating],
    voxel_size: float,
    low_pass: float | None = LOW_PASS,
    high_pass: float | None = None,
) -> NDArray[np.float32]:
    """Keep the detail between two resolutions, with a raised-cosine edge at each.

    Parameters
    ----------
    volume : (..., z, y, x) float
    voxel_size : float, Angstrom
    low_pass, high_pass : float, Angstrom, optional
        Detail finer than ``low_pass`` and coarser than ``high_pass`` goes; half of the amplitude
        is left at either. None, or a low-pass beyond what the voxels hold, leaves that side alone.

    Returns
    -------
    (..., z, y, x) float32

    Raises
    ------
    CryoalError
        The two leave nothing between them, or one is not above 0.
    """
    for name, value in (("low-pass", low_pass), ("high-pass", high_pass)):
        if value is not None and not value > 0:
            raise CryoalError(f"{name} of {value:g} A: give a length above 0, or none")
    if low_pass is not None and high_pass is not None and high_pass <= low_pass:
        raise CryoalError(
            f"low-pass {low_pass:g} A and high-pass {high_pass:g} A leave nothing: the high-pass "
            "is the longer one"
        )
    if low_pass is None and high_pass is None:
        return np.asarray(volume, dtype=np.float32)
    z, y, x = volume.shape[-3:]
    radius = np.sqrt(sum(k**2 for k in frequencies((z, y, x)))) / voxel_size  # 1 / Angstrom
    kept = np.ones(radius.shape)
    if low_pass is not None:
        kept *= _below(radius, 1 / low_pass)
    if high_pass is not None:
        kept *= 1 - _below(radius, 1 / high_pass)
    axes = (-3, -2, -1)
    spectrum = np.fft.rfftn(np.asarray(volume, dtype=np.float32), axes=axes)
    filtered = np.fft.irfftn(spectrum * kept, s=(z, y, x), axes=axes)
    return np.asarray(filtered, dtype=np.float32)


def _below(frequency: NDArray[np.float64], cut: float) -> NDArray[np.float64]:
    """1 below the cut-off, 0 above it, half a period of a cosine in between."""
    edge = SOFT_EDGE * cut
    phase = np.clip((frequency - (cut - edge / 2)) / edge, 0, 1)
    mask: NDArray[np.float64] = 0.5 * (1 + np.cos(np.pi * phase))
    return mask


def turned(volume: NDArray[np.floating], rotation: NDArray[np.floating]) -> NDArray[np.float32]:
    """Turn a particle back into the pose of its reference, about the centre of the box.

    Parameters
    ----------
    volume : (box, box, box) float, zyx
        The particle as it lies in its tomogram.
    rotation : (3, 3) float, acting on xyz
        The particle's own (``core.geometry``): it turns the reference into the particle.

    Returns
    -------
    (box, box, box) float32
        Linear interpolation; 0, the background, where the corners come from outside the box.
    """
    matrix = np.asarray(rotation, dtype=np.float64)[::-1, ::-1]  # acts on zyx
    centre = np.array([box_centre(size) for size in volume.shape], dtype=np.float64)
    # scipy asks where each voxel of the result comes from: that is the particle's own rotation.
    result = affine_transform(
        np.asarray(volume, dtype=np.float32),
        matrix,
        offset=centre - matrix @ centre,
        order=1,
        cval=0.0,
    )
    return np.asarray(result, dtype=np.float32)


def contrast_limits(
    picture: NDArray[np.floating], percentiles: tuple[float, float] = PERCENTILES
) -> tuple[float, float]:
    """Grey values to draw black and white, the second always above the first.

    Values that are not finite do not count; a picture without contrast gets limits all the same.
    """
    values = picture[np.isfinite(picture)]
    if not values.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(values, percentiles))
    smallest = 1e-6 * max(1.0, abs(low))
    return low, max(high, low + smallest)


def stretched(picture: NDArray[np.floating]) -> NDArray[np.float32]:
    """Picture between 0 and 1 by its own contrast limits."""
    low, high = contrast_limits(picture)
    return np.asarray(np.clip((picture - low) / (high - low), 0, 1), dtype=np.float32)


@dataclass(frozen=True)
class Gallery:
    """Many boxes in one picture, and which is where.

    Attributes
    ----------
    picture : (height, width) float32, 0 to 1
        One slab a box, each by its own contrast, in rows of ``columns``.
    count, columns : int
    side, gap : int, pixels
        Of a box, and between two.
    """

    picture: NDArray[np.float32]
    count: int
    columns: int
    side: int
    gap: int

    @property
    def pitch(self) -> int:
        """Pixels from one box to the next."""
        return self.side + self.gap

    def index_at(self, y: float, x: float) -> int | None:
        """Which box lies under this pixel; None in a gap, beside the boxes or after the last.

        Pixel centres have whole coordinates, as in napari.
        """
        row, down = divmod(y + 0.5, self.pitch)
        column, right = divmod(x + 0.5, self.pitch)
        if row < 0 or not 0 <= column < self.columns or max(down, right) >= self.side:
            return None
        index = int(row) * self.columns + int(column)
        return index if index < self.count else None

    def corner(self, index: int) -> tuple[int, int]:
        """First pixel (y, x) of a box."""
        if not 0 <= index < self.count:
            raise IndexError(f"box {index} of {self.count}")
        row, column = divmod(index, self.columns)
        return row * self.pitch, column * self.pitch


def gallery(
    boxes: NDArray[np.floating], columns: int = 10, slab_voxels: float = 5, gap: int = 2
) -> Gallery:
    """Put the central slabs of boxes side by side.

    Parameters
    ----------
    boxes : (n, box, box, box) float, zyx
    columns : int
    slab_voxels : float
        Thickness along z.
    gap : int, pixels
        Left black between two boxes.
    """
    count, side = len(boxes), boxes.shape[-1]
    columns = max(1, min(columns, count))
    rows = -(-count // columns)
    pitch = side + gap
    picture = np.zeros((max(1, rows * pitch - gap), max(1, columns * pitch - gap)), np.float32)
    result = Gallery(picture, count, columns, side, gap)
    half = max(0, math.floor(slab_voxels / 2))
    for index, box in enumerate(boxes):
        y, x = result.corner(index)
        picture[y : y + side, x : x + side] = stretched(central_slab(box, half))
    return result

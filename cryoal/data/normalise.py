"""One grey scale for all boxes: background at 0 with standard deviation 1."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cryoal.core.geometry import box_centre, radius_grid
from cryoal.data.missing import missing

#: Standard deviations beyond which a voxel is clipped: gold and hot pixels, not protein.
CLIP = 5.0

#: Fraction of constant or padded voxels above which a box counts as empty.
MOSTLY_CONSTANT = 0.25

#: Background voxels that are looked at: their mean is good to 1.6 % of the standard deviation.
SHELL_SAMPLE = 4096


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
    low: NDArray[np.float64]
    high: NDArray[np.float64]
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

    Parameters
    ----------
    boxes : (n, b, b, b) float32, contiguous
    """
    from cryoal.data.grey_kernels import normalise_boxes

    looks = np.empty((len(boxes), 7))
    normalise_boxes(boxes, shells.sample, float(sign), (CLIP, MOSTLY_CONSTANT), looks)
    return Batch(*looks.T)


def unmeasured(raw: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Voxels that are padding or part of a constant region; None when there are none.

    Constant means equal to the next voxel along x, y and z at once: chance does this to one
    voxel in a million of a byte-valued tomogram.
    """
    from cryoal.data.grey_kernels import mark_unmeasured

    mask = np.empty(raw.shape, dtype=bool)
    return mask if mark_unmeasured(np.ascontiguousarray(raw), mask) else None


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
    values = planes[varies & ~missing(planes)]
    if values.size == 0:
        return GreyScale(0.0, 0.0)
    return GreyScale(*_moments(values))

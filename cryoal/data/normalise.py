"""One grey scale for all boxes: background at 0 with standard deviation 1."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cryoal.core.geometry import box_centre, radius_grid

#: Standard deviations beyond which a voxel is clipped: gold and hot pixels, not protein.
CLIP = 5.0

#: Fraction of constant or padded voxels above which a box counts as empty.
MOSTLY_CONSTANT = 0.25

#: A median over this many background voxels is good to 2 % of the standard deviation and takes a
#: tenth of the time of one over a whole box of 64.
SHELL_SAMPLE = 4096

#: Standard deviation of a normal distribution in units of its median absolute deviation.
MAD_TO_STD = 1.4826


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


def normalise(raw: NDArray[np.float32], shells: Shells, sign: int = 1) -> Normalised:
    """Bring a box to background mean 0 and standard deviation 1, by median and MAD.

    Parameters
    ----------
    raw : (b, b, b) float32
        NaN where the box reaches outside the tomogram.
    shells : Shells of the same box
    sign : 1 or -1
        -1 where protein is dark, so that it comes out bright.
    """
    missing = unmeasured(raw)
    constant = float(missing.mean()) if missing is not None else 0.0
    values = raw if missing is None else raw[~missing]
    if constant > MOSTLY_CONSTANT or values.size == 0:
        return Normalised(np.zeros_like(raw), *_moments(values), constant)
    mean, std = _moments(values)
    background = raw.ravel()[shells.sample]
    if missing is not None:
        measured = background[~missing.ravel()[shells.sample]]
        background = measured if measured.size > SHELL_SAMPLE // 16 else values
    middle = np.median(background)
    spread = MAD_TO_STD * np.median(np.abs(background - middle))
    if spread == 0:  # coarse integers: more than half the background has one value
        spread = float(background.std())
    if spread == 0:
        return Normalised(np.zeros_like(raw), mean, 0.0, constant)
    box = (raw - middle) * np.float32(sign / spread)
    np.clip(box, -CLIP, CLIP, out=box)
    if missing is not None:
        box[missing] = 0
    return Normalised(box, mean, std, constant)


def unmeasured(raw: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Voxels that are padding or part of a constant region; None when there are none.

    Constant means equal to the next voxel along x, y and z at once: chance does this to one
    voxel in a million of a byte-valued tomogram.
    """
    outside = np.isnan(raw)
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

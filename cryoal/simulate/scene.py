"""Where everything lies in a simulated tomogram, before any microscope has seen it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import box_centre, radius_grid
from cryoal.simulate.density import SUPPORT, Density

#: Share of the inner volume that particles fill when the size is chosen for them; random
#: placing without overlap gets stuck near twice that.
FILLING = 0.18

_ATTEMPTS = 400


@dataclass(frozen=True)
class Cluster:
    """A rotated particle as loose voxels, ready to be put down anywhere.

    Attributes
    ----------
    offsets : (M, 3) int, zyx, voxels from the whole-voxel position
    values : (M,) float32
    support : (M,) bool
        The voxels that nothing else may take.
    """

    offsets: NDArray[np.intp]
    values: NDArray[np.float32]
    support: NDArray[np.bool_]


@dataclass
class Canvas:
    """A tomogram being filled: what is where, and what is taken.

    Attributes
    ----------
    particles, other : (Z, Y, X) float32
        Density of the particles, and of everything else.
    taken : (Z, Y, X) bool
    margin : int, voxels
        No particle's centre comes closer to a face.
    """

    particles: NDArray[np.float32]
    other: NDArray[np.float32]
    taken: NDArray[np.bool_]
    margin: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X), voxels."""
        z, y, x = self.taken.shape
        return z, y, x


@dataclass(frozen=True)
class Scene:
    """What lies in a tomogram and where.

    Attributes
    ----------
    particles, other : (Z, Y, X) float32
        Noise-free density of the particles, and of membrane and gold.
    labels : (N,) str
        Class of each particle.
    positions : (N, 3) float64, zyx, voxels
    rotations : N scipy Rotation, active, xyz
    diameters : (N,) float64, voxels
    junk : dict of kind to (M, 3) float64, zyx, voxels
        Places that hold no centred particle.
    """

    particles: NDArray[np.float32]
    other: NDArray[np.float32]
    labels: NDArray[np.str_]
    positions: NDArray[np.float64]
    rotations: Rotation
    diameters: NDArray[np.float64]
    junk: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def blank(shape: tuple[int, int, int], margin: int) -> Canvas:
    """Empty canvas of (Z, Y, X) voxels."""
    return Canvas(
        np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, bool), margin
    )


def margin_for(densities: Sequence[Density]) -> int:
    """Distance in voxels from the faces at which a box of 1.5 diameters still lies inside."""
    largest = max(d.diameter / d.voxel_size for d in densities)
    return int(np.ceil(0.75 * largest)) + 2


def shape_for(
    densities: Sequence[Density], counts: NDArray[np.intp], empty: int = 0
) -> tuple[int, int, int]:
    """Size of a tomogram that holds so many of each density with room to spare.

    Parameters
    ----------
    densities : sequence of C Density
    counts : (C,) int
        Particles of each class in the fullest tomogram.
    empty : int
        Further places of the median particle's size.

    Returns
    -------
    (Z, Y, X), voxels
        Even, sizes that the FFT likes, a slab about half as thick as it is wide.
    """
    volumes = np.array([support_of(d).sum() for d in densities])
    needed = ((counts * volumes).sum() + empty * np.median(volumes)) / FILLING
    margin = margin_for(densities)
    thick = max((needed / 4) ** (1 / 3), 8.0)
    wide = np.sqrt(needed / thick)
    z, yx = (2 * fft.next_fast_len(int(np.ceil(n / 2)) + margin) for n in (thick, wide))
    return z, yx, yx


def support_of(density: Density) -> NDArray[np.bool_]:
    """Where a density exceeds a tenth of its maximum: (n, n, n)."""
    inside: NDArray[np.bool_] = density.data > SUPPORT * density.data.max()
    return inside


def rotated(
    coefficients: NDArray[np.float32], rotation: Rotation, fraction: NDArray[np.float64]
) -> Cluster:
    """Turn a density and shift it by a fraction of a voxel, by cubic spline.

    Parameters
    ----------
    coefficients : (n, n, n) float32
        ``scipy.ndimage.spline_filter`` of the density, centre on voxel ``n // 2``.
    rotation : Rotation, active, acting on xyz
    fraction : (3,) float, zyx, voxels
    """
    box = len(coefficients)
    half = box // 2 + 1
    offsets = np.argwhere(radius_grid(2 * half + 1) <= half) - half  # (M, 3)
    back = rotation.inv().apply((offsets - fraction)[:, ::-1])[:, ::-1]
    values = ndimage.map_coordinates(
        coefficients, (back + box_centre(box)).T, order=3, prefilter=False, mode="constant"
    ).astype(np.float32)
    values = np.maximum(values, 0)
    kept = values > 0.002 * values.max()
    offsets, values = offsets[kept], values[kept]
    return Cluster(offsets, values, values > SUPPORT * values.max())


def sphere(radius: float, height: float) -> Cluster:
    """Build a ball of even density with a soft edge; radius in voxels."""
    half = int(np.ceil(radius)) + 1
    distance = radius_grid(2 * half + 1, (half,) * 3)
    values = (height * np.clip(radius - distance + 0.5, 0, 1)).astype(np.float32)
    kept = distance <= radius + 0.5
    return Cluster(np.argwhere(kept) - half, values[kept], np.ones(int(kept.sum()), dtype=bool))


def put(
    canvas: Canvas,
    target: NDArray[np.float32] | None,
    cluster: Cluster,
    rng: np.random.Generator,
) -> NDArray[np.intp] | None:
    """Put a cluster down at a random free place.

    Parameters
    ----------
    canvas : Canvas
        Its ``taken`` is updated.
    target : (Z, Y, X) float32, optional
        ``canvas.particles`` or ``canvas.other``, added to; none reserves an empty place.
    cluster : Cluster
    rng : Generator

    Returns
    -------
    (3,) int, zyx, voxels, or None when no free place was found
    """
    shape = np.array(canvas.shape)
    reach = np.abs(cluster.offsets).max() + 1
    edge = max(canvas.margin, int(reach))
    if (shape <= 2 * edge).any():
        return None
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    flat = cluster.offsets @ strides
    solid = flat[cluster.support]
    taken = canvas.taken.reshape(-1)
    for base in rng.integers(edge, shape - edge, size=(_ATTEMPTS, 3)):
        start = base @ strides
        if taken[start] or taken[solid + start].any():
            continue
        taken[solid + start] = True
        if target is not None:
            target.reshape(-1)[flat + start] += cluster.values
        return np.asarray(base, dtype=np.intp)
    return None


def place_particles(
    canvas: Canvas,
    densities: Sequence[Density],
    classes: NDArray[np.intp],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], Rotation]:
    """Put every particle down, turned at random, the largest first, none in another's place.

    Parameters
    ----------
    canvas : Canvas
    densities : sequence of C Density
    classes : (N,) int
    rng : Generator

    Returns
    -------
    positions : (N, 3) float64, zyx, voxels
    rotations : N Rotation

    Raises
    ------
    CryoalError
        Says how many fit.
    """
    sizes = np.array([support_of(d).sum() for d in densities])
    coefficients = [
        ndimage.spline_filter(d.data, order=3, output=np.float32, mode="mirror") for d in densities
    ]
    positions = np.zeros((len(classes), 3))
    rotations = Rotation.random(len(classes), random_state=rng)
    fractions = rng.uniform(-0.5, 0.5, size=(len(classes), 3))
    order = np.argsort(-sizes[classes], kind="stable")
    for done, row in enumerate(order):
        cluster = rotated(coefficients[classes[row]], rotations[row], fractions[row])
        base = put(canvas, canvas.particles, cluster, rng)
        if base is None:
            z, y, x = canvas.shape
            raise CryoalError(
                f"only {done} of {len(classes)} particles fit into a tomogram of "
                f"{x} x {y} x {z} voxels (x, y, z), and the next is "
                f"{densities[classes[row]].name!r} of {densities[classes[row]].diameter:.0f} A; "
                "ask for fewer a tomogram, or for a larger shape"
            )
        positions[row] = base + fractions[row]
    return positions, rotations

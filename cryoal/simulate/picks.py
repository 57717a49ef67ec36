"""Positions as a picker would give them: perfect, jittered, or found by template matching."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from cryoal.core.geometry import frequencies, radius_grid, sampled_region
from cryoal.core.labels import JUNK
from cryoal.simulate.ctf import Ctf, transfer_volume
from cryoal.simulate.density import Density
from cryoal.simulate.scene import Scene, margin_for, rotated

PICKERS = ("perfect", "jittered", "matched")

#: Standard deviation of a jittered pick along each axis, voxels.
JITTER = 1.0

#: A pick belongs to the nearest particle when it lies within this share of the particle's
#: diameter from its centre, or within `HIT_VOXELS`; else it is junk. Projects re-attach labels
#: within the same quarter.
HIT_SHARE = 0.25
HIT_VOXELS = 2.0

#: Rotated templates matched in all; more classes means fewer orientations of each.
ORIENTATIONS = 36

#: Picks are scored in robust standard deviations of their class's score map, and end here.
THRESHOLD = 4.0

#: Kind of junk: a peak of template matching where no particle is.
FALSE_POSITIVE = "false positive"

#: The list of matched picks ends here, in picks a particle.
MOST_PICKS = 1.5


@dataclass(frozen=True)
class Picks:
    """A picker's list for one tomogram, and the truth about it.

    Attributes
    ----------
    positions : (N, 3) float64, zyx, voxels
    labels : (N,) str
        The class, or "junk".
    scores : (N,) float64
        Larger is better.
    rotations : N scipy Rotation, optional
        Only where the picker is perfect; of junk they are random.
    kinds : (N,) str
        Of junk what it is ("ice", "membrane", "gold", "flank", "false positive"); else "".
    """

    positions: NDArray[np.float64]
    labels: NDArray[np.str_]
    scores: NDArray[np.float64]
    rotations: Rotation | None = None
    kinds: NDArray[np.str_] = field(default_factory=lambda: np.array([], dtype=str))


def known_picks(scene: Scene, rng: np.random.Generator, *, jitter: float = 0.0) -> Picks:
    """Every particle and every junk place of a scene, in random order.

    Parameters
    ----------
    scene : Scene
    rng : Generator
    jitter : float, voxels
        Standard deviation of the error along each axis; with 0 the true rotations are given.

    Returns
    -------
    Picks
        Scores are drawn: normal of width 0.06 about 0.30 for particles, 0.24 for junk, so that a
        threshold on them is as poor a classifier as one on real matching scores.
    """
    junk = np.concatenate([*scene.junk.values(), np.empty((0, 3))])
    kinds = np.repeat(list(scene.junk), [len(p) for p in scene.junk.values()]).astype(str)
    n, m = len(scene.positions), len(junk)
    positions = np.concatenate([scene.positions, junk])
    positions = positions + jitter * rng.standard_normal(positions.shape)
    scores = np.where(np.arange(n + m) < n, 0.30, 0.24) + 0.06 * rng.standard_normal(n + m)
    random = Rotation.random(n + m, random_state=rng).as_quat()
    quaternions = np.concatenate([scene.rotations.as_quat(), random[n:]])
    order = rng.permutation(n + m)
    return Picks(
        positions[order],
        np.concatenate([scene.labels, np.full(m, JUNK)]).astype(str)[order],
        np.clip(scores, 0.02, 1)[order],
        None if jitter else Rotation.from_quat(quaternions[order]),
        np.concatenate([np.full(n, ""), kinds]).astype(str)[order],
    )


def matched_picks(
    volume: NDArray[np.float32],
    scene: Scene,
    densities: Sequence[Density],
    ctf: Ctf,
    rng: np.random.Generator,
    *,
    tilt_range: tuple[float, float] = (-60.0, 60.0),
    tilt_axis: str = "y",
) -> Picks:
    """Pick by template matching, and say by distance what each pick is.

    Local correlation (Roseman 2003, doi:10.1016/S0304-3991(02)00333-9) of the tomogram with each
    class's template after CTF and missing wedge, both halved in size (hence low-passed to four
    voxels), in ``ORIENTATIONS / classes`` random orientations and once averaged over all. That
    is far fewer than a real search takes (thousands): a stated compromise for speed, which
    costs recall and precision. Scores of a small template scatter more than those of a large
    one, so each class's are counted in their own deviations, and peaks of all classes are
    pooled; the better of two within a quarter of the diameter stays, so that the farther ones
    remain as duplicates.

    Parameters
    ----------
    volume : (Z, Y, X) float32, protein bright
    scene : Scene
        The truth.
    densities : sequence of Density
    ctf : Ctf
    rng : Generator
    tilt_range : (low, high), degrees
    tilt_axis : "y" or "x"

    Returns
    -------
    Picks
        Best first, at most `MOST_PICKS` a particle.
    """
    voxel_size = 2 * densities[0].voxel_size
    small = _halved(volume)
    shape = small.shape
    transfer = transfer_volume(shape, voxel_size, ctf)
    transfer *= sampled_region(shape, tilt_range, tilt_axis)
    spectrum = fft.rfftn(small)
    turns = max(ORIENTATIONS // len(densities), 1)
    edge = margin_for(densities) // 2 - 1  # beyond it no box fits, and nothing was placed
    found, scores = [], []
    for density in densities:
        diameter = density.diameter / voxel_size
        deviation = _local_deviation(spectrum, shape, diameter / 2)
        best = np.full(shape, -np.inf, dtype=np.float32)
        for template in _templates(density, turns, shape, rng):
            kernel = fft.rfftn(template) * transfer
            filtered = fft.irfftn(kernel, s=shape)
            norm = np.sqrt(float((filtered**2).sum()))
            np.maximum(best, fft.irfftn(spectrum * kernel.conj(), s=shape) / norm, out=best)
        inside = 4 / 3 * np.pi * (diameter / 2) ** 3
        score = _deviations(best / (deviation * np.sqrt(inside)))
        peaks = _peaks(score, diameter, edge)
        found.append(peaks)
        scores.append(score[tuple(peaks.T)])
    positions = np.concatenate(found).astype(np.float64) * 2
    value = np.concatenate(scores).astype(np.float64)
    reach = HIT_SHARE * np.repeat(
        [d.diameter / d.voxel_size for d in densities], [len(p) for p in found]
    )
    kept = _thinned(positions, value, reach)[: round(MOST_PICKS * len(scene.positions))]
    labels, kinds = truth_by_distance(positions[kept], scene)
    return Picks(positions[kept], labels, value[kept], None, kinds)


def truth_by_distance(
    positions: NDArray[np.float64], scene: Scene
) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """What lies at each position: (N,) labels, (N,) kinds of junk; positions in voxels."""
    tree = cKDTree(scene.positions)
    distance, nearest = tree.query(positions)
    hit = distance <= np.maximum(HIT_SHARE * scene.diameters[nearest], HIT_VOXELS)
    labels = np.where(hit, scene.labels[nearest], JUNK).astype(str)
    return labels, np.where(hit, "", FALSE_POSITIVE).astype(str)


def _halved(volume: NDArray[np.float32]) -> NDArray[np.float32]:
    """Halve every (even) side by cropping in Fourier space; voxel i lies on voxel 2 i."""
    z, y, x = (n // 2 for n in volume.shape)
    spectrum: NDArray[Any] = fft.rfftn(volume)
    spectrum = np.concatenate([spectrum[: (z + 1) // 2], spectrum[-(z // 2) :]])
    spectrum = np.concatenate([spectrum[:, : (y + 1) // 2], spectrum[:, -(y // 2) :]], axis=1)
    shape = (z, y, x)
    spectrum = spectrum[:, :, : x // 2 + 1]
    # The mean, and what is longer than most particles, carries no shape.
    kz, ky, kx = frequencies(shape)
    spectrum *= kz**2 + ky**2 + kx**2 > (1 / 60) ** 2
    halved: NDArray[np.float32] = fft.irfftn(spectrum, s=shape)
    return halved / np.float32(8)


def _templates(
    density: Density, turns: int, shape: tuple[int, ...], rng: np.random.Generator
) -> list[NDArray[np.float32]]:
    """A template at half size, centred on voxel 0 of an array of this shape.

    First averaged over all rotations, which finds the centre of what no turn here fits; then in
    so many random orientations.
    """
    # Against aliasing when every second voxel is kept.
    soft = ndimage.gaussian_filter(density.data, 0.8)
    start = len(soft) // 2 % 2  # so that the centre is one of the voxels kept
    coarse = soft[start::2, start::2, start::2]
    box = len(coarse) + len(coarse) % 2
    middle = len(soft) // 2 // 2
    coarse = np.pad(coarse, (box // 2 - middle, box - len(coarse) - (box // 2 - middle)))
    coefficients = ndimage.spline_filter(coarse, order=3, output=np.float32, mode="mirror")
    shell = np.rint(radius_grid(len(coarse), (len(coarse) // 2,) * 3)).astype(np.intp)
    profile = np.bincount(shell.ravel(), coarse.ravel()) / np.bincount(shell.ravel())
    mean = np.zeros(shape, dtype=np.float32)
    mean[: len(coarse), : len(coarse), : len(coarse)] = profile[shell]
    templates = [np.roll(mean, (-(len(coarse) // 2),) * 3, axis=(0, 1, 2))]
    for rotation in Rotation.random(turns, random_state=rng):
        cluster = rotated(coefficients, rotation, np.zeros(3))
        template = np.zeros(shape, dtype=np.float32)
        template[tuple((cluster.offsets % np.array(shape)).T)] = cluster.values
        templates.append(template)
    return templates


def _local_deviation(
    spectrum: NDArray[np.complexfloating], shape: tuple[int, ...], radius: float
) -> NDArray[np.float32]:
    """Standard deviation within a sphere about every voxel."""
    half = int(np.ceil(radius))
    ball = (radius_grid(2 * half + 1, (half,) * 3) <= radius).astype(np.float32)
    mask = np.zeros(shape, dtype=np.float32)
    mask[: 2 * half + 1, : 2 * half + 1, : 2 * half + 1] = ball / ball.sum()
    kernel = fft.rfftn(np.roll(mask, (-half,) * 3, axis=(0, 1, 2))).conj()
    volume = fft.irfftn(spectrum, s=shape)
    mean = fft.irfftn(spectrum * kernel, s=shape)
    square = fft.irfftn(fft.rfftn(volume**2) * kernel, s=shape)
    deviation: NDArray[np.float32] = np.sqrt(np.maximum(square - mean**2, 0))
    floored: NDArray[np.float32] = np.maximum(deviation, np.float32(0.1) * deviation.mean())
    return floored


def _deviations(score: NDArray[np.float32]) -> NDArray[np.float32]:
    """A score map in robust standard deviations above its median."""
    middle = np.median(score)
    deviations: NDArray[np.float32] = (score - middle) / (
        1.4826 * np.median(np.abs(score - middle))
    )
    return deviations


def _peaks(score: NDArray[np.float32], diameter: float, edge: int) -> NDArray[np.intp]:
    """Local maxima above the threshold and away from the faces: (M, 3)."""
    size = max(int(0.5 * diameter) | 1, 3)
    top = ndimage.maximum_filter(score, size=size)
    peak = (score == top) & (score > THRESHOLD)
    inside = np.zeros_like(peak)
    inside[edge:-edge, edge:-edge, edge:-edge] = True
    return np.argwhere(peak & inside)


def _thinned(
    positions: NDArray[np.float64], scores: NDArray[np.float64], reach: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Rows, best first, without those within reach of a better one."""
    if not len(positions):
        return np.array([], dtype=np.intp)
    tree = cKDTree(positions)
    alive = np.ones(len(positions), dtype=bool)
    kept = []
    for row in np.argsort(-scores, kind="stable"):
        if alive[row]:
            kept.append(row)
            alive[tree.query_ball_point(positions[row], reach[row])] = False
    return np.array(kept, dtype=np.intp)

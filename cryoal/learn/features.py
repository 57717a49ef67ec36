"""An embedding before there is any network: numbers that a rotation hardly changes.

For the cold start: clustering them spreads the first labels over the classes.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfftn
from scipy.ndimage import gaussian_filter1d

from cryoal.core.geometry import frequencies, radius_grid, sampled_region

#: Voxels; noise beyond the particle's coarse shape is smoothed away by a Gaussian of this width.
SMOOTHING = 1.5
#: Quantiles of the smoothed density inside the particle's sphere.
QUANTILES = (0.5, 0.75, 0.9, 0.97)


def features(
    boxes: NDArray[np.floating] | Iterable[NDArray[np.floating]],
    *,
    tilt_range: tuple[float, float] = (-60.0, 60.0),
    tilt_axis: str = "y",
) -> NDArray[np.float32]:
    """Describe each box by its shape as a function of radius and of spatial frequency.

    Parameters
    ----------
    boxes : (N, b, b, b), or an iterable of such blocks
        Normalised, protein bright.
    tilt_range, tilt_axis
        Of the tomograms: power is averaged over what was measured.

    Returns
    -------
    (N, D) float32
        Radial mean and standard deviation of the smoothed density, quantiles of it inside the
        sphere, second moments (sorted eigenvalues), logarithm of the power spectrum by shell.
    """
    blocks = [boxes] if isinstance(boxes, np.ndarray) else boxes
    parts = [
        _describe(np.asarray(block[start : start + 256], dtype=np.float32), tilt_range, tilt_axis)
        for block in blocks
        for start in range(0, len(block), 256)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, 0), dtype=np.float32)


def _describe(
    boxes: NDArray[np.float32], tilt_range: tuple[float, float], tilt_axis: str
) -> NDArray[np.float32]:
    n, b = len(boxes), boxes.shape[-1]
    shape = (b, b, b)
    smooth = boxes
    for axis in (1, 2, 3):
        smooth = gaussian_filter1d(smooth, SMOOTHING, axis=axis)
    radius = radius_grid(b)
    inside = radius < b // 2
    shell = (radius[inside] / 1.5).astype(np.intp)
    density = smooth[:, inside].astype(np.float64)  # (n, V)
    mean = _by_group(density, shell)
    spread = np.sqrt(np.maximum(_by_group(density**2, shell) - mean**2, 0))
    core = radius[inside] < b / 3
    quantiles = np.quantile(density[:, core], QUANTILES, axis=1).T
    moments = _moments(density, radius, inside)
    power = np.abs(rfftn(boxes * _taper(radius, b), axes=(1, 2, 3))) ** 2
    kz, ky, kx = frequencies(shape)
    k = np.sqrt(kz**2 + ky**2 + kx**2)
    seen = sampled_region(shape, tilt_range, tilt_axis) & (k < 0.4) & (k > 0)
    ring = (k[seen] * b / 1.5).astype(np.intp)
    spectrum = np.log(_by_group(power.reshape(n, *k.shape)[:, seen], ring) + 1e-6)
    return np.concatenate([mean, spread, quantiles, moments, spectrum], axis=1).astype(np.float32)


def _by_group(values: NDArray[np.floating], group: NDArray[np.intp]) -> NDArray[np.float64]:
    """Mean of the columns of each group: (n, V) -> (n, G), groups that have none left out."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sums = np.add.reduceat(values[:, order], starts, axis=1)
    means: NDArray[np.float64] = sums / np.diff(np.r_[starts, len(group)])
    return means


def _moments(
    density: NDArray[np.float64], radius: NDArray[np.float64], inside: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Square roots of the sorted eigenvalues of the second moment of what is bright: (n, 3)."""
    b = len(radius)
    at = np.argwhere(inside) - b // 2  # (V, 3)
    weight = np.maximum(density - density.mean(1, keepdims=True), 0) ** 2
    weight /= weight.sum(1, keepdims=True) + 1e-12
    centre = weight @ at
    pairs = weight @ (at[:, :, None] * at[:, None, :]).reshape(len(at), 9)
    covariance = pairs.reshape(-1, 3, 3) - centre[:, :, None] * centre[:, None, :]
    moments: NDArray[np.float64] = np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 0))
    return moments


def _taper(radius: NDArray[np.float64], b: int) -> NDArray[np.float32]:
    """Round mask that falls softly to zero at the box's faces."""
    edge = np.clip((b / 2 - radius) / (b / 8), 0, 1)
    taper: NDArray[np.float32] = (0.5 - 0.5 * np.cos(np.pi * edge)).astype(np.float32)
    return taper

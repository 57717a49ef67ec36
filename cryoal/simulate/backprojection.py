"""Tomograms the long way: a tilt series is recorded and reconstructed by back-projection.

``tomogram.image`` multiplies a volume's spectrum and adds noise in three dimensions. Here
nothing of that is used: every tilt has its own projection, CTF, dose, shift error and shot noise,
and the volume is what weighted back-projection makes of them. What was learnt from the one can be
held to the other.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft, sparse

from cryoal.simulate.ctf import Ctf, transfer
from cryoal.simulate.scene import Scene
from cryoal.simulate.tomogram import Imaged, at_snr

#: Degrees between tilts.
INCREMENT = 3.0
#: Electrons per square Angstrom in each tilt; recorded from 0 degrees outwards.
DOSE = 3.0
#: Angstrom: standard deviation of each tilt's defocus about the series'.
DEFOCUS_SPREAD = 600.0
#: Voxels: standard deviation of each tilt's shift after alignment, along x and y.
ALIGNMENT_ERROR = 0.3
#: Mean free path of electrons in ice over the thickness of the specimen.
FREE_PATHS = 2.0
#: Part of Nyquist from which the ramp filter falls off, as a half cosine to Nyquist.
ROLL_OFF = 0.7


def image_by_projections(
    scene: Scene,
    voxel_size: float,
    ctf: Ctf,
    snr: float,
    rng: np.random.Generator,
    *,
    tilt_range: tuple[float, float] = (-60.0, 60.0),
    contrast: str = "dark",
    defocus_error: float = 0.0,
) -> Imaged:
    """Record a tilt series of a scene about y, and reconstruct it by weighted back-projection.

    The signal of each tilt passes a CTF of its own defocus and the envelope of the dose received
    so far (critical exposure of Grant and Grigorieff, eLife 4, 2015: ``0.245 k**-1.665 + 2.81``),
    and fades with the path through the ice; white noise is added tilt by tilt. All of this is
    linear, so signal and noise are reconstructed apart and joined at the SNR wanted, which is
    measured as ``tomogram.SNR_DEFINITION`` says.

    Parameters
    ----------
    scene, voxel_size, ctf, snr, rng, tilt_range, contrast
        As ``tomogram.image`` takes them.
    defocus_error : float, Angstrom
        Standard deviation, tilt by tilt, of the defocus by which phases are flipped.
    """
    tilts = _tilts(tilt_range)
    order = np.argsort(np.argsort(np.abs(tilts), kind="stable"))
    shape = scene.particles.shape
    signal = np.zeros(shape, dtype=np.float32)
    other = np.zeros(shape, dtype=np.float32) if scene.other.any() else None
    noise = np.zeros(shape, dtype=np.float32)
    for tilt, number in zip(tilts, order.tolist(), strict=True):
        rays = _rays(shape, math.radians(tilt))
        optics = _optics(shape, voxel_size, ctf, number, defocus_error, rng)
        weight = _ramp(shape)
        # Electrons that pass are as many fewer as the path is longer; counting noise is white.
        passed = math.exp(-(1 / math.cos(math.radians(tilt)) - 1) / FREE_PATHS)
        for volume, sum_ in ((scene.particles, signal), (scene.other, other)):
            if sum_ is not None:
                seen = _filtered(_project(volume, rays), optics * (weight * passed))
                sum_ += _back(seen, rays, shape)
        white = rng.standard_normal((shape[1], shape[2]), dtype=np.float32)
        noise += _back(_filtered(white, weight * math.sqrt(passed)), rays, shape)
    return at_snr(scene, signal, noise, other, snr, contrast)


def _tilts(tilt_range: tuple[float, float]) -> NDArray[np.float64]:
    """Evenly spaced angles, degrees, about ``INCREMENT`` apart, both ends included."""
    steps = max(1, round((tilt_range[1] - tilt_range[0]) / INCREMENT))
    return np.linspace(*tilt_range, steps + 1)


def _rays(shape: tuple[int, int, int], tilt: float) -> sparse.csr_array:
    """What each (z, x) of a slice gives to the two nearest detector columns: (Z * X, X)."""
    nz, _, nx = shape
    z, x = np.meshgrid(np.arange(nz) - nz // 2, np.arange(nx) - nx // 2, indexing="ij")
    # The Fourier slice of a view at tilt t is kz = kx tan(t), as in ``geometry.sampled_region``.
    column = (x * math.cos(tilt) + z * math.sin(tilt)).ravel() + nx // 2
    left = np.floor(column).astype(int)
    right_share = (column - left).astype(np.float32)
    voxel = np.arange(nz * nx)
    rows, columns, shares = [], [], []
    for at, share in ((left, 1 - right_share), (left + 1, right_share)):
        on = (at >= 0) & (at < nx)
        rows.append(voxel[on])
        columns.append(at[on])
        shares.append(share[on])
    return sparse.csr_array(
        (np.concatenate(shares), (np.concatenate(rows), np.concatenate(columns))),
        shape=(nz * nx, nx),
    )


def _project(volume: NDArray[np.float32], rays: sparse.csr_array) -> NDArray[np.float32]:
    """(Z, Y, X) -> (Y, X)."""
    slices = volume.transpose(0, 2, 1).reshape(-1, volume.shape[1])  # (Z * X, Y)
    return np.asarray((rays.T @ slices).T, dtype=np.float32)


def _back(
    picture: NDArray[np.float32], rays: sparse.csr_array, shape: tuple[int, int, int]
) -> NDArray[np.float32]:
    """(Y, X) -> (Z, Y, X)."""
    nz, ny, nx = shape
    return np.asarray(rays @ picture.T, dtype=np.float32).reshape(nz, nx, ny).transpose(0, 2, 1)


def _filtered(picture: NDArray[np.float32], factor: NDArray[np.inexact]) -> NDArray[np.float32]:
    answer: NDArray[np.float32] = fft.irfft2(fft.rfft2(picture) * factor, s=picture.shape).astype(
        np.float32
    )
    return answer


def _ramp(shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """Weight of back-projection about y, |kx|, rolled off towards Nyquist: (1, X / 2 + 1)."""
    kx = np.fft.rfftfreq(shape[2])
    kx[0] = 0.25 / shape[2]  # the mean of a picture is not wholly lost
    falling = np.clip((kx / 0.5 - ROLL_OFF) / (1 - ROLL_OFF), 0, 1)
    weight: NDArray[np.float32] = (kx * (0.5 + 0.5 * np.cos(np.pi * falling))).astype(np.float32)
    return weight[None]


def _optics(
    shape: tuple[int, int, int],
    voxel_size: float,
    ctf: Ctf,
    number: int,
    defocus_error: float,
    rng: np.random.Generator,
) -> NDArray[np.complex64]:
    """What happens to the signal of the tilt recorded as ``number``: (Y, X / 2 + 1)."""
    ky, kx = np.fft.fftfreq(shape[1])[:, None], np.fft.rfftfreq(shape[2])[None]
    k = np.hypot(ky, kx) / voxel_size
    own = replace(ctf, defocus=ctf.defocus + DEFOCUS_SPREAD * rng.standard_normal())
    if defocus_error:
        own = replace(own, estimate_error=defocus_error * rng.standard_normal())
    critical = 0.24499 * np.maximum(k, 1e-4) ** -1.6649 + 2.8141
    damping = np.exp(-0.5 * DOSE * (number + 0.5) / critical)
    shift_y, shift_x = ALIGNMENT_ERROR * rng.standard_normal(2)
    phase = np.exp(-2j * np.pi * (ky * shift_y + kx * shift_x))
    factor: NDArray[np.complex64] = (transfer(k, own) * damping * phase).astype(np.complex64)
    return factor

"""How tomograms that are learnt from were taken, reconstructed and picked."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from cryoal.core.geometry import frequencies
from cryoal.simulate.ctf import CTF_STATES, Ctf

#: Signal to noise, see ``simulate.tomogram.SNR_DEFINITION``; drawn evenly on a logarithmic scale.
SNRS = (0.02, 1.0)
#: Where the tilts end on either side, degrees.
TILTS = (40.0, 70.0)
#: Largest standard deviation of a tomogram's picking errors, voxels, beside the rounding.
JITTER = 1.2
#: The same where picks are poor, and the share of tomograms where they are.
FAR, OFF_CENTRE = 2.5, 0.2
#: Share of tomograms whose picks are found by template matching.
MATCHED = 0.15


@dataclass(frozen=True)
class Look:
    """How one tomogram was taken, reconstructed and picked.

    Attributes
    ----------
    ctf : Ctf
    snr : float
        See ``simulate.tomogram.SNR_DEFINITION``.
    tilt_range : (low, high), degrees
    tilt_axis : "y" or "x"
    weight : float
        The spectrum is multiplied by k to this power: reconstructions weigh it differently
        (weighted back-projection 0, SIRT-like below 0).
    resolution : float, Angstrom
        Where a Gaussian low-pass is one half; infinite for none.
    matched : bool
        Whether picks are found by template matching, rather than known but for their error.
    jitter : float, voxels
        Standard deviation along each axis of the error of picks that are known.
    """

    ctf: Ctf
    snr: float
    tilt_range: tuple[float, float]
    tilt_axis: str
    weight: float
    resolution: float
    matched: bool
    jitter: float


def draw_look(rng: np.random.Generator) -> Look:
    """Draw imaging conditions wide enough to hold most laboratories' habits."""
    ctf = Ctf(
        defocus=float(rng.uniform(15_000, 60_000)),
        amplitude_contrast=float(rng.uniform(0.06, 0.12)),
        state=CTF_STATES[int(rng.random() < 0.35)],
        b_factor=float(rng.uniform(200, 2000)),
    )
    low, high = -rng.uniform(*TILTS), rng.uniform(*TILTS)
    if rng.random() < 0.6:
        high = -low
    plain = rng.random() < 0.5
    return Look(
        ctf,
        float(np.exp(rng.uniform(*np.log(SNRS)))),
        (float(low), float(high)),
        "yx"[int(rng.random() < 0.25)],
        0.0 if plain else float(rng.uniform(-0.7, 0.3)),
        math.inf if plain else float(rng.uniform(22, 60)),
        bool(rng.random() < MATCHED),
        float(rng.uniform(0, FAR if rng.random() < OFF_CENTRE else JITTER)),
    )


def reconstructed(
    volume: NDArray[np.float32], voxel_size: float, look: Look
) -> NDArray[np.float32]:
    """Weigh a tomogram's spectrum as a reconstruction program or a filter would."""
    if look.weight == 0 and math.isinf(look.resolution):
        return volume
    kz, ky, kx = (np.asarray(f, dtype=np.float32) for f in frequencies(volume.shape))
    k = np.sqrt(kz**2 + ky**2 + kx**2)
    falling = np.exp(-np.log(2) * (k * look.resolution / voxel_size) ** 2)
    spectrum = fft.rfftn(volume)
    # The lowest frequencies are kept finite: 1/64 per voxel is about a tomogram's extent.
    spectrum *= np.maximum(k, 1 / 64) ** look.weight * falling
    filtered: NDArray[np.float32] = fft.irfftn(spectrum, s=volume.shape)
    return filtered

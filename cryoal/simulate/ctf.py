"""The contrast transfer function of a tomogram, isotropic in three dimensions."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryoal.core.geometry import frequencies

#: What a reconstruction program has done about the CTF before the tomogram is saved.
CTF_STATES = ("phase-flipped", "uncorrected")


@dataclass(frozen=True)
class Ctf:
    """The optics of one tomogram; one defocus for the whole volume.

    Attributes
    ----------
    defocus : float, Angstrom
        Underfocus is positive, as in RELION.
    amplitude_contrast : float, fraction
    state : str
        One of `CTF_STATES`.
    b_factor : float, Angstrom^2
        Of the envelope ``exp(-B k^2 / 4)``.
    voltage : float, kV
    spherical_aberration : float, mm
    estimate_error : float, Angstrom
        The defocus by which phases are flipped, less the true one.
    """

    defocus: float
    amplitude_contrast: float = 0.07
    state: str = "phase-flipped"
    b_factor: float = 800.0
    voltage: float = 300.0
    spherical_aberration: float = 2.7
    estimate_error: float = 0.0


def wavelength(voltage: float) -> float:
    """Relativistic wavelength in Angstrom of electrons at a voltage in kV (0.0197 at 300)."""
    volts = voltage * 1000
    return 12.2643 / math.sqrt(volts + 0.978466e-6 * volts**2)


def transfer(k: NDArray[np.floating], ctf: Ctf) -> NDArray[np.floating]:
    """Contrast transferred at spatial frequencies k, positive where contrast is kept.

    ``sin(pi lambda dz k^2 - pi/2 Cs lambda^3 k^4 + asin(A)) exp(-B k^2 / 4)``, the weak-phase
    form of Rohou and Grigorieff (CTFFIND4, 2015) with the sign that leaves low frequencies
    positive. When phases are flipped, times its own sign at the estimated defocus.

    Parameters
    ----------
    k : float, any shape, 1/Angstrom
    ctf : Ctf
    """
    k2 = k**2
    lam = wavelength(ctf.voltage)
    aberration = math.pi / 2 * ctf.spherical_aberration * 1e7 * lam**3
    phase: NDArray[np.floating] = k2 * (math.pi * lam * ctf.defocus) - k2**2 * aberration
    phase += math.asin(ctf.amplitude_contrast)
    value: NDArray[np.floating] = np.sin(phase) * np.exp(-ctf.b_factor / 4 * k2)
    if ctf.state != "phase-flipped":
        return value
    taken_for = phase + k2 * (math.pi * lam * ctf.estimate_error)
    value *= np.sign(np.sin(taken_for))
    return value


def transfer_volume(
    shape: tuple[int, int, int], voxel_size: float, ctf: Ctf
) -> NDArray[np.float32]:
    """`transfer` of every Fourier voxel of a (Z, Y, X) volume, in the layout of ``rfftn``."""
    kz, ky, kx = (np.asarray(f / voxel_size, dtype=np.float32) for f in frequencies(shape))
    return transfer(np.sqrt(kz**2 + ky**2 + kx**2), ctf).astype(np.float32)

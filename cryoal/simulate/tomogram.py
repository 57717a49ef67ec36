"""From a scene to a tomogram: CTF, missing wedge and noise at a stated signal-to-noise ratio."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from cryoal.core.geometry import sampled_region
from cryoal.simulate import junk
from cryoal.simulate.ctf import Ctf, transfer_volume
from cryoal.simulate.density import SUPPORT, Density
from cryoal.simulate.scene import Scene, blank, margin_for, place_particles, support_of

#: Printed beside every number that depends on it.
SNR_DEFINITION = (
    "Var(s) / Var(n): s = the noise-free particles after CTF and missing wedge, over the voxels "
    "where the density before them exceeds 10 % of its maximum; n = the wedge-shaped noise over "
    "the whole tomogram"
)


@dataclass(frozen=True)
class Imaged:
    """A simulated tomogram.

    Attributes
    ----------
    volume : (Z, Y, X) float32
        Noise has the standard deviation 1.
    signal : (Z, Y, X) float32
        The particles alone, noise-free, after CTF and wedge, in the same units; protein positive.
    snr : float
        Realised; by `SNR_DEFINITION`.
    """

    volume: NDArray[np.float32]
    signal: NDArray[np.float32]
    snr: float


def build_scene(
    densities: Sequence[Density],
    classes: NDArray[np.intp],
    shape: tuple[int, int, int],
    rng: np.random.Generator,
    *,
    n_junk: int = 0,
) -> Scene:
    """Fill a tomogram with particles at random orientations, and with what makes junk picks.

    Parameters
    ----------
    densities : sequence of C Density
    classes : (N,) int
        Class of each particle wanted.
    shape : (Z, Y, X), voxels
    rng : Generator
    n_junk : int
        Places that hold no particle, in equal parts empty ice, membrane, gold fringe and a
        particle's flank.

    Raises
    ------
    CryoalError
        They do not fit; says how many do.
    """
    voxel_size = densities[0].voxel_size
    canvas = blank(shape, margin_for(densities))
    wanted = junk.split(n_junk, rng)
    places = {
        "membrane": junk.place_vesicles(canvas, wanted["membrane"], voxel_size, rng),
        "gold": junk.place_gold(canvas, wanted["gold"], voxel_size, rng),
    }
    radius = (3 / 4 / np.pi * np.median([support_of(d).sum() for d in densities])) ** (1 / 3)
    places["ice"] = junk.reserve_ice(canvas, wanted["ice"], radius, rng)
    positions, rotations = place_particles(canvas, densities, classes, rng)
    diameters = np.array([d.diameter / voxel_size for d in densities])[classes]
    places["flank"] = junk.flanks(canvas, wanted["flank"], positions, diameters, rng)
    return Scene(
        canvas.particles,
        canvas.other,
        np.array([densities[c].name for c in classes], dtype=str),
        positions,
        rotations,
        diameters,
        {kind: places[kind] for kind in junk.KINDS},
    )


def image(
    scene: Scene,
    voxel_size: float,
    ctf: Ctf,
    snr: float,
    rng: np.random.Generator,
    *,
    tilt_range: tuple[float, float] = (-60.0, 60.0),
    tilt_axis: str = "y",
    contrast: str = "dark",
) -> Imaged:
    """Look at a scene as an electron microscope and a reconstruction program do.

    Parameters
    ----------
    scene : Scene
    voxel_size : float, Angstrom per voxel
    ctf : Ctf
    snr : float
        Wanted, by `SNR_DEFINITION`.
    rng : Generator
    tilt_range : (low, high), degrees
    tilt_axis : "y" or "x"
    contrast : "dark" or "bright"
        Of protein; dark is the negative, as RELION and IMOD write tomograms.
    """
    shape = scene.particles.shape
    measured = sampled_region(shape, tilt_range, tilt_axis)
    seen = transfer_volume(shape, voxel_size, ctf)
    seen *= measured
    signal = _filtered(scene.particles, seen)
    noise = _filtered(rng.standard_normal(shape, dtype=np.float32), measured)
    other = _filtered(scene.other, seen) if scene.other.any() else None
    return at_snr(scene, signal, noise, other, snr, contrast)


def at_snr(
    scene: Scene,
    signal: NDArray[np.float32],
    noise: NDArray[np.float32],
    other: NDArray[np.float32] | None,
    snr: float,
    contrast: str,
) -> Imaged:
    """Join what the particles, the noise and the rest became; the arrays are used up.

    Parameters
    ----------
    scene : Scene
    signal, noise : (Z, Y, X) float32
        The particles as they are seen, protein positive, and the noise, each in its own units.
    other : (Z, Y, X) float32, optional
        Membrane and gold, in the units of the signal.
    snr : float
        Wanted, by `SNR_DEFINITION`.
    contrast : "dark" or "bright"
    """
    inside = scene.particles > SUPPORT * scene.particles.max()
    # Noise is brought to 1 and the signal to it, so that tomograms of one set share a scale.
    noise /= noise.std(dtype=np.float64)
    scale = np.float32(np.sqrt(snr / signal[inside].var(dtype=np.float64)))
    signal *= scale
    realised = float(signal[inside].var(dtype=np.float64) / noise.var(dtype=np.float64))
    volume = signal + noise
    if other is not None:
        volume += scale * other
    if contrast == "dark":
        np.negative(volume, out=volume)
    return Imaged(volume, signal, realised)


def _filtered(volume: NDArray[np.float32], transfer: NDArray[Any]) -> NDArray[np.float32]:
    """Multiply a volume's spectrum, in the layout of ``rfftn``."""
    spectrum = fft.rfftn(volume)
    spectrum *= transfer
    filtered: NDArray[np.float32] = fft.irfftn(spectrum, s=volume.shape, overwrite_x=True)
    return filtered

"""Is this file where it says it is? Contrast and placement, from the mean box."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import box_centre, radius_grid, voxels_from_angstrom
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.data.crop import Cropper
from cryoal.data.normalise import CLIP, Shells

#: Picks of a tomogram that are looked at; more change no verdict.
SAMPLE = 300

#: Voxels across the particle on the grid that is looked at: enough to see it, and fast.
COARSE = 8

#: Standard errors below which the mean box is no evidence.
UNDECIDED = 3.0

#: Fewer picks than this say nothing about a reading.
FEW = 10


@dataclass(frozen=True)
class Reading:
    """One way to understand the coordinates, and how well the mean box speaks for it.

    Attributes
    ----------
    name : str
        What the coordinates would be, in words.
    z : float
        Centre minus shell of the mean box, in standard errors; negative where the centre is dark.
    boxes : int
        Boxes inside the tomogram under this reading.
    """

    name: str
    z: float
    boxes: int


@dataclass(frozen=True)
class Placement:
    """The verdict on one tomogram's picks.

    Attributes
    ----------
    given : Reading
        The positions as they are.
    best : Reading
        The reading with the strongest mean box.
    offset : (3,) float, zyx, working voxels
        From the box centre to the mean particle's centre.
    problem : str
        One sentence that names the likely cause, or "".
    """

    given: Reading
    best: Reading
    offset: NDArray[np.float64]
    problem: str

    @property
    def contrast(self) -> str | None:
        """Protein "dark" or "bright" by the mean box, None when it does not say."""
        if abs(self.given.z) < UNDECIDED:
            return None
        return "dark" if self.given.z < 0 else "bright"


def check_placement(
    volume: NDArray[np.generic],
    centres: NDArray[np.float64],
    diameter: float,
    scale: float,
    rng: np.random.Generator,
) -> Placement:
    """Hold the positions against the other readings that mistakes lead to.

    Parameters
    ----------
    volume : (Z, Y, X) array
    centres : (N, 3) float, zyx, voxels of the volume
    diameter : float, voxels of the volume
    scale : float
        Working voxel size over the volume's.
    rng : numpy Generator
        Chooses the sample of picks.

    Returns
    -------
    Placement
    """
    step = max(1, int(diameter / COARSE))
    coarse = flattened(binned(volume, step), diameter / step)
    box = 2 * int(np.ceil(0.9 * diameter / step)) + 2
    shells = Shells(box, diameter / 2 / step)
    # Around the tomogram lies its mean, 0: thin ones hold few boxes whole.
    framed = np.pad(coarse, box // 2)
    chosen = centres[rng.permutation(len(centres))[:SAMPLE]]
    readings = {
        name: _mean_box(name, framed, (places + 0.5) / step - 0.5, shells)
        for name, places in _readings(chosen, volume.shape).items()
    }
    given, mean = readings["as given"]
    best = max((reading for reading, _ in readings.values()), key=lambda r: abs(r.z))
    offset = _offset(mean, shells, given.z) * step if abs(given.z) >= 2 * UNDECIDED else np.zeros(3)
    return Placement(given, best, offset / scale, _problem(given, best, offset, diameter))


def placements(
    particles: ParticleSet, tomograms: Mapping[str, Tomogram], diameter: float
) -> dict[str, Placement]:
    """Check every tomogram that has a volume and enough picks inside it.

    Parameters
    ----------
    diameter : float, Angstrom
    """
    found = {}
    for name, tomogram in tomograms.items():
        rows = particles.tomogram == name
        if tomogram.load is None or rows.sum() < FEW:
            continue
        centres = voxels_from_angstrom(particles.position[rows], tomogram.voxel_size)
        found[name] = check_placement(
            tomogram.load(),
            centres,
            diameter / tomogram.voxel_size,
            1.0,
            np.random.default_rng(0),
        )
    return found


def settle_contrast(verdicts: dict[str, tuple[Placement, int]]) -> dict[str, str]:
    """Contrast of every tomogram from its mean box.

    One whose mean box is too faint to tell follows the others where these agree. Where none tells
    by itself, all tell together: their evidence is added up.

    Parameters
    ----------
    verdicts : {tomogram: (placement, number of picks)}

    Raises
    ------
    CryoalError
        A tomogram shows neither dark nor bright protein and has no others to follow, or the picks
        look misplaced.
    """
    settled = {name: p.contrast for name, (p, _) in verdicts.items() if p.contrast}
    agreed = set(settled.values()) or _together([p for p, _ in verdicts.values()])
    for name, (placement, picks) in verdicts.items():
        if name in settled:
            continue
        misplaced = placement.problem and picks >= FEW
        if len(agreed) == 1 and not misplaced:
            settled[name] = next(iter(agreed))
            continue
        cause = f"; {placement.problem}" if placement.problem else ""
        raise CryoalError(
            f"{name}: the mean box of {picks} picks shows neither dark nor bright protein "
            f"(z = {placement.given.z:+.1f}, {UNDECIDED:g} needed){cause}. If the picks are "
            "right, say --contrast dark (RELION, IMOD) or --contrast bright (Warp)"
        )
    return settled


def _together(placements: list[Placement]) -> set[str]:
    """Contrast that tomograms show together of which none shows it alone (Stouffer's sum)."""
    z = sum(p.given.z for p in placements) / np.sqrt(max(1, len(placements)))
    return {"dark" if z < 0 else "bright"} if abs(z) >= UNDECIDED else set()


def binned(volume: NDArray[np.generic], step: int) -> NDArray[np.float32]:
    """Mean over cubes of ``step`` voxels, what is left at the far faces cut off."""
    if step == 1:
        return np.asarray(volume, dtype=np.float32)
    shape = [size // step for size in volume.shape]
    coarse = np.empty(shape, dtype=np.float32)
    for z in range(shape[0]):  # a slab at a time: the volume may be larger than the memory
        slab = np.asarray(
            volume[z * step : (z + 1) * step, : shape[1] * step, : shape[2] * step],
            dtype=np.float32,
        )
        coarse[z] = slab.reshape(step, shape[1], step, shape[2], step).mean((0, 2, 4))
    return coarse


def flattened(volume: NDArray[np.float32], diameter: float) -> NDArray[np.float32]:
    """Less what is wider than a particle (ice thickness, carbon) and finer than can be seen.

    Gold and hot voxels are clipped: one bead must not outvote a hundred particles.
    """
    wide = ndimage.gaussian_filter(volume, diameter)
    flat = ndimage.gaussian_filter(volume, 1.0) - wide
    deviation = float(flat.std()) or 1.0
    return np.asarray(np.clip(flat / deviation, -CLIP, CLIP))


def _readings(
    centres: NDArray[np.float64], shape: tuple[int, ...]
) -> dict[str, NDArray[np.float64]]:
    size = np.array(shape, dtype=np.float64)
    readings = {"as given": centres}
    for axis, name in enumerate("zyx"):
        flipped = centres.copy()
        flipped[:, axis] = size[axis] - 1 - centres[:, axis]
        readings[f"flipped along {name}"] = flipped
    readings["with x and z exchanged"] = centres[:, ::-1]
    readings["with y and z exchanged"] = centres[:, [1, 0, 2]]
    readings["times two"] = centres * 2
    readings["half"] = centres / 2
    readings["counted from the tomogram's centre"] = centres + size // 2
    readings["counted from the corner, not the centre"] = centres - size // 2
    return readings


def _mean_box(
    name: str,
    framed: NDArray[np.float32],
    centres: NDArray[np.float64],
    shells: Shells,
) -> tuple[Reading, NDArray[np.float64]]:
    """Mean of the whole-voxel boxes at these centres."""
    total = np.zeros((shells.box,) * 3)
    contrasts = []
    around = shells.box // 2
    cropper = Cropper(framed, shells.box)
    whole = np.rint(centres)
    inside = ((whole >= 0) & (whole < np.array(framed.shape) - 2 * around)).all(axis=1)
    for centre in whole[inside]:
        cube = cropper(centre + around)
        total += cube
        contrasts.append(cube[shells.inside].mean() - cube[shells.shell].mean())
    n = len(contrasts)
    # Half the picks outside is itself evidence against a reading.
    if n < max(FEW, len(centres) / 2) or np.std(contrasts) == 0:
        return Reading(name, 0.0, n), total
    z = float(np.mean(contrasts) / (np.std(contrasts, ddof=1) / np.sqrt(n)))
    return Reading(name, z, n), total / n


def _offset(mean: NDArray[np.float64], shells: Shells, z: float) -> NDArray[np.float64]:
    """From the box centre to where a sphere of the particle's size fits the mean box best."""
    bright = mean if z > 0 else -mean
    # A Gaussian of 0.6 radii peaks in the middle of solid and of hollow particles alike.
    smooth = ndimage.gaussian_filter(bright, 0.6 * shells.radius, mode="nearest")
    near = np.where(radius_grid(shells.box) <= 1.5 * shells.radius, smooth, -np.inf)
    peak = np.array(np.unravel_index(np.argmax(near), near.shape), dtype=np.float64)
    return peak - box_centre(shells.box)


def _problem(given: Reading, best: Reading, offset: NDArray[np.float64], diameter: float) -> str:
    # Flipped or exchanged picks in a crowded tomogram still hit particles now and then: only
    # a much stronger mean box is a verdict.
    if abs(best.z) > max(2 * abs(given.z), 2 * UNDECIDED) and best is not given:
        return (
            f"the picks fit the tomogram better {best.name} "
            f"(mean box {abs(best.z):.1f} standard errors against {abs(given.z):.1f})"
        )
    distance = float(np.linalg.norm(offset))
    if distance > diameter / 4:
        return (
            f"the mean particle lies {distance:.1f} voxels off the picks "
            f"(z {offset[0]:+.0f}, y {offset[1]:+.0f}, x {offset[2]:+.0f}): check the unit, the "
            "origin and the binning of the coordinates"
        )
    return ""

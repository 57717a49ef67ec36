"""Is this file where it says it is? Contrast and placement, from the mean box of each list."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import box_centre, radius_grid, voxels_from_angstrom
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.data.coarse import binned, flattened
from cryoal.data.normalise import Shells
from cryoal.data.readings import (
    AS_GIVEN,
    FEW,
    UNDECIDED,
    Reading,
    clearly_better,
    look_up,
    pooled,
    readings_of,
    strongest,
)
from cryoal.data.wedge import Wedge, find_wedge

#: Picks of a list and tomogram that are looked at; more change no verdict.
SAMPLE = 300

#: Voxels across the particle on the grid that is looked at: enough to see it, and fast.
COARSE = 8

Centres = NDArray[np.float64]


@dataclass(frozen=True)
class Placement:
    """The verdict on one list's picks in one tomogram.

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
    better : Reading or None
        The reading that the tomogram speaks for instead of the one given.
    readings : mapping of name to Reading
        All that were tried.
    """

    given: Reading
    best: Reading
    offset: NDArray[np.float64]
    problem: str
    better: Reading | None = None
    readings: Mapping[str, Reading] = field(default_factory=dict, repr=False)

    @property
    def contrast(self) -> str | None:
        """Protein "dark" or "bright" by the mean box, None when it does not say."""
        if not abs(self.given.z) >= UNDECIDED or self.better is not None:
            return None
        return "dark" if self.given.z < 0 else "bright"


@dataclass(frozen=True)
class Check:
    """What one tomogram says of the lists picked in it.

    Attributes
    ----------
    lists : mapping of list to Placement
    missing : int
        Voxels of the tomogram that hold no measurement.
    wedge : Wedge, optional
        The empty wedge that its power spectrum shows.
    """

    lists: Mapping[str, Placement]
    missing: int = 0
    wedge: Wedge | None = None

    @property
    def placement(self) -> Placement:
        """All lists together, less those that another reading fits better."""
        if len(self.lists) == 1:
            return next(iter(self.lists.values()))
        sound = [p.given for p in self.lists.values() if p.better is None]
        if sound:
            given = pooled(sound)
            return Placement(given, given, np.zeros(3), "")
        return next(iter(self.lists.values()))

    @property
    def problems(self) -> list[str]:
        """A sentence for each list that seems to lie elsewhere, named where there are several."""
        several = len(self.lists) > 1
        named = [(f"{name}: " if several and name else "", p) for name, p in self.lists.items()]
        return [f"{name}{placement.problem}" for name, placement in named if placement.problem]


def check_placement(
    volume: NDArray[np.generic],
    centres: Centres,
    diameter: float,
    scale: float,
    rng: np.random.Generator,
    others: Mapping[str, Centres] | None = None,
) -> Placement:
    """Hold one list's positions against the other readings that mistakes lead to.

    Parameters
    ----------
    volume : (Z, Y, X) array
    centres : (N, 3) float, zyx, voxels of the volume
    diameter : float, voxels of the volume
    scale : float
        Working voxel size over the volume's.
    rng : numpy Generator
        Chooses the sample of picks.
    others : mapping of name to (N, 3) float, zyx, voxels, optional
        Readings that the list's own file allows, as ``readings.readings_of`` takes them.

    Returns
    -------
    Placement
    """
    return check_lists(volume, {"": (centres, others or {})}, diameter, scale, rng).lists[""]


def check_lists(
    volume: NDArray[np.generic],
    lists: Mapping[str, tuple[Centres, Mapping[str, Centres]]],
    diameter: float,
    scale: float,
    rng: np.random.Generator,
) -> Check:
    """Check each list of one tomogram by itself: a good one must not hide another.

    Parameters
    ----------
    lists : mapping of list to its centres and their other readings
        As ``check_placement`` takes them.
    """
    step = max(1, int(diameter / COARSE))
    coarse = binned(volume, step)
    box = 2 * int(np.ceil(0.9 * diameter / step)) + 2
    shells = Shells(box, diameter / 2 / step)
    # Around the tomogram lies its mean, 0: thin ones hold few boxes whole.
    framed = np.pad(flattened(coarse.volume, diameter / step), box // 2)
    found = {}
    for name, (centres, others) in lists.items():
        chosen = rng.permutation(len(centres))[:SAMPLE]
        tried = readings_of(
            centres[chosen],
            volume.shape,
            {option: places[chosen] for option, places in others.items()},
            diameter / 4,
        )
        looked = {
            reading: look_up(reading, framed, (places + 0.5) / step - 0.5, shells)
            for reading, places in tried.items()
        }
        found[name] = _placement(looked, shells, diameter, step, scale)
    return Check(found, coarse.missing)


def _placement(
    looked: Mapping[str, tuple[Reading, NDArray[np.float64]]],
    shells: Shells,
    diameter: float,
    step: int,
    scale: float,
) -> Placement:
    readings = {name: reading for name, (reading, _) in looked.items()}
    given, mean = looked[AS_GIVEN]
    best = strongest(readings)
    better = clearly_better(readings)
    offset = _offset(mean, shells, given.z) * step if abs(given.z) >= 2 * UNDECIDED else np.zeros(3)
    problem = _better_fit(given, better) if better else _beside(offset, diameter)
    return Placement(given, best, offset / scale, problem, better, readings)


def checks(
    particles: ParticleSet,
    tomograms: Mapping[str, Tomogram],
    diameter: float,
    others: Mapping[str, Mapping[str, NDArray[np.float64]]],
) -> dict[str, Check]:
    """Check every tomogram that has a volume and picks.

    Parameters
    ----------
    diameter : float, Angstrom
    others : mapping of list to reading to (n, 3) float, zyx, Angstrom
        As ``io.Reading`` has them, a row for each of the list's particles.
    """
    found = {}
    for name, tomogram in tomograms.items():
        if tomogram.load is None or not (particles.tomogram == name).any():
            continue
        volume = tomogram.load()
        check = check_lists(
            volume,
            centres_of_lists(by_list(particles, name, others), tomogram.voxel_size),
            diameter / tomogram.voxel_size,
            1.0,
            np.random.default_rng(0),
        )
        found[name] = replace(check, wedge=find_wedge(volume))
    return found


def by_list(
    particles: ParticleSet,
    tomogram: str,
    others: Mapping[str, Mapping[str, NDArray[np.float64]]],
) -> dict[str, tuple[Centres, dict[str, Centres]]]:
    """Positions of each list in one tomogram, and their other readings: zyx, Angstrom."""
    found = {}
    source = np.full(len(particles), "") if particles.source is None else particles.source
    here = particles.tomogram == tomogram
    for name in np.unique(source[here]).tolist():
        rows = source == name
        known = others.get(name, {})
        found[name] = (
            particles.position[rows & here],
            {option: places[here[rows]] for option, places in known.items()},
        )
    return found


def centres_of_lists(
    lists: Mapping[str, tuple[Centres, Mapping[str, Centres]]], voxel_size: float
) -> dict[str, tuple[Centres, dict[str, Centres]]]:
    """The same in voxels."""
    return {
        name: (
            voxels_from_angstrom(position, voxel_size),
            {option: voxels_from_angstrom(there, voxel_size) for option, there in others.items()},
        )
        for name, (position, others) in lists.items()
    }


def misread_lists(found: Mapping[str, Check]) -> dict[str, str]:
    """Lists that another reading fits better in all their tomograms together: a sentence each.

    It tells of lists with too few picks a tomogram to tell by one.
    """
    problems = {}
    for name in dict.fromkeys(name for check in found.values() for name in check.lists):
        parts = [check.lists[name] for check in found.values() if name in check.lists]
        shared = [r for r in parts[0].readings if all(r in part.readings for part in parts)]
        if len(parts) < 2 or not shared:
            continue
        together = {r: pooled([part.readings[r] for part in parts]) for r in shared}
        better = clearly_better(together)
        if better:
            problems[name] = _better_fit(together[AS_GIVEN], better, "their tomograms")
    return problems


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


def _offset(mean: NDArray[np.float64], shells: Shells, z: float) -> NDArray[np.float64]:
    """From the box centre to where a sphere of the particle's size fits the mean box best."""
    bright = mean if z > 0 else -mean
    # A Gaussian of 0.6 radii peaks in the middle of solid and of hollow particles alike.
    smooth = ndimage.gaussian_filter(bright, 0.6 * shells.radius, mode="nearest")
    near = np.where(radius_grid(shells.box) <= 1.5 * shells.radius, smooth, -np.inf)
    peak = np.array(np.unravel_index(np.argmax(near), near.shape), dtype=np.float64)
    return peak - box_centre(shells.box)


def _better_fit(given: Reading, better: Reading, where: str = "the tomogram") -> str:
    return (
        f"the picks fit {where} better {better.name} "
        f"(mean box {abs(better.z):.1f} standard errors against {abs(given.z):.1f})"
    )


def _beside(offset: NDArray[np.float64], diameter: float) -> str:
    distance = float(np.linalg.norm(offset))
    if distance > diameter / 4:
        return (
            f"the mean particle lies {distance:.1f} voxels off the picks "
            f"(z {offset[0]:+.0f}, y {offset[1]:+.0f}, x {offset[2]:+.0f}): check the unit, the "
            "origin and the binning of the coordinates"
        )
    return ""

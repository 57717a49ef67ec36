"""Ways to understand a list's coordinates, and how well the tomogram speaks for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cryoal.data.crop import Cropper
from cryoal.data.normalise import Shells

#: Standard errors below which the mean box is no evidence.
UNDECIDED = 3.0

#: Fewer picks than this say nothing about a reading.
FEW = 10

#: How often chance may make any of the readings tried as good as the one that is named.
BY_CHANCE = 1e-4

#: Standard errors by which a reading must beat the given one, where twice as many are not needed.
AHEAD = 5.0

#: Share of the picks that are apart as given which a reading may not heap on others.
UNHEAPED = 0.5

AS_GIVEN = "as given"


@dataclass(frozen=True)
class Reading:
    """One way to understand the coordinates, and how well the mean box speaks for it.

    Attributes
    ----------
    name : str
        What the coordinates would be, in words; with the option that reads them so, if any does.
    z : float
        Centre minus shell of the mean box, in standard errors; negative where the centre is dark.
        0 where too few boxes are inside to say anything.
    boxes : int
        Boxes inside the tomogram under this reading.
    contrasts : (n,) float
        Centre minus shell of each box inside, those that overlap taken together.
    picks : int
        Positions that were looked up, inside or not.
    cubes : int
        Cubes of a particle's size in which those inside lie.
    """

    name: str
    z: float
    boxes: int
    contrasts: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), repr=False)
    picks: int = 0
    cubes: int = 0

    @property
    def alone(self) -> float:
        """Cubes of a particle's size a box: 1 where no two lie in each other."""
        return self.cubes / self.boxes if self.boxes else 1.0

    @property
    def chance(self) -> float:
        """How likely boxes of noise are as far from 0 (Student's t)."""
        return float(2 * stats.t.sf(abs(self.z), max(len(self.contrasts), self.boxes, 2) - 1))


def standard_errors(contrasts: NDArray[np.float64]) -> float:
    """Mean of these in standard errors; 0 where there are too few, or they do not differ."""
    n = len(contrasts)
    if n < FEW or not np.isfinite(contrasts).all():
        return 0.0
    spread = float(np.std(contrasts, ddof=1))
    return float(np.mean(contrasts)) / (spread / np.sqrt(n)) if spread > 0 else 0.0


def pooled(readings: Sequence[Reading]) -> Reading:
    """One reading of picks of several tomograms or lists."""
    contrasts = np.concatenate([reading.contrasts for reading in readings])
    boxes, picks, cubes = (
        sum(getattr(r, what) for r in readings) for what in ("boxes", "picks", "cubes")
    )
    z = standard_errors(contrasts) if boxes >= picks / 2 else 0.0
    return Reading(readings[0].name, z, boxes, contrasts, picks, cubes)


def strongest(readings: Mapping[str, Reading]) -> Reading:
    """The reading with the strongest mean box of those under which particles can stand.

    Particles do not lie in each other: a reading that heaps picks which are apart as given is
    none, and its boxes, all of one place, are alike for that.
    """
    apart = UNHEAPED * readings[AS_GIVEN].alone
    standing = [reading for reading in readings.values() if reading.alone >= apart]
    return max(standing, key=lambda reading: abs(reading.z))


def clearly_better(readings: Mapping[str, Reading]) -> Reading | None:
    """The reading that the tomogram speaks for, where it is not the one given.

    Flipped or exchanged picks in a crowded tomogram still hit particles now and then, and of many
    readings one is the best by chance: only a much stronger mean box is a verdict.
    """
    given = readings[AS_GIVEN]
    best = strongest(readings)
    z = abs(given.z)
    beyond = abs(best.z) > max(AHEAD, min(2 * z, z + AHEAD), 1.3 * z)
    if not beyond or best.chance * (len(readings) - 1) > BY_CHANCE:
        return None
    return best


def readings_of(
    centres: NDArray[np.float64],
    shape: tuple[int, ...],
    others: Mapping[str, NDArray[np.float64]],
    apart: float,
) -> dict[str, NDArray[np.float64]]:
    """Centres under every reading that mistakes lead to: (N, 3) zyx, voxels, each.

    Parameters
    ----------
    centres : (N, 3) float, zyx, voxels
    shape : (Z, Y, X)
    others : mapping of name to (N, 3) float, zyx, voxels
        Readings that only the list's own file can tell: its other units.
    apart : float, voxels
        Readings that differ by less are one; the first of them has its name.
    """
    size = np.array(shape, dtype=np.float64)
    readings = {AS_GIVEN: centres}
    for axis, name in enumerate("zyx"):
        flipped = centres.copy()
        flipped[:, axis] = size[axis] - 1 - centres[:, axis]
        readings[f"flipped along {name}"] = flipped
    readings["with x and z exchanged"] = centres[:, ::-1]
    readings["with y and z exchanged"] = centres[:, [1, 0, 2]]
    readings["with x and y exchanged"] = centres[:, [0, 2, 1]]
    readings |= others
    readings["times two"] = centres * 2
    readings["half"] = centres / 2
    readings["counted from the tomogram's centre"] = centres + size // 2
    readings["counted from the corner, not the centre"] = centres - size // 2
    different: dict[str, NDArray[np.float64]] = {}
    for name, there in readings.items():
        if all(_differ(there, known, apart) for known in different.values()):
            different[name] = there
    return different


def _differ(a: NDArray[np.float64], b: NDArray[np.float64], apart: float) -> bool:
    distance = np.linalg.norm(a - b, axis=1)
    # NaN, where a reading knows no place, is no likeness.
    return not bool((distance <= apart).all())


def look_up(
    name: str,
    framed: NDArray[np.float32],
    centres: NDArray[np.float64],
    shells: Shells,
) -> tuple[Reading, NDArray[np.float64]]:
    """How the tomogram speaks for one reading, and the mean of the boxes at these centres.

    Parameters
    ----------
    framed : (z, y, x) float32
        The binned tomogram with half a box of its mean around it.
    centres : (N, 3) float, zyx, voxels of the binned tomogram
    """
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
    # Cubes of a radius hold one of two particles that touch, and all picks of one particle or two.
    cell = _cubes(whole[inside], shells.radius)
    single = np.bincount(cell, np.array(contrasts, dtype=np.float64)) / np.bincount(cell)
    # Half the picks outside is itself evidence against a reading.
    z = standard_errors(single) if n >= len(centres) / 2 else 0.0
    cubes = len(np.unique(_cubes(whole[inside], 2 * shells.radius)))
    return Reading(name, z, n, single, len(centres), cubes), total / max(n, 1)


def _cubes(places: NDArray[np.float64], side: float) -> NDArray[np.intp]:
    """Number of the cube of this side that each place lies in: (n,)."""
    if not len(places):
        return np.zeros(0, dtype=np.intp)
    corners = np.floor(places / max(side, 1.0)).astype(np.int64)
    return np.asarray(np.unique(corners, axis=0, return_inverse=True)[1].reshape(-1))

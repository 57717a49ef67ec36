"""Where a tomogram's empty wedge lies, by its own power spectrum."""

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cryoal.core.geometry import BEAM_AXES, frequencies
from cryoal.core.tilting import Tilting
from cryoal.data.missing import filled

#: Side, in voxels, of the parts whose spectra are taken; thinner where the tomogram is.
PART = 64

#: A part thinner than this shows no directions.
THINNEST = 24

#: Waves that are looked at, cycles per voxel: slower ones are blurred by the parts' size, faster
#: ones are often filtered away.
WAVES = (0.06, 0.3)

#: Degrees between the tilt axes and the ends of the tilt range that are tried.
STEP = 5.0

#: Power inside the wedge over that outside from which on it counts as filled.
FILLED = 0.2

#: Share of the spectrum's variance that the best wedge must explain.
CLEAR = 0.1

#: How many times the stated wedge's share of it the best one must explain.
BETTER = 1.5


@dataclass(frozen=True)
class Wedge:
    """The empty wedge that a tomogram's spectrum shows.

    Attributes
    ----------
    tilting : Tilting
        With which it would be measured so; the tilt range is symmetric, to ``STEP`` degrees.
    power : float
        Median power inside the wedge over that outside.
    parts, agreeing : int
        Parts of the tomogram that were looked at, and those that show its beam and tilt axis.
    shares : mapping of (beam axis, tilt axis in degrees) to float
        Share of the spectrum's variance that the wedge of each explains, with its best range.
    """

    tilting: Tilting
    power: float
    parts: int
    agreeing: int
    shares: dict[tuple[str, float], float]

    @property
    def sure(self) -> bool:
        """Whether it is empty, clear, and nearly all parts of the tomogram show it."""
        share = self.shares[self.tilting.beam_axis, self.tilting.tilt_axis]
        enough = self.agreeing >= max(2, 0.8 * self.parts)
        return self.power < FILLED and share > CLEAR and enough

    def contradicts(self, stated: Tilting) -> str:
        """One sentence where the spectrum shows another wedge than was stated, or ""."""
        if not self.sure:
            return ""
        own = self.shares[self.tilting.beam_axis, self.tilting.tilt_axis]
        near = STEP * round(stated.tilt_axis / STEP) % 180
        if own <= BETTER * self.shares[stated.beam_axis, near]:
            return ""
        beam, axis = self.tilting.beam_axis, self.tilting.tilt_axis
        return (
            f"its empty wedge is not where --beam-axis {stated.beam_axis} --tilt-axis "
            f"{stated.tilt_axis:g} puts it: by its power spectrum say --beam-axis {beam} "
            f"--tilt-axis {axis:g} ({self.agreeing} of {self.parts} parts of the tomogram show "
            f"this, with {self.power:.1%} of the power outside)"
        )


def find_wedge(volume: NDArray[np.generic]) -> Wedge | None:
    """Find the empty wedge; None where the tomogram is too small or too empty to show any.

    Each wedge of the three beam axes, tilt axes and ranges in steps of ``STEP`` degrees divides the
    waves of a shell into two; the one that explains most of the variance of log power is the one.

    Parameters
    ----------
    volume : (Z, Y, X) array
    """
    depth, height, width = (min(PART, size // 2 * 2) for size in volume.shape)
    sides = (depth, height, width)
    if min(sides) < THINNEST:
        return None
    powers = [_log_power(block) for block in _parts(volume, sides)]
    spectra = [_levelled(power, sides) for power in powers if power is not None]
    if not spectra:
        return None
    masks, kinds = _wedges(sides)
    together = np.mean(spectra, axis=0)
    shares, *each = _explained(masks, np.stack([together, *spectra])).T
    best = int(shares.argmax())
    beam, axis, limit = kinds[best]
    power = float(np.exp(together[masks[best]].mean() - together[~masks[best]].mean()))
    seen = [kinds[int(part.argmax())] for part in each]
    agreeing = sum(
        there == beam and abs((tilt - axis + 90) % 180 - 90) <= 2 * STEP for there, tilt, _ in seen
    )
    table: dict[tuple[str, float], float] = {}
    for (one, two, _), share in zip(kinds, shares.tolist(), strict=True):
        table[one, two] = max(share, table.get((one, two), 0.0))
    return Wedge(Tilting((-limit, limit), axis, beam), power, len(spectra), agreeing, table)


def _parts(volume: NDArray[np.generic], sides: tuple[int, ...]) -> list[NDArray[np.float32]]:
    """Blocks spread over the tomogram, at most twelve."""
    corners = []
    for size, side in zip(volume.shape, sides, strict=True):
        count = max(1, min(3, round(1.5 * size / side) - (size < 1.5 * side)))
        corners.append(np.linspace(0, size - side, count).round().astype(int).tolist())
    places = list(itertools.product(*corners))
    chosen = np.linspace(0, len(places) - 1, min(12, len(places))).round().astype(int)
    blocks = []
    for at in chosen.tolist():
        window = tuple(slice(a, a + side) for a, side in zip(places[at], sides, strict=True))
        with np.errstate(over="ignore"):
            block = filled(np.asarray(volume[window], dtype=np.float32))
        blocks.append(block)
    return blocks


def _log_power(block: NDArray[np.float32]) -> NDArray[np.float64] | None:
    deviation = float(block.std(dtype=np.float64))
    if not 0 < deviation < math.inf:
        return None
    # Clipped: the streaks of a gold bead outweigh everything else.
    whole = np.clip((block - block.mean(dtype=np.float64)) / deviation, -4, 4)
    for axis, side in enumerate(block.shape):
        window = np.hanning(side + 2)[1:-1]
        whole = whole * window.reshape([-1 if axis == a else 1 for a in range(3)])
    power = np.abs(np.fft.rfftn(whole)) ** 2
    return np.asarray(np.log(power + 1e-12 * power.mean()))


@lru_cache(maxsize=2)
def _waves(sides: tuple[int, int, int]) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Which waves are looked at, and the shell of each of those."""
    kz, ky, kx = frequencies(sides)
    k = np.sqrt(kz**2 + ky**2 + kx**2)
    chosen = (k > WAVES[0]) & (k < WAVES[1])
    shells = ((k[chosen] - WAVES[0]) * PART).astype(np.intp)
    return chosen, shells


def _levelled(spectrum: NDArray[np.float64], sides: tuple[int, int, int]) -> NDArray[np.float64]:
    """Log power of the waves looked at, less the mean of each one's shell."""
    chosen, shells = _waves(sides)
    values = spectrum[chosen]
    means = np.bincount(shells, values) / np.maximum(np.bincount(shells), 1)
    levelled: NDArray[np.float64] = values - means[shells]
    return levelled


@lru_cache(maxsize=2)
def _wedges(
    sides: tuple[int, int, int],
) -> tuple[NDArray[np.bool_], list[tuple[str, float, float]]]:
    """Every wedge that is tried, (wedges, waves) True inside, and its beam, tilt axis and range."""
    chosen, _ = _waves(sides)
    masks, kinds = [], []
    for beam in BEAM_AXES:
        for axis in np.arange(0, 180, STEP).tolist():
            for limit in np.arange(40, 75, STEP).tolist():
                measured = Tilting((-limit, limit), axis, beam).measured(sides)
                masks.append(~measured[chosen])
                kinds.append((beam, axis, limit))
    return np.stack(masks), kinds


def _explained(masks: NDArray[np.bool_], levelled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each spectrum's variance that each wedge explains, where it is the emptier side.

    Parameters
    ----------
    masks : (wedges, waves) bool
    levelled : (spectra, waves) float

    Returns
    -------
    (wedges, spectra) float
    """
    centred = levelled - levelled.mean(axis=1, keepdims=True)
    n, count = masks.shape[1], np.maximum(masks.sum(axis=1), 1)[:, None]
    inside = masks.astype(np.float32) @ centred.astype(np.float32).T  # (wedges, spectra)
    between = inside**2 * (1 / count + 1 / np.maximum(n - count, 1))
    variance = np.maximum((centred**2).sum(axis=1), 1e-30)
    return np.asarray(np.where(inside < 0, between / variance, 0.0), dtype=np.float64)

"""What pretraining learns from: invariants of particles in simulated tomograms of many kinds."""

import logging
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import frequencies
from cryoal.data.crop import Cropper
from cryoal.data.normalise import Shells, normalise
from cryoal.learn.describe import describe
from cryoal.models.invariants import SIZE
from cryoal.simulate.ctf import CTF_STATES, Ctf
from cryoal.simulate.density import Density, load_templates
from cryoal.simulate.junk import KINDS
from cryoal.simulate.procedural import random_densities
from cryoal.simulate.scene import Scene, shape_for
from cryoal.simulate.tomogram import build_scene, image

log = logging.getLogger(__name__)

#: Sides of the boxes that networks see, voxels: one for each tomogram.
BOXES = (20, 24, 28, 32, 36, 40, 44)
#: Complexes in one scene, from few to many: what stands beside a particle sets the scale on
#: which it is judged.
FEWEST, MOST = 4, 40
#: Largest standard deviation of a tomogram's picking errors, voxels, beside the rounding.
JITTER = 1.2

JUNK_CLASSES = tuple(f"junk_{kind}" for kind in KINDS)


@dataclass(frozen=True)
class Family:
    """Complexes that are only ever seen at one voxel size, so that size stays a cue.

    Attributes
    ----------
    name : str
    voxel_size : float, Angstrom
    share : float
        Of the tomograms.
    n, seed, sizes
        So many made-up complexes of these diameters, (smallest, largest), Angstrom.
    templates : str, optional
        Instead: the density maps of this folder.
    names : tuple of str
        Only these of the folder; none means all.
    """

    name: str
    voxel_size: float
    share: float
    n: int = 0
    seed: int = 0
    sizes: tuple[float, float] = (0.0, 0.0)
    templates: str | None = None
    names: tuple[str, ...] = ()

    def densities(self) -> list[Density]:
        """The complexes of this family, always the same."""
        if self.templates is not None:
            return load_templates(Path(self.templates), self.voxel_size, self.names or None)
        return random_densities(self.n, self.voxel_size, self.seed, self.sizes)


MADE_UP = (
    Family("10A", 10.0, 0.5, 160, 1, (90.0, 340.0)),
    Family("8A", 8.0, 0.2, 50, 2, (80.0, 270.0)),
    Family("13A", 13.3, 0.3, 70, 3, (120.0, 440.0)),
)


def with_templates(
    folder: Path, voxel_sizes: Sequence[float], names: Sequence[str] = (), share: float = 0.2
) -> tuple[Family, ...]:
    """The made-up families, and the density maps of a folder at these voxel sizes beside them."""
    real = tuple(
        Family(
            f"templates_{size:g}A",
            size,
            share / len(voxel_sizes),
            templates=str(folder),
            names=tuple(names),
        )
        for size in voxel_sizes
    )
    return (*MADE_UP, *real)


@dataclass(frozen=True)
class Look:
    """How one tomogram was taken and reconstructed.

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
    """

    ctf: Ctf
    snr: float
    tilt_range: tuple[float, float]
    tilt_axis: str
    weight: float
    resolution: float


@dataclass(frozen=True)
class Lessons:
    """What a network is pretrained on.

    Attributes
    ----------
    points : (N, SIZE) float32
        Invariants, see ``models.invariants``.
    targets : (N,) int64
    tomogram : (N,) int64
        Each is a pool of its own, by whose mean and deviation points are judged.
    scene : (N,) int64
        Several tomograms show the same arrangement of particles.
    classes : tuple of str
        The complexes of all families, then the kinds of junk.
    """

    points: NDArray[np.float32]
    targets: NDArray[np.int64]
    tomogram: NDArray[np.int64]
    scene: NDArray[np.int64]
    classes: tuple[str, ...]


def draw_look(rng: np.random.Generator) -> Look:
    """Draw imaging conditions wide enough to hold most laboratories' habits."""
    ctf = Ctf(
        defocus=float(rng.uniform(15_000, 60_000)),
        amplitude_contrast=float(rng.uniform(0.06, 0.12)),
        state=CTF_STATES[int(rng.random() < 0.35)],
        b_factor=float(rng.uniform(200, 2000)),
    )
    low, high = -rng.uniform(45, 65), rng.uniform(45, 65)
    if rng.random() < 0.6:
        high = -low
    plain = rng.random() < 0.5
    return Look(
        ctf,
        float(np.exp(rng.uniform(np.log(0.05), np.log(1.0)))),
        (float(low), float(high)),
        "yx"[int(rng.random() < 0.25)],
        0.0 if plain else float(rng.uniform(-0.7, 0.3)),
        math.inf if plain else float(rng.uniform(22, 60)),
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


def make_lessons(
    scenes: int,
    seed: int,
    families: Sequence[Family] = MADE_UP,
    *,
    looks: int = 3,
    per_scene: int = 180,
    junk: int = 28,
    pool: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Lessons:
    """Simulate crowded tomograms, cut every pick out and describe it.

    Parameters
    ----------
    scenes : int
        Arrangements of particles; each becomes ``looks`` tomograms with noise, CTF, tilt range,
        weighting, picking errors and box size of their own.
    seed : int
    families : sequence of Family
    looks, per_scene : int
    junk : int
        Places without a particle, in each scene.
    pool : Executor, optional
        Scenes are simulated in its workers; the result is the same.
    progress : callable (scenes done, scenes), optional
    """
    # Every family has its share even of few scenes.
    edges = np.cumsum([f.share for f in families]) / sum(f.share for f in families)
    which = np.searchsorted(edges, (np.arange(scenes) * 0.618034) % 1.0)
    rngs = np.random.default_rng(seed).spawn(scenes)
    tasks = [(families[int(which[n])], looks, per_scene, junk, rngs[n]) for n in range(scenes)]
    results = map(_scene_of, tasks) if pool is None else pool.map(_scene_of, tasks)
    points: list[NDArray[np.float32]] = []
    names: list[NDArray[np.str_]] = []
    scene: list[int] = []
    for number, found in enumerate(results):
        for described, called in found:
            points.append(described)
            names.append(called)
            scene.append(number)
        if progress is not None:
            progress(number + 1, scenes)
    called = np.concatenate(names)
    classes = (
        tuple(f"{family.name}/{d.name}" for family in families for d in family.densities())
        + JUNK_CLASSES
    )
    number_of = {name: at for at, name in enumerate(classes)}
    lengths = [len(block) for block in points]
    return Lessons(
        np.concatenate(points),
        np.array([number_of[str(name)] for name in called], dtype=np.int64),
        np.repeat(np.arange(len(points)), lengths),
        np.repeat(np.array(scene), lengths),
        classes,
    )


def _scene_of(
    task: tuple[Family, int, int, int, np.random.Generator],
) -> list[tuple[NDArray[np.float32], NDArray[np.str_]]]:
    """All tomograms of one scene: invariants and class names of each."""
    family, looks, particles, junk, rng = task
    densities = family.densities()
    few = int(rng.integers(min(FEWEST, len(densities)), min(MOST, len(densities)) + 1))
    chosen = [densities[at] for at in rng.permutation(len(densities))[:few]]
    scene = _fill(chosen, particles, junk, rng)
    return [_look_at(scene, family, rng) for _ in range(looks)]


def _fill(
    densities: Sequence[Density], particles: int, junk: int, rng: np.random.Generator
) -> Scene:
    """Fill a tomogram, with fewer particles where so many do not fit."""
    while particles > 0:
        numbers = rng.permutation(len(densities))[np.arange(particles) % len(densities)]
        counts = np.bincount(numbers, minlength=len(densities))
        shape = shape_for(densities, counts, junk)
        try:
            return build_scene(densities, rng.permutation(numbers), shape, rng, n_junk=junk)
        except CryoalError as problem:
            log.info("%s", problem)
            particles = int(0.8 * particles)
    raise CryoalError("no complex fits into its tomogram; ask for fewer junk picks")


def _look_at(
    scene: Scene, family: Family, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Image a scene once, cut out its picks and describe them."""
    look = draw_look(rng)
    seen = image(
        scene,
        family.voxel_size,
        look.ctf,
        look.snr,
        rng,
        tilt_range=look.tilt_range,
        tilt_axis=look.tilt_axis,
        contrast="bright",
    )
    volume = reconstructed(seen.volume, family.voxel_size, look)
    positions = np.concatenate([scene.positions, *scene.junk.values()])
    kinds = np.repeat(list(scene.junk), [len(p) for p in scene.junk.values()])
    names = np.concatenate(
        [[f"{family.name}/{name}" for name in scene.labels], [f"junk_{kind}" for kind in kinds]]
    ).astype(str)
    jitter = rng.uniform(0, JITTER) * rng.standard_normal(positions.shape)
    # On whole voxels a box is an exact copy; the rounding is part of the picks' error.
    picks = np.rint(positions + np.clip(jitter, -2, 2))
    box = int(rng.choice(BOXES))
    # As extraction stores them: a margin for shifts around 1.5 diameters.
    stored = box + 4
    cropper = Cropper(volume, stored)
    shells = Shells(stored, box / 3 * float(rng.uniform(0.85, 1.15)))
    kept = np.flatnonzero(cropper.inside(picks) > 0.9)
    boxes = np.stack([normalise(cropper(picks[row]), shells).box for row in kept])
    return describe([boxes], box, device="cpu")[:, :SIZE], names[kept]

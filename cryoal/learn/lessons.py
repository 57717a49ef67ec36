"""What pretraining learns from: invariants of particles in simulated tomograms of many kinds."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.labels import JUNK
from cryoal.data.crop import Cropper
from cryoal.data.normalise import Shells, normalise
from cryoal.learn.describe import describe
from cryoal.learn.looks import Look, draw_look, reconstructed
from cryoal.models.invariants import SIZE
from cryoal.simulate.density import Density, load_templates
from cryoal.simulate.junk import KINDS
from cryoal.simulate.picks import FALSE_POSITIVE, Picks, known_picks, matched_picks
from cryoal.simulate.procedural import random_densities
from cryoal.simulate.scene import Scene, shape_for
from cryoal.simulate.tomogram import build_scene, image

log = logging.getLogger(__name__)

#: Sides of the boxes that networks see, voxels: one for each tomogram.
BOXES = (20, 24, 28, 32, 36, 40, 44)
#: Complexes in one scene, from few to many: what stands beside a particle sets the scale on
#: which it is judged.
FEWEST, MOST = 4, 40
#: Complexes of a scene that template matching looks for, at most.
SOUGHT = 6

JUNK_CLASSES = tuple(f"junk_{kind}" for kind in (*KINDS, FALSE_POSITIVE))


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
    return [_look_at(scene, chosen, family, rng) for _ in range(looks)]


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
    scene: Scene, densities: Sequence[Density], family: Family, rng: np.random.Generator
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
    picks = _pick(volume, scene, densities, look, rng)
    names = np.where(
        picks.labels == JUNK,
        np.char.add("junk_", picks.kinds),
        np.char.add(f"{family.name}/", picks.labels),
    )
    # On whole voxels a box is an exact copy; the rounding is part of the picks' error.
    positions = np.rint(picks.positions)
    box = int(rng.choice(BOXES))
    # As extraction stores them: a margin for shifts around 1.5 diameters.
    stored = box + 4
    cropper = Cropper(volume, stored)
    shells = Shells(stored, box / 3 * float(rng.uniform(0.85, 1.15)))
    kept = np.flatnonzero(cropper.inside(positions) > 0.9)
    boxes = np.stack([normalise(cropper(positions[row]), shells).box for row in kept])
    return describe([boxes], box, device="cpu")[:, :SIZE], names[kept]


def _pick(
    volume: NDArray[np.float32],
    scene: Scene,
    densities: Sequence[Density],
    look: Look,
    rng: np.random.Generator,
) -> Picks:
    """Every place of the scene, a little off; or what template matching takes for particles."""
    if look.matched:
        found = matched_picks(
            volume,
            scene,
            densities[:SOUGHT],
            look.ctf,
            rng,
            tilt_range=look.tilt_range,
            tilt_axis=look.tilt_axis,
        )
        # Nobody goes on with a search that hardly finds a thing.
        if len(found.positions) > len(scene.positions) / 4:
            return found
    return known_picks(scene, rng, jitter=look.jitter)

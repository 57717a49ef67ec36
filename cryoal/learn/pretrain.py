"""Weights to start from: a network first trained to tell made-up complexes apart."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from torch.nn import functional

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import frequencies
from cryoal.data.augment import augment, central, views
from cryoal.data.crop import Cropper
from cryoal.data.normalise import Shells, normalise
from cryoal.learn.device import bfloat16_pays
from cryoal.models.base import Network, build
from cryoal.models.pretrained import start_from_weights
from cryoal.simulate.ctf import CTF_STATES, Ctf
from cryoal.simulate.density import Density
from cryoal.simulate.junk import KINDS
from cryoal.simulate.procedural import random_densities
from cryoal.simulate.scene import Scene, shape_for
from cryoal.simulate.tomogram import build_scene, image

log = logging.getLogger(__name__)

#: Side of the boxes kept, voxels, and the sides a network sees in training.
STORED_BOX = 36
SEEN_BOXES = (20, 22, 24, 26, 28, 30, 32)

#: Largest shift in training, voxels, on top of the picks' own errors.
SHIFT = 2

JUNK_CLASSES = tuple(f"junk_{kind}" for kind in KINDS)


@dataclass(frozen=True)
class Family:
    """Made-up complexes that are only ever seen at one voxel size, so that size stays a cue.

    Attributes
    ----------
    voxel_size : float, Angstrom
    n : int
        Complexes.
    seed : int
    sizes : (smallest, largest) diameter, Angstrom
    share : float
        Of the tomograms.
    """

    voxel_size: float
    n: int
    seed: int
    sizes: tuple[float, float]
    share: float


FAMILIES = (
    Family(10.0, 64, 1, (90.0, 320.0), 0.64),
    Family(8.0, 16, 2, (80.0, 250.0), 0.16),
    Family(13.3, 20, 3, (130.0, 400.0), 0.20),
)


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
class TrainingBoxes:
    """What a network is pretrained on.

    Attributes
    ----------
    boxes : (N, 36, 36, 36) float16
        Normalised, protein bright.
    targets : (N,) int64
    views : (N, 4) bool
        Half turns that each one's missing wedge allows.
    tomogram : (N,) int64
        Number of the scene each comes from.
    classes : tuple of str
        The made-up complexes, then the kinds of junk.
    """

    boxes: NDArray[np.float16]
    targets: NDArray[np.int64]
    views: NDArray[np.bool_]
    tomogram: NDArray[np.int64]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Course:
    """How long and how fast to pretrain.

    Attributes
    ----------
    steps, batch_size, warmup : int
    learning_rate, weight_decay : float
        Of AdamW; the rate falls to zero as a cosine.
    seed : int
    """

    steps: int = 5000
    batch_size: int = 48
    warmup: int = 100
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    seed: int = 0


@dataclass
class Outcome:
    """What came of a pretraining.

    Attributes
    ----------
    network : Network
        In evaluation mode.
    accuracy : float
        On boxes of the scenes held out, central crops of 28 voxels, one view.
    seconds : float
    losses : list of float
        Mean cross-entropy, nats, of every 250 steps.
    """

    network: Network
    accuracy: float
    seconds: float
    losses: list[float] = field(default_factory=list)


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


def make_boxes(
    scenes: int,
    seed: int,
    *,
    looks: int = 2,
    per_scene: int = 180,
    junk: int = 28,
    families: Sequence[Family] = FAMILIES,
    progress: Callable[[int, int], None] | None = None,
) -> TrainingBoxes:
    """Simulate crowded tomograms of made-up complexes and cut every pick out.

    Parameters
    ----------
    scenes : int
        Arrangements of particles; each becomes ``looks`` tomograms with noise, CTF, tilt range,
        weighting and picking errors of their own.
    seed : int
    looks : int
    per_scene : int
        Particles.
    junk : int
        Places without a particle, in each scene.
    families : sequence of Family
    progress : callable (scenes done, scenes), optional
    """
    densities = [random_densities(f.n, f.voxel_size, f.seed, f.sizes) for f in families]
    first = np.cumsum([0, *(f.n for f in families)])
    classes = tuple(
        f"{d.name}_{f.voxel_size:g}A" for f, ds in zip(families, densities, strict=True) for d in ds
    )
    rng = np.random.default_rng(seed)
    # Every family has its share even of few scenes.
    edges = np.cumsum([f.share for f in families]) / sum(f.share for f in families)
    which = np.searchsorted(edges, (np.arange(scenes) * 0.618034) % 1.0)
    parts: list[TrainingBoxes] = []
    for number, rng_of_one in enumerate(rng.spawn(scenes)):
        at = int(which[number])
        scene = _scene(densities[at], per_scene, junk, rng_of_one)
        for _ in range(looks):
            boxes, names, allowed = _look_at(scene, densities[at][0].voxel_size, rng_of_one)
            own = {d.name: int(first[at]) + i for i, d in enumerate(densities[at])}
            own |= {kind: int(first[-1]) + i for i, kind in enumerate(JUNK_CLASSES)}
            parts.append(
                TrainingBoxes(
                    boxes,
                    np.array([own[name] for name in names], dtype=np.int64),
                    np.tile(allowed, (len(boxes), 1)),
                    np.full(len(boxes), number, dtype=np.int64),
                    (*classes, *JUNK_CLASSES),
                )
            )
        if progress is not None:
            progress(number + 1, scenes)
    return TrainingBoxes(
        np.concatenate([p.boxes for p in parts]),
        np.concatenate([p.targets for p in parts]),
        np.concatenate([p.views for p in parts]),
        np.concatenate([p.tomogram for p in parts]),
        (*classes, *JUNK_CLASSES),
    )


def pretrain(
    data: TrainingBoxes,
    course: Course,
    *,
    network: str = "compact",
    held_out: float = 0.1,
    weights: Path | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> Outcome:
    """Train a network to name made-up complexes, whatever the box it sees.

    Every batch is cut to a side of its own, from 20 to 32 voxels, so that the weights serve
    boxes of any size; shifts and half turns as in any training.

    Parameters
    ----------
    data : TrainingBoxes
    course : Course
    network : str
        Of the registry; one that is not tied to the box it was built for.
    held_out : float
        Share of the scenes, the last ones, that only the accuracy is measured on.
    weights : Path, optional
        Of an earlier course, to go on from.
    progress : callable (step, steps, mean loss), optional
    """
    began = time.monotonic()
    last = int(data.tomogram.max()) + 1
    split = last - max(1, round(held_out * last)) if held_out > 0 and last > 1 else last
    train, test = (np.flatnonzero(m) for m in (data.tomogram < split, data.tomogram >= split))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(course.seed)
        net = build(network, len(data.classes), max(SEEN_BOXES))
        if weights is not None and not start_from_weights(net, weights):
            raise CryoalError(f"{weights}: not weights of network {network!r}")
        net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        losses = _train(net, data, train, course, progress)
    return Outcome(net, _accuracy(net, data, test), time.monotonic() - began, losses)


def _scene(
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
    raise CryoalError("no made-up complex fits into its tomogram; ask for fewer junk picks")


def _look_at(
    scene: Scene, voxel_size: float, rng: np.random.Generator
) -> tuple[NDArray[np.float16], NDArray[np.str_], NDArray[np.bool_]]:
    """Image a scene once and cut out its picks: boxes, class names, allowed views."""
    look = draw_look(rng)
    seen = image(
        scene,
        voxel_size,
        look.ctf,
        look.snr,
        rng,
        tilt_range=look.tilt_range,
        tilt_axis=look.tilt_axis,
        contrast="bright",
    )
    volume = reconstructed(seen.volume, voxel_size, look)
    positions = np.concatenate([scene.positions, *scene.junk.values()])
    kinds = np.repeat(list(scene.junk), [len(p) for p in scene.junk.values()])
    names = np.concatenate([scene.labels, [f"junk_{kind}" for kind in kinds]]).astype(str)
    jitter = rng.uniform(0, 0.8) * rng.standard_normal(positions.shape)
    # On whole voxels a box is an exact copy; the rounding is part of the picks' error.
    picks = np.rint(positions + np.clip(jitter, -2, 2))
    cropper = Cropper(volume, STORED_BOX)
    shells = Shells(STORED_BOX, float(rng.uniform(8, 14)))
    kept = np.flatnonzero(cropper.inside(picks) > 0.9)
    boxes = [normalise(cropper(picks[row]), shells).box.astype(np.float16) for row in kept]
    return np.stack(boxes), names[kept], views(look.tilt_range, look.tilt_axis)


def _train(
    net: Network,
    data: TrainingBoxes,
    rows: NDArray[np.intp],
    course: Course,
    progress: Callable[[int, int, float], None] | None,
) -> list[float]:
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=course.learning_rate, weight_decay=course.weight_decay, foreach=True
    )
    generator = torch.Generator().manual_seed(course.seed)
    rng = np.random.default_rng(course.seed)
    boxes, targets = torch.from_numpy(data.boxes), torch.from_numpy(data.targets)
    allowed = torch.from_numpy(data.views)
    half = bfloat16_pays(torch.device("cpu"))
    losses, recent = [], []
    waiting = np.zeros(0, dtype=np.int64)
    net.train()
    for step in range(course.steps):
        if len(waiting) < course.batch_size:
            waiting = np.concatenate([waiting, rng.permutation(rows)])
        batch = torch.from_numpy(waiting[: course.batch_size])
        waiting = waiting[course.batch_size :]
        side = SEEN_BOXES[int(rng.integers(len(SEEN_BOXES)))]
        shown = augment(boxes, batch, side, shift=SHIFT, allowed=allowed, generator=generator)
        rise = min(1.0, (step + 1) / course.warmup)
        fall = 0.5 * (1 + math.cos(math.pi * step / course.steps))
        optimiser.param_groups[0]["lr"] = course.learning_rate * rise * fall
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            logits, _ = net(shown.contiguous(memory_format=torch.channels_last_3d))
            loss = functional.cross_entropy(logits.float(), targets[batch])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        recent.append(float(loss.detach()))
        if len(recent) == 250 or step + 1 == course.steps:
            losses.append(float(np.mean(recent)))
            recent = []
            if progress is not None:
                progress(step + 1, course.steps, losses[-1])
    net.eval()
    return losses


@torch.no_grad()
def _accuracy(net: Network, data: TrainingBoxes, rows: NDArray[np.intp]) -> float:
    if not len(rows):
        return math.nan
    right = 0
    for start in range(0, len(rows), 128):
        block = rows[start : start + 128]
        shown = central(torch.from_numpy(data.boxes[block]), 28)
        logits, _ = net(shown.contiguous(memory_format=torch.channels_last_3d))
        right += int((logits.argmax(1).numpy() == data.targets[block]).sum())
    return right / len(rows)

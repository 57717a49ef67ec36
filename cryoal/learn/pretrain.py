"""Weights to start from: a network first trained to tell the complexes of its lessons apart."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cryoal.core.errors import CryoalError
from cryoal.learn.lessons import Lessons
from cryoal.models.base import Network, build
from cryoal.models.drawing import seeded
from cryoal.models.pretrained import start_from_weights
from cryoal.models.shape import Standard


@dataclass(frozen=True)
class Course:
    """How long and how fast to pretrain.

    Attributes
    ----------
    epochs, batch_size, warmup : int
        The warm-up is in steps.
    learning_rate, weight_decay : float
        Of AdamW; the rate falls to zero as a cosine.
    noise : float
        Standard deviation of what is added to standardised invariants.
    label_smoothing : float
    seed : int
    """

    epochs: int = 12
    batch_size: int = 256
    warmup: int = 100
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    noise: float = 0.1
    label_smoothing: float = 0.1
    seed: int = 0


@dataclass
class Outcome:
    """What came of a pretraining.

    Attributes
    ----------
    network : Network
        In evaluation mode.
    accuracy : float
        On the scenes held out.
    seconds : float
    losses : list of float
        Mean cross-entropy, nats, of every epoch.
    """

    network: Network
    accuracy: float
    seconds: float
    losses: list[float] = field(default_factory=list)


def pretrain(
    lessons: Lessons,
    course: Course,
    *,
    network: str = "shape-thin",
    held_out: float = 0.1,
    weights: Path | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> Outcome:
    """Train a network that sees invariants to name the complexes of its lessons.

    Parameters
    ----------
    lessons : Lessons
    course : Course
    network : str
    held_out : float
        Share of the scenes, the last ones, that only the accuracy is measured on.
    weights : Path, optional
        Of an earlier course, to go on from.
    progress : callable (epoch, epochs, mean loss), optional
    """
    began = time.monotonic()
    last = int(lessons.scene.max()) + 1
    split = last - max(1, round(held_out * last)) if held_out > 0 and last > 1 else last
    points = torch.from_numpy(standardised(lessons))
    targets = torch.from_numpy(lessons.targets)
    with seeded(course.seed):
        net = build(network, len(lessons.classes), 32)
        if weights is not None and not start_from_weights(net, weights):
            raise CryoalError(f"{weights}: not weights of network {network!r}")
        train = torch.from_numpy(np.flatnonzero(lessons.scene < split))
        losses = _train(net, points, targets, train, course, progress)
    held = np.flatnonzero(lessons.scene >= split)
    accuracy = math.nan
    if len(held):
        with torch.no_grad():
            logits, _ = net(points[held])
        accuracy = float((logits.argmax(1) == targets[held]).float().mean())
    return Outcome(net, accuracy, time.monotonic() - began, losses)


def standardised(lessons: Lessons) -> NDArray[np.float32]:
    """Points as a network sees them that has settled on each tomogram as its pool."""
    points = np.empty_like(lessons.points)
    standard = Standard(points.shape[1])
    for tomogram in np.unique(lessons.tomogram):
        rows = lessons.tomogram == tomogram
        block = torch.from_numpy(lessons.points[rows])
        standard.settle(block)
        points[rows] = standard(block).numpy()
    return points


def _train(
    net: Network,
    points: Tensor,
    targets: Tensor,
    rows: Tensor,
    course: Course,
    progress: Callable[[int, int, float], None] | None,
) -> list[float]:
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=course.learning_rate, weight_decay=course.weight_decay, foreach=True
    )
    generator = torch.Generator().manual_seed(course.seed)
    size = min(course.batch_size, len(rows))
    of_one = len(rows) // size
    losses = []
    net.train()
    for epoch in range(course.epochs):
        order = rows[torch.randperm(len(rows), generator=generator)]
        total = 0.0
        for at in range(of_one):
            step = epoch * of_one + at
            rise = min(1.0, (step + 1) / course.warmup)
            fall = 0.5 * (1 + math.cos(math.pi * step / (course.epochs * of_one)))
            optimiser.param_groups[0]["lr"] = course.learning_rate * rise * fall
            batch = order[at * size : (at + 1) * size]
            noise = course.noise * torch.randn((size, points.shape[1]), generator=generator)
            logits, _ = net(points[batch] + noise)
            loss = functional.cross_entropy(
                logits, targets[batch], label_smoothing=course.label_smoothing
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += float(loss.detach())
        losses.append(total / of_one)
        if progress is not None:
            progress(epoch + 1, course.epochs, losses[-1])
    net.eval()
    return losses

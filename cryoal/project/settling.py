"""How a round starts from shipped weights: heads in closed form, averages beside them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cryoal.core.labels import JUNK
from cryoal.learn.averaging import ENOUGH, FEWEST, Averaged, average
from cryoal.learn.device import resolve_device
from cryoal.learn.discriminant import Settled, settle_head
from cryoal.learn.hints import hints_of
from cryoal.learn.predict import predict
from cryoal.learn.prior import pool_prior, tell
from cryoal.learn.weighing import Heard
from cryoal.models.base import Network, build
from cryoal.models.drawing import seeded
from cryoal.models.harmonics import COEFFICIENTS
from cryoal.models.invariants import SIZE
from cryoal.models.pretrained import first_shapes, has_weights, start_from_weights
from cryoal.models.shape import SeesInvariants, Shape
from cryoal.project.settings import TrainSettings
from cryoal.project.sight import Sight


def settle_pair(
    teacher: Network,
    student: Network,
    sight: Sight,
    rows: NDArray[np.intp],
    targets: NDArray[np.intp],
    classes: Sequence[str],
    pool: NDArray[np.intp],
    settings: TrainSettings,
    weights: Path | None,
    weak: NDArray[np.intp] | None = None,
) -> dict[str, Settled]:
    """Start from shipped weights, with heads in closed form.

    The student learns from the teacher alone: from what the teacher calls the labelled particles.

    Parameters
    ----------
    weak : (N,) int, optional
        Class of each particle's weak label, by rows of the store; -1 where it has none.
    """
    for network in (teacher, student):
        start_from_weights(network, weights)
    points, told = _embedded(teacher, sight, rows, pool, settings)
    hints = None
    if weak is not None and (weak >= 0).any():
        seen = np.concatenate([rows, pool])[: len(points)]
        hints = hints_of(weak[seen], told, targets, len(classes))
    settled = settle_head(teacher, points, told, targets, hints=hints, seed=settings.seed)
    taken = next(iter(settled.values()))
    logits = points @ taken.weight.T + taken.bias
    if hints is not None and taken.hinted:
        logits = logits + hints
    if isinstance(teacher, Shape):
        everyone = np.concatenate([rows, pool])
        junk = list(classes).index(JUNK) if JUNK in classes else None
        alike = points * next(iter(teacher.emphases().values())).numpy() / (points.std(0) + 1e-6)
        found = _averages(
            Heard(logits, targets, taken.aside), alike, junk, sight, everyone, settings
        )
        if found is not None and found.helps:
            teacher.take(found.averages)
            heard = replace(taken, accuracy=found.accuracy, log_loss=found.log_loss)
            settled = {"averages": heard} | settled
    assert isinstance(teacher.head, torch.nn.Linear)
    if "averages" not in settled:
        tell(teacher.head, pool_prior(logits, told, targets))
    called = predict(teacher, sight.blocks(teacher, rows), device=settings.device)[0].argmax(1)
    points, told = _embedded(student, sight, rows, pool[:0], settings)
    settle_head(student, points, told, called, seed=settings.seed)
    return settled


def _averages(
    heard: Heard,
    alike: NDArray[np.floating],
    junk: int | None,
    sight: Sight,
    rows: NDArray[np.intp],
    settings: TrainSettings,
) -> Averaged | None:
    """Averages of the classes, where there are particles and labels enough for them.

    Parameters
    ----------
    heard : Heard
        Of N particles, n of them labelled.
    alike : (N, D)
        Where particles that look alike lie near each other.
    rows : (N,) int
        Of the store, the labelled ones first.
    """
    device = resolve_device(settings.device)
    if device.type == "mps":  # it finds no eigenvalues
        device = torch.device("cpu")
    if len(rows) < FEWEST * heard.logits.shape[1] or not np.isfinite(heard.aside).all():
        return None
    rng, labelled = np.random.default_rng(settings.seed), len(heard.targets)
    others = rng.permutation(np.arange(labelled, len(rows)))
    told = np.sort(rng.permutation(labelled)[:ENOUGH])
    used = np.r_[told, np.sort(others[: ENOUGH - len(told)])]
    placed = sight.placed(rows[used])[:, SIZE:]
    return average(
        np.ascontiguousarray(placed[:, :COEFFICIENTS]),
        Heard(heard.logits[used], heard.targets[told], heard.aside[told]),
        sight.wedge,
        first_shapes(),
        placed=placed,
        embedded=alike[used],
        shapeless=junk,
        device=device,
    )


def unlearned_embedding(
    sight: Sight, settings: TrainSettings, weights: Path | None = None
) -> NDArray[np.float32]:
    """What tells particles apart before any label: (N, D).

    The shipped weights' embedding where rounds start from them, else the invariants.
    """
    if settings.start == "scratch" or not has_weights("shape-thin"):
        return sight.invariants
    with seeded(0):
        network = build("shape-thin", 2, sight.store.geometry.network_box)
    assert isinstance(network, SeesInvariants)
    network.standard.settle(torch.from_numpy(sight.invariants))
    start_from_weights(network, weights)
    return predict(network, sight.described, device=settings.device)[1]


def _embedded(
    network: Network,
    sight: Sight,
    rows: NDArray[np.intp],
    pool: NDArray[np.intp],
    settings: TrainSettings,
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Embedding of the labelled particles and, where it costs little, of the pool behind them."""
    seen = rows if network.sees == "boxes" else np.concatenate([rows, pool])
    allowed = sight.allowed[seen] if settings.views else None
    shown = sight.blocks(network, seen)
    _, points = predict(network, shown, views=allowed, device=settings.device)
    return points, np.arange(len(rows))

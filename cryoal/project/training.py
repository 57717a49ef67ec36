"""One round of learning: labelled boxes to a teacher and a student, and what they predict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.predictions import Predictions
from cryoal.data.distort import Distort, Distortions, distorter
from cryoal.data.store import SubtomogramStore
from cryoal.learn.device import torch_threads
from cryoal.learn.discriminant import Settled
from cryoal.learn.fit import fit
from cryoal.learn.predict import predict, predict_dropout
from cryoal.learn.schedule import History, Schedule
from cryoal.learn.self_supervision import learn_alike
from cryoal.models import checkpoint
from cryoal.models.base import Network, build
from cryoal.models.carry import carry
from cryoal.models.drawing import seeded
from cryoal.models.shape import SeesInvariants
from cryoal.project.finishing import finish
from cryoal.project.lesson_plan import (
    check_trainable,
    schedule_for,
    starts_pretrained,
    transfer_options,
)
from cryoal.project.settings import TrainSettings
from cryoal.project.settling import settle_pair
from cryoal.project.sight import Sight

#: Particles of the pool that transfer on unlabelled ones sees.
POOL_SAMPLE = 4096


@dataclass(frozen=True)
class Pair:
    """A trained teacher and its student.

    Attributes
    ----------
    teacher, student : Network
    classes : tuple of str
        In the order of the logits.
    history : History
    settled : {way: Settled}
        How the teacher's head was settled in closed form, the way taken first; empty where it
        was trained.
    """

    teacher: Network
    student: Network
    classes: tuple[str, ...]
    history: History = field(default_factory=History)
    settled: dict[str, Settled] = field(default_factory=dict)


@torch_threads()
def train_pair(
    sight: Sight,
    rows: NDArray[np.intp],
    labels: Sequence[str],
    settings: TrainSettings,
    *,
    pool: NDArray[np.intp] | None = None,
    weights: Path | None = None,
    earlier: Pair | None = None,
    weak: Sequence[str] | None = None,
    schedule: Schedule | None = None,
    resume_path: Path | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> Pair:
    """Train teacher and student together on labelled particles.

    Parameters
    ----------
    sight : Sight
    rows : (n,) int
        The labelled particles, rows of the store.
    labels : n class names
    settings : TrainSettings
    pool : (m,) int, optional
        Particles that may be learnt from without a label; default: all of the store.
    weak : N class names, optional
        What a list says of every particle of the store, "" where none does: a hint
        (``learn.hints``) to heads that are settled, and no label. Other classes say nothing.
    weights : Path, optional
        Start from these instead of the shipped ones.
    earlier : Pair, optional
        Of the round before, for those that start from it.
    """
    classes = check_trainable(dict(enumerate(labels)))  # type: ignore[arg-type]
    targets = np.searchsorted(classes, np.asarray(labels, dtype=str))
    if pool is None:
        pool = np.arange(len(sight))
    pool = np.setdiff1d(pool, rows)
    geometry = sight.store.geometry
    # Teacher and student must not start alike: an identical pair agrees on everything.
    n, box = len(classes), geometry.network_box
    with seeded(2 * settings.seed):
        teacher = build(settings.network, n, box, **settings.network_options)
    with seeded(2 * settings.seed + 1):
        student = build(settings.student, n, box, **settings.student_options)
    if settings.start == "previous" and earlier is not None:
        carry(earlier.teacher, earlier.classes, teacher, classes)
        carry(earlier.student, earlier.classes, student, classes)
    everyone = np.concatenate([rows, pool])
    for network in (teacher, student):
        if isinstance(network, SeesInvariants):
            network.standard.settle(torch.from_numpy(sight.invariants[everyone]))
    settled: dict[str, Settled] = {}
    if starts_pretrained(settings):
        number = {name: at for at, name in enumerate(classes)}
        hinted = None if weak is None else np.array([number.get(name, -1) for name in weak])
        settled = settle_pair(
            teacher, student, sight, rows, targets, classes, pool, settings, weights, hinted
        )
    by_steps = not starts_pretrained(settings)
    if not by_steps:  # what the student's few steps can see
        shown = np.sort(np.random.default_rng(settings.seed).permutation(len(rows))[:POOL_SAMPLE])
        rows, targets = rows[shown], targets[shown]
    transfer, unlabelled = transfer_options(settings), None
    sample = np.sort(np.random.default_rng(settings.seed).permutation(pool)[:POOL_SAMPLE])
    if transfer.needs_pool:
        unlabelled = sight.show(sample, teacher, student)
    learn = partial(
        fit,
        teacher,
        student,
        sight.show(rows, teacher, student),
        targets,
        views=sight.allowed[rows] if settings.views else None,
        shift=geometry.shift if settings.shifts else 0,
        distort=_distort(sight, rows, settings),
        transfer=transfer,
        unlabelled=unlabelled,
        unlabelled_views=sight.allowed[sample] if settings.views else None,
        unlabelled_distort=_distort(sight, sample, settings) if transfer.needs_pool else None,
        seed=settings.seed,
        device=settings.device,
        resume_path=resume_path,
        progress=progress,
    )
    if settings.pool_steps and (earlier is None or settings.start != "previous"):
        _learn_alone(teacher, sight, everyone, settings, progress)
    schedule = schedule or schedule_for(settings)
    history = learn(schedule=schedule)
    if by_steps:
        settled = finish(teacher, sight, rows, targets, pool, settings)
        if settled:
            # The student followed the head that the teacher was trained with. These steps are few:
            # whoever is killed in them comes back to the state of the long training.
            learn(schedule=replace(schedule, min_steps=0, max_steps=0), resume_path=None)
    return Pair(teacher, student, classes, history, settled)


def _learn_alone(
    teacher: Network,
    sight: Sight,
    rows: NDArray[np.intp],
    settings: TrainSettings,
    progress: Callable[[int, int, float], None] | None,
) -> None:
    """Let a teacher learn from particles of the project, no matter what they are."""
    sample = np.sort(np.random.default_rng(settings.seed).permutation(rows)[:POOL_SAMPLE])
    learn_alike(
        teacher,
        sight.show(sample, teacher),
        steps=settings.pool_steps,
        views=sight.allowed[sample] if settings.views else None,
        shift=sight.store.geometry.shift if settings.shifts else 0,
        distort=_distort(sight, sample, settings),
        seed=settings.seed,
        device=settings.device,
        progress=progress,
    )


def _distort(sight: Sight, rows: NDArray[np.intp], settings: TrainSettings) -> Distort | None:
    """What distorts these particles in training, if anything does."""
    how = Distortions(settings.rotations, settings.noise, settings.ctf_filter)
    store = sight.store
    if not how:
        return None
    box = store.geometry.network_box
    return distorter(how, store.index.tomograms, store.tomogram[rows], box)


@torch_threads()
def predict_pair(
    pair: Pair,
    sight: Sight,
    settings: TrainSettings,
    *,
    needs: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Predictions:
    """What teacher and student think of every particle.

    Parameters
    ----------
    needs : sequence of str
        Beyond teacher and student: ``"dropout"``.
    """
    seen = sight.allowed if settings.views else None
    teacher, embedding = predict(
        pair.teacher,
        sight.blocks(pair.teacher),
        views=seen,
        device=settings.device,
        progress=progress,
    )
    student, _ = predict(
        pair.student, sight.blocks(pair.student), views=seen, device=settings.device
    )
    probabilities = {"teacher": teacher, "student": student}
    if "dropout" in needs:
        probabilities["dropout"] = predict_dropout(
            pair.teacher, sight.blocks(pair.teacher), seed=settings.seed, device=settings.device
        )
    return Predictions(sight.store.ids, pair.classes, probabilities, embedding)


def save_pair(pair: Pair, teacher: Path, student: Path, store: SubtomogramStore) -> None:
    """Write both networks with what their users must know; the teacher last: it means done."""
    facts = {
        "classes": list(pair.classes),
        "voxel_size": store.geometry.voxel_size,
        "diameter": store.geometry.diameter,
    }
    checkpoint.save(pair.student, student, **facts)
    checkpoint.save(pair.teacher, teacher, **facts)


def load_pair(teacher: Path, student: Path) -> Pair:
    """Read both networks of a round.

    Raises
    ------
    CryoalError
        One of them is damaged, or they are not of one training.
    """
    first, second = checkpoint.load(teacher), checkpoint.load(student)
    if first.facts.get("classes") != second.facts.get("classes"):
        raise CryoalError(
            f"{teacher}: its classes are not those of {student.name}, so that they are of two "
            "trainings; delete both and train again"
        )
    return Pair(first.network, second.network, first.classes)

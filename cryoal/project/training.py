"""One round of learning: labelled boxes to a teacher and a student, and what they predict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.predictions import Predictions
from cryoal.data.store import SubtomogramStore
from cryoal.learn.device import resolve_device
from cryoal.learn.discriminant import Settled
from cryoal.learn.fit import fit
from cryoal.learn.predict import predict, predict_dropout
from cryoal.learn.schedule import History, Schedule
from cryoal.learn.transfer import TransferOptions
from cryoal.models import checkpoint
from cryoal.models.base import Network, build
from cryoal.models.pretrained import has_weights
from cryoal.models.shape import SeesInvariants
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


#: For networks that start from pretrained weights: the teacher's head is settled in closed form,
#: which named more particles rightly than any fine-tuning tried (docs/measured/main-job.md).
SETTLED = Schedule(learning_rate=2e-4, min_steps=0, max_steps=0, student_steps=40)


def starts_pretrained(settings: TrainSettings) -> bool:
    """Whether teacher and student start from shipped weights: both, or neither."""
    return settings.start == "pretrained" and all(
        has_weights(name) for name in (settings.network, settings.student)
    )


def schedule_for(settings: TrainSettings) -> Schedule:
    """The training schedule, with the lengths that the settings overrule."""
    default = SETTLED if starts_pretrained(settings) else Schedule()
    most = default.max_steps if settings.max_steps is None else settings.max_steps
    student = default.student_steps if settings.student_steps is None else settings.student_steps
    if settings.student_is == "average":
        student = 0
    return replace(
        default,
        max_steps=most,
        min_steps=min(default.min_steps, most),
        student_steps=student,
    )


def check_trainable(labels: dict[str, str]) -> tuple[str, ...]:
    """Class names, sorted, if there is something to learn.

    Raises
    ------
    CryoalError
        No labels, or all of one class.
    """
    classes = tuple(sorted(set(labels.values())))
    if not labels:
        raise CryoalError(
            "no labels yet: run cryoal select, label the particles in its queue, then "
            "cryoal label --from FILE"
        )
    if len(classes) == 1:
        raise CryoalError(
            f"each of {len(labels)} labels is {classes[0]!r}: a classifier needs two classes; "
            "label some particles of another (junk counts), or let cryoal select ask for more"
        )
    return classes


def check_settings(settings: TrainSettings, n_classes: int, box: int) -> None:
    """Refuse settings of which no training can be made, before anything is written.

    Raises
    ------
    CryoalError
        An unknown network, distance or device, or a box that no network takes.
    """
    with torch.random.fork_rng(devices=[]):
        build(settings.network, n_classes, box)
        build(settings.student, n_classes, box)
    _transfer(settings)
    if settings.student_is == "average" and (
        settings.student != settings.network or not schedule_for(settings).max_steps
    ):
        raise CryoalError(
            'student_is = "average" needs a student of the teacher\'s network and a training by '
            f'steps: set start = "scratch" and student = "{settings.network}"'
        )
    resolve_device(settings.device)


def _transfer(settings: TrainSettings) -> TransferOptions:
    return TransferOptions(
        distance=settings.distance,
        student_ce=settings.student_ce,
        where=settings.transfer_on,
        temperature=settings.temperature,
        mutual=settings.mutual,
        ema_weight=settings.ema_weight,
        ema_decay=settings.ema_decay,
        average=settings.student_is == "average",
    )


def train_pair(
    sight: Sight,
    rows: NDArray[np.intp],
    labels: Sequence[str],
    settings: TrainSettings,
    *,
    pool: NDArray[np.intp] | None = None,
    weights: Path | None = None,
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
    """
    classes = check_trainable(dict(enumerate(labels)))  # type: ignore[arg-type]
    targets = np.searchsorted(classes, np.asarray(labels, dtype=str))
    if pool is None:
        pool = np.arange(len(sight))
    pool = np.setdiff1d(pool, rows)
    geometry = sight.store.geometry
    with torch.random.fork_rng(devices=[]):
        # Teacher and student must not start alike: an identical pair agrees on everything.
        torch.manual_seed(2 * settings.seed)
        teacher = build(settings.network, len(classes), geometry.network_box)
        torch.manual_seed(2 * settings.seed + 1)
        student = build(settings.student, len(classes), geometry.network_box)
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
    unlabelled = None
    if settings.transfer_on != "labelled":
        sample = np.random.default_rng(settings.seed).permutation(pool)[:POOL_SAMPLE]
        unlabelled = sight.show(np.sort(sample), teacher, student)
    history = fit(
        teacher,
        student,
        sight.show(rows, teacher, student),
        targets,
        views=sight.allowed[rows] if settings.views else None,
        shift=geometry.shift,
        transfer=_transfer(settings),
        schedule=schedule or schedule_for(settings),
        unlabelled=unlabelled,
        seed=settings.seed,
        device=settings.device,
        resume_path=resume_path,
        progress=progress,
    )
    return Pair(teacher, student, classes, history, settled)


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
    """Read both networks of a round."""
    first, second = checkpoint.load(teacher), checkpoint.load(student)
    return Pair(first.network, second.network, first.classes)

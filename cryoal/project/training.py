"""One round of learning: labelled boxes to a teacher and a student, and what they predict."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.predictions import Predictions
from cryoal.data.augment import views
from cryoal.data.store import Index, SubtomogramStore
from cryoal.learn.device import resolve_device
from cryoal.learn.discriminant import start_head
from cryoal.learn.fit import History, Schedule, fit
from cryoal.learn.predict import predict, predict_dropout
from cryoal.learn.transfer import TransferOptions
from cryoal.models import checkpoint
from cryoal.models.base import Network, build
from cryoal.models.pretrained import has_weights, start_from_weights
from cryoal.project.settings import TrainSettings

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
    """

    teacher: Network
    student: Network
    classes: tuple[str, ...]
    history: History = field(default_factory=History)


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
            f"all {len(labels)} labels are {classes[0]!r}: a classifier needs two classes; label "
            "some particles of another (junk counts), or ask for more with a larger "
            "cryoal select -n"
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
    resolve_device(settings.device)


def _transfer(settings: TrainSettings) -> TransferOptions:
    return TransferOptions(
        distance=settings.distance,
        student_ce=settings.student_ce,
        where=settings.transfer_on,
        temperature=settings.temperature,
    )


def train_pair(
    boxes: NDArray[np.floating],
    labels: Sequence[str],
    box: int,
    shift: int,
    allowed: NDArray[np.bool_],
    settings: TrainSettings,
    *,
    unlabelled: NDArray[np.floating] | None = None,
    schedule: Schedule | None = None,
    resume_path: Path | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> Pair:
    """Train teacher and student together on labelled boxes.

    Parameters
    ----------
    boxes : (N, S, S, S)
    labels : N class names
    box : int, voxels
        What the networks see, S - 2 * shift.
    shift : int, voxels
    allowed : (N, 4) bool
        Views of each particle that its tomogram's tilt range allows.
    settings : TrainSettings
    """
    classes = check_trainable(dict(enumerate(labels)))  # type: ignore[arg-type]
    number = {name: at for at, name in enumerate(classes)}
    with torch.random.fork_rng(devices=[]):
        # Teacher and student must not start alike: an identical pair agrees on everything.
        torch.manual_seed(2 * settings.seed)
        teacher = build(settings.network, len(classes), box)
        torch.manual_seed(2 * settings.seed + 1)
        student = build(settings.student, len(classes), box)
    targets = np.array([number[name] for name in labels])
    seen = allowed if settings.views else None
    if starts_pretrained(settings):
        start_from_weights(teacher)
        start_head(teacher, boxes, targets, views=seen, device=settings.device)
        # The student learns from the teacher alone: from what the teacher calls these particles.
        start_from_weights(student)
        called, _ = predict(teacher, boxes, views=seen, device=settings.device)
        start_head(student, boxes, called.argmax(1), views=seen, device=settings.device)
    history = fit(
        teacher,
        student,
        boxes,
        targets,
        views=seen,
        shift=shift,
        transfer=_transfer(settings),
        schedule=schedule or schedule_for(settings),
        unlabelled=unlabelled,
        seed=settings.seed,
        device=settings.device,
        resume_path=resume_path,
        progress=progress,
    )
    return Pair(teacher, student, classes, history)


def predict_pair(
    pair: Pair,
    ids: NDArray[np.str_],
    blocks: Callable[[], Iterator[NDArray[np.floating]]],
    allowed: NDArray[np.bool_],
    settings: TrainSettings,
    *,
    needs: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Predictions:
    """What teacher and student think of every particle.

    Parameters
    ----------
    blocks : callable () -> iterator of (n, S, S, S)
        All boxes in the order of ``ids``; called once a network.
    needs : sequence of str
        Beyond teacher and student: ``"dropout"``.
    """
    seen = allowed if settings.views else None
    teacher, embedding = predict(
        pair.teacher, blocks(), views=seen, device=settings.device, progress=progress
    )
    student, _ = predict(pair.student, blocks(), views=seen, device=settings.device)
    probabilities = {"teacher": teacher, "student": student}
    if "dropout" in needs:
        probabilities["dropout"] = predict_dropout(
            pair.teacher, blocks(), seed=settings.seed, device=settings.device
        )
    return Predictions(ids, pair.classes, probabilities, embedding)


def views_of(index: Index, tomogram: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Views that each particle's tomogram allows: (N, 4) bool."""
    facts = index.tomograms.astype(str).set_index("rlnTomoName").to_dict("index")
    allowed = {
        name: views(
            (float(row["cryoalTiltMin"]), float(row["cryoalTiltMax"])), row["cryoalTiltAxis"]
        )
        for name, row in facts.items()
    }
    if not len(tomogram):
        return np.zeros((0, 4), dtype=bool)
    return np.stack([allowed[name] for name in tomogram])


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

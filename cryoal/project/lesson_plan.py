"""What the settings say of a training: its length, what passes in it, and whether it can be."""

from dataclasses import replace
from pathlib import Path

from cryoal.core.errors import CryoalError
from cryoal.learn.device import resolve_device
from cryoal.learn.schedule import Schedule
from cryoal.learn.transfer import TransferOptions
from cryoal.models.base import Network, build, networks
from cryoal.models.drawing import seeded
from cryoal.models.pretrained import has_weights
from cryoal.project.settings import TrainSettings

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


def check_settings(
    settings: TrainSettings, n_classes: int, box: int, found_in: Path | None = None
) -> None:
    """Refuse settings of which no training can be made, before anything is written.

    Parameters
    ----------
    found_in : Path, optional
        The file that the settings stand in.

    Raises
    ------
    CryoalError
        An unknown network, a private one that no person named, an unknown distance or device, a
        box that no network takes, or settings that this network cannot follow.
    """
    for name in (settings.network, settings.student):
        networks.refuse_private(name, found_in)
    with seeded(0):
        teacher = build(settings.network, n_classes, box, **settings.network_options)
        build(settings.student, n_classes, box, **settings.student_options)
    transfer_options(settings)
    _check_changed(settings, teacher)
    alike = (settings.student, settings.student_options) == (
        settings.network,
        settings.network_options,
    )
    if settings.student_is == "average" and not (alike and schedule_for(settings).max_steps):
        raise CryoalError(
            'student_is = "average" needs a student of the teacher\'s network and a training by '
            f'steps: set start = "scratch" and student = "{settings.network}"'
        )
    resolve_device(settings.device)


#: Settings that only a training by steps heeds, and those of them that only boxes can show.
BY_STEPS = ("network_options", "student_options", "head", "ema_on")
OF_BOXES = ("shifts", "rotations", "noise", "ctf_filter", "pool_steps")


def _check_changed(settings: TrainSettings, teacher: Network) -> None:
    """Refuse settings that would change nothing."""
    defaults = TrainSettings()
    changed = [n for n in BY_STEPS + OF_BOXES if getattr(settings, n) != getattr(defaults, n)]
    boxes = [name for name in changed if name in OF_BOXES]
    if changed and starts_pretrained(settings):
        raise CryoalError(
            f"{', '.join(changed)} under [train]: only for networks trained by steps; set "
            'start = "scratch" too, or delete the line'
        )
    if boxes and teacher.sees != "boxes":
        raise CryoalError(
            f"{', '.join(boxes)} under [train]: network {settings.network!r} sees invariants, not "
            'boxes; set network = "compact" and student = "compact-thin", or delete the line'
        )


def transfer_options(settings: TrainSettings) -> TransferOptions:
    """What passes between teacher and student."""
    return TransferOptions(
        distance=settings.distance,
        student_ce=settings.student_ce,
        where=settings.transfer_on,
        temperature=settings.temperature,
        mutual=settings.mutual,
        ema_weight=settings.ema_weight,
        ema_decay=settings.ema_decay,
        ema_where=settings.ema_on,
        average=settings.student_is == "average",
    )

"""Teacher, student and what each learns from: active learning by knowledge transfer.

Wang et al., "Boosting Active Learning with Knowledge Transfer", arXiv:2509.15805: the teacher
learns the task from labels, the student learns the teacher, and where the two disagree is
where to ask.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from cryoal.core.errors import CryoalError
from cryoal.models.base import Network

DISTANCES = ("kl", "reverse_kl", "jsd", "mse", "l1")
TAKEN_ON = ("labelled", "unlabelled", "both")


@dataclass(frozen=True)
class TransferOptions:
    """What passes between teacher and student.

    Attributes
    ----------
    distance : str
        Of the transfer loss; "kl" is KL(teacher || student), the paper's.
    student_ce : float
        a in ``a CE + (1 - a) transfer``, the student's loss; 1 is labels only.
    where : "labelled", "unlabelled" or "both"
        On which particles the transfer loss is taken. On the unlabelled ones it drives the
        disagreement to zero just where it is wanted.
    temperature : float
        Of both softmaxes in the transfer loss; the loss is scaled by its square (Hinton et
        al. 2015), so that gradients keep their size.
    mutual : bool
        The teacher learns from the student as well (Zhang et al. 2018).
    ema_weight, ema_decay : float
        Weight of KL(p_EMA || p_T), with p_EMA from a moving average of the teacher's weights;
        0 is off.
    ema_where : "labelled", "unlabelled" or "both"
        On which particles that is taken. Of an unlabelled one the moving average sees another
        view than the teacher: the mean teacher of Tarvainen and Valpola (NeurIPS 2017).
    average : bool
        The student learns nothing: it *is* the moving average of the teacher, whose network it
        must be (Wang et al., ICIP 2022, ask where the two disagree).
    """

    distance: str = "kl"
    student_ce: float = 0.0
    where: str = "labelled"
    temperature: float = 1.0
    mutual: bool = False
    ema_weight: float = 0.0
    ema_decay: float = 0.999
    ema_where: str = "labelled"
    average: bool = False

    def __post_init__(self) -> None:
        for name, value, known in (
            ("distance", self.distance, DISTANCES),
            ("where", self.where, TAKEN_ON),
            ("ema_where", self.ema_where, TAKEN_ON),
        ):
            if value not in known:
                raise CryoalError(f"transfer {name} {value!r}: say one of {', '.join(known)}")
        if not 0 <= self.student_ce <= 1:
            raise CryoalError(f"student_ce {self.student_ce}: a share, from 0 to 1")
        if self.temperature <= 0:
            raise CryoalError(f"transfer temperature {self.temperature}: must be above 0")
        if self.average and (self.mutual or self.student_ce > 0 or self.where != "labelled"):
            raise CryoalError(
                "a student that is the teacher's moving average learns nothing itself: leave "
                'mutual, student_ce and transfer_on as they are, or student_is = "pupil"'
            )

    @property
    def consistent_on_pool(self) -> bool:
        """Whether the teacher is held to its moving average on unlabelled particles."""
        return self.ema_weight > 0 and self.ema_where != "labelled"

    @property
    def needs_pool(self) -> bool:
        """Whether anything is learnt from unlabelled particles."""
        return self.where != "labelled" or self.consistent_on_pool


def divergence(target: Tensor, output: Tensor, distance: str, temperature: float = 1.0) -> Tensor:
    """Distance between the softmaxes of two sets of logits, per particle.

    Parameters
    ----------
    target, output : (..., C)
        Logits of the one imitated and of the imitator.
    distance : str
        "kl" sum p log(p / q), "reverse_kl" sum q log(q / p), "jsd" the mean of both to their
        middle, "mse" and "l1" the mean over classes of (p - q)^2 and |p - q|.
    temperature : float

    Returns
    -------
    (...) of the batch shape, times the squared temperature
    """
    log_p = functional.log_softmax(target / temperature, dim=-1)
    log_q = functional.log_softmax(output / temperature, dim=-1)
    p, q = log_p.exp(), log_q.exp()
    if distance == "kl":
        value = (p * (log_p - log_q)).sum(-1)
    elif distance == "reverse_kl":
        value = (q * (log_q - log_p)).sum(-1)
    elif distance == "jsd":
        log_m = torch.logaddexp(log_p, log_q) - torch.log(torch.tensor(2.0))
        value = ((p * (log_p - log_m)).sum(-1) + (q * (log_q - log_m)).sum(-1)) / 2
    elif distance == "mse":
        value = (p - q).square().mean(-1)
    else:
        value = (p - q).abs().mean(-1)
    return value * temperature**2


class MovingAverage:
    """A copy of a network whose weights trail the original's.

    Starting from the first weights would weigh the random initialisation; the decay therefore
    grows as (1 + t) / (10 + t) up to its value, with t counted from this object's making.

    Parameters
    ----------
    network : Network
    decay : float
    into : Network, optional
        What holds the trailing weights, built alike; default a copy.
    """

    def __init__(self, network: Network, decay: float, into: Network | None = None) -> None:
        if into is None:
            into = copy.deepcopy(network).requires_grad_(False)
        into.load_state_dict(network.state_dict())
        self.network = into.eval()
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, network: Network) -> None:
        """Take one step towards the network's present weights."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        trailing = self.network.state_dict()
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                trailing[name].lerp_(value, 1 - decay)
            else:
                trailing[name].copy_(value)


class KnowledgeTransfer:
    """A teacher, its student, and the loss of one batch of each.

    Parameters
    ----------
    teacher, student : Network
    options : TransferOptions
    label_smoothing : float
        Share of the target spread over all classes.
    """

    def __init__(
        self,
        teacher: Network,
        student: Network,
        options: TransferOptions,
        label_smoothing: float = 0.0,
    ) -> None:
        self.teacher, self.student, self.options = teacher, student, options
        self.average: MovingAverage | None = None
        if options.average:
            self.average = MovingAverage(teacher, options.ema_decay, into=student)
        elif options.ema_weight > 0:
            self.average = MovingAverage(teacher, options.ema_decay)
        self._smoothing = label_smoothing

    def task_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy with the labels: the mean over the batch."""
        return functional.cross_entropy(logits, targets, label_smoothing=self._smoothing)

    def losses(
        self,
        labelled: Tensor,
        targets: Tensor,
        unlabelled: Tensor | None = None,
        again: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """What teacher and student have to lose on one batch.

        Parameters
        ----------
        labelled : (B, 1, b, b, b)
        targets : (B,) int64
        unlabelled : (U, 1, b, b, b), optional
            Needed where the options say that the pool is learnt from.
        again : (U, 1, b, b, b), optional
            Other views of these, for the moving average.

        Returns
        -------
        teacher's, student's : scalars; no gradient runs from one network into the other
        """
        options = self.options
        teacher = self.teacher(labelled)[0].float()  # (B, C)
        task = self.task_loss(teacher, targets)
        if self.average is not None:
            distance = self._consistency(labelled, teacher, unlabelled, again)
            task = task + options.ema_weight * distance
            if options.average:
                return task, distance.detach()
        student = self.student(labelled)[0].float()
        pairs = [(teacher, student)] if options.where != "unlabelled" else []
        if options.where != "labelled":
            assert unlabelled is not None
            # In evaluation mode the pool leaves no trace in the teacher's running statistics.
            self.teacher.eval()
            with torch.set_grad_enabled(options.mutual):
                target = self.teacher(unlabelled)[0].float()
            self.teacher.train()
            pairs.append((target, self.student(unlabelled)[0].float()))
        loss = task
        if options.mutual:
            loss = loss + self._transfer([(s.detach(), t) for t, s in pairs])
        return loss, self._student_loss(pairs, student, targets)

    def _consistency(
        self, labelled: Tensor, teacher: Tensor, unlabelled: Tensor | None, again: Tensor | None
    ) -> Tensor:
        """The teacher's mean distance from its moving average."""
        assert self.average is not None
        where, values = self.options.ema_where, []
        if where != "unlabelled":
            with torch.no_grad():
                trailing = self.average.network(labelled)[0].float()
            values.append(divergence(trailing, teacher, "kl"))
        if where != "labelled":
            assert unlabelled is not None
            assert again is not None
            with torch.no_grad():
                trailing = self.average.network(again)[0].float()
            # In training mode, as mean teachers are: running statistics follow the pool as well.
            values.append(divergence(trailing, self.teacher(unlabelled)[0].float(), "kl"))
        return torch.cat(values).mean()

    def student_loss(
        self, labelled: Tensor, targets: Tensor, unlabelled: Tensor | None = None
    ) -> Tensor:
        """The student's loss alone, the teacher fixed (it should be in evaluation mode)."""
        where = self.options.where
        student = self.student(labelled)[0].float()
        pairs = []
        with torch.no_grad():
            if where != "unlabelled":
                pairs.append((self.teacher(labelled)[0].float(), student))
            if where != "labelled":
                assert unlabelled is not None
                target = self.teacher(unlabelled)[0].float()
        if where != "labelled":
            assert unlabelled is not None
            pairs.append((target, self.student(unlabelled)[0].float()))
        return self._student_loss(pairs, student, targets)

    def _student_loss(
        self, pairs: list[tuple[Tensor, Tensor]], student: Tensor, targets: Tensor
    ) -> Tensor:
        a = self.options.student_ce
        loss = (1 - a) * self._transfer([(t.detach(), s) for t, s in pairs])
        return loss + a * self.task_loss(student, targets) if a > 0 else loss

    def _transfer(self, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
        options = self.options
        values = [divergence(t, o, options.distance, options.temperature) for t, o in pairs]
        return torch.cat(values).mean()

"""How long and how fast to train, and how it went."""

import math
from dataclasses import dataclass, field

#: The training loss that decides on convergence is a running mean over about this many steps.
LOSS_MEMORY_STEPS = 50


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train: a plateau of the learning rate, then a cosine to zero.

    The plateau ends when the running mean of the teacher's training loss (over 50 steps, on
    augmented boxes) falls below ``loss_below``, but not before ``min_steps`` nor after
    ``max_steps``, both counted with the descent, which takes ``descent`` of all steps.

    Attributes
    ----------
    learning_rate, weight_decay : float
        Of AdamW (Loshchilov and Hutter 2019).
    batch_size : int
    warmup : int
        Steps over which the learning rate rises linearly.
    min_steps, max_steps : int
        With 0 the teacher stays as it is, and only the student learns.
    descent : float
        Share of all steps.
    loss_below : float
        Nats.
    student_steps : int
        More steps for the student alone, the teacher fixed and in evaluation mode.
    label_smoothing : float
    """

    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    batch_size: int = 32
    warmup: int = 50
    min_steps: int = 600
    max_steps: int = 1800
    descent: float = 0.5
    loss_below: float = 0.1
    student_steps: int = 300
    label_smoothing: float = 0.0

    def rate(self, step: int, descent_from: int | None) -> float:
        """Factor on the learning rate at a step, from when the plateau ended (None: not yet)."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        if descent_from is None or step < descent_from:
            return rise
        length = self.descent_steps(descent_from)
        return rise * 0.5 * (1 + math.cos(math.pi * (step - descent_from + 1) / length))

    def descent_steps(self, descent_from: int) -> int:
        """Length of the descent after a plateau of this many steps."""
        if self.descent >= 1:
            return self.max_steps
        return max(1, round(descent_from * self.descent / (1 - self.descent)))

    def plateau_ends(self, step: int, loss: float) -> bool:
        """Whether the descent begins at this step, given the running mean of the loss."""
        share = 1 - self.descent
        if step >= round(share * self.max_steps):
            return True
        return step >= round(share * self.min_steps) and loss < self.loss_below


@dataclass
class History:
    """How a training went.

    Attributes
    ----------
    records : list of dict
        step, teacher_loss, student_loss (running means, nats), rate, every 50 steps.
    steps : int
        Of the teacher.
    converged : bool
        The loss fell below the schedule's mark before the steps ran out.
    seconds : float
        Of this process; what a killed one took is not counted.
    """

    records: list[dict[str, float]] = field(default_factory=list)
    steps: int = 0
    converged: bool = False
    seconds: float = 0.0

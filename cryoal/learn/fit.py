"""The training loop, top to bottom."""

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from cryoal.data.distort import Distort
from cryoal.io.files import replacing
from cryoal.learn.batches import Batches, mix
from cryoal.learn.device import bfloat16_is_right, bfloat16_pays, resolve_device, torch_threads
from cryoal.learn.schedule import LOSS_MEMORY_STEPS, History, Schedule
from cryoal.learn.transfer import KnowledgeTransfer, TransferOptions
from cryoal.models.base import Network
from cryoal.models.drawing import seeded

log = logging.getLogger(__name__)


@torch_threads()
def fit(
    teacher: Network,
    student: Network,
    boxes: NDArray[np.floating] | Tensor,
    targets: NDArray[np.integer] | Tensor,
    *,
    views: NDArray[np.bool_] | None = None,
    shift: int = 0,
    distort: Distort | None = None,
    transfer: TransferOptions | None = None,
    schedule: Schedule | None = None,
    unlabelled: NDArray[np.floating] | Tensor | None = None,
    unlabelled_views: NDArray[np.bool_] | None = None,
    unlabelled_distort: Distort | None = None,
    seed: int = 0,
    device: str = "auto",
    resume_path: Path | None = None,
    save_every: int = 200,
    progress: Callable[[int, int, float], None] | None = None,
) -> History:
    """Train a teacher on labelled boxes and a student on the teacher, in place.

    Every draw (which particles, shifts, views, dropout) follows from ``seed`` and the step's
    number alone, so that a training that was killed goes on from its last saved state as if
    it had never stopped: bit for bit on the CPU with the same number of threads.

    Parameters
    ----------
    teacher, student : Network
        Made by ``build`` for the same box. Left in evaluation mode on the CPU.
    boxes : (N, S, S, S) float16 or float32
        S - 2 * shift >= the networks' box. Networks that see invariants take those, (N, D), as
        well; nothing is shifted or turned then.
    targets : (N,) int
        Class numbers.
    views : (N, 4) bool, optional
        Half turns each particle's tomogram allows (``data.augment.views``); none is the
        identity alone.
    shift : int, voxels
        Largest random shift along each axis.
    distort : callable, optional
        Distorts shifted and turned boxes further (``data.distort.distorter``).
    transfer : TransferOptions, optional
    schedule : Schedule, optional
    unlabelled : (U, S, S, S), optional
        For transfer or consistency on unlabelled particles: a sample of the pool that fits in
        memory.
    unlabelled_views, unlabelled_distort : optional
        Of these, as ``views`` and ``distort``.
    seed : int
    device : str
        "auto", "cpu", "cuda", "mps".
    resume_path : Path, optional
        State is saved here every ``save_every`` steps, and taken up from if it belongs to a
        training with the same arguments. The caller deletes it once the networks are saved.
    progress : callable (step, steps expected, loss), optional

    Returns
    -------
    History
    """
    began = time.monotonic()
    transfer, schedule = transfer or TransferOptions(), schedule or Schedule()
    where = resolve_device(device)
    run = _Run(teacher, student, transfer, schedule, where, len(boxes), seed)
    data = Batches(boxes, views, shift, seed, where, distort)
    labels = torch.as_tensor(targets, dtype=torch.int64, device=where)
    pool = (
        None
        if unlabelled is None or not transfer.needs_pool
        else Batches(unlabelled, unlabelled_views, shift, seed + 1, where, unlabelled_distort)
    )
    if resume_path is not None:
        run.restore(resume_path)
    box, size = teacher.recipe.box, schedule.batch_size
    while not run.finished:
        rows = data.rows(run.step, size)
        batch = data.batch(rows, run.step, box)
        extra = again = None
        if pool is not None:
            others = pool.rows(run.step, size)
            extra = pool.batch(others, run.step, box)
            if transfer.consistent_on_pool:
                again = pool.batch(others, run.step, box, look=1)
        with seeded(mix(seed, run.step, 2)):  # dropout
            run.advance(batch, labels[rows.to(where)], extra, again)
        if run.step % LOSS_MEMORY_STEPS == 0 and progress is not None:
            progress(run.step, run.expected_steps, run.teacher_loss)
        if resume_path is not None and run.step % save_every == 0 and not run.finished:
            run.save(resume_path)
    history = run.history
    history.seconds = time.monotonic() - began
    for network in (teacher, student):
        network.to("cpu").eval()
    if history.steps:
        end = "" if history.converged else " (not converged)"
        log.info(
            "trained %d steps in %.0f s, loss %.3f%s",
            *(history.steps, history.seconds, run.teacher_loss, end),
        )
    return history


class _Run:
    """Networks, optimisers and counters of one training, and their state on disk."""

    def __init__(
        self,
        teacher: Network,
        student: Network,
        transfer: TransferOptions,
        schedule: Schedule,
        device: torch.device,
        n: int,
        seed: int,
    ) -> None:
        for network in (teacher, student):
            network.to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
            network.train()
        self.pair = KnowledgeTransfer(teacher, student, transfer, schedule.label_smoothing)
        self.schedule, self.device = schedule, device
        self.bfloat16 = bfloat16_pays(device) and all(
            bfloat16_is_right(network) for network in (teacher, student)
        )
        self.optimisers = [
            torch.optim.AdamW(
                network.parameters(),
                lr=schedule.learning_rate,
                weight_decay=schedule.weight_decay,
                foreach=True,
            )
            for network in (teacher, student)
        ]
        self.identity = {
            "recipes": [asdict(teacher.recipe), asdict(student.recipe)],
            "transfer": asdict(transfer),
            "schedule": asdict(schedule),
            "n": n,
            "seed": seed,
        }
        self.step = 0
        self.descent_from: int | None = None
        self.teacher_loss = self.student_loss = math.inf
        self.history = History()

    @property
    def teacher_steps(self) -> int | None:
        """All steps of the teacher, once the plateau has ended."""
        if self.schedule.max_steps == 0:
            return 0
        if self.descent_from is None:
            return None
        return self.descent_from + self.schedule.descent_steps(self.descent_from)

    @property
    def expected_steps(self) -> int:
        """Steps of teacher and student, at most."""
        return (self.teacher_steps or self.schedule.max_steps) + self.schedule.student_steps

    @property
    def finished(self) -> bool:
        """Both networks have had all their steps."""
        return self.teacher_steps is not None and self.step >= self.expected_steps

    def advance(
        self, boxes: Tensor, targets: Tensor, unlabelled: Tensor | None, again: Tensor | None
    ) -> None:
        """One step of the teacher and the student, or of the student alone at the end."""
        if self.descent_from is None and self.schedule.plateau_ends(self.step, self.teacher_loss):
            self.descent_from = self.step
            self.history.converged = self.teacher_loss < self.schedule.loss_below
        together = self.teacher_steps is None or self.step < self.teacher_steps
        if boxes.ndim == 5:
            boxes = boxes.contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bfloat16):
            if together:
                teacher_loss, student_loss = self.pair.losses(boxes, targets, unlabelled, again)
            else:
                self.pair.teacher.eval()
                teacher_loss = torch.zeros((), device=self.device)
                student_loss = self.pair.student_loss(boxes, targets, unlabelled)
        rate = self.rate()
        for optimiser in self.optimisers:
            optimiser.zero_grad()
            optimiser.param_groups[0]["lr"] = self.schedule.learning_rate * rate
        (teacher_loss + student_loss).backward()  # type: ignore[no-untyped-call]
        for optimiser in self.optimisers if together else self.optimisers[1:]:
            optimiser.step()
        if together and self.pair.average is not None:
            self.pair.average.update(self.pair.teacher)
        if together:
            self.teacher_loss = _follow(self.teacher_loss, float(teacher_loss.detach()))
            self.history.steps = self.step + 1
        self.student_loss = _follow(self.student_loss, float(student_loss.detach()))
        self.step += 1
        if self.step % LOSS_MEMORY_STEPS == 0:
            self.history.records.append(
                {
                    "step": self.step,
                    "teacher_loss": self.teacher_loss,
                    "student_loss": self.student_loss,
                    "rate": rate,
                }
            )

    def rate(self) -> float:
        """Factor on the learning rate; the student's own steps are a second, smaller descent."""
        teacher_steps = self.teacher_steps
        if teacher_steps is None or self.step < teacher_steps:
            return self.schedule.rate(self.step, self.descent_from)
        done = (self.step - teacher_steps) / self.schedule.student_steps
        return 0.25 * (1 + math.cos(math.pi * done))

    def save(self, path: Path) -> None:
        """Write everything the next steps depend on."""
        tensors = {}
        for name, state in self._states().items():
            for key, value in state.items():
                tensors[f"{name}.{key}"] = value.detach().cpu().contiguous()
        facts = {
            "identity": self.identity,
            "step": self.step,
            "descent_from": self.descent_from,
            "teacher_loss": self.teacher_loss,
            "student_loss": self.student_loss,
            "average_steps": 0 if self.pair.average is None else self.pair.average.steps,
            "history": asdict(self.history),
        }
        with replacing(path, "wb") as file:
            file.write(to_bytes(tensors, {"cryoal_training": json.dumps(facts)}))

    def restore(self, path: Path) -> None:
        """Take up a saved state, if there is one and it is of this very training."""
        if not path.exists():
            return
        try:
            with safe_open(path, framework="pt") as file:
                facts = json.loads((file.metadata() or {}).get("cryoal_training", "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            facts = dict(facts)
        except (SafetensorError, OSError, ValueError, TypeError) as problem:
            log.warning("%s: cannot be read (%s); training starts afresh", path, problem)
            return
        if facts.get("identity") != json.loads(json.dumps(self.identity)):
            log.info("%s: of another training; this one starts afresh", path)
            return
        for optimiser in self.optimisers:
            _prepare(optimiser)
        states = {
            f"{name}.{key}": value
            for name, state in self._states().items()
            for key, value in state.items()
        }
        if not _whole(facts, tensors, states):
            for optimiser in self.optimisers:
                optimiser.state.clear()
            log.warning("%s: is damaged; training starts afresh", path)
            return
        for name, value in states.items():
            value.copy_(tensors[name])
        self.step, self.descent_from = facts["step"], facts["descent_from"]
        self.teacher_loss, self.student_loss = facts["teacher_loss"], facts["student_loss"]
        self.history = History(**facts["history"])
        if self.pair.average is not None:
            self.pair.average.steps = facts["average_steps"]
        log.info("%s: training goes on from step %d", path, self.step)

    def _states(self) -> dict[str, dict[str, Tensor]]:
        """Every tensor of the state, sharing memory with what it belongs to."""
        states = {"teacher": self.pair.teacher.state_dict()}
        states["student"] = self.pair.student.state_dict()
        if self.pair.average is not None:
            states["average"] = self.pair.average.network.state_dict()
        for name, optimiser in zip(("teacher", "student"), self.optimisers, strict=True):
            states[f"optimiser.{name}"] = dict(_moments(optimiser))
        return states


def _whole(facts: dict[str, Any], tensors: dict[str, Tensor], states: dict[str, Tensor]) -> bool:
    """Whether a saved state is all there and makes sense: nothing of it is taken otherwise."""
    try:
        History(**facts["history"])
        steps = (facts["step"], facts["descent_from"] or 0, facts["average_steps"])
        losses = (facts["teacher_loss"], facts["student_loss"])
        sensible = all(type(n) is int and n >= 0 for n in steps) and all(
            type(loss) is float and loss > -math.inf for loss in losses
        )
    except (KeyError, TypeError):
        return False
    return (
        sensible
        and tensors.keys() >= states.keys()
        and all(tensors[name].shape == value.shape for name, value in states.items())
        and all(tensors[name].dtype == value.dtype for name, value in states.items())
        and all(bool(torch.isfinite(tensors[name]).all()) for name in states)
    )


def _follow(mean: float, value: float) -> float:
    """Running mean, started at the first value."""
    return value if math.isinf(mean) else mean + (value - mean) / LOSS_MEMORY_STEPS


def _prepare(optimiser: torch.optim.Optimizer) -> None:
    """Make AdamW's moments, which it would make at its first step."""
    for parameter in optimiser.param_groups[0]["params"]:
        optimiser.state[parameter] = {
            "step": torch.tensor(0.0),
            "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
        }


def _moments(optimiser: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    for number, parameter in enumerate(optimiser.param_groups[0]["params"]):
        for key, value in optimiser.state[parameter].items():
            yield f"{number}.{key}", value

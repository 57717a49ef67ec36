"""What the student's own steps, after the teacher's last, are for."""

from dataclasses import replace

import numpy as np
import torch

from cryoal.learn.fit import fit
from cryoal.learn.predict import predict
from cryoal.learn.schedule import Schedule
from cryoal.models.base import build


def test_in_its_own_steps_the_student_comes_nearer_to_a_teacher_that_stays() -> None:
    rng = np.random.default_rng(0)
    targets = np.arange(24) % 2
    boxes = rng.normal(size=(24, 16, 16, 16)).astype(np.float32)
    boxes[:, 6:10, 6:10, 6:10] += 3 * targets[:, None, None, None]
    short = Schedule(min_steps=12, max_steps=12, student_steps=0, warmup=2, batch_size=8)

    def fitted(steps: int) -> tuple[np.ndarray, np.ndarray]:
        torch.manual_seed(0)
        pair = build("compact-thin", 2, 16, width=0.25), build("compact-thin", 2, 16, width=0.25)
        fit(*pair, boxes, targets, schedule=replace(short, student_steps=steps), device="cpu")
        p, q = (predict(network, boxes, device="cpu")[0] for network in pair)
        return p, q

    (p, before), (again, after) = fitted(0), fitted(25)
    np.testing.assert_allclose(again, p, atol=1e-6)
    away = [float((p * np.log(p / q)).sum(1).mean()) for q in (before, after)]
    assert away[1] < 0.5 * away[0]

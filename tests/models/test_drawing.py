"""Networks draw from generators of their own."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from cryoal.learn.fit import fit
from cryoal.learn.predict import predict
from cryoal.learn.schedule import Schedule
from cryoal.models.base import build, networks
from cryoal.models.drawing import seeded

SHORT = Schedule(min_steps=6, max_steps=6, student_steps=2, batch_size=8)


@pytest.mark.parametrize("name", networks.names())
def test_weights_and_dropout_are_those_of_the_global_generator_with_this_seed(name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        expected = build(name, 3, 32).train()
        boxes = torch.zeros(4, 1, 32, 32, 32).normal_()
        torch.manual_seed(8)
        dropped = expected(boxes)[0]
        torch.manual_seed(3)
        state = torch.get_rng_state()
        with seeded(7):
            network = build(name, 3, 32).train()
        with seeded(8):
            found = network(boxes)[0]
        assert torch.equal(torch.get_rng_state(), state)
    for one, other in zip(network.parameters(), expected.parameters(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(found, dropped)


def trained(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    boxes, targets = rng.normal(size=(16, 16, 16, 16)).astype(np.float32), np.arange(16) % 2
    with seeded(seed):
        teacher = build("compact", 2, 16, width=0.25, dropout=0.5)
    with seeded(seed + 1):
        student = build("compact", 2, 16, width=0.25, dropout=0.5)
    fit(teacher, student, boxes, targets, schedule=SHORT, seed=seed, device="cpu")
    return predict(teacher, boxes, device="cpu")[0]


def test_trainings_in_threads_give_what_they_give_alone() -> None:
    alone = [trained(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(trained, range(4)))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)

"""Networks draw from generators of their own."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

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


@pytest.mark.parametrize(
    "layer",
    [
        nn.Dropout1d(), nn.AlphaDropout(), nn.FeatureAlphaDropout(), nn.RReLU(),
        nn.GRU(8, 8, 2, dropout=0.5), nn.TransformerEncoderLayer(8, 2, 8),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_layers_of_a_private_network_draw_from_the_seed_too(layer: nn.Module) -> None:
    layer.train()
    given = torch.linspace(-2, 1, 256).reshape(4, 8, 8)
    state = torch.get_rng_state()
    with seeded(5):
        one = layer(given)
    torch.rand(3)
    with seeded(5):
        again = layer(given)
    with seeded(6):
        other = layer(given)
    torch.set_rng_state(state)
    one, again, other = (x[0] if isinstance(x, tuple) else x for x in (one, again, other))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_draws_without_a_generator_are_lent_one() -> None:
    like = torch.zeros(5)

    def drawn() -> list[torch.Tensor]:
        with seeded(1):
            return [
                torch.randn_like(like), torch.rand_like(like), like.add(0.5).bernoulli(),
                like.clone().random_(), like.clone().exponential_(),
                like.add(1).multinomial(2), torch.distributions.Beta(2.0, 3.0).sample(),
            ]  # fmt: skip

    state = torch.get_rng_state()
    first = drawn()
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(7)
    for one, again in zip(first, drawn(), strict=True):
        assert torch.equal(one, again)


def test_whole_channels_of_boxes_are_dropped_by_the_seed() -> None:
    layer, boxes = nn.Dropout3d(), torch.ones(4, 16, 2, 2, 2)
    found = []
    for seed in (5, 5, 6):
        torch.rand(2)
        with seeded(seed):
            found.append(layer(boxes))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])

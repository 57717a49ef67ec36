"""Learning without labels: two looks at one particle should be embedded alike.

VICReg (Bardes, Ponce and LeCun, ICLR 2022, arXiv:2105.04906): embeddings of the two looks are drawn
together, while every column keeps a deviation of one and none repeats another, so that they do
not all become one point.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cryoal.data.distort import Distort
from cryoal.learn.batches import Batches, mix
from cryoal.learn.device import bfloat16_is_right, bfloat16_pays, resolve_device, torch_threads
from cryoal.learn.schedule import LOSS_MEMORY_STEPS, Schedule
from cryoal.models.base import Network
from cryoal.models.drawing import seeded

log = logging.getLogger(__name__)

#: What drawing together, keeping apart and not repeating count: the paper's.
ALIKE, APART, UNLIKE = 25.0, 25.0, 1.0
#: Columns of the expanded embedding that the loss is taken of.
EXPANDED = 512
#: A descent from the first step on; its length is the caller's.
SCHEDULE = Schedule(learning_rate=1e-3, weight_decay=1e-4, batch_size=64, descent=1.0)


@torch_threads()
def learn_alike(
    network: Network,
    boxes: NDArray[np.floating] | Tensor,
    *,
    steps: int,
    views: NDArray[np.bool_] | None = None,
    shift: int = 0,
    distort: Distort | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Callable[[int, int, float], None] | None = None,
) -> float:
    """Teach a network, in place, that two looks at a particle show the same.

    Its head learns nothing. A killed one begins anew: the draws follow from the seed.

    Parameters
    ----------
    network : Network
        That sees boxes. Left in evaluation mode on the CPU.
    boxes : (N, S, S, S) float16 or float32
        Labelled or not; at least two. S - 2 * shift >= the network's box.
    steps : int
        Each sees 64 particles twice.
    views, shift, distort, seed, device
        As ``fit`` takes them: how one look differs from another.
    progress : callable (step, steps, squared distance of two looks), optional

    Returns
    -------
    float
        Mean squared distance of two looks' expanded embeddings, column by column, in the last
        tenth of the steps.
    """
    began, where = time.monotonic(), resolve_device(device)
    data = Batches(boxes, views, shift, seed, where, distort)
    schedule = replace(SCHEDULE, max_steps=steps)
    size = min(schedule.batch_size, len(data.boxes))
    network.to(where, memory_format=torch.channels_last_3d).train()  # type: ignore[call-overload]
    bfloat16 = bfloat16_pays(where) and bfloat16_is_right(network)
    distances: list[float] = []
    with seeded(mix(seed, 3)):
        width = network(data.batch(data.rows(0, 2), 0, network.recipe.box))[1].shape[1]
        expander = nn.Sequential(
            nn.Linear(width, EXPANDED),
            nn.BatchNorm1d(EXPANDED),
            nn.ReLU(inplace=True),
            nn.Linear(EXPANDED, EXPANDED),
        ).to(where)
    optimiser = torch.optim.AdamW(
        [*network.parameters(), *expander.parameters()], weight_decay=schedule.weight_decay
    )
    for step in range(steps):
        rows = data.rows(step, size)
        looks = [data.batch(rows, step, network.recipe.box, look=n) for n in range(2)]
        autocast = torch.autocast(where.type, dtype=torch.bfloat16, enabled=bfloat16)
        with seeded(mix(seed, step, 4)), autocast:  # dropout
            both = network(torch.cat(looks).contiguous(memory_format=torch.channels_last_3d))[1]
        one, other = expander(both.float()).chunk(2)
        distance = functional.mse_loss(one, other)
        spread = sum(_spread(some) for some in (one, other))
        optimiser.param_groups[0]["lr"] = schedule.learning_rate * schedule.rate(step, 0)
        optimiser.zero_grad()
        (ALIKE * distance + spread).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        distances.append(float(distance.detach()))
        if progress is not None and (step + 1) % LOSS_MEMORY_STEPS == 0:
            progress(step + 1, steps, distances[-1])
    network.to("cpu").eval()
    apart = float(np.mean(distances[-max(1, steps // 10) :]))
    log.info(
        "learnt %d steps without labels in %.0f s; two looks at a particle lie %.2f apart",
        *(steps, time.monotonic() - began, apart),
    )
    return apart


def _spread(points: Tensor) -> Tensor:
    """What a batch loses where columns do not vary, or vary together: (B, D)."""
    centred = points - points.mean(0)
    narrow = functional.relu(1 - (centred.var(0) + 1e-4).sqrt()).mean()
    together = (centred.T @ centred / (len(points) - 1)).square()
    apart = (together.sum() - together.diagonal().sum()) / points.shape[1]
    return APART / 2 * narrow + UNLIKE * apart

"""Particles in memory, and the batches that a training draws from them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cryoal.data.augment import HALF_TURNS, augment
from cryoal.data.distort import Distort


def mix(*parts: int) -> int:
    """One well-mixed seed of several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


class Batches:
    """Boxes in memory and the batches drawn from them."""

    def __init__(
        self,
        boxes: NDArray[np.floating] | Tensor,
        views: NDArray[np.bool_] | None,
        shift: int,
        seed: int,
        device: torch.device,
        distort: Distort | None = None,
    ) -> None:
        self.boxes = torch.as_tensor(boxes).to(device)
        if views is None:
            views = np.arange(len(HALF_TURNS))[None] == np.zeros((len(self.boxes), 1))
        self.allowed = torch.as_tensor(views)
        self.shift, self.seed, self.distort = shift, seed, distort

    def rows(self, step: int, size: int) -> Tensor:
        """Rows of a step's batch: one permutation of all particles after the other."""
        at = np.arange(step * size, (step + 1) * size)
        epochs, places = np.divmod(at, len(self.boxes))
        rows = np.empty(size, dtype=np.int64)
        for epoch in np.unique(epochs):
            order = np.random.default_rng([self.seed, int(epoch), 0]).permutation(len(self.boxes))
            rows[epochs == epoch] = order[places[epochs == epoch]]
        return torch.from_numpy(rows)

    def batch(self, rows: Tensor, step: int, box: int, look: int = 0) -> Tensor:
        """Augmented boxes of these rows: (B, 1, box, box, box), or their invariants: (B, D).

        Another ``look`` at the same rows is augmented otherwise.
        """
        if self.boxes.ndim == 2:
            return self.boxes[rows.to(self.boxes.device)]
        generator = torch.Generator().manual_seed(mix(self.seed, step, 1 + 2 * look))
        seen = augment(
            self.boxes, rows, box, shift=self.shift, allowed=self.allowed, generator=generator
        )
        return seen if self.distort is None else self.distort(seen, rows, generator)

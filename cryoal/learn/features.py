"""An embedding before there is any network: numbers that a rotation hardly changes.

For the cold start: clustering them spreads the first labels over the classes. Measured on
eight simulated complexes (10 A templates, SNR 0.1), the mean number of classes among the first
8 particles over 20 seeds: 5.4 at random, 6.8 by ``cold_start``; where the rarest class was ten
times rarer, among the first 24: 6.8 at random, 7.3 by ``cold_start``.
"""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from cryoal.models.descriptors import Descriptors

#: Boxes described at once.
BATCH = 128


def features(
    boxes: NDArray[np.floating] | Iterable[NDArray[np.floating]],
) -> NDArray[np.float32]:
    """Describe each box by its shape as a function of radius and of spatial frequency.

    Parameters
    ----------
    boxes : (N, b, b, b), or an iterable of such blocks
        Normalised; b is even.

    Returns
    -------
    (N, D) float32
        See ``models.descriptors``.
    """
    blocks: Iterable[NDArray[np.floating]] = [boxes] if isinstance(boxes, np.ndarray) else boxes
    describe: Descriptors | None = None
    parts = []
    for block in blocks:
        if describe is None:
            describe = Descriptors(block.shape[-1])
        for start in range(0, len(block), BATCH):
            seen = torch.as_tensor(np.asarray(block[start : start + BATCH]))
            parts.append(describe(seen[:, None]).numpy())
    return np.concatenate(parts) if parts else np.zeros((0, 0), dtype=np.float32)

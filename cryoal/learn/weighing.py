"""How much a head and averages count beside each other, as labels set aside tell."""

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import softmax
from torch import Tensor

from cryoal.learn.calibrate import forgiving

#: Logarithms of what head and averages may count, where the search for it begins.
WEIGHTS = ((-1.5, -0.8, 0.0), (-2.5, -1.5, -0.8, 0.0))
#: Labels that each answer has told for a start, in sharing the whole out among them. Answers that
#: averages give were made with these labels, and tell them better than others.
EACH = 5


@dataclass(frozen=True)
class Heard:
    """What is known of the particles without averages: (N, C), (n,) and (n, C).

    Attributes
    ----------
    logits : (N, C)
        What a head thinks of each particle, the labelled ones first.
    targets : (n,) int
        Classes of the labelled ones.
    aside : (n, C)
        The head's logits of labelled particles when it had not seen their labels.
    """

    logits: NDArray[np.floating]
    targets: NDArray[np.integer]
    aside: NDArray[np.floating]

    def chances(self, of: NDArray[np.floating]) -> Tensor:
        """Chances of every particle, those of the labelled ones known: (N, C) -> (N, C)."""
        shares = softmax(of, axis=1)
        shares[: len(self.targets)] = np.eye(of.shape[1])[self.targets]
        return torch.from_numpy(shares.astype(np.float32))

    def labelled(self, shares: Tensor) -> Tensor:
        """Which particles have a label, where the shares are: (N,) bool."""
        return torch.arange(len(shares), device=shares.device) < len(self.targets)


def weigh(
    head: NDArray[np.floating], likely: NDArray[np.floating], targets: NDArray[np.integer]
) -> tuple[float, float]:
    """What logits and log-likelihoods count: what calls labels set aside likeliest.

    A weak prior keeps them near 1 and near a fifth where labels are few.
    """

    def loss(logs: NDArray[np.floating]) -> float:
        first, second = np.exp(logs)
        said = forgiving(first * head + second * likely, targets).mean()
        return float(-said + 0.01 * (logs[0] ** 2 + (logs[1] + 1.5) ** 2))

    # Forgiveness makes more than one valley.
    begin = min((np.array(at) for at in itertools.product(*WEIGHTS)), key=loss)
    first, second = np.exp(minimize(loss, begin, method="Nelder-Mead").x)
    return float(first), float(second)


def shared_out(said: NDArray[np.floating]) -> NDArray[np.float64]:
    """How much of the whole is whose: the mixture that calls labels set aside likeliest.

    By expectation maximisation, drawn to equal parts where labels are few.

    Parameters
    ----------
    said : (S, n)
        How likely each of S answers finds the labels, as logarithms.

    Returns
    -------
    (S,), the sum 1
    """
    weights = np.full(len(said), 1 / len(said))
    for _ in range(100):
        whose = softmax(said + np.log(weights)[:, None], axis=0)
        weights = (whose.sum(1) + EACH) / (said.shape[1] + EACH * len(said))
    return weights

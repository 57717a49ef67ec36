"""How common each class is among all particles, whatever the labels are like."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

#: With so many labels the pool counts as much as the expectation that classes are equal. Fewer
#: labels make a head whose confusions look like frequencies.
LABELS = 50
ROUNDS = 60


def pool_prior(
    logits: NDArray[np.floating], told: NDArray[np.integer], targets: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Shares of the classes in a pool, from logits of a head that takes classes for equal.

    Labels say little of it: they were asked for because they are hard, or rare. The shares are
    those that explain the pool best (expectation maximisation; Saerens, Latinne and
    Decaestecker, Neural Computation 14, 2002), drawn to equal ones by a Dirichlet prior the
    stronger the fewer labels there are.

    Parameters
    ----------
    logits : (N, C)
        Of the pool, labelled particles included.
    told : (n,) int
        Rows that are labelled.
    targets : (n,) int
        Their classes.

    Returns
    -------
    (C,), the sum 1
    """
    even, n_classes = softmax(logits, axis=1), logits.shape[1]
    known = np.eye(n_classes)[targets]
    equal = len(logits) / n_classes * LABELS / max(len(told), 1)
    shares = np.full(n_classes, 1 / n_classes)
    for _ in range(ROUNDS):
        called = even * shares
        called /= called.sum(1, keepdims=True)
        called[told] = known
        shares = (called.sum(0) + equal) / (len(called) + equal * n_classes)
    return shares


def tell(head: torch.nn.Linear, shares: NDArray[np.floating]) -> None:
    """Make a head that takes classes for equally common answer for a pool of these shares, (C,)."""
    logs = torch.from_numpy(np.log(shares).astype(np.float32))
    with torch.no_grad():
        head.bias.add_(logs.to(head.bias.device))  # whatever predicted last left it there

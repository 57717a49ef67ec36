"""What weak labels tell: as much as people's labels find them right."""

import numpy as np
from numpy.typing import NDArray

#: Answers that all weak classes together count for, in what is believed of a single one.
SHARED = 10.0


def hints_of(
    weak: NDArray[np.integer],
    told: NDArray[np.integer],
    targets: NDArray[np.integer],
    n_classes: int,
) -> NDArray[np.float64]:
    """Logarithms of each class's chance, by a weak label and how often such labels are right.

    How often is counted where people have answered as well, for each weak class, drawn to what all
    of them reach. A weak class that is right no more often than chance says nothing.

    Parameters
    ----------
    weak : (N,) int
        Class of each particle's weak label, -1 where it has none.
    told : (n,) int
        Rows that people labelled.
    targets : (n,) int
        Their classes.
    n_classes : int

    Returns
    -------
    (N, n_classes), 0 where there is no hint
    """
    asked = weak[told] >= 0
    named, right = weak[told][asked], (weak[told] == targets)[asked]
    overall = (right.sum() + 1) / (len(right) + 2)
    answers = np.bincount(named, minlength=n_classes)
    hits = np.bincount(named, weights=right, minlength=n_classes)
    often = np.maximum((hits + SHARED * overall) / (answers + SHARED), 1 / n_classes)
    chances = np.tile((1 - often)[:, None] / (n_classes - 1), n_classes)
    np.fill_diagonal(chances, often)
    logs = np.log(np.maximum(chances, 1e-6))
    logs -= logs.mean(1, keepdims=True)
    return np.where((weak >= 0)[:, None], logs[weak], 0.0)

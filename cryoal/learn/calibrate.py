"""One temperature that makes probabilities mean what they say."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

#: Temperatures are sought between 1 / LIMIT and LIMIT.
LIMIT = 20.0
#: The same where errors are forgiven, how many are tried, and differences that are none.
WIDEST, TRIED, ALIKE = 100.0, 185, 0.003
#: Share of answers that may be guesses, see `forgiving`.
GUESSED = 0.1
#: Standard errors by which labels must be told better, or may be told worse, before that counts.
SURE = 1.0


def tempered(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float32]:
    """softmax(log p / T): above 1 flatter, below 1 sharper; the order of classes stays.

    Examples
    --------
    >>> tempered(np.array([[0.8, 0.2]]), 0.5).round(4).tolist()
    [[0.941..., 0.058...]]
    """
    answer: NDArray[np.float32] = np.exp(_log(probabilities, temperature)).astype(np.float32)
    return answer


def fit_to_labels(probabilities: NDArray[np.floating], truth: NDArray[np.integer]) -> float:
    """Temperature of the least mean log-loss on held-out labels (Guo et al. 2017).

    Parameters
    ----------
    probabilities : (N, C)
        Of particles that were not trained on.
    truth : (N,) int
    """
    at = np.arange(len(truth))
    return _least(lambda t: -float(_log(probabilities, t)[at, truth].mean()))


def fit_to_teacher(student: NDArray[np.floating], teacher: NDArray[np.floating]) -> float:
    """Temperature of the student of least mean KL(teacher || student): no label is needed.

    An under-trained student differs from its teacher mostly by being less confident
    everywhere; this takes that part of the disagreement away.

    Parameters
    ----------
    student, teacher : (N, C)
        Probabilities of the same particles, the pool for example.
    """
    target = teacher.astype(np.float64)
    return _least(lambda t: -float((target * _log(student, t)).sum(1).mean()))


def fit_forgiving(logits: NDArray[np.floating], truth: NDArray[np.integer]) -> float:
    """Temperature at which held-out labels are called likeliest, a tenth of them forgiven.

    Forgiveness makes more than one valley, so a whole range is tried; and nothing but forgiven
    errors speaks against the sharpest, so the flattest that is as good is taken.

    (N, C), (N,) -> T; see `forgiving`.
    """
    tried = np.geomspace(1 / WIDEST, WIDEST, TRIED)
    said = np.array([forgiving(logits / t, truth).mean() for t in tried])
    return float(tried[said >= said.max() - ALIKE][-1])


def forgiving(logits: NDArray[np.floating], truth: NDArray[np.integer]) -> NDArray[np.float64]:
    """Log-probability of each label, as if a tenth of all answers were guesses: (N,).

    Where labels are few, one that is called wrong with certainty outweighs all others otherwise.
    """
    chance = softmax(logits, axis=1)[np.arange(len(truth)), truth]
    said: NDArray[np.float64] = np.log((1 - GUESSED) * chance + GUESSED / logits.shape[1])
    return said


def no_worse(said: NDArray[np.floating], than: NDArray[np.floating]) -> bool:
    """Whether labels are not told worse by a standard error: (n,), (n,) log-probabilities."""
    return bool(said.mean() >= than.mean() - SURE * standard_error(said - than))


def standard_error(values: NDArray[np.floating]) -> float:
    """Standard error of a mean: (N,) -> float."""
    return float(values.std() / len(values) ** 0.5)


def _log(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-12))
    answer: NDArray[np.float64] = log_softmax(logits / temperature, axis=-1)
    return answer


def _least(loss: Callable[[float], float]) -> float:
    bound = np.log(LIMIT)
    found = minimize_scalar(
        lambda log_t: loss(float(np.exp(log_t))), bounds=(-bound, bound), method="bounded"
    )
    return float(np.exp(found.x))

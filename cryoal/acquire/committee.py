"""Where several draws of the classifier disagree with each other."""

import numpy as np
from numpy.typing import NDArray

from cryoal.acquire.base import Pick, Pool, acquisition, take_best
from cryoal.acquire.uncertainty import shannon


@acquisition("bald", needs=("dropout",))
def bald(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """H(mean p_t) - mean H(p_t) over draws of dropout (Houlsby 2011; Gal 2017, 1703.02910)."""
    return take_best(pool, mutual_information(_draws(pool, "dropout")), n, rng)


@acquisition("vote_entropy", needs=("dropout",))
def vote_entropy(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """Entropy of the draws' votes (Dagan and Engelson 1995), a mean-entropy share breaking ties."""
    p = _draws(pool, "dropout")  # (T, M, C)
    votes = np.eye(p.shape[-1])[np.nan_to_num(p).argmax(-1)].mean(0)  # (M, C)
    broken = np.isnan(p).any((0, 2))
    # Few draws tie often; a thousandth of the mean's entropy decides among equals only.
    scores = shannon(votes) + 1e-3 * shannon(p.mean(0))
    return take_best(pool, np.where(broken, np.nan, scores), n, rng)


def mutual_information(p: NDArray[np.floating]) -> NDArray[np.float64]:
    """H(mean p_t) - mean H(p_t) of draws (T, M, C): (M,), nats; 0 log 0 is 0.

    Examples
    --------
    >>> sure_but_torn = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    >>> mutual_information(sure_but_torn).round(4).tolist()
    [0.6931]
    """
    information: NDArray[np.float64] = shannon(p.mean(0)) - shannon(p).mean(0)
    return information


def _draws(pool: Pool, name: str) -> NDArray[np.floating]:
    return pool.predictions.probabilities[name][:, pool.candidates].astype(np.float64)

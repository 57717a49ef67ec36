"""How much the classifier's own past disagrees with it."""

import numpy as np

from cryoal.acquire.base import Pick, Pool, acquisition, take_best
from cryoal.acquire.discrepancy import kullback_leibler


@acquisition("tod", needs=("previous",))
def tod(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """Temporal output discrepancy: 1/2 ||p_now - p_previous round||^2 (arXiv:2107.14153).

    In the first round nothing came before: all scores are 0, and chance decides.
    """
    at = pool.candidates
    now = pool.predictions.teacher[at].astype(np.float64)
    before = pool.predictions.probabilities["previous"][at]
    return take_best(pool, 0.5 * ((now - before) ** 2).sum(1), n, rng)


@acquisition("ema_discrepancy", needs=("average",))
def ema_discrepancy(pool: Pool, n: int, rng: np.random.Generator) -> Pick:
    """KL(p_average || p), the average being of the teacher's weights (Wang et al., ICIP 2022).

    Needs a training whose student is that average: ``student_is = "average"``.
    """
    at = pool.candidates
    average = pool.predictions.probabilities["average"][at]
    return take_best(pool, kullback_leibler(average, pool.predictions.teacher[at]), n, rng)

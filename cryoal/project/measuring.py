"""What a trained pair is worth on particles that were never asked about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.acquire.base import Pool
from cryoal.core.particles import ParticleSet
from cryoal.core.predictions import Predictions
from cryoal.learn import metrics
from cryoal.project.plan import FULL
from cryoal.project.selecting import find, make_pool
from cryoal.project.supplying import needs_of

#: Columns of ``results.tsv``; one ``recall_CLASS`` a class follows.
COLUMNS = (
    "acquisition",
    "seed",
    "round",
    "labels",
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "seconds",
    "spearman",
    "auroc",
    "steps",
    "recipe",
    "asked",
    "converged",
    "discrepancy_given_entropy",
)

#: Columns of ``scores.tsv``.
SCORE_COLUMNS = (
    "acquisition",
    "recipe",
    "seed",
    "round",
    "score",
    "spearman",
    "auroc",
    "spearman_given_entropy",
)

#: Scores that are held to the true loss in every round, whichever chose.
SCORES = (
    "least_confidence",
    "margin",
    "entropy",
    "discrepancy",
    "discrepancy_tempered",
    "expected_student_loss",
    "tod",
    "ema_discrepancy",
    "bald",
)


@dataclass(frozen=True)
class Measured:
    """Numbers of one round.

    Attributes
    ----------
    row : dict
        Those of ``COLUMNS`` that follow from predictions, and a recall a class.
    scores : list of dict
        ``score`` and the last three of ``SCORE_COLUMNS``.
    """

    row: dict[str, float]
    scores: list[dict[str, Any]]


def measure(
    particles: ParticleSet,
    predictions: Predictions,
    truth: NDArray[np.str_],
    classes: Sequence[str],
    acquisition: str,
    seed: int,
) -> Measured:
    """Compare predictions of test particles with the truth, and scores with the true loss.

    Parameters
    ----------
    particles : ParticleSet
        The N test particles, in the order of ``predictions``.
    truth : (N,) str
    classes : sequence of str
        All there are; one that no label has named yet has probability 0.
    acquisition : str
        Whose score is the row's; nothing of it enters for ``full``.
    """
    at = {name: number for number, name in enumerate(classes)}
    true = np.array([at[name] for name in truth])
    p = np.zeros((len(truth), len(classes)), dtype=np.float32)
    p[:, [at[name] for name in predictions.classes]] = predictions.teacher
    guess = p.argmax(1)
    row = {
        "accuracy": metrics.accuracy(true, guess),
        "balanced_accuracy": metrics.balanced_accuracy(true, guess, len(classes)),
        "macro_f1": metrics.macro_f1(true, guess, len(classes)),
    }
    recall = metrics.recall_per_class(true, guess, len(classes))
    row.update({f"recall_{name}": recall[number] for name, number in at.items()})
    loss = metrics.log_loss(true, p)
    pool = make_pool(particles, predictions, {}, set(), 0.0, None, np.random.default_rng(seed))
    values = {name: _score(name, pool, seed) for name in _known_to(predictions)}
    if acquisition != FULL:
        own = find(acquisition)[0]
        values.setdefault(own, _score(own, pool, seed))
        row["spearman"] = metrics.spearman(values[own], loss)
        row["auroc"] = metrics.error_auroc(values[own], guess != true)
    else:
        row["spearman"] = row["auroc"] = float("nan")
    row["discrepancy_given_entropy"] = metrics.partial_spearman(
        values["discrepancy"], loss, values["entropy"]
    )
    scores = [
        {
            "score": name,
            "spearman": round(metrics.spearman(score, loss), 4),
            "auroc": round(metrics.error_auroc(score, guess != true), 4),
            "spearman_given_entropy": round(
                metrics.partial_spearman(score, loss, values["entropy"]), 4
            ),
        }
        for name, score in values.items()
    ]
    return Measured({name: round(value, 4) for name, value in row.items()}, scores)


def _known_to(predictions: Predictions) -> list[str]:
    """The standard scores that these predictions suffice for."""
    known = set(predictions.probabilities)
    return [name for name in SCORES if set(needs_of(name)) <= known]


def _score(name: str, pool: Pool, seed: int) -> NDArray[np.float64]:
    return find(name)[1](pool, 1, np.random.default_rng([seed, 5])).scores

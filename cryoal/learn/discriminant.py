"""A head in closed form: linear discriminant analysis of labelled and unlabelled particles."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from cryoal.learn.calibrate import SURE, fit_forgiving, forgiving, standard_error
from cryoal.models.base import Network

#: Parts that the labels are dealt into, to see how right and how sure a discriminant is.
FOLDS = 5
#: Times that unlabelled particles, named by the discriminant so far, are learnt from. One and two
#: measured alike, eight worse: names then confirm themselves (docs/measured/main-job.md).
PASSES = 2
#: What an unlabelled particle counts against a labelled one.
UNLABELLED = 0.5
#: Temperature at which answers are certain.
CERTAIN = 0.05
#: So many unlabelled particles are enough, and take about a second.
ENOUGH = 8192

Points = NDArray[np.floating]


@dataclass(frozen=True)
class Settled:
    """A linear head and what labels that it was not settled on say of it.

    Attributes
    ----------
    weight : (C, D) float32
    bias : (C,) float32
    accuracy, log_loss : float
        Cross-validated over ``FOLDS`` parts of the labels, which are no random sample; nan where
        there are too few.
    aside : (n, C)
        Logits of the labelled particles when their labels were set aside; nan likewise.
    hinted : bool
        Whether hints were heeded.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    accuracy: float
    log_loss: float
    aside: NDArray[np.float64]
    hinted: bool = False

    @property
    def facts(self) -> dict[str, float]:
        """What is known of its quality; empty where nothing is."""
        known = {"held_out_agreement": self.accuracy, "held_out_log_loss": self.log_loss}
        return {name: round(value, 4) for name, value in known.items() if np.isfinite(value)}


def settle(
    points: Points,
    told: NDArray[np.integer],
    targets: NDArray[np.integer],
    n_classes: int,
    emphasis: NDArray[np.floating] | float = 1.0,
    *,
    hints: NDArray[np.floating] | None = None,
    by_heart: bool = False,
    seed: int = 0,
) -> Settled:
    """Discriminant of a pool of which some particles are labelled.

    Equal priors; one covariance within classes. The labels alone settle a first discriminant;
    then all particles, named by it, settle it again (expectation maximisation; Nigam et al.,
    Machine Learning 39, 2000, with its weight on the unlabelled). Its confidence is scaled by the
    one temperature that suits labels set aside.

    Parameters
    ----------
    points : (N, D)
        The pool, labelled particles included.
    told : (n,) int
        Rows that are labelled.
    targets : (n,) int
        Their classes, 0 to n_classes - 1.
    n_classes : int
    emphasis : (D,), optional
        Deviation that each column is given: shrinking takes most from the smallest. A column
        of 0 is left out.
    hints : (N, C), optional
        Logarithms of what is known of each particle beside its points (``learn.hints``), heeded
        where it has no label: hinted particles join the labelled in the first discriminant, for as
        much as their hint says more than chance.
    by_heart : bool
        Whether the points were made by layers that have learnt these labels: labels set aside then
        say nothing of how sure to be, and everything is certain.
    seed : int
        Of the folds, and of the unlabelled particles where there are more than enough.
    """
    rng = np.random.default_rng(seed)
    factor = emphasis / (points.std(axis=0) + 1e-6)
    others = np.setdiff1d(np.arange(len(points)), told)
    if len(others) > ENOUGH:
        others = np.sort(rng.choice(others, ENOUGH, replace=False))
    hints = np.zeros((len(points), n_classes)) if hints is None else hints
    labelled = (points[told] * factor).astype(np.float32)
    unlabelled = (points[others] * factor).astype(np.float32)
    fold = rng.permutation(len(targets)) % FOLDS
    beside = hints[others], hints[told]
    # Names are passed on at the confidence of the labels-only discriminant.
    first = CERTAIN
    if not by_heart:
        alone = _aside(labelled, targets, n_classes, fold, unlabelled, beside, None)
        first = _temperature(alone, targets)
    logits = _aside(labelled, targets, n_classes, fold, unlabelled, beside, first)
    temperature = CERTAIN if by_heart else _temperature(logits, targets)
    weight, bias = _maximise(labelled, targets, n_classes, unlabelled, hints[others], first)
    right = log_loss = float("nan")
    if np.isfinite(logits).all():
        right = float((logits.argmax(1) == targets).mean())
        log_p = log_softmax(logits / temperature, axis=1)
        log_loss = float(-log_p[np.arange(len(targets)), targets].mean())
    return Settled(
        (weight * factor / temperature).astype(np.float32),
        (bias / temperature).astype(np.float32),
        right,
        log_loss,
        logits / temperature,
        hinted=bool(hints.any()),
    )


def settle_head(
    network: Network,
    points: Points,
    told: NDArray[np.integer],
    targets: NDArray[np.integer],
    *,
    hints: NDArray[np.floating] | None = None,
    by_heart: bool = False,
    seed: int = 0,
) -> dict[str, Settled]:
    """Give a network the discriminant of its embedding as a head, in place.

    Where the network names several ways to weigh its embedding, labels set aside choose: the
    first is taken unless another calls labels set aside likelier (`calibrate.forgiving`). Hints are
    heeded if labels are told better with them by a standard error.

    Parameters
    ----------
    network : Network
        Its ``head`` is linear in the embedding.
    points : (N, D)
        The embedding of the pool.
    told, targets, hints, by_heart, seed
        As ``settle`` takes them.

    Returns
    -------
    {way: Settled}, the one taken first
    """
    n_classes = network.recipe.n_classes
    weights = {way: emphasis.numpy() for way, emphasis in network.emphases().items()}
    tried = {
        way: settle(points, told, targets, n_classes, emphasis, by_heart=by_heart, seed=seed)
        for way, emphasis in weights.items()
    }
    if hints is not None:
        tried |= {
            f"{way} and weak labels": settle(
                points, told, targets, n_classes, emphasis, hints=hints, seed=seed
            )
            for way, emphasis in weights.items()
        }
    said = {way: forgiving(found.aside, targets) for way, found in tried.items()}
    plain = max(weights, key=lambda way: np.nan_to_num(said[way].mean(), nan=-np.inf))
    taken = max(tried, key=lambda way: np.nan_to_num(said[way].mean(), nan=-np.inf))
    gains = said[taken] - said[plain]
    if not gains.mean() > SURE * standard_error(gains):
        taken = plain
    head = network.head
    assert isinstance(head, torch.nn.Linear)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(tried[taken].weight))
        head.bias.copy_(torch.from_numpy(tried[taken].bias))
    return {taken: tried[taken]} | tried


def discriminant(
    points: Points, targets: NDArray[np.integer], n_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (C, D) and biases (C,) of linear discriminant analysis, equal priors.

    The covariance within classes is shrunk towards its diagonal's mean by the share that Ledoit
    and Wolf (J. Multivariate Analysis 88, 2004) find best, so that fewer points than dimensions
    are enough. A class without points stands in the middle of all.
    """
    return _heads(points, np.eye(n_classes)[targets])


def shrunk_covariance(
    centred: Points, weight: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Ledoit-Wolf estimate of the covariance of centred points: (N, D), (N,) -> (D, D)."""
    x = np.asarray(centred, dtype=np.float32)
    w = np.ones(len(x), dtype=np.float32) if weight is None else np.asarray(weight, np.float32)
    total, d = float(w.sum()), x.shape[1]
    sample = ((x * w[:, None]).T @ x).astype(np.float64) / total
    mean = np.trace(sample) / d
    target = mean * np.eye(d)
    distance = ((sample - target) ** 2).sum()
    # Mean squared error of the sample covariance, from the spread of the single products.
    square = x**2
    error = (((square * w[:, None]).T @ square).astype(np.float64) / total - sample**2).sum()
    share = 1.0 if distance == 0 else min(1.0, error / total / distance)
    covariance: NDArray[np.float64] = share * target + (1 - share) * sample
    return covariance + 1e-6 * np.eye(d)


def _aside(
    labelled: Points,
    targets: NDArray[np.integer],
    n_classes: int,
    fold: NDArray[np.integer],
    unlabelled: Points,
    hints: tuple[NDArray[np.floating], NDArray[np.floating]],
    temperature: float | None,
) -> NDArray[np.float64]:
    """Logits of each label by the discriminant of the other folds; nan where there is none."""
    logits = np.full((len(targets), n_classes), np.nan)
    for number in range(FOLDS):
        aside = fold == number
        if not aside.any() or aside.all():
            return logits
        rest = (labelled[~aside], targets[~aside], n_classes)
        pool = np.concatenate([unlabelled, labelled[aside]])
        beside = np.concatenate([hints[0], hints[1][aside]])
        weight, bias = _maximise(*rest, pool, beside, temperature)
        logits[aside] = labelled[aside] @ weight.T + bias
    return logits


def _maximise(
    labelled: Points,
    targets: NDArray[np.integer],
    n_classes: int,
    unlabelled: Points,
    hints: NDArray[np.floating],
    temperature: float | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Discriminant of the labelled, then of all, named by the one before."""
    hinted = _more_than_chance(hints)
    first = np.concatenate([labelled, unlabelled[hinted > 0]])
    shares = np.eye(n_classes)[np.r_[targets, hints[hinted > 0].argmax(1)]]
    shares[len(labelled) :] *= UNLABELLED * hinted[hinted > 0, None]
    weight, bias = _heads(first, shares)
    if not len(unlabelled) or temperature is None:
        return weight, bias
    absent = ~np.isin(np.arange(n_classes), targets)
    points = np.concatenate([labelled, unlabelled])
    shares = np.eye(n_classes)[np.r_[targets, np.zeros(len(unlabelled), dtype=np.intp)]]
    for _ in range(PASSES):
        logits = (unlabelled @ weight.T + bias) / temperature + hints
        logits[:, absent] = -np.inf
        shares[len(labelled) :] = UNLABELLED * softmax(logits, axis=1)
        weight, bias = _heads(points, shares)
        temperature = 1.0
    return weight, bias


def _more_than_chance(hints: NDArray[np.floating]) -> NDArray[np.float64]:
    """How much more than chance a hint says, 0 to 1: (N,)."""
    chance = 1 / hints.shape[1]
    best: NDArray[np.float64] = (softmax(hints, axis=1).max(1) - chance) / (1 - chance)
    return np.where(best > 1e-6, best, 0.0)


def _means(points: Points, shares: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean of each class: (C, D); the mean of all where a class has no points."""
    count = shares.sum(0)
    means = (shares.T @ points) / np.maximum(count, 1e-12)[:, None]
    means[count <= 0] = points.mean(0)
    return np.asarray(means, dtype=np.float64)


def _heads(
    points: Points, shares: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and biases of points (N, D) of which classes have shares (N, C).

    The mean of few points lies farther from all others than the true one, by its own variance in
    every dimension: without taking that off, a class is called the less, the fewer labels it has.
    """
    means, much = _means(points, shares), shares.max(1).astype(np.float32)
    centred = (points - means[shares.argmax(1)]).astype(np.float32)
    covariance = shrunk_covariance(centred, much)
    weight = np.asarray(np.linalg.solve(covariance, means.T).T, dtype=np.float64)
    count = shares.sum(0)
    error = (shares**2).sum(0) / np.maximum(count, 1e-12) ** 2  # of a mean, against a point's
    free = max(1.0, float(count.sum() - (error * count).sum()))
    within = ((centred * much[:, None]).T @ centred).astype(np.float64) / free
    dimensions = np.trace(np.linalg.solve(covariance, within))
    return weight, -0.5 * (np.einsum("cd,cd->c", weight, means) - dimensions * error)


def _temperature(logits: NDArray[np.floating], targets: NDArray[np.integer]) -> float:
    """Temperature that fits the confidence of logits to labels they were not settled on."""
    if not np.isfinite(logits).all():
        return 1.0
    return fit_forgiving(logits, targets)

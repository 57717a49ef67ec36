"""How good predictions are, and how well a score knows where they are wrong."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

Classes = NDArray[np.integer]


def accuracy(truth: Classes, predicted: Classes) -> float:
    """Share of particles named rightly."""
    return float(np.mean(truth == predicted))


def recall_per_class(truth: Classes, predicted: Classes, n_classes: int) -> NDArray[np.float64]:
    """Share of each class named rightly: (C,), NaN for a class that has no particle."""
    right = np.bincount(truth[truth == predicted], minlength=n_classes).astype(np.float64)
    count = np.bincount(truth, minlength=n_classes)
    recall = np.full(n_classes, np.nan)
    recall[count > 0] = right[count > 0] / count[count > 0]
    return recall


def balanced_accuracy(truth: Classes, predicted: Classes, n_classes: int) -> float:
    """Mean recall of the classes that occur."""
    return float(np.nanmean(recall_per_class(truth, predicted, n_classes)))


def macro_f1(truth: Classes, predicted: Classes, n_classes: int) -> float:
    """Mean F1 = 2 TP / (2 TP + FP + FN) of the classes that occur or are predicted."""
    right = np.bincount(truth[truth == predicted], minlength=n_classes)
    both = np.bincount(truth, minlength=n_classes) + np.bincount(predicted, minlength=n_classes)
    return float(np.mean(2 * right[both > 0] / both[both > 0]))


def log_loss(truth: Classes, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """-log p of the true class, per particle: (N,), nats."""
    p = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return -np.log(np.maximum(p, 1e-12))


def spearman(score: NDArray[np.floating], loss: NDArray[np.floating]) -> float:
    """Rank correlation; NaN where either is constant."""
    if len(score) < 2 or np.ptp(score) == 0 or np.ptp(loss) == 0:
        return float("nan")
    return float(spearmanr(score, loss).statistic)


def partial_spearman(
    score: NDArray[np.floating], loss: NDArray[np.floating], given: NDArray[np.floating]
) -> float:
    """Rank correlation of score and loss that a third quantity does not explain.

    (r_sl - r_sg r_lg) / sqrt((1 - r_sg^2) (1 - r_lg^2)) of the three rank correlations (Kendall
    1942's form, on Spearman's ranks); NaN where one is constant, or score and given rank alike.
    """
    own, explained, shared = spearman(score, loss), spearman(loss, given), spearman(score, given)
    left = (1 - shared**2) * (1 - explained**2)
    if not left > 1e-9:
        return float("nan")
    return float((own - shared * explained) / np.sqrt(left))


def error_auroc(score: NDArray[np.floating], wrong: NDArray[np.bool_]) -> float:
    """Chance that a wrong particle scores above a right one, ties counting half.

    The area under the ROC curve of error detection, by ranks (Mann-Whitney U); NaN if all
    are wrong or none is.

    Examples
    --------
    >>> error_auroc(np.array([0.9, 0.2, 0.5, 0.1]), np.array([True, False, False, True]))
    0.5
    """
    n_wrong = int(wrong.sum())
    n_right = len(wrong) - n_wrong
    if n_wrong == 0 or n_right == 0:
        return float("nan")
    ranks = rankdata(score)[wrong].sum()
    return float((ranks - n_wrong * (n_wrong + 1) / 2) / (n_wrong * n_right))


def calibration_error(truth: Classes, probabilities: NDArray[np.floating], bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017): |accuracy - confidence|, by confidence bin.

    Bins are of equal width; each weighs as many particles as it holds.
    """
    confidence = probabilities.max(1).astype(np.float64)
    right = (probabilities.argmax(1) == truth).astype(np.float64)
    place = np.minimum((confidence * bins).astype(np.intp), bins - 1)
    gaps = np.bincount(place, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(truth))

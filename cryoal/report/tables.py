"""The numbers behind the figures, as tables: numpy and pandas only."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats


def curve_table(results: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """Mean of a metric over seeds, with the 95 % confidence interval of that mean.

    Parameters
    ----------
    results : DataFrame with columns acquisition, seed, round, labels and ``metric``
        One row a seed and round, as ``benchmark`` writes them.

    Returns
    -------
    DataFrame with columns acquisition, round, labels, mean, low, high, seeds
        ``low`` and ``high`` by Student's t; NaN below three seeds, where an interval says nothing.
    """
    columns = ["acquisition", "round", "labels", "mean", "low", "high", "seeds"]
    rows = []
    for (acquisition, number), group in results.groupby(["acquisition", "round"], sort=True):
        values = group[metric].dropna().to_numpy(dtype=float)
        if not len(values):
            continue
        reach = np.nan
        if len(values) >= 3:
            reach = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
        mean = values.mean()
        labels = float(group["labels"].mean())
        rows.append((acquisition, number, labels, mean, mean - reach, mean + reach, len(values)))
    return pd.DataFrame(rows, columns=columns)


def reliability_table(probabilities: ArrayLike, truth: ArrayLike, bins: int = 10) -> pd.DataFrame:
    """How often the classifier is right when it says it is this sure.

    Parameters
    ----------
    probabilities : (N, C) float
    truth : (N,) int
        Class number; negative where nobody knows, left out.
    bins : int
        Equal steps of the largest probability, from 1/C, the least it can be, to 1.

    Returns
    -------
    DataFrame, one row a bin: low, high, count, confidence, accuracy, accuracy_low, accuracy_high
        Means within the bin and the 95 % interval of Wilson (1927); NaN where a bin is empty.
    """
    p = np.asarray(probabilities, dtype=float)
    y = np.asarray(truth)
    p, y = p[y >= 0], y[y >= 0]
    confidence = p.max(axis=1)
    right = p.argmax(axis=1) == y
    edges = np.linspace(1 / p.shape[1], 1, bins + 1)
    member = np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, bins - 1)
    rows = []
    for k in range(bins):
        inside = member == k
        count = int(inside.sum())
        if not count:
            rows.append((edges[k], edges[k + 1], 0, *[np.nan] * 4))
            continue
        hits = int(right[inside].sum())
        interval = stats.binomtest(hits, count).proportion_ci(method="wilson")
        rows.append(
            (
                edges[k],
                edges[k + 1],
                count,
                confidence[inside].mean(),
                hits / count,
                interval.low,
                interval.high,
            )
        )
    columns = ["low", "high", "count", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
    return pd.DataFrame(rows, columns=columns)


def calibration_error(table: pd.DataFrame) -> float:
    """Expected calibration error of a reliability table (Guo et al. 2017); NaN when it is empty."""
    filled = table[table["count"] > 0]
    if filled.empty:
        return float("nan")
    gap = (filled["accuracy"] - filled["confidence"]).abs()
    return float(np.average(gap, weights=filled["count"]))


def confusion_table(truth: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.intp]:
    """Count particles by (true class, predicted class); negative truths are left out.

    Returns
    -------
    (C, C) int, rows the truth, columns the prediction
    """
    y, guess = np.asarray(truth, dtype=np.intp), np.asarray(predicted, dtype=np.intp)
    counts = np.zeros((classes, classes), dtype=np.intp)
    np.add.at(counts, (y[y >= 0], guess[y >= 0]), 1)
    return counts


def counts_table(tomogram: ArrayLike, label: ArrayLike) -> pd.DataFrame:
    """Particles of each class in each tomogram: one row a tomogram, one column a class."""
    return pd.crosstab(
        pd.Series(np.asarray(tomogram, dtype=str), name="tomogram"),
        pd.Series(np.asarray(label, dtype=str), name="class"),
    )

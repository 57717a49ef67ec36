"""Learning curves to one number a strategy, with its uncertainty, and a page of them."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.report.figures import learning_curve
from cryoal.report.page import Section, write_page

#: Draws of the bootstrap over seeds.
DRAWS = 2000


def area_under_curve(results: pd.DataFrame, metric: str = "accuracy") -> pd.Series:
    """Mean of the metric over the budget, by the trapezoid rule: one value an acquisition and seed.

    Parameters
    ----------
    results : DataFrame with columns acquisition, seed, labels and ``metric``
    """

    def area(chain: pd.DataFrame) -> float:
        chain = chain.sort_values("labels")
        labels, values = chain["labels"].to_numpy(float), chain[metric].to_numpy(float)
        if len(labels) == 1 or np.ptp(labels) == 0:
            return float(values.mean())
        return float(np.trapezoid(values, labels) / np.ptp(labels))

    chains = results.groupby(["acquisition", "seed"])
    return pd.Series({key: area(chain) for key, chain in chains}, dtype=float).rename_axis(
        ["acquisition", "seed"]
    )


def interval(
    values: NDArray[np.float64], rng: np.random.Generator, level: float = 0.95
) -> tuple[float, float]:
    """Bootstrap interval of the mean over seeds; (NaN, NaN) with fewer than three."""
    if len(values) < 3:
        return float("nan"), float("nan")
    means = rng.choice(values, (DRAWS, len(values))).mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def summarise(results: pd.DataFrame, baseline: str = "random") -> pd.DataFrame:
    """One row an acquisition: last accuracy, area under the budget curve, and its gain.

    The gain over ``baseline`` is paired: seed by seed, where both have that seed.
    """
    rng = np.random.default_rng(0)
    areas = area_under_curve(results)
    rows = []
    for name in dict.fromkeys(results["acquisition"]):
        mine = results[results["acquisition"] == name]
        last = mine[mine["round"] == mine["round"].max()]
        area = areas[name]
        row = {
            "acquisition": name,
            "seeds": mine["seed"].nunique(),
            "labels": int(last["labels"].mean()),
            "accuracy": last["accuracy"].mean(),
            "macro_f1": last["macro_f1"].mean(),
            "area": area.mean(),
            "auroc": mine["auroc"].mean(),
        }
        row["area_low"], row["area_high"] = interval(area.to_numpy(), rng)
        if baseline in areas.index.get_level_values(0) and name not in (baseline, "full"):
            gain = (area - areas[baseline]).dropna()
            row["gain"] = gain.mean()
            row["gain_low"], row["gain_high"] = interval(gain.to_numpy(), rng)
        rows.append(row)
    return pd.DataFrame(rows).round(4)


def curve_sections(results: pd.DataFrame) -> list[Section]:
    """Learning curves and their summary, for a page."""
    full = results[results["acquisition"] == "full"]
    curves = results[results["acquisition"] != "full"]
    figures = [
        (
            learning_curve(curves, metric, full=full[metric].mean() if len(full) else None),
            f"{metric.replace('_', ' ')} on particles never asked about; mean over seeds, "
            "in brackets the last round's",
        )
        for metric in ("accuracy", "macro_f1")
    ]
    return [
        Section(
            "Accuracy bought with labels",
            "Every strategy starts from the same labels and trains alike; the test particles lie "
            "in tomograms (or blocks, where there are few) that are never asked about.",
            figures=figures,
        ),
        Section(
            "In one number",
            "`area` is the accuracy averaged over the budget, `gain` its paired difference to "
            "random choice, `low` and `high` a 95 % bootstrap interval over seeds (from three on). "
            "`auroc` is how well the score finds the teacher's errors; chance is 0.5.",
            table=summarise(results),
        ),
    ]


def write_benchmark_page(path: Path, results: pd.DataFrame) -> None:
    """Write ``report.html`` of a benchmark."""
    seeds, strategies = results["seed"].nunique(), results["acquisition"].nunique()
    write_page(
        path,
        "Labels against accuracy",
        curve_sections(results),
        subtitle=f"{seeds} seed{'s' if seeds > 1 else ''}, "
        f"{strategies} {'strategies' if strategies > 1 else 'strategy'}",
    )

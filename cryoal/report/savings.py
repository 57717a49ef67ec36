"""Learning curves to a few numbers a strategy, each with its uncertainty."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: Draws of the bootstrap over seeds.
DRAWS = 2000

#: Shares of full supervision that labels are counted to.
TARGETS = (0.9, 0.95)

_SERIES = ["acquisition", "recipe"]


def with_recipe(results: pd.DataFrame) -> pd.DataFrame:
    """The table with a column ``recipe`` and a column ``asked``, the budget."""
    extra: dict[str, Any] = {}
    if "recipe" not in results:
        extra["recipe"] = "project"
    if "asked" not in results:
        extra["asked"] = results["labels"]
    return results.assign(**extra)


def area_under_curve(results: pd.DataFrame, metric: str = "accuracy") -> pd.Series:
    """Mean of the metric over the budget, by the trapezoid rule: one value a strategy and seed.

    Parameters
    ----------
    results : DataFrame with columns acquisition, seed, labels and ``metric``
        The budget is ``asked`` where there is such a column: an "unsure" took time too.

    Returns
    -------
    Series by acquisition and seed, or by acquisition, recipe and seed where there are recipes
    """

    def area(chain: pd.DataFrame) -> float:
        chain = chain.sort_values("asked")
        spent, values = chain["asked"].to_numpy(float), chain[metric].to_numpy(float)
        if len(spent) == 1 or np.ptp(spent) == 0:
            return float(values.mean())
        return float(np.trapezoid(values, spent) / np.ptp(spent))

    keys = ["acquisition", *(["recipe"] if "recipe" in results else []), "seed"]
    chains = with_recipe(results).groupby(keys)
    return pd.Series({key: area(chain) for key, chain in chains}, dtype=float).rename_axis(keys)


def labels_to(results: pd.DataFrame, target: pd.Series, metric: str = "accuracy") -> pd.Series:
    """Answers until the metric first reaches the target, interpolated: a value a strategy and seed.

    Parameters
    ----------
    results : DataFrame as ``with_recipe`` gives
    target : Series by seed

    Returns
    -------
    Series by acquisition, recipe and seed; NaN where the target was not reached
    """

    def first(chain: pd.DataFrame, goal: float) -> float:
        chain = chain.sort_values("asked")
        spent, values = chain["asked"].to_numpy(float), chain[metric].to_numpy(float)
        reached = np.flatnonzero(values >= goal)
        if not len(reached):
            return float("nan")
        at = reached[0]
        if at == 0:
            return float(spent[0])
        share = (goal - values[at - 1]) / (values[at] - values[at - 1])
        return float(spent[at - 1] + share * (spent[at] - spent[at - 1]))

    keys = [*_SERIES, "seed"]
    counts = {
        key: first(chain, float(target.get(key[-1], np.nan)))
        for key, chain in results.groupby(keys)
    }
    return pd.Series(counts, dtype=float).rename_axis(keys)


def interval(
    values: NDArray[np.float64], rng: np.random.Generator, level: float = 0.95
) -> tuple[float, float]:
    """Bootstrap interval of the mean over seeds; (NaN, NaN) with fewer than three."""
    if len(values) < 3:
        return float("nan"), float("nan")
    means = rng.choice(values, (DRAWS, len(values))).mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def full_supervision(full: pd.DataFrame | None, metric: str = "accuracy") -> pd.Series:
    """The best recipe's result with every label, by seed: what all strategies are held to."""
    if full is None or full.empty:
        return pd.Series(dtype=float)
    best: pd.Series = full.groupby("seed")[metric].max()
    return best


def summarise(
    results: pd.DataFrame, baseline: str = "random", full: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row a strategy: last accuracy, area under the budget curve, its gains, labels needed.

    ``gain`` is to ``baseline`` with the same recipe, ``recipe_gain`` to the first recipe with the
    same acquisition; both are paired, seed by seed. ``labels_90`` is the mean number of answers
    to 90 % of full supervision; a seed that did not get there counts with all its answers, so that
    it is a lower bound where ``reached_90`` is less than ``seeds``.

    Parameters
    ----------
    results : DataFrame
        ``results.tsv`` with numbers as numbers.
    full : DataFrame, optional
        Rows with every label; default those among the results.
    """
    rng = np.random.default_rng(0)
    table = with_recipe(results)
    if full is None:
        full = table[table["acquisition"] == "full"]
    goal = full_supervision(full)
    areas = area_under_curve(table)
    needed = {share: labels_to(table, share * goal) for share in TARGETS}
    recipes = list(dict.fromkeys(table["recipe"]))
    series = set(zip(table["acquisition"], table["recipe"], strict=True))
    rows = []
    for name, way in table[_SERIES].drop_duplicates().itertuples(index=False):
        mine = table[(table["acquisition"] == name) & (table["recipe"] == way)]
        last = mine[mine["round"] == mine.groupby("seed")["round"].transform("max")]
        area = areas[name, way]
        row = {
            "acquisition": name,
            "recipe": way,
            "seeds": mine["seed"].nunique(),
            "labels": int(last["labels"].mean()),
            "accuracy": last["accuracy"].mean(),
            "macro_f1": last["macro_f1"].mean(),
            "area": area.mean(),
        }
        row["area_low"], row["area_high"] = interval(area.to_numpy(), rng)
        for column, other, counts in (
            ("gain", (baseline, way), name not in (baseline, "full")),
            ("recipe_gain", (name, recipes[0]), way != recipes[0]),
        ):
            if counts and other in series:
                gain = (area - areas[other]).dropna()
                row[column] = gain.mean()
                row[f"{column}_low"], row[f"{column}_high"] = interval(gain.to_numpy(), rng)
            else:
                row[column] = float("nan")
        for share in TARGETS if name != "full" and len(goal) else ():
            reached = needed[share][name, way]
            answers = reached.fillna(last.set_index("seed")["asked"])
            percent = round(100 * share)
            row[f"labels_{percent}"] = answers.mean()
            low, high = interval(answers.to_numpy(), rng)
            row[f"labels_{percent}_low"], row[f"labels_{percent}_high"] = low, high
            row[f"reached_{percent}"] = int(reached.notna().sum())
        for column in ("auroc", "spearman", "discrepancy_given_entropy", "seconds"):
            if column in mine:
                row[column] = mine[column].mean()
        rows.append(row)
    return pd.DataFrame(rows).round(4)


def score_summary(scores: pd.DataFrame) -> pd.DataFrame:
    """How well each score finds errors, over all rounds, strategies and seeds.

    Parameters
    ----------
    scores : DataFrame
        ``scores.tsv`` with numbers as numbers.

    Returns
    -------
    DataFrame by score, best first: auroc, spearman, spearman_given_entropy, and what they span
    over the seeds' means (``auroc_low``, ``auroc_high``)
    """
    rng = np.random.default_rng(0)
    rows = []
    for name, group in scores.groupby("score"):
        seeds = group.groupby("seed")["auroc"].mean().dropna().to_numpy()
        low, high = interval(seeds, rng)
        columns = ["auroc", "spearman", "spearman_given_entropy"]
        rows.append({"score": name, **group[columns].mean(), "auroc_low": low, "auroc_high": high})
    return pd.DataFrame(rows).sort_values("auroc", ascending=False).round(3)


def recall_table(results: pd.DataFrame) -> pd.DataFrame:
    """Mean recall of every class in the last round: one row a class, one column a strategy."""
    table = with_recipe(results)
    recalls = [name for name in table.columns if name.startswith("recall_")]
    last = table[table["round"] == table.groupby(_SERIES)["round"].transform("max")]
    means = last.groupby(_SERIES, sort=False)[recalls].mean()
    named = means.index.to_frame()
    several = table["recipe"].nunique() > 1
    names = named["acquisition"] + (", " + named["recipe"] if several else "")
    classes = pd.Index([name.removeprefix("recall_") for name in recalls], name="class")
    means = means.T.set_axis(classes, axis=0).set_axis(list(names), axis=1)
    return means.round(3)

"""Tables and predictions to figures; none of them touches pyplot or its global state."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike

from cryoal.report.style import (
    GREY,
    INK,
    MARKERS,
    PAGE_WIDTH,
    PALETTE,
    class_colours,
    class_hatches,
    new_figure,
    nothing_yet,
    quiet,
    readable_on,
    short,
)
from cryoal.report.tables import (
    calibration_error,
    confusion_table,
    curve_table,
    reliability_table,
)

#: Rows of bars beyond which a figure would no longer fit a page.
MOST_BARS = 40
#: An interval of fewer seeds is wider than the figure; of more lines, the bands hide each other.
FEWEST_SEEDS, MOST_BANDS = 5, 4


def learning_curve(
    results: pd.DataFrame,
    metric: str = "accuracy",
    *,
    full: float | None = None,
    chance: float | None = None,
) -> Figure:
    """Draw a metric against the number of labels, one line an acquisition function.

    The line is the mean over seeds, the thin lines the single seeds; the band is the 95 %
    confidence interval of that mean, from five seeds on and for few enough lines to tell apart.

    Parameters
    ----------
    results : DataFrame with columns acquisition, seed, round, labels and ``metric``
    full : float, optional
        The metric with every label, drawn as a line to aim for.
    chance : float, optional
        The metric of guessing.
    """
    table = curve_table(results, metric) if len(results) else pd.DataFrame()
    if table.empty:
        return nothing_yet("no round has been measured yet")
    figure = new_figure(4.4)
    axes = quiet(figure.add_subplot(), "labels given", metric.replace("_", " "))
    finals = table.sort_values("round").groupby("acquisition")["mean"].last()
    styles = {name: k for k, name in enumerate(dict.fromkeys(results["acquisition"]))}
    for name in finals.sort_values(ascending=False).index:
        colour = PALETTE[styles[name] % len(PALETTE)]
        mine = table[table["acquisition"] == name].sort_values("labels")
        seeds = results[results["acquisition"] == name].groupby("seed")
        if len(seeds) > 1:
            for _, one in seeds:
                one = one.sort_values("labels")
                axes.plot(one["labels"], one[metric], color=colour, alpha=0.25, linewidth=0.8)
        if mine["seeds"].min() >= FEWEST_SEEDS and len(finals) <= MOST_BANDS:
            axes.fill_between(
                mine["labels"], mine["low"], mine["high"], color=colour, alpha=0.15, linewidth=0
            )
        axes.plot(
            mine["labels"],
            mine["mean"],
            color=colour,
            marker=MARKERS[styles[name] % len(MARKERS)],
            markersize=5,
            linewidth=2,
            label=f"{short(name)} ({finals[name]:.3f})",
        )
    # An interval of few seeds reaches where no value can be: the curves decide what is shown.
    shown = [*results[metric].dropna(), *(value for value in (full, chance) if value is not None)]
    margin = 0.06 * max(max(shown) - min(shown), 0.05)
    axes.set_ylim(min(shown) - margin, max(shown) + margin)
    if full is not None:
        axes.axhline(
            full, color=INK, linestyle="--", linewidth=1.2, label=f"every label ({full:.3f})"
        )
    if chance is not None:
        axes.axhline(
            chance, color=GREY, linestyle=":", linewidth=1.2, label=f"guessing ({chance:.3f})"
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=9, frameon=False, loc="best")
    return figure


def rounds_history(rounds: pd.DataFrame) -> Figure:
    """Draw how each measured quantity went from round to round, one small panel a column.

    Parameters
    ----------
    rounds : DataFrame
        Column ``round``; every other numeric column is drawn under its own name.
    """
    columns = [c for c in rounds.select_dtypes("number").columns if c != "round"]
    if rounds.empty or not columns:
        return nothing_yet("no round has been finished yet")
    across = min(3, len(columns))
    down = -(-len(columns) // across)
    figure = new_figure(2.4 * down, PAGE_WIDTH if across > 1 else PAGE_WIDTH / 2)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes in panels[len(columns) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, columns, strict=False):
        quiet(axes, "round", "", str(name).replace("_", " "))
        axes.plot(rounds["round"], rounds[name], color=PALETTE[0], marker="o", linewidth=2)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(y=0.15)
    return figure


def reliability(probabilities: ArrayLike, truth: ArrayLike, bins: int = 10) -> Figure:
    """Draw accuracy against confidence: on the diagonal, a stated 80 % is right 80 times in 100.

    Parameters
    ----------
    probabilities : (N, C) float
    truth : (N,) int
        Class number; negative where nobody knows.
    bins : int
    """
    if not (np.asarray(truth) >= 0).any():
        return nothing_yet("no particle with a known class to compare with yet")
    table = reliability_table(probabilities, truth, bins)
    figure = new_figure(4.6, 5.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    quiet(above, "", "share that is right")
    quiet(below, "confidence (largest probability)", "particles")
    start = float(table["low"].iloc[0])
    above.plot([start, 1], [start, 1], color=GREY, linestyle="--", linewidth=1.2)
    filled = table[table["count"] > 0]
    reach = np.array(
        [
            (filled["accuracy"] - filled["accuracy_low"]).clip(lower=0),
            (filled["accuracy_high"] - filled["accuracy"]).clip(lower=0),
        ]
    )
    above.errorbar(
        filled["confidence"],
        filled["accuracy"],
        yerr=reach,
        color=PALETTE[0],
        marker="o",
        capsize=3,
    )
    above.set_ylim(0, 1.03)
    error = calibration_error(table)
    above.set_title(f"expected calibration error {error:.3f}", fontsize=10, color=INK, loc="left")
    width = table["high"] - table["low"]
    below.bar(table["low"], table["count"], width=width, align="edge", color=PALETTE[0], alpha=0.6)
    below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    return figure


def confusion(truth: ArrayLike, predicted: ArrayLike, classes: Sequence[str]) -> Figure:
    """Draw what became of each true class: percent of its row, and the count.

    Parameters
    ----------
    truth, predicted : (N,) int
        Class numbers; a negative truth is left out.
    classes : C str
    """
    counts = confusion_table(truth, predicted, len(classes))
    if not counts.sum():
        return nothing_yet("no particle with a known class to compare with yet")
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(PAGE_WIDTH, max(3.6, 1.9 + 0.62 * len(classes)))
    figure = new_figure(side * 0.9, side)
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = [short(name, 16) for name in classes]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=9, color=INK)
    axes.set_yticks(range(len(names)), names, fontsize=9, color=INK)
    axes.set_xlabel("predicted", fontsize=10, color=INK)
    axes.set_ylabel("true", fontsize=10, color=INK)
    size = 8.5 if len(classes) <= 12 else 6
    for i, j in np.argwhere(counts > 0):
        text = f"{share[i, j]:.0%}\n{counts[i, j]}"
        axes.text(
            j, i, text, ha="center", va="center", fontsize=size, color=readable_on(share[i, j])
        )
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def class_counts(counts: pd.DataFrame) -> Figure:
    """Draw the particles of each class in each tomogram, as stacked bars.

    Parameters
    ----------
    counts : DataFrame
        One row a tomogram (its index), one column a class: ``tables.counts_table``.
    """
    if counts.empty or not counts.to_numpy().sum():
        return nothing_yet("no particle has a class yet")
    shown = counts
    if len(counts) > MOST_BARS:
        shown = counts.loc[counts.sum(axis=1).nlargest(MOST_BARS).index]
    figure = new_figure(1.1 + 0.26 * len(shown) + 0.22 * -(-counts.shape[1] // 4))
    axes = quiet(figure.add_subplot(), "particles")
    if len(shown) < len(counts):
        axes.set_title(
            f"the {MOST_BARS} fullest of {len(counts)} tomograms", fontsize=10, loc="left"
        )
    names = [str(name) for name in counts.columns]
    colours, hatches = class_colours(names), class_hatches(names)
    left = np.zeros(len(shown))
    for name, column in zip(names, counts.columns, strict=True):
        values = shown[column].to_numpy(dtype=float)
        axes.barh(
            range(len(shown)),
            values,
            left=left,
            color=colours[name],
            hatch=hatches[name],
            edgecolor="white",
            linewidth=0.6,
            label=short(name),
        )
        left += values
    axes.set_yticks(range(len(shown)), [short(name) for name in shown.index])
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    figure.legend(fontsize=9, frameon=False, loc="outside upper left", ncols=4)
    return figure


def uncertainty_histogram(
    uncertainty: ArrayLike, asked: ArrayLike | None = None, bins: int = 40
) -> Figure:
    """Draw how uncertain the particles are, and where those to be asked about lie.

    Parameters
    ----------
    uncertainty : (N,) float
        NaN for particles without one (already labelled).
    asked : (N,) bool, optional
        The particles in the queue.
    """
    values = np.asarray(uncertainty, dtype=float)
    finite = np.isfinite(values)
    if not finite.any():
        return nothing_yet("no particle has an uncertainty yet")
    figure = new_figure(3.0)
    axes = quiet(figure.add_subplot(), "uncertainty", "share of particles")
    edges = np.histogram_bin_edges(values[finite], bins)
    groups = [("all", finite, GREY)]
    if asked is not None:
        groups.append(("asked about", finite & np.asarray(asked, dtype=bool), PALETTE[1]))
    for name, rows, colour in groups:
        if rows.any():
            weights = np.full(int(rows.sum()), 1 / rows.sum())
            label = f"{name} ({rows.sum()})"
            axes.hist(
                values[rows], edges.tolist(), weights=weights, color=colour, alpha=0.6, label=label
            )
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(fontsize=9, frameon=False)
    return figure

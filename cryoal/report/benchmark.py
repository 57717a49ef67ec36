"""A page of what a benchmark measured: curves, labels saved, scores held to the truth."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from cryoal.report.figures import learning_curve
from cryoal.report.page import Card, Section, write_page
from cryoal.report.savings import (
    TARGETS,
    area_under_curve,
    full_supervision,
    interval,
    recall_table,
    score_summary,
    summarise,
    with_recipe,
)

__all__ = ["area_under_curve", "curve_sections", "interval", "summarise", "write_benchmark_page"]

#: Lines that one figure can still tell apart.
MOST_LINES = 7


def curve_sections(
    results: pd.DataFrame,
    full: pd.DataFrame | None = None,
    scores: pd.DataFrame | None = None,
) -> list[Section]:
    """Learning curves, their summary, recall by class and what scores knew, for a page.

    Parameters
    ----------
    results, full, scores : DataFrame
        ``results.tsv``, ``full.tsv`` and ``scores.tsv`` with numbers as numbers.
    """
    table = with_recipe(results)
    if full is None:
        full = table[table["acquisition"] == "full"]
    curves = table[table["acquisition"] != "full"]
    summary = summarise(table, full=full)
    sections = [
        Section(
            "Accuracy bought with labels",
            "Every strategy starts from the same labels; the test particles lie in tomograms (or "
            "blocks with a gap, where there are fewer than five) that are never asked about, "
            "trained on or used for a decision. Macro-F1 weighs rare classes like common ones.",
            figures=[
                (figure, caption)
                for metric in ("accuracy", "macro_f1")
                for figure, caption in _curves(curves, metric, full)
            ],
        ),
        Section(
            "In one number",
            "`area` is the accuracy averaged over the budget, `gain` its paired difference to "
            "random choice with the same recipe, in brackets a 95 % bootstrap interval over seeds "
            "(from three on)."
            + (
                " `recipe_gain` is the paired difference to the first recipe with the same choice."
                if table["recipe"].nunique() > 1
                else ""
            )
            + " `auroc` is how well the strategy's own score finds the classifier's errors; "
            "chance is 0.5.",
            table=_in_one_number(summary),
        ),
    ]
    if "labels_95" in summary:
        sections.append(_savings(summary, full))
    if any(name.startswith("recall_") for name in table.columns):
        sections.append(
            Section(
                "Class by class",
                "Recall in the last round: the share of each class that is named rightly, mean "
                "over seeds.",
                table=recall_table(table).map(_three).reset_index(),
            )
        )
    if scores is not None and len(scores):
        sections.append(_scores(scores, table))
    return sections


def write_benchmark_page(
    path: Path,
    results: pd.DataFrame,
    full: pd.DataFrame | None = None,
    scores: pd.DataFrame | None = None,
    *,
    note: str = "",
) -> None:
    """Write ``report.html`` of a benchmark; ``note`` says what was special about it."""
    table = with_recipe(results)
    seeds, strategies = table["seed"].nunique(), table["acquisition"].nunique()
    recipes = table["recipe"].nunique()
    write_page(
        path,
        "Labels against accuracy",
        curve_sections(table, full, scores),
        subtitle=f"{seeds} seed{'s' if seeds > 1 else ''}, "
        f"{strategies} {'strategies' if strategies > 1 else 'strategy'}"
        + (f", {recipes} training recipes" if recipes > 1 else "")
        + (f"; {note}" if note else ""),
        cards=_cards(table, full),
    )


def _curves(curves: pd.DataFrame, metric: str, full: pd.DataFrame) -> list[tuple[Figure, str]]:
    """One figure of all strategies, or one a recipe where there are too many for one."""
    caption = (
        f"{metric.replace('_', ' ')} on particles never asked about; mean over seeds, thin lines "
        "single seeds, in brackets the last round's"
    )
    top = full[metric].mean() if len(full) else None
    several = curves["recipe"].nunique() > 1
    if not several:
        return [(learning_curve(curves, metric, full=top), caption)]
    named = curves.assign(acquisition=curves["acquisition"] + ", " + curves["recipe"])
    if named["acquisition"].nunique() <= MOST_LINES:
        return [(learning_curve(named, metric, full=top), caption)]
    figures = []
    for way, group in curves.groupby("recipe", sort=False):
        mine = full[full["recipe"] == way] if "recipe" in full else full
        own = mine[metric].mean() if len(mine) else None
        figures.append((learning_curve(group, metric, full=own), f"recipe {way}: {caption}"))
    return figures


def _savings(summary: pd.DataFrame, full: pd.DataFrame) -> Section:
    """Labels needed for a share of full supervision."""
    goal = full_supervision(full).mean()
    rows = summary[summary["acquisition"] != "full"]
    table = _names(rows)
    for share in TARGETS:
        percent = round(100 * share)
        counts, reached = rows[f"labels_{percent}"], rows[f"reached_{percent}"]
        table[f"labels to {percent} %"] = [
            f"{count:.0f}" if all_did else f"> {count:.0f}"
            for count, all_did in zip(counts, reached == rows["seeds"], strict=True)
        ]
        table[f"seeds at {percent} %"] = [
            f"{n} of {seeds}" for n, seeds in zip(reached, rows["seeds"], strict=True)
        ]
    return Section(
        "Labels saved",
        f"Answers until the accuracy reaches 90 and 95 % of full supervision ({goal:.3f}, the best "
        "recipe trained on every label), interpolated between rounds; mean over seeds. `>`: not "
        "every seed got there, and one that did not counts with all its answers. Reached at the "
        "first labels, fewer might have done.",
        table=table,
    )


def _scores(scores: pd.DataFrame, results: pd.DataFrame) -> Section:
    """Whether a score knows where the classifier is wrong."""
    keys = ["acquisition", "recipe", "seed", "round"]
    placed = scores.merge(results[[*keys, "labels"]], on=keys)
    means = placed.groupby(["score", "seed", "round"], as_index=False)[["labels", "auroc"]].mean()
    best = list(score_summary(scores)["score"])
    shown = means[means["score"].isin(best[:MOST_LINES])].rename(columns={"score": "acquisition"})
    return Section(
        "What the scores knew",
        "Each score against the classifier's true loss on the test particles, over all strategies' "
        "classifiers. `auroc`: the chance that a wrong particle scores above a right one. "
        "`spearman`: rank correlation with the loss; `given entropy`: what is left of it once the "
        "entropy's part is taken out (partial rank correlation). For the disagreement of teacher "
        "and student that is its own share.",
        table=_score_table(scores),
        figures=[(learning_curve(shown, "auroc"), "area under the ROC curve of error detection")],
    )


def _score_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores and their numbers as they are read."""
    summary = score_summary(scores)
    table = summary[["score"]].copy()
    table["auroc"] = [
        _with_interval(*values, signed=False)
        for values in zip(
            summary["auroc"], summary["auroc_low"], summary["auroc_high"], strict=True
        )
    ]
    table["spearman"] = summary["spearman"].map(_three)
    table["given entropy"] = summary["spearman_given_entropy"].map(_three)
    return table


def _cards(results: pd.DataFrame, full: pd.DataFrame | None) -> list[Card]:
    """The best strategy, and how far it is from knowing every label."""
    summary = summarise(results, full=full)
    summary = summary[summary["acquisition"] != "full"]
    if summary.empty:
        return []
    several = summary["recipe"].nunique() > 1
    best = summary.sort_values("area").iloc[-1]
    name = f"{best['acquisition']}, {best['recipe']}" if several else str(best["acquisition"])
    cards = [
        Card("Largest area", name, f"mean accuracy {best['area']:.3f} on the test particles"),
        Card(
            "Its last round",
            f"{best['accuracy']:.3f}",
            f"accuracy on the test particles with {best['labels']:.0f} labels; macro-F1 "
            f"{best['macro_f1']:.3f}",
        ),
    ]
    if best["gain"] == best["gain"]:
        low, high = best.get("gain_low", float("nan")), best.get("gain_high", float("nan"))
        span = f", 95 % interval {low:+.3f} to {high:+.3f}" if low == low else ""
        cards.append(Card("Gain over random", f"{best['gain']:+.3f}", f"area, paired{span}"))
    goal = full_supervision(full if full is not None else results[results["acquisition"] == "full"])
    if len(goal):
        words = "accuracy of full supervision on the test particles"
        cards.append(Card("Every label", f"{goal.mean():.3f}", words))
    return cards


def _in_one_number(summary: pd.DataFrame) -> pd.DataFrame:
    """Strategies and their numbers as they are read: intervals in brackets."""
    table = _names(summary)
    table["labels"] = summary["labels"]
    for name in ("accuracy", "macro_f1"):
        table[name.replace("_", " ")] = summary[name].map(_three)
    for name in ("area", "gain", "recipe_gain"):
        if summary[name].notna().any():
            low, high = (summary.get(f"{name}_{end}", summary[name]) for end in ("low", "high"))
            table[name.replace("_", " ")] = [
                _with_interval(*values, signed=name != "area")
                for values in zip(summary[name], low, high, strict=True)
            ]
    table["auroc"] = summary["auroc"].map(_three)
    if "seconds" in summary:
        table["seconds a round"] = summary["seconds"].round(1)
    return table


def _names(summary: pd.DataFrame) -> pd.DataFrame:
    """The strategies' names, with recipes where there are several."""
    several = summary["recipe"].nunique() > 1
    return summary[["acquisition", "recipe"] if several else ["acquisition"]].copy()


def _three(value: float) -> str:
    return f"{value:.3f}" if value == value else ""


def _with_interval(value: float, low: float, high: float, *, signed: bool) -> str:
    if value != value:
        return ""
    form = "+.3f" if signed else ".3f"
    return f"{value:{form}}" + (f" ({low:{form}} to {high:{form}})" if low == low else "")

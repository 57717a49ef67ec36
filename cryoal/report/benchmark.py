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

#: Numbers that are counts, shown without decimals.
_COUNTS = ("labels_90", "labels_95")


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
            "random choice with the same recipe, `low` and `high` a 95 % bootstrap interval over "
            "seeds (from three on)."
            + (
                " `recipe_gain` is the paired difference to the first recipe with the same choice."
                if table["recipe"].nunique() > 1
                else ""
            )
            + " `auroc` is how well the strategy's own score finds the classifier's errors; "
            "chance is 0.5.",
            table=_shown(summary, ("labels_", "reached_", "discrepancy_", "spearman", "seconds")),
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
                table=recall_table(table).reset_index(),
            )
        )
    if scores is not None and len(scores):
        sections.append(_scores(scores, table))
    if "seconds" in summary:
        sections.append(
            Section(
                "Time",
                "Seconds a round (train, predict, choose; one thread), mean over rounds and seeds.",
                table=summary[["acquisition", "recipe", "seconds"]],
            )
        )
    return sections


def write_benchmark_page(
    path: Path,
    results: pd.DataFrame,
    full: pd.DataFrame | None = None,
    scores: pd.DataFrame | None = None,
) -> None:
    """Write ``report.html`` of a benchmark."""
    table = with_recipe(results)
    seeds, strategies = table["seed"].nunique(), table["acquisition"].nunique()
    recipes = table["recipe"].nunique()
    write_page(
        path,
        "Labels against accuracy",
        curve_sections(table, full, scores),
        subtitle=f"{seeds} seed{'s' if seeds > 1 else ''}, "
        f"{strategies} {'strategies' if strategies > 1 else 'strategy'}"
        + (f", {recipes} training recipes" if recipes > 1 else ""),
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
    columns = ["acquisition", "recipe"]
    for share in TARGETS:
        percent = round(100 * share)
        columns += [f"labels_{percent}", f"reached_{percent}"]
    table = summary.loc[summary["acquisition"] != "full", [*columns, "seeds"]].copy()
    for name in _COUNTS:
        table[name] = [f"{v:.0f}" if v == v else "not reached" for v in table[name]]
    return Section(
        "Labels saved",
        f"Answers until the accuracy reaches 90 and 95 % of full supervision ({goal:.3f}, the best "
        "recipe trained on every label), interpolated between rounds; mean over the seeds that got "
        "there, which `reached` counts. Reached at the first labels, fewer might have done.",
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
        table=score_summary(scores),
        figures=[(learning_curve(shown, "auroc"), "area under the ROC curve of error detection")],
    )


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
        Card("Largest area", name, f"mean accuracy {best['area']:.3f} over the budget"),
        Card(
            "Its last round",
            f"{best['accuracy']:.3f}",
            f"accuracy with {best['labels']:.0f} labels; macro-F1 {best['macro_f1']:.3f}",
        ),
    ]
    if best["gain"] == best["gain"]:
        low, high = best.get("gain_low", float("nan")), best.get("gain_high", float("nan"))
        span = f", 95 % interval {low:+.3f} to {high:+.3f}" if low == low else ""
        cards.append(Card("Gain over random", f"{best['gain']:+.3f}", f"area, paired{span}"))
    goal = full_supervision(full if full is not None else results[results["acquisition"] == "full"])
    if len(goal):
        cards.append(Card("Every label", f"{goal.mean():.3f}", "accuracy of full supervision"))
    return cards


def _shown(summary: pd.DataFrame, hidden: tuple[str, ...]) -> pd.DataFrame:
    """Columns for the page, without those that stand elsewhere or hold nothing."""
    kept = [name for name in summary.columns if not name.startswith(hidden)]
    kept = [name for name in kept if name != "recipe" or summary["recipe"].nunique() > 1]
    return summary[kept].dropna(axis=1, how="all")

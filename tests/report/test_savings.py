"""Labels saved, by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from cryoal.report.benchmark import write_benchmark_page
from cryoal.report.savings import labels_to, recall_table, score_summary, summarise


def results(**curves: list[list[float]]) -> pd.DataFrame:
    """``acquisition__recipe``: one list of accuracies a seed, at 10, 20 and 40 answers."""
    rows = [
        (*name.split("__"), seed, number, asked - 2, asked, value, value, value - 0.1)
        for name, seeds in curves.items()
        for seed, values in enumerate(seeds)
        for number, (asked, value) in enumerate(zip((10, 20, 40), values, strict=True))
    ]
    names = ["acquisition", "recipe", "seed", "round", "labels", "asked", "accuracy", "macro_f1"]
    table = pd.DataFrame(rows, columns=[*names, "recall_a"])
    return table.assign(auroc=0.5, spearman=0.1, discrepancy_given_entropy=0.2, seconds=3.0)


def full(*accuracies: float, recipe: str = "project") -> pd.DataFrame:
    rows = [("full", recipe, seed, value, value) for seed, value in enumerate(accuracies)]
    return pd.DataFrame(rows, columns=["acquisition", "recipe", "seed", "accuracy", "macro_f1"])


def test_answers_to_a_target_are_interpolated_between_rounds():
    table = results(margin__project=[[0.4, 0.6, 0.8], [0.7, 0.7, 0.7]])
    counts = labels_to(table, pd.Series({0: 0.7, 1: 0.7}))
    # 0.7 lies half way between 0.6 at 20 and 0.8 at 40; the second seed starts there.
    assert counts["margin", "project"].tolist() == pytest.approx([30, 10])


def test_a_seed_that_did_not_get_there_makes_the_mean_a_lower_bound():
    table = results(margin__project=[[0.4, 0.6, 0.8], [0.3, 0.4, 0.5]])
    row = summarise(table, full=full(0.8, 0.8)).iloc[0]
    # 0.72 is 0.6 of the way from 20 to 40 answers: 32; the other seed spent all of its 40.
    assert row["labels_90"] == pytest.approx((32 + 40) / 2)
    assert row["reached_90"] == 1


def test_all_are_held_to_the_best_recipes_full_supervision():
    table = results(margin__project=[[0.5, 0.7, 0.9]], margin__compact=[[0.5, 0.6, 0.7]])
    goal = pd.concat([full(0.7), full(0.9, recipe="compact")])
    summary = summarise(table, full=goal).set_index("recipe")
    # 0.81 is 0.55 of the way from 20 to 40
    assert summary.loc["project", "labels_90"] == pytest.approx(31)
    assert summary.loc["compact", "reached_90"] == 0


def test_gains_of_choice_and_of_training_are_told_apart():
    table = results(
        random__project=[[0.5] * 3] * 3,
        margin__project=[[0.6] * 3] * 3,
        random__compact=[[0.4] * 3] * 3,
        margin__compact=[[0.45] * 3] * 3,
    )
    summary = summarise(table).set_index(["acquisition", "recipe"])
    assert summary.loc[("margin", "project"), "gain"] == pytest.approx(0.1)
    assert summary.loc[("margin", "compact"), "gain"] == pytest.approx(0.05)
    assert summary.loc[("margin", "compact"), "recipe_gain"] == pytest.approx(-0.15)
    assert summary.loc[("random", "compact"), "recipe_gain"] == pytest.approx(-0.1)
    assert math.isnan(summary.loc[("margin", "project"), "recipe_gain"])


def a_score_table() -> pd.DataFrame:
    rows = [
        ("margin", "project", seed, number, score, value, 0.5, 0.1)
        for seed in range(3)
        for number in range(3)
        for score, value in (("margin", 0.8), ("discrepancy", 0.7), ("entropy", 0.9))
    ]
    names = ["acquisition", "recipe", "seed", "round", "score", "auroc", "spearman"]
    return pd.DataFrame(rows, columns=[*names, "spearman_given_entropy"])


def test_scores_are_ordered_by_how_well_they_find_errors():
    summary = score_summary(a_score_table())
    assert summary["score"].tolist() == ["entropy", "margin", "discrepancy"]
    assert summary["auroc_low"].tolist() == pytest.approx([0.9, 0.8, 0.7])


def test_recall_is_that_of_the_last_round():
    table = recall_table(results(margin__project=[[0.4, 0.6, 0.8], [0.4, 0.6, 0.9]]))
    assert table.loc["a", "margin"] == pytest.approx(0.75)


def test_the_page_says_what_was_saved_and_what_the_scores_knew(tmp_path):
    table = results(
        random__project=[[0.5, 0.6, 0.7]] * 3,
        margin__project=[[0.6, 0.7, 0.8], [0.5, 0.8, 0.85], [0.6, 0.6, 0.9]],
        random__compact=[[0.4, 0.5, 0.6]] * 3,
    )
    path = tmp_path / "report.html"
    write_benchmark_page(
        path, table, full(0.9, 0.9, 0.9), a_score_table(), note="10% of the answers wrong"
    )
    text = path.read_text(encoding="utf-8")
    for said in (
        "2 training recipes; 10% of the answers wrong",
        "Labels saved",
        "&gt; ",
        "What the scores knew",
        "0 of 3",
    ):
        assert said in text, said
    cells = [part.split("</td>")[0] for part in text.split("<td")[1:]]
    assert not any(cell.endswith("nan") for cell in cells)


def test_a_strategy_that_stopped_early_is_read_at_its_own_last_round():
    table = results(margin__project=[[0.4, 0.6, 0.8], [0.5, 0.7, 0.9]])
    cut = table[~((table["seed"] == 1) & (table["round"] == 2))]
    row = summarise(cut).iloc[0]
    assert row["accuracy"] == pytest.approx(np.mean([0.8, 0.7]))

import math

import numpy as np
import pandas as pd
import pytest

from cryoal.report.benchmark import area_under_curve, interval, summarise, write_benchmark_page
from cryoal.report.tables import (
    calibration_error,
    confusion_table,
    counts_table,
    curve_table,
    reliability_table,
)


def results(**curves: list[list[float]]) -> pd.DataFrame:
    """One list of accuracies a seed, at 10, 20 and 40 labels."""
    rows = [
        (name, seed, number, labels, value, value, 0.5)
        for name, seeds in curves.items()
        for seed, values in enumerate(seeds)
        for number, (labels, value) in enumerate(zip((10, 20, 40), values, strict=True))
    ]
    columns = ["acquisition", "seed", "round", "labels", "accuracy", "macro_f1", "auroc"]
    return pd.DataFrame(rows, columns=columns)


def test_the_area_is_the_mean_over_the_budget():
    # By hand: ten labels at 0.5 on the mean, twenty at 0.7, of thirty.
    areas = area_under_curve(results(margin=[[0.4, 0.6, 0.8]]))
    assert areas[("margin", 0)] == pytest.approx(19 / 30)


def test_the_area_of_a_single_round_is_its_value():
    table = results(margin=[[0.4, 0.6, 0.8]])
    assert area_under_curve(table[table["round"] == 0])[("margin", 0)] == pytest.approx(0.4)


def test_the_gain_is_paired_seed_by_seed():
    table = results(random=[[0.2] * 3, [0.6] * 3, [0.9] * 3], margin=[[0.3] * 3, [0.7] * 3])
    summary = summarise(table).set_index("acquisition")
    assert summary.loc["margin", "gain"] == pytest.approx(0.1)
    assert math.isnan(summary.loc["random", "gain"])
    assert math.isnan(summary.loc["margin", "gain_low"]), "two seeds say nothing of their spread"


def test_an_interval_holds_the_mean_and_shrinks_to_it(rng):
    values = rng.normal(0.5, 0.1, 20)
    low, high = interval(values, rng)
    assert low < values.mean() < high
    assert interval(np.full(5, 0.3), rng) == pytest.approx((0.3, 0.3))
    assert all(math.isnan(end) for end in interval(values[:2], rng))


def test_a_benchmark_page_states_what_was_run(tmp_path):
    write_benchmark_page(tmp_path / "report.html", results(random=[[0.2, 0.3, 0.4]]))
    assert "1 seed, 1 strategy" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_curves_interval_is_students():
    table = curve_table(results(margin=[[0.4] * 3, [0.5] * 3, [0.6] * 3]))
    # t(0.975, 2) = 4.3027, standard error 0.1 / sqrt(3)
    assert table["mean"].tolist() == pytest.approx([0.5] * 3)
    assert table["high"][0] == pytest.approx(0.5 + 4.3027 * 0.1 / 3**0.5, abs=1e-4)


def test_two_seeds_have_no_interval():
    assert curve_table(results(margin=[[0.4] * 3, [0.5] * 3]))["low"].isna().all()


def test_reliability_counts_by_hand():
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    table = reliability_table(p, [0, 1, 0, -1], bins=2)
    assert table["count"].tolist() == [1, 2]
    assert table["accuracy"].tolist() == [1.0, 0.5]
    # (1 * |1 - 0.6| + 2 * |0.5 - 0.9|) / 3
    assert calibration_error(table) == pytest.approx(0.4)


def test_without_a_truth_there_is_no_calibration_error():
    assert math.isnan(calibration_error(reliability_table(np.ones((1, 2)) / 2, [-1])))


def test_a_confusion_leaves_unknown_truths_out():
    assert confusion_table([0, 0, 1, -1], [0, 1, 1, 0], 2).tolist() == [[1, 1], [0, 1]]


def test_particles_are_counted_by_tomogram_and_class():
    table = counts_table(["TS_1", "TS_1", "TS_2"], ["a", "b", "a"])
    assert table.loc["TS_1"].to_dict() == {"a": 1, "b": 1}
    assert table.loc["TS_2"].to_dict() == {"a": 1, "b": 0}

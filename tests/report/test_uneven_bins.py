"""A calibration error weighs particles, however many fall into a bin."""

import numpy as np
import pytest

from cryoal.report.tables import calibration_error, reliability_table


def test_each_bin_weighs_as_many_particles_as_it_holds() -> None:
    # One is 0.55 sure and right, nine are 0.95 sure and eight of them right.
    p = np.array([[0.55, 0.45]] + [[0.95, 0.05]] * 9)
    table = reliability_table(p, [0] * 9 + [1], bins=5)
    assert table["count"].tolist() == [1, 0, 0, 0, 9]
    assert calibration_error(table) == pytest.approx(0.1 * 0.45 + 0.9 * abs(8 / 9 - 0.95))


def test_bins_reach_from_the_least_that_the_largest_of_several_can_be_to_one() -> None:
    p = np.array([[0.25, 0.25, 0.25, 0.25], [1.0, 0.0, 0.0, 0.0]])
    table = reliability_table(p, [0, 0], bins=3)
    assert table["low"].tolist() == pytest.approx([0.25, 0.5, 0.75])
    assert table["high"].tolist() == pytest.approx([0.5, 0.75, 1.0])
    assert table["count"].tolist() == [1, 0, 1]

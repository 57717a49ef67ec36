"""What an acquisition function needs beyond teacher and student."""

from pathlib import Path

import numpy as np
import pytest

from cryoal.core.errors import CryoalError
from cryoal.core.predictions import Predictions
from cryoal.io.predictions import write_predictions
from cryoal.project.project import Project
from cryoal.project.settings import TrainSettings
from cryoal.project.supplying import aligned, supplied, supplied_round


def predictions(ids, classes, p, **others):
    arrays = {"teacher": p, **others}
    return Predictions(
        np.array(ids), tuple(classes), {k: np.asarray(v, np.float32) for k, v in arrays.items()}
    )


def test_the_round_before_is_read_by_name_of_particle_and_class():
    before = predictions(["p", "q"], ["a", "b"], [[0.9, 0.1], [0.3, 0.7]])
    now = predictions(["q", "new", "p"], ["a", "b", "c"], np.full((3, 3), 1 / 3))
    expected = [[0.3, 0.7, 0], [1 / 3] * 3, [0.9, 0.1, 0]]
    np.testing.assert_allclose(aligned(before, now), expected, rtol=1e-6)


def test_without_a_round_before_nothing_has_changed():
    now = predictions(["p"], ["a", "b"], [[0.2, 0.8]])
    made = supplied(now, ["previous"], TrainSettings())
    np.testing.assert_array_equal(made.probabilities["previous"], now.teacher)


def test_the_average_is_the_student_that_trails_the_teacher():
    now = predictions(["p"], ["a", "b"], [[0.2, 0.8]], student=[[0.6, 0.4]])
    made = supplied(now, ["average"], TrainSettings(student_is="average"))
    np.testing.assert_array_equal(made.probabilities["average"], now.probabilities["student"])
    with pytest.raises(CryoalError, match='student_is = "average"'):
        supplied(now, ["average"], TrainSettings())


def test_ranking_by_a_score_that_is_not_there_is_refused():
    now = predictions(["p"], ["a", "b"], [[0.2, 0.8]])
    with pytest.raises(CryoalError, match="picks have none"):
        supplied(now, ["score"], TrainSettings(), scored=False)


def test_a_round_hands_the_one_before_to_who_asks_for_change(project: Path) -> None:
    opened = Project.open(project)
    ids = opened.subtomograms.ids
    rng = np.random.default_rng(0)
    first, second = (
        Predictions(
            ids, ("a", "b"), {"teacher": rng.dirichlet((1, 1), len(ids)).astype(np.float32)},
            np.zeros((len(ids), 2), np.float32),
        )
        for _ in range(2)
    )  # fmt: skip
    write_predictions(opened.layout.round(1).predictions, first, "boxes")
    write_predictions(opened.layout.round(2).predictions, second, "boxes")
    found = supplied_round(opened, opened.layout.round(2), second, "tod")
    np.testing.assert_array_equal(found.probabilities["previous"], first.teacher)

"""How good is it, and is it time to stop?"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoal.core.predictions import Predictions
from cryoal.project.classes import Classes
from cryoal.project.project import Project
from cryoal.project.selecting import Queue
from cryoal.project.status import status
from cryoal.project.stopping import Controls, control_accuracy, kappa


def test_the_interval_is_wilsons() -> None:
    # By hand, 9 of 10: centre (0.9 + 1.96^2 / 20) / (1 + 1.96^2 / 10) = 1.09208 / 1.38416
    # = 0.78898; half width 1.96 / 1.38416 * sqrt(0.9 * 0.1 / 10 + 1.96^2 / 400)
    # = 1.41602 * sqrt(0.009 + 0.009604) = 0.19314.
    low, high = Controls(10, 9).interval
    assert low == pytest.approx(0.78898 - 0.19314, abs=2e-5)
    assert high == pytest.approx(0.78898 + 0.19314, abs=2e-5)


@given(st.integers(1, 500), st.data())
def test_the_interval_holds_the_accuracy_and_stays_a_share(n: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, n))
    controls = Controls(n, correct)
    low, high = controls.interval
    assert 0 <= low <= controls.accuracy + 1e-12
    assert controls.accuracy - 1e-12 <= high <= 1


def test_without_answers_there_is_no_accuracy() -> None:
    assert np.isnan(Controls(0, 0).accuracy)
    assert np.isnan(Controls(0, 0).interval).all()


def model(classes: str, guesses: str, ids: str | None = None) -> Predictions:
    """A model that says one letter a particle."""
    p = np.array([[0.8 if c == g else 0.1 for c in classes] for g in guesses], dtype=np.float32)
    names = np.array(list(ids or "0123456789"[: len(guesses)]))
    return Predictions(names, tuple(classes), {"teacher": p / p.sum(1, keepdims=True)}, None)


def test_kappa_is_cohens() -> None:
    # By hand: they agree on 4 of 6; a, b each half and half and 4 to 2: chance
    # 0.5 * 4 / 6 + 0.5 * 2 / 6 = 0.5; (4 / 6 - 0.5) / 0.5 = 1 / 3.
    assert kappa(model("ab", "aaabbb"), model("ab", "aaaaab")) == pytest.approx(1 / 3)


def test_kappa_does_not_mind_the_order_of_classes_or_particles() -> None:
    one = model("abc", "aabbc", "12345")
    other = model("cab", "cbbaa", "54321")
    assert kappa(one, other) == pytest.approx(1)


def test_kappa_looks_at_particles_that_both_know() -> None:
    assert kappa(model("ab", "aab", "123"), model("ab", "bab", "923")) == pytest.approx(1)
    assert np.isnan(kappa(model("ab", "ab", "12"), model("ab", "ab", "34")))


def test_classes_that_became_one_are_one_prediction() -> None:
    before = model("abc", "abc")
    assert before.called(str.upper).classes == ("A", "B", "C")
    merged = before.called(lambda name: "a" if name == "b" else name)
    assert merged.classes == ("a", "c")
    np.testing.assert_allclose(merged.teacher[:, 0], before.teacher[:, :2].sum(1))
    np.testing.assert_allclose(merged.teacher.sum(1), 1, rtol=1e-6)


def queue(ids: list[str], guesses: list[str], control: str = "1") -> Queue:
    table = pd.DataFrame(
        {
            "cryoalId": ids, "cryoalUncertainty": "nan", "cryoalPrediction": guesses,
            "cryoalConfidence": "0.5", "cryoalControl": control,
        },
        dtype=str,
    )  # fmt: skip
    return Queue(table, "random", 0)


def test_only_answered_controls_that_were_predicted_count(project: Path) -> None:
    opened = Project.open(project)
    layout = opened.layout
    queue(["TS_001/1", "TS_001/2"], ["none", "none"]).write(layout.round(0).queries)
    queue([f"TS_001/{n}" for n in range(3, 8)], list("aabba")).write(layout.round(1).queries)
    queue(["TS_001/8"], ["a"], "0").write(layout.round(2).queries)
    answers = {f"TS_001/{n}": "a" for n in (1, 2, 3, 4, 5, 8)} | {"TS_001/6": "unsure"}
    opened.labels.add(answers, "kim")
    assert control_accuracy(opened) == Controls(answered=3, correct=2)
    facts = status(opened)
    assert facts["controls"]["accuracy"] == pytest.approx(2 / 3)
    assert json.loads(json.dumps(facts)) == facts


def test_a_right_control_stays_right_when_its_class_is_renamed(project: Path) -> None:
    opened = Project.open(project)
    queue(["TS_001/1", "TS_001/2"], ["apo", "apo"]).write(opened.layout.round(0).queries)
    opened.labels.add({"TS_001/1": "apoferritin", "TS_001/2": "junk"}, "kim")
    assert control_accuracy(opened) == Controls(answered=2, correct=0)
    renamed = Classes(("apo",)).with_renamed("apo", "apoferritin")
    renamed.write(opened.layout.classes)
    assert control_accuracy(opened) == Controls(answered=2, correct=1)

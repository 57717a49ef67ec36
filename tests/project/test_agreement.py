"""How often people agree with themselves, and what a classifier can reach against their labels."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import cryoal
from hypothesis import given
from hypothesis import strategies as st

from cryoal.core.labels import REPEAT, UNSURE, Label, LabelBook
from cryoal.io import ledger
from cryoal.project.agreement import ceiling, facts, self_agreement
from cryoal.project.project import Project

WORDS = st.lists(st.floats(0.01, 1), min_size=1, max_size=4)


def said_twice(*pairs: tuple[str, str], who: str = "kim") -> LabelBook:
    """What somebody said of particles p0, p1, ... at first, and when asked again."""
    statements = []
    for at, words in enumerate(pairs):
        for again, word in enumerate(words):
            name = f"{REPEAT if again else ''}{who}{at}"
            when = f"2026-01-01T00:0{again}:{at:02d}+00:00"
            statements.append(Label(when, name, who, f"p{at}", word, round=1))
    return LabelBook(frozenset(statements))


@given(st.lists(WORDS, min_size=1, max_size=6))
def test_no_classifier_meets_labels_more_often_than_the_ceiling(weights):
    odds = [np.array(some) / sum(some) for some in weights]  # of each particle's names
    alike_twice = np.mean([(p**2).sum() for p in odds])
    best = np.mean([p.max() for p in odds])
    assert alike_twice <= best + 1e-12
    assert best <= ceiling(float(alike_twice)) + 1e-12


def test_a_labeller_who_tosses_a_coin_leaves_no_more_than_the_root_of_a_half():
    found = facts(said_twice(("a", "b"), ("a", "a")))
    assert (found["repeated"], found["same"], found["share"]) == (2, 1, 0.5)
    assert found["ceiling"] == pytest.approx(0.7071, abs=1e-4)
    low, high = found["interval"]
    assert found["ceiling_interval"] == pytest.approx([low**0.5, high**0.5])
    assert low < 0.5 < high


def test_what_one_could_not_name_was_not_named_twice():
    book = said_twice((UNSURE, "a"), ("a", UNSURE), (UNSURE, UNSURE), ("a", "a"))
    assert self_agreement(book.statements, "kim") == (1, 1)


def test_everybody_is_held_against_themselves_only():
    book = said_twice(("a", "a"), ("a", "b")).union([said_twice(("b", "b"), who="anna")])
    found = facts(book)
    assert (found["repeated"], found["same"]) == (3, 2)
    assert found["annotators"] == {
        "anna": {"repeated": 1, "same": 1},
        "kim": {"repeated": 2, "same": 1},
    }


def test_status_and_report_say_how_far_labels_can_be_trusted(project: Path) -> None:
    state = json.loads(cryoal("status", project, "--json").stdout)
    assert state["self_agreement"]["repeated"] == 0
    assert state["self_agreement"]["ceiling"] is None
    assert "repeats" not in cryoal("status", project).stdout
    ids = [str(name) for name in Project(project).subtomograms.ids[:4]]
    book = said_twice(("a", "a"), ("a", "a"), ("b", "b"), ("a", "b"))
    statements = [
        Label(s.when, s.statement, s.annotator, ids[int(s.id[1:])], s.label, s.round)
        for s in sorted(book.statements)
    ]
    ledger.append(Project(project).layout.ledger("kim"), statements)
    outcome = cryoal("status", project)
    assert "3 of 4 repeats, 75% (95 % interval 30% to 95%)" in outcome.stdout
    assert "no classifier can be right more often than 87% (55% to 98%)" in outcome.stdout
    state = json.loads(cryoal("status", project, "--json").stdout)
    assert state["self_agreement"]["annotators"] == {"kim": {"repeated": 4, "same": 3}}
    assert cryoal("report", project).code == 0
    page = (project / "report.html").read_text()
    assert "Self-agreement" in page
    assert "accuracy ends at 87%" in page

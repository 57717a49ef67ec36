"""Who answers."""

from pathlib import Path

import pytest

from cryoal.core.errors import CryoalError
from cryoal.core.labels import UNSURE
from cryoal.project.oracle import HumanLike, Truth

LABELS = {f"TS_1/{n}": "abc"[n % 3] for n in range(2000)}


def test_the_truth_answers_what_it_knows_and_names_what_it_does_not(tmp_path: Path) -> None:
    path = tmp_path / "truth.tsv"
    path.write_text("id\tlabel\nTS_1/1\ta\nTS_1/2\tb\n")
    truth = Truth.read(path)
    assert truth.ask(["TS_1/2"]) == {"TS_1/2": "b"}
    with pytest.raises(CryoalError, match=r"truth\.tsv.*'TS_1/9'"):
        truth.ask(["TS_1/1", "TS_1/9"])


def test_people_err_as_often_as_told_and_never_by_a_class_that_is_not_there() -> None:
    answers = HumanLike(Truth(LABELS), error=0.2, unsure=0.1).ask(list(LABELS))
    wrong = [a for name, a in answers.items() if a not in (LABELS[name], UNSURE)]
    unsure = [a for a in answers.values() if a == UNSURE]
    # Three standard deviations of a binomial of 2,000.
    assert len(wrong) == pytest.approx(400, abs=54)
    assert len(unsure) == pytest.approx(200, abs=41)
    assert set(wrong) <= {"a", "b", "c"}


def test_errors_fall_where_the_margin_is_small() -> None:
    margin = {name: float(n < 1000) for n, name in enumerate(LABELS)}
    answers = HumanLike(Truth(LABELS), error=0.2, margin=margin).ask(list(LABELS))
    names = list(LABELS)
    clear = [name for name in names[:1000] if answers[name] != LABELS[name]]
    hard = [name for name in names[1000:] if answers[name] != LABELS[name]]
    assert clear == []
    assert len(hard) == pytest.approx(400, abs=47)


def test_a_particle_is_answered_alike_whoever_else_is_asked() -> None:
    person = HumanLike(Truth(LABELS), error=0.3, seed=5)
    everyone = person.ask(list(LABELS))
    some = list(LABELS)[::7]
    assert person.ask(some[::-1]) == {name: everyone[name] for name in some}
    assert HumanLike(Truth(LABELS), error=0.3, seed=6).ask(list(LABELS)) != everyone

"""What status and report say of a project whose counts and rounds are known."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import cryoal
from planted import plant

from cryoal.project.project import Project
from cryoal.project.selecting import Queue
from cryoal.project.stopping import Controls, advice, agreement, control_accuracy

CLASSES = ("groel", "junk", "ribosome")


def queue(project: Project, number: int, ids: list[str], guess: str, control: str = "1") -> None:
    table = pd.DataFrame({"cryoalId": ids}, dtype=str).assign(
        cryoalUncertainty="0.5", cryoalPrediction=guess, cryoalConfidence="0.9",
        cryoalControl=control,
    )  # fmt: skip
    Queue(table[list(Queue.COLUMNS)], "margin", 0).write(project.layout.round(number).queries)


def ids_of(project: Project) -> list[str]:
    return [str(name) for name in project.subtomograms.ids]


def calls(project: Project, wrong: int, number: int) -> None:
    """A round that calls the first ``wrong`` of two equal halves by the other's name."""
    n = len(project.subtomograms)
    first = np.arange(n) < n // 2
    first[:wrong] = False
    p = np.where(first[:, None], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8])
    plant(project, p, CLASSES, number=number)


def test_accuracy_is_that_of_the_controls_of_the_last_three_rounds(project: Path) -> None:
    opened = Project.open(project)
    ids = ids_of(opened)
    # Wrong in the first two rounds, right in the next two, wrong in the last; one is not answered.
    for number, guess in enumerate("bbaab", 1):
        queue(opened, number, ids[3 * number : 3 * number + 3], guess)
        opened.labels.add(dict.fromkeys(ids[3 * number : 3 * number + 2], "a"), "kim")
    assert control_accuracy(opened) == Controls(answered=6, correct=4)
    queue(opened, 6, ids[30:33], "none")
    opened.labels.add(dict.fromkeys(ids[30:33], "a"), "kim")
    assert control_accuracy(opened) == Controls(answered=4, correct=2)


def test_rounds_are_compared_with_the_one_before_beyond_chance(project: Path) -> None:
    opened = Project.open(project)
    n = len(opened.subtomograms)
    wrong = n // 10
    for number, moved in enumerate((0, wrong, 0, 0), 1):
        calls(opened, moved, number)
    # By hand: they agree but on those moved; the shares are a half and a half, and as moved.
    half = (n // 2) / n
    share = (n // 2 - wrong) / n
    chance = half * share + (1 - half) * (1 - share)
    kappa = (1 - wrong / n - chance) / (1 - chance)
    assert agreement(opened) == pytest.approx([kappa, kappa, 1.0])


@pytest.mark.parametrize(
    ("moved", "stop"),
    [((0, 0, 0), True), ((3, 0, 0), False), ((0, 0, 3), False), ((0, 0), False)],
)
def test_it_is_time_to_stop_after_three_rounds_that_agree(
    project: Path, moved: tuple[int, ...], stop: bool
) -> None:
    opened = Project.open(project)
    for number, wrong in enumerate(moved, 1):
        calls(opened, wrong, number)
    queue(opened, len(moved), ids_of(opened)[:2], "a")
    opened.labels.add(dict.fromkeys(ids_of(opened)[:2], "a"), "kim")
    assert ("time to stop" in advice(opened)) == stop


def test_an_unsure_is_an_answer_and_no_label(project: Path) -> None:
    opened = Project.open(project)
    ids = ids_of(opened)
    queue(opened, 0, ids[:4], "none")
    opened.labels.add(dict.fromkeys(ids[:2], "unsure") | {ids[2]: "a"}, "kim")
    assert "1 of 4 particles in the queue wait" in advice(opened)
    opened.labels.add({ids[3]: "unsure"}, "kim")
    assert advice(opened).startswith("The queue is answered")
    facts = opened_status(project)
    assert (facts["labels"], facts["unsure"], facts["queue"]["answered"]) == (1, 3, 4)


def opened_status(project: Path) -> dict:  # type: ignore[type-arg]
    outcome = cryoal("status", project, "--json")
    assert outcome.code == 0, outcome.stderr
    return dict(json.loads(outcome.stdout))


def test_labels_are_what_people_agree_on_and_nothing_else(project: Path) -> None:
    opened = Project.open(project)
    ids = ids_of(opened)
    opened.labels.add_weak(dict.fromkeys(ids, "a"))
    opened.labels.add({ids[0]: "a", ids[1]: "b", ids[2]: "unsure", ids[3]: "a"}, "kim")
    opened.labels.add({ids[0]: "a", ids[1]: "a", ids[3]: "unsure"}, "lee")
    facts = opened_status(project)
    assert (facts["labels"], facts["classes"], facts["unsure"]) == (2, {"a": 2}, 1)
    assert facts["extracted"] + facts["left_out"] == facts["particles"]


def cells(page: str, title: str) -> list[list[str]]:
    """Rows of the table below a heading of a page."""
    body = page.split(f">{title}<", 1)[1].split("</table>", 1)[0]
    rows = re.findall(r"<tr.*?>(.*?)</tr>", body, re.S)
    return [[c.strip() for c in re.findall(r"<t[dh].*?>(.*?)</t[dh]>", row, re.S)] for row in rows]


def test_the_page_counts_classes_without_duplicates_and_their_shares_of_one(project: Path) -> None:
    settings = project / "cryoal.toml"
    text = settings.read_text()
    settings.write_text(text.replace("[export]\n", "[export]\nmin_distance = 500.0\n"))
    opened = Project.open(project)
    n = len(opened.subtomograms)
    plant(opened, np.where(np.arange(n)[:, None] % 4, [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]), CLASSES)
    facts = opened_status(project)
    assert cryoal("report", project).code == 0
    head, *rows = cells((project / "report.html").read_text(encoding="utf-8"), "Classes")
    assert head == ["class", "particles", "share"]
    found = {name: (int(count), float(share)) for name, count, share in rows}
    counts = {name: count for name, (count, _) in found.items()}
    assert counts == facts["predicted"]
    whole = sum(counts.values())
    assert whole < n, "there must be duplicates"
    for count, share in found.values():
        assert share == pytest.approx(count / whole, abs=6e-4)


def test_the_pictures_are_of_the_surest_predictions(project: Path) -> None:
    from cryoal.project.reporting import PICTURES, confident

    opened = Project.open(project)
    n = len(opened.subtomograms)
    sure = np.random.default_rng(4).permutation(np.linspace(0.4, 0.9, n))
    plant(opened, np.stack([sure, (1 - sure) / 2, (1 - sure) / 2], axis=1), CLASSES)
    classified = opened.classify(0)
    chosen, names = confident(opened, classified)
    assert names == ["groel"] * PICTURES
    best = [str(opened.subtomograms.ids[row]) for row in np.argsort(-sure)[:PICTURES]]
    assert chosen == best


def test_the_card_holds_the_accuracy_and_its_interval(project: Path) -> None:
    opened = Project.open(project)
    ids = ids_of(opened)
    queue(opened, 1, ids[:10], "a")
    opened.labels.add(dict.fromkeys(ids[:9], "a") | {ids[9]: "b"}, "kim")
    assert cryoal("report", project).code == 0
    page = (project / "report.html").read_text(encoding="utf-8")
    # Wilson's interval of 9 of 10: 0.596 to 0.982.
    assert re.search(r">\s*90%\s*<", page)
    assert "on 10 random controls, 95 % interval 60% to 98%" in page

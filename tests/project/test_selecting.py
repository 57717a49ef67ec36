"""Whom to ask: controls, twins, extension, and the same question twice."""

from pathlib import Path

import numpy as np
import pytest
from conftest import cryoal
from scipy.spatial import cKDTree

from cryoal.core.particles import ParticleSet
from cryoal.core.predictions import Predictions
from cryoal.project.project import Project
from cryoal.project.selecting import Queue, choose, make_pool, score_rank

N = 400
DIAMETER = 200.0


def crowd(seed: int = 0) -> ParticleSet:
    """Picks of two tomograms, so crowded that most have a twin."""
    rng = np.random.default_rng(seed)
    return ParticleSet(
        np.array([f"p{k}" for k in range(N)]),
        np.where(np.arange(N) % 2, "A", "B"),
        rng.uniform(0, 1000, (N, 3)),
        score=rng.normal(size=N),
        source=np.full(N, "list"),
    )


def guesses(particles: ParticleSet, seed: int = 1) -> Predictions:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(3), len(particles)).astype(np.float32)
    student = rng.dirichlet(np.ones(3), len(particles)).astype(np.float32)
    return Predictions(
        particles.id, ("a", "b", "c"), {"teacher": p, "student": student},
        rng.normal(size=(len(particles), 4)).astype(np.float32),
    )  # fmt: skip


def ask(
    n: int, labels: dict[str, str], excluded: set[str], before: Queue | None = None, **more: float
) -> Queue:
    particles = crowd()
    pool = make_pool(
        particles, guesses(particles), labels, excluded, DIAMETER, None, np.random.default_rng(0)
    )
    return choose(pool, n, "margin", more.get("controls", 0.2), 7, before=before)


@pytest.mark.parametrize("n", [1, 5, 20, 40])
def test_controls_count_within_n_and_are_marked(n: int) -> None:
    queue = ask(n, {}, set())
    assert len(queue) == len(set(queue.ids)) == n
    assert len(queue.controls) == round(0.2 * n)
    assert set(queue.controls) <= set(queue.ids)


def test_controls_are_drawn_at_random_whatever_the_scores() -> None:
    particles = crowd()
    queue = ask(40, {}, set(), controls=1.0)
    scores = -np.diff(np.sort(guesses(particles).teacher, axis=1)[:, -2:])[:, 0]
    rank = scores.argsort().argsort()[particles.rows(queue.controls)] / N
    # The mean of 40 uniform numbers, within four standard deviations.
    assert rank.mean() == pytest.approx(0.5, abs=4 * (1 / 12 / 40) ** 0.5)


def test_no_two_of_a_queue_are_the_same_particle() -> None:
    particles = crowd()
    labelled = {f"p{k}": "a" for k in range(10)}
    queue = ask(60, labelled, set())
    rows = particles.rows([*queue.ids, *labelled])
    for name in ("A", "B"):
        here = rows[particles.tomogram[rows] == name]
        asked = here[~np.isin(particles.id[here], list(labelled))]
        tree = cKDTree(particles.position[here])
        near = tree.query_ball_point(particles.position[asked], DIAMETER / 2)
        assert all(len(found) == 1 for found in near)


def test_the_labelled_the_unsure_and_the_asked_are_not_asked() -> None:
    labelled = {f"p{k}": "d" for k in range(100)}  # a class that the networks do not know
    unsure = {f"p{k}" for k in range(100, 200)}
    queue = ask(60, labelled, unsure)
    assert not set(queue.ids) & (labelled.keys() | unsure)
    assert len(queue) > 10


def test_the_rank_of_a_score_is_told_within_tomogram_and_source() -> None:
    particles = ParticleSet(
        np.array(list("abcdef")),
        np.array(["A", "A", "A", "B", "B", "B"]),
        np.zeros((6, 3)),
        score=np.array([1.0, 3.0, 2.0, 90.0, 70.0, np.nan]),
        source=np.array(["x"] * 6),
    )
    np.testing.assert_array_equal(score_rank(particles), [0, 1, 0.5, 1, 0, np.nan])


def test_the_same_call_gives_the_same_queue_and_another_seed_another(project: Path) -> None:
    opened = Project.open(project)
    first = opened.select(8)
    assert Project.open(project).select(8).ids == first.ids
    assert opened.select(3).ids == first.ids  # a smaller n takes nothing back
    assert opened.select(8, seed=1).ids != first.ids


def test_a_larger_n_extends_the_queue_and_keeps_the_first(project: Path) -> None:
    opened = Project.open(project)
    first = opened.select(8)
    longer = opened.select(14)
    assert longer.ids[:8] == first.ids
    assert len(set(longer.ids)) == 14
    particles = opened.particles
    rows = particles.rows(longer.ids)
    for name in np.unique(particles.tomogram[rows]):
        here = particles.position[rows[particles.tomogram[rows] == name]]
        assert len(cKDTree(here).query_pairs(opened.diameter / 2)) == 0


def test_whom_somebody_was_unsure_about_is_not_asked_again(project: Path) -> None:
    opened = Project.open(project)
    first = opened.select(8)
    opened.labels.add(dict.fromkeys(first.ids, "unsure"), "kim")
    longer = opened.select(12)
    assert longer.ids[:8] == first.ids
    assert not set(longer.ids[8:]) & set(first.ids)


def test_more_than_there_are_gives_all_that_are_no_twins(project: Path) -> None:
    opened = Project.open(project)
    queue = opened.select(1000)
    assert 10 < len(queue) <= 72
    assert len(set(queue.ids)) == len(queue)


def test_a_queue_answered_with_one_class_is_extended_until_there_are_two(project: Path) -> None:
    opened = Project.open(project)
    first = opened.select(6)
    opened.labels.add(dict.fromkeys(first.ids[:4], "ribosome"), "kim")
    assert opened.select(6).ids == first.ids
    opened.labels.add(dict.fromkeys(first.ids, "ribosome"), "kim")
    outcome = cryoal("select", project, "-n", 6)
    assert outcome.code == 0, outcome.stderr
    assert "A classifier needs a second class" in outcome.stderr
    longer = opened.select(12)
    assert longer.ids[:6] == first.ids
    assert len(longer) == 12


def test_a_class_of_few_labels_is_named(project: Path) -> None:
    opened = Project.open(project)
    ids = [str(name) for name in opened.particles.id]
    opened.labels.add({ids[0]: "ribosome"} | dict.fromkeys(ids[1:9], "apoferritin"), "kim")
    said = cryoal("status", project).stdout
    assert "Few labels of ribosome (1): believe what is predicted of it with more" in said


def test_a_queue_passes_over_twins_of_one_class_and_never_for_junk() -> None:
    position = np.zeros((6, 3))
    position[:, 2] = [0, 40, 300, 340, 600, 640]
    particles = ParticleSet(np.array(list("abcdef")), np.array(["T"] * 6), position)
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    found = Predictions(particles.id, ("ribosome", "junk"), {"teacher": p.astype(np.float32)}, None)

    def asked(labels: dict[str, str], diameters: dict[str, float] | None = None) -> set[str]:
        pool = make_pool(
            particles, found, labels, set(), 100.0, None, np.random.default_rng(0),
            diameters=diameters,
        )  # fmt: skip
        return set(choose(pool, 6, "margin", 0.0, 7).ids)

    # b is asked, more doubtful than its twin a, and f for e; c is junk beside d.
    assert asked({}) == set("bcdf")
    assert asked({}, {"ribosome": 60.0}) == set("abcdef")
    # The person's word counts: e is junk, so f may be asked, and c is none, so d may not.
    assert asked({"e": "junk", "c": "ribosome"}) == set("bf")
    # A class that the networks do not know takes room as any other.
    assert asked({"a": "virus"}) == set("cdf")
    assert asked({"a": "virus"}, {"virus": 50.0}) == set("bcdf")


@pytest.mark.parametrize("seed", range(4))
def test_controls_come_from_the_whole_list_and_not_from_its_beginning(seed: int) -> None:
    particles = crowd()
    in_order = ParticleSet(
        particles.id,
        np.where(np.arange(N) < N // 2, "A", "B"),
        1e5 * np.random.default_rng(3).random((N, 3)),
    )
    pool = make_pool(
        in_order, guesses(in_order), {}, set(), DIAMETER, None, np.random.default_rng(0)
    )
    rows = [int(name[1:]) for name in choose(pool, 60, "margin", 0.5, seed).controls]
    assert len(rows) == 30
    # Thirty at random: fewer than six of a half of them come about once in 6,000 lists.
    assert 6 <= sum(row >= N // 2 for row in rows) <= 24
    other = choose(pool, 60, "margin", 0.5, seed + 100).controls
    assert {int(name[1:]) for name in other} != set(rows)

"""What stands in a queue: who was chosen, who was drawn, and what the teacher thinks of them."""

from pathlib import Path

import numpy as np
import pytest
from planted import plant

from cryoal.core.particles import ParticleSet
from cryoal.core.predictions import Predictions
from cryoal.project.project import Project
from cryoal.project.selecting import Queue, choose, make_pool

N = 300


def far_apart() -> ParticleSet:
    """Particles of two tomograms of which no two are one."""
    return ParticleSet(
        np.array([f"p{k}" for k in range(N)]),
        np.where(np.arange(N) < N // 3, "A", "B"),
        1e4 * np.random.default_rng(3).random((N, 3)),
    )


def doubt_of(particles: ParticleSet) -> tuple[Predictions, dict[str, float]]:
    """Predictions of two classes, and how small each one's margin is."""
    first = 0.5 + 0.5 * np.random.default_rng(5).random(len(particles))
    p = np.stack([first, 1 - first], axis=1).astype(np.float32)
    p[::2] = p[::2, ::-1]
    made = Predictions(particles.id, ("a", "b"), {"teacher": p, "student": p}, None)
    return made, dict(zip(map(str, particles.id), 1 - np.abs(p[:, 0] - p[:, 1]), strict=True))


def mixed(seed: int) -> tuple[Queue, dict[str, float]]:
    particles = far_apart()
    made, doubt = doubt_of(particles)
    pool = make_pool(particles, made, {}, set(), 100.0, None, np.random.default_rng(0))
    return choose(pool, 40, "margin", 0.5, seed), doubt


@pytest.mark.parametrize("seed", range(3))
def test_marked_are_the_drawn_ones_and_all_others_are_the_most_doubtful(seed: int) -> None:
    queue, doubt = mixed(seed)
    drawn = set(queue.controls)
    chosen = set(queue.ids) - drawn
    assert len(drawn) == len(chosen) == 20
    left = set(doubt) - set(queue.ids)
    assert min(doubt[name] for name in chosen) >= max(doubt[name] for name in left)


def test_nothing_but_the_mark_tells_a_control_from_the_others() -> None:
    places = []
    for seed in range(20):
        queue, _ = mixed(seed)
        places += [queue.ids.index(name) for name in queue.controls]
    # The mean of 400 places, uniform from 0 to 39, within four standard deviations.
    assert np.mean(places) == pytest.approx(19.5, abs=4 * (40**2 / 12 / 400) ** 0.5)


def test_a_queue_says_what_the_teacher_thinks_and_how_sure_it_is(project: Path) -> None:
    opened = Project.open(project)
    rng = np.random.default_rng(1)
    teacher, student = rng.dirichlet((1, 2, 3), (2, len(opened.subtomograms)))
    made = plant(opened, teacher, student=student)
    queue = opened.select(20, "discrepancy")
    for row in queue.table.itertuples():
        p = made.teacher[list(made.ids).index(row.cryoalId)]
        assert row.cryoalPrediction == made.classes[p.argmax()]
        assert float(row.cryoalConfidence) == pytest.approx(p.max(), abs=1e-4)
        if row.cryoalId in queue.controls:
            continue  # drawn whatever their score
        q = made.probabilities["student"][list(made.ids).index(row.cryoalId)]
        u = (p * np.log(p / q)).sum()  # KL(teacher || student), the paper's score
        assert float(row.cryoalUncertainty) == pytest.approx(u, rel=1e-3)


def test_who_was_answered_with_unsure_is_asked_no_more_though_in_doubt(project: Path) -> None:
    opened = Project.open(project)
    n = len(opened.subtomograms)
    first = np.linspace(0.5, 1, n)
    made = plant(opened, np.stack([first, 1 - first, 0 * first], axis=1))
    doubtful = [str(name) for name in made.ids[:10]]
    opened.labels.add(dict.fromkeys(doubtful, "unsure"), "kim")
    queue = opened.select(12, "margin")
    assert not set(queue.ids) & set(doubtful)
    assert set(queue.ids) - set(queue.controls) <= {str(name) for name in made.ids[10:40]}


def test_another_way_to_choose_makes_another_queue(project: Path) -> None:
    opened = Project.open(project)
    p = np.random.default_rng(1).dirichlet((1, 2, 3), len(opened.subtomograms))
    plant(opened, p)
    margin, random = opened.select(10, "margin"), opened.select(10, "random")
    assert (margin.acquisition, random.acquisition) == ("margin", "random")
    assert set(margin.ids) != set(random.ids)
    assert opened.select(10, "margin").ids == margin.ids


def test_the_queue_heeds_its_seed_and_says_it(project: Path) -> None:
    opened = Project.open(project)
    plant(opened, np.random.default_rng(1).dirichlet((1, 2, 3), len(opened.subtomograms)))
    queues = {seed: opened.select(12, "random", seed) for seed in (0, 1, 2)}
    assert [queue.seed for queue in queues.values()] == [0, 1, 2]
    assert len({frozenset(queue.ids) for queue in queues.values()}) == 3
    assert len({frozenset(queue.controls) for queue in queues.values()}) > 1


def test_lists_that_differ_in_what_they_say_take_turns(project: Path) -> None:
    opened = Project.open(project)
    n = len(opened.subtomograms)
    plant(opened, np.tile([0.6, 0.3, 0.1], (n, 1)))
    rare = {str(name): "rare" for name in opened.subtomograms.ids[::12]}
    common = {str(name): "common" for name in opened.subtomograms.ids if str(name) not in rare}
    opened.labels.add_weak(rare | common)
    queue = opened.select(12, "stratified")
    # A twelfth of all particles, and half of the turns.
    assert len(rare.keys() & (set(queue.ids) - set(queue.controls))) >= 4

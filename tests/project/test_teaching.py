"""What teaches whom: people before lists, the teacher the student; and where a round goes on."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import cryoal
from planted import state

from cryoal.data.augment import HALF_TURNS
from cryoal.io.tsv import read_tsv
from cryoal.learn.discriminant import settle_head
from cryoal.learn.predict import predict
from cryoal.learn.schedule import Schedule
from cryoal.models.base import Network, build
from cryoal.models.checkpoint import load
from cryoal.project.project import Project
from cryoal.project.settings import TrainSettings
from cryoal.project.settling import settle_pair
from cryoal.project.sight import Sight, look
from cryoal.project.training import Pair, predict_pair, train_pair
from cryoal.simulate.write import SimulationResult

#: Networks as they were built, without a step.
STILL = Schedule(max_steps=0, min_steps=0, student_steps=0)
BOXES = {
    "start": "scratch", "network": "compact-thin", "student": "compact-thin", "head": "trained",
    "network_options": {"width": 0.25}, "student_options": {"width": 0.25}, "device": "cpu",
}  # fmt: skip


@pytest.fixture
def truth(simulated: SimulationResult) -> dict[str, str]:
    table = read_tsv(simulated.truth)
    return dict(zip(table["id"], table["label"], strict=True))


@pytest.fixture
def small(project: Path) -> Project:
    """A project whose networks are small and take two steps."""
    lines = "".join(
        f"{part} = 'compact-thin'\n{part}_options = {{width = 0.25}}\n"
        for part in ("network", "student")
    )
    lines += "start = 'scratch'\nhead = 'trained'\nmax_steps = 2\nstudent_steps = 1\n"
    settings = project / "cryoal.toml"
    text = settings.read_text().replace("max_steps = 20\nstudent_steps = 5\n", lines)
    settings.write_text(text)
    return Project.open(project)


@pytest.fixture
def quick(project: Path) -> Project:
    """A project whose networks have heads in closed form, in a moment."""
    settings = project / "cryoal.toml"
    settings.write_text(settings.read_text().replace("max_steps = 20\n", ""))
    return Project.open(project)


def parameters(network: Network) -> list[torch.Tensor]:
    return list(network.state_dict().values())


def alike(one: Network, other: Network) -> bool:
    return all(map(torch.equal, parameters(one), parameters(other)))


def teacher_of(project: Project) -> Network:
    return load(project.train().teacher).network


def test_beside_peoples_labels_of_two_classes_a_list_teaches_no_class_of_its_own(
    small: Project, truth: dict[str, str]
) -> None:
    ids = [i for i in truth if truth[i] != "junk"][:30]
    classes = sorted({truth[name] for name in ids})
    small.labels.add({name: truth[name] for name in ids}, "kim")
    small.labels.add_weak(dict.fromkeys(truth, "what the list says"))
    small.train()
    assert small.predict().classes == tuple(classes)
    learnt = read_tsv(small.rounds[-1].labels)
    assert dict(zip(learnt["id"], learnt["label"], strict=True)) == {i: truth[i] for i in ids}


@pytest.mark.parametrize("word", ["junk", "unsure"])
def test_where_a_list_stands_in_what_people_said_of_a_particle_is_not_up_to_it(
    small: Project, truth: dict[str, str], word: str
) -> None:
    named = next(name for name in truth if truth[name] != "junk")
    small.labels.add({named: word}, "kim")
    small.labels.add_weak(truth | {named: truth[named]})
    one = teacher_of(small)
    small.labels.add_weak({named: "junk"})
    assert alike(teacher_of(small), one)
    others = next(name for name in truth if truth[name] != "junk" and name != named)
    small.labels.add_weak({others: "junk"})
    assert not alike(teacher_of(small), one)


def test_lists_are_tried_as_hints_beside_peoples_labels(
    quick: Project, truth: dict[str, str]
) -> None:
    ids = list(truth)[::2]
    quick.labels.add({name: truth[name] for name in ids}, "kim")

    def heads() -> dict[str, float]:
        """How far each way to make the head is from labels that it had not seen."""
        lines = quick.train().history.read_text(encoding="utf-8").splitlines()
        found = [one for one in map(json.loads, lines) if "head" in one]
        loss = next(name for name in found[0] if name.endswith("log_loss"))
        return {one["head"]: one[loss] for one in found}

    plain = heads()
    assert plain
    assert not [name for name in plain if name.endswith("weak labels")]
    # Each particle's own hint is right, which another's would not be.
    quick.labels.add_weak(truth)
    hinted = heads()
    assert all(hinted[f"{name} and weak labels"] < 0.1 < plain[name] for name in plain)


def test_the_student_learns_what_the_teacher_calls_and_not_the_labels(extracted: Path) -> None:
    store = Project.open(extracted).subtomograms
    sight = look(store, "cpu")
    rows = np.arange(0, len(store), 2)
    pool = np.setdiff1d(np.arange(len(store)), rows)
    targets = np.random.default_rng(0).integers(0, 2, len(rows))  # no teacher can follow these
    teacher, student, again = (
        build(name, 2, store.geometry.network_box)
        for name in ("shape", "shape-linear", "shape-linear")
    )
    for network in (teacher, student, again):
        network.standard.settle(torch.from_numpy(sight.invariants))  # type: ignore[operator,union-attr]
    settle_pair(teacher, student, sight, rows, targets, ["a", "b"], pool, TrainSettings(), None)
    calls = predict(teacher, sight.blocks(teacher, rows), device="cpu")[0].argmax(1)
    assert (calls != targets).any()
    points = predict(again, sight.blocks(again, rows), device="cpu")[1]
    settle_head(again, points, np.arange(len(rows)), calls)
    np.testing.assert_allclose(
        student.head.weight.detach().numpy(),  # type: ignore[union-attr]
        again.head.weight.detach().numpy(),  # type: ignore[union-attr]
        rtol=1e-3, atol=1e-4,
    )  # fmt: skip


def pair_of(sight: Sight, truth: dict[str, str], **settings: object) -> Pair:
    rows = np.arange(0, len(sight), 3)
    labels = [truth[str(name)] for name in sight.store.ids[rows]]
    made = TrainSettings(**{**BOXES, **settings})  # type: ignore[arg-type]
    return train_pair(sight, rows, labels, made, schedule=STILL)


def test_first_weights_follow_the_seed_and_no_two_networks_begin_alike(
    extracted: Path, truth: dict[str, str]
) -> None:
    sight = look(Project.open(extracted).subtomograms, "cpu")
    one, again, other = (pair_of(sight, truth, seed=seed) for seed in (3, 3, 4))
    assert alike(one.teacher, again.teacher)
    assert alike(one.student, again.student)
    for networks in ((one.teacher, one.student), (one.teacher, other.teacher),
                     (one.student, other.student)):  # fmt: skip
        assert not alike(*networks)


@pytest.mark.parametrize(("low", "high"), [(-60, 60), (-40, 55)])
def test_predictions_are_the_teachers_over_the_views_that_the_tilts_allow(
    project: Path, truth: dict[str, str], low: int, high: int
) -> None:
    assert cryoal("extract", project, "--tilt-range", low, high).code == 0
    store = Project.open(project).subtomograms
    sight = look(store, "cpu")
    # The tilt axis is y: a half turn about it is always allowed, the others where -t is measured.
    about_y = (HALF_TURNS == [-1, 1, -1]).all(1)
    same = (HALF_TURNS == 1).all(1)
    expected = np.ones(4, dtype=bool) if low == -high else about_y | same
    assert (sight.allowed == expected).all()
    pair = pair_of(sight, truth)
    found = predict_pair(pair, sight, TrainSettings(**BOXES))  # type: ignore[arg-type]
    boxes = store.read(np.arange(len(store)))
    views = np.tile(expected, (len(store), 1))
    for name, network in (("teacher", pair.teacher), ("student", pair.student)):
        p, embedding = predict(network, boxes, views=views, device="cpu")
        np.testing.assert_allclose(found.probabilities[name], p, atol=1e-5)
        if name == "teacher":
            assert found.embedding is not None
            np.testing.assert_allclose(found.embedding, embedding, atol=1e-4)
    still = predict(pair.teacher, boxes, device="cpu")[0]
    assert np.abs(still - found.teacher).max() > 1e-3


def test_an_interrupted_training_is_looked_for_where_it_was_left(
    small: Project, truth: dict[str, str]
) -> None:
    small.labels.add({name: truth[name] for name in list(truth)[::3]}, "kim")
    here = small.train()
    whole = load(here.teacher).network
    for done in (here.teacher, here.student):
        done.unlink()
    here.training.write_bytes(b"half of a state")
    outcome = cryoal("train", small.layout.root)
    assert outcome.code == 0, outcome.stderr
    assert f"{here.training}: cannot be read" in outcome.stderr
    assert "training starts afresh" in outcome.stderr
    assert [r.number for r in small.rounds] == [here.number]
    assert alike(load(here.teacher).network, whole)
    assert not here.training.exists()


def test_other_settings_are_another_round_and_the_same_are_not(
    small: Project, truth: dict[str, str]
) -> None:
    small.labels.add({name: truth[name] for name in list(truth)[::3]}, "kim")
    assert small.train().number == small.train().number == 1
    state(small.layout.settings, "train", seed=5)
    assert Project.open(small.layout.root).train().number == 2
    small.labels.add({list(truth)[1]: truth[list(truth)[1]]}, "kim")
    assert Project.open(small.layout.root).train().number == 3


def test_labels_of_particles_without_a_box_teach_nothing(
    small: Project, truth: dict[str, str]
) -> None:
    root = small.layout.root
    assert cryoal("extract", root, "--box", 22, "--edge", "drop", "-j", 1).code in (0, 3)
    opened = Project.open(root)
    boxes = set(map(str, opened.subtomograms.ids))
    without = sorted(set(truth) - boxes)
    assert without, "somebody must stand at the edge"
    said = {name: truth[name] for name in [*sorted(boxes)[::3], without[0]]}
    opened.labels.add(said, "kim")
    here = opened.train()
    assert set(read_tsv(here.labels)["id"]) == set(said) - {without[0]}
    assert set(opened.predict().ids) == boxes

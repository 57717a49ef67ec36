"""Weak labels: hints that help, and never count as a person's word."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import DIAMETER, cryoal

from cryoal.core.errors import CryoalError
from cryoal.io.star import read_star, write_star
from cryoal.learn.discriminant import settle
from cryoal.learn.hints import hints_of
from cryoal.project.project import Project
from cryoal.project.stopping import control_accuracy
from cryoal.project.weak import Found, found_right, read_weak
from cryoal.simulate.write import SimulationResult


@pytest.fixture
def truth(simulated: SimulationResult) -> dict[str, str]:
    table = pd.read_csv(simulated.truth, sep="\t", dtype=str)
    return dict(zip(table["id"], table["label"], strict=True))


@pytest.fixture
def settled(project: Path) -> Path:
    """A project whose networks are settled in a moment."""
    settings = project / "cryoal.toml"
    settings.write_text(settings.read_text().replace("max_steps = 20\n", ""))
    return project


def table(folder: Path, said: dict[str, str]) -> Path:
    path = folder / "said.tsv"
    pd.DataFrame(said.items(), columns=["id", "label"]).to_csv(path, sep="\t", index=False)
    return path


def test_weak_labels_are_nobodys_word(settled: Path, truth: dict[str, str], tmp_path: Path) -> None:
    outcome = cryoal("label", settled, "--from", table(tmp_path, truth), "--weak")
    assert outcome.code == 0, outcome.stderr
    assert "Took 72 weak labels" in outcome.stderr
    opened = Project.open(settled)
    assert opened.labels.weak() == truth
    assert opened.labels.current() == {}
    assert opened.labels.book().statements == frozenset()
    assert not opened.layout.labels.exists()
    assert control_accuracy(opened).answered == 0
    assert cryoal("export", settled).code == 0
    rows = read_star(settled / "export" / "particles.star")["particles"]
    assert set(rows["cryoalStatus"]) == {"unclassified"}
    assert set(rows["cryoalLabel"]) == {"none"}
    # Again, it adds nothing; what is said otherwise takes the place of the old.
    assert "Took 0 weak labels" in cryoal("label", settled, "--from", tmp_path / "said.tsv",
                                          "--weak").stderr  # fmt: skip
    opened.labels.add_weak({"TS_001/1": "other"})
    assert Project.open(settled).labels.weak()["TS_001/1"] == "other"


def test_the_classes_of_a_list_are_hints_by_their_numbers_or_the_names_one_gives(
    simulated: SimulationResult, tmp_path: Path
) -> None:
    blocks = read_star(simulated.particles)
    rows = blocks["particles"]
    rows["rlnClassNumber"] = [str(n % 4) for n in range(len(rows))]
    rows = rows.drop(columns="rlnTomoParticleName")
    path = tmp_path / "run_it025_data.star"
    write_star(path, {**blocks, "particles": rows})
    project = tmp_path / "project"
    cryoal("extract", project, "--tomograms", simulated.tomograms, "--particles", path,
           "--diameter", DIAMETER, "--contrast", "dark", "-j", 1)  # fmt: skip
    particles = Project.open(project).particles
    numbers = particles.table["rlnClassNumber"].tolist()
    named = dict(zip(map(str, particles.id), numbers, strict=True))
    said = read_weak(path, particles)
    assert said == {i: f"class{n}" for i, n in named.items() if n != "0"}
    said = read_weak(path, particles, ["1=ribosome", "3=junk"])
    names = {"1": "ribosome", "2": "class2", "3": "junk"}
    assert said == {i: names[n] for i, n in named.items() if n != "0"}
    assert read_weak(path, particles, ["ribosome"]) == dict.fromkeys(named, "ribosome")
    with pytest.raises(CryoalError, match="has no class 9; there are class1, class2, class3"):
        read_weak(path, particles, ["9=ribosome"])
    with pytest.raises(CryoalError, match="no list of that name was extracted here; there are run"):
        read_weak(tmp_path / "other.star", particles, ["ribosome"])
    with pytest.raises(CryoalError, match="one CLASS for all of the list, or NUMBER=CLASS"):
        read_weak(path, particles, ["ribosome", "junk"])


def test_lists_of_one_name_are_told_apart_by_their_folders(project: Path) -> None:
    particles = Project.open(project).particles
    names = np.array(["apo/particles", "particles", "ribosomes/particles"])
    three = replace(particles, source=names[np.arange(len(particles)) % 3])
    said = read_weak(project / "ribosomes" / "particles.star", three, ["ribosome"])
    assert said == dict.fromkeys(map(str, particles.id[2::3]), "ribosome")
    said = read_weak(project / "elsewhere" / "particles.star", three, ["junk"])
    assert said == dict.fromkeys(map(str, particles.id[1::3]), "junk")


def test_what_a_whole_list_is_can_only_be_a_hint(project: Path) -> None:
    outcome = cryoal("label", project, "--from", project / "particles.star", "--as", "ribosome")
    assert outcome.code == 2
    assert "give --weak as well" in outcome.stderr


def test_people_say_of_each_weak_class_how_right_it_is(
    project: Path, truth: dict[str, str]
) -> None:
    opened = Project.open(project)
    ids = list(truth)
    opened.labels.add_weak(
        dict.fromkeys(ids[:27], "ribosome") | dict.fromkeys(ids[27:40], "class3")
    )
    said = dict.fromkeys(ids[:23], "ribosome") | dict.fromkeys(ids[23:30], "junk")
    opened.labels.add(said, "kim")
    lines = cryoal("status", project).stdout
    assert "weak ribosome (27 particles): 23 of 27 answers agree" in lines
    assert "weak class3 (13 particles): 3 of 3 answers are junk" in lines
    assert Found(4, 0, {}).sentence("apo") == "weak apo (4 particles): no answer yet"
    assert cryoal("report", project).code == 0
    assert "Weak labels" in (project / "report.html").read_text()


def test_weak_labels_follow_their_particles_and_todays_names(project: Path) -> None:
    opened = Project.open(project)
    opened.labels.add_weak({"TS_001/1": "apo"})
    opened.layout.classes.parent.mkdir()
    opened.layout.classes.write_text('[renamed]\napo = "apoferritin"\n')
    assert Project.open(project).labels.weak() == {"TS_001/1": "apoferritin"}
    assert opened.labels.add_weak({"TS_001/1": "apo"}) == 0  # the same list once more
    assert found_right({"x": "a", "y": "a"}, {"y": "b"}) == {"a": Found(2, 1, {"b": 1})}


def test_the_first_particles_asked_are_of_every_weak_class(
    project: Path, truth: dict[str, str]
) -> None:
    opened = Project.open(project)
    rare = dict.fromkeys(list(truth)[5:9], "rare")
    opened.labels.add_weak(dict.fromkeys(truth, "common") | rare)
    queue = opened.select(16)
    assert queue.acquisition == "cold_start"
    assert len(rare.keys() & set(queue.ids)) > 1


def test_a_first_model_of_weak_labels_alone_says_so(settled: Path, truth: dict[str, str]) -> None:
    opened = Project.open(settled)
    opened.labels.add_weak(truth)
    opened.labels.add({next(iter(truth)): "unsure"}, "kim")
    outcome = cryoal("train", settled)
    assert outcome.code == 0, outcome.stderr
    assert "trained on 71 weak labels: people have named no particle" in outcome.stderr
    predictions = opened.predict()
    assert set(predictions.classes) == set(truth.values())
    assert len(pd.read_csv(opened.rounds[-1].labels, sep="\t")) == 0
    assert cryoal("train", settled).code == 0
    assert len(opened.rounds) == 1
    assert "Round 1, of weak labels alone, predicts" in cryoal("status", settled).stdout
    # Two classes of people's words, and these teach.
    ids = sorted(truth, key=truth.__getitem__)
    opened.labels.add({name: truth[name] for name in ids[::6]}, "kim")
    outcome = cryoal("train", settled)
    assert "weak labels: people" not in outcome.stderr
    assert len(Project.open(settled).rounds) == 2


def test_other_weak_labels_are_another_round(settled: Path, truth: dict[str, str]) -> None:
    opened = Project.open(settled)
    opened.labels.add({name: truth[name] for name in list(truth)[::3]}, "kim")
    first = opened.train()
    assert opened.train().number == first.number
    opened.labels.add_weak(truth)
    assert opened.train().number == first.number + 1


def test_weak_labels_do_not_repeat_a_training_that_hears_none(
    project: Path, truth: dict[str, str]
) -> None:
    lines = 'start = "scratch"\nhead = "trained"\nmax_steps = 2\nstudent_steps = 0\n'
    (project / "cryoal.toml").write_text(f"format = 1\n[train]\n{lines}")
    opened = Project.open(project)
    opened.labels.add(dict(list(truth.items())[:40]))
    first = opened.train()
    opened.labels.add_weak(truth)
    assert opened.train().number == first.number


def points(rng: np.random.Generator, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Four classes in twenty dimensions, so near that few labels hardly tell them apart."""
    own = np.arange(n) % 4
    centres = np.eye(4, 20) * 2.2
    return centres[own] + rng.normal(size=(n, 20)), own


@pytest.mark.parametrize(("wrong", "gain"), [(0.2, 0.05), (0.5, 0.02)])
def test_weak_labels_half_wrong_still_help_a_head_of_few_labels(
    wrong: float, gain: float, rng: np.random.Generator
) -> None:
    x, own = points(rng)
    told = np.arange(16)
    bad = rng.random(len(own)) < wrong
    weak = np.where(bad, (own + rng.integers(1, 4, len(own))) % 4, own)
    hints = hints_of(weak, told, own[told], 4)
    scores = [
        ((x @ found.weight.T + found.bias).argmax(1) == own)[16:].mean()
        for found in (settle(x, told, own[told], 4), settle(x, told, own[told], 4, hints=hints))
    ]
    assert scores[1] > scores[0] + gain


def test_weak_labels_that_people_contradict_say_nothing() -> None:
    weak, told = np.array([0, 1, 0, 1, -1] * 20), np.arange(100)
    right = np.where(weak == 0, 1, 0)
    assert np.ptp(hints_of(weak, told, right, 2)) < 1e-6
    agreed = hints_of(weak, told[:50], np.maximum(weak, 0)[:50], 2)
    assert (agreed[weak >= 0].argmax(1) == weak[weak >= 0]).all()
    assert (agreed[weak < 0] == 0).all()
    often = np.exp(agreed[0, 0]) / np.exp(agreed[0]).sum()
    assert often == pytest.approx((20 + 10 * 41 / 42) / 30)

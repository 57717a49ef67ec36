"""Extracting again into a labelled project: labels stay with their particles, rounds learn anew."""

from pathlib import Path

import numpy as np
import pytest
from conftest import cryoal

from cryoal.io.star import read_star, write_star
from cryoal.project.forgetting import forget, moved_away
from cryoal.project.labels import REATTACH
from cryoal.project.project import Project
from cryoal.simulate.write import SimulationResult


def picked_again(folder: Path, simulated: SimulationResult, without: int = 0) -> Path:
    """The same list, in another order and so under other names, two Angstrom off."""
    blocks = read_star(simulated.particles)
    table = blocks["particles"].iloc[::-1][without:].reset_index(drop=True)
    count = (table.groupby("rlnTomoName").cumcount() + 1).astype(str)
    table["rlnTomoParticleName"] = table["rlnTomoName"] + "/" + count
    x = table["rlnCenteredCoordinateXAngst"].astype(float) + 2
    table["rlnCenteredCoordinateXAngst"] = x.map("{:.3f}".format)
    path = folder / "again" / simulated.particles.name
    path.parent.mkdir()
    write_star(path, {**blocks, "particles": table})
    return path


def invariants(project: Path) -> None:
    """Networks that are settled in a moment."""
    settings = project / "cryoal.toml"
    settings.write_text(settings.read_text().replace("max_steps = 20\n", ""))


def test_labels_follow_their_particles_when_a_list_is_picked_again_under_the_same_names(
    project: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    before = Project.open(project)
    said = {str(name): f"class {n}" for n, name in enumerate(before.particles.id[::7])}
    before.labels.add(said, "kim")
    again = picked_again(tmp_path, simulated)
    outcome = cryoal("extract", project, "--particles", again, "-j", 1)
    assert outcome.code == 0, outcome.stderr
    after = Project.open(project)
    found = after.labels.current()
    assert sorted(found.values()) == sorted(said.values())
    assert found != said
    near = REATTACH * after.diameter
    for name, word in found.items():
        (was,) = [other for other, said_word in said.items() if said_word == word]
        old = before.particles[before.particles.rows([was])]
        new = after.particles[after.particles.rows([name])]
        assert old.tomogram[0] == new.tomogram[0]
        assert np.linalg.norm(old.position - new.position) < near


def test_a_label_whose_particle_is_gone_is_kept_and_said(
    project: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    opened = Project.open(project)
    last = str(opened.particles.id[-1])
    opened.labels.add({last: "a", "TS_001/1": "b"}, "kim")
    again = picked_again(tmp_path, simulated, without=1)
    outcome = cryoal("extract", project, "--particles", again, "-j", 1)
    assert "1 label has no particle within a quarter of a diameter" in outcome.stderr
    assert list(Project.open(project).labels.current().values()) == ["b"]
    assert "1 more has no particle" in cryoal("status", project).stdout
    cryoal("extract", project, "--particles", simulated.particles, "-j", 1)
    assert Project.open(project).labels.current() == {last: "a", "TS_001/1": "b"}


def test_no_queue_and_no_prediction_outlives_the_particle_it_was_about(
    project: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    before, queue = Project.open(project).particles, Project.open(project).select(20)
    again = picked_again(tmp_path, simulated)
    cryoal("extract", project, "--particles", again, "-j", 1)
    after = Project.open(project)
    left = [] if after.queue is None else after.queue.ids
    gone = moved_away(before, after.particles, REATTACH * after.diameter)
    assert gone
    assert left == [name for name in queue.ids if name not in gone]


def test_forgetting_takes_rows_out_of_queues_and_predictions(
    project: Path, simulated: SimulationResult
) -> None:
    invariants(project)
    opened = Project.open(project)
    queue = opened.select(6)
    truth = {name: "ab"[n % 2] for n, name in enumerate(queue.ids)}
    opened.labels.add(truth, "kim")
    second = opened.select(8)
    forget(opened.layout, {second.ids[0], *queue.ids})
    assert opened.queue is not None
    assert opened.queue.ids == second.ids[1:]
    assert not opened.layout.round(0).queries.exists()
    left = opened.predictions
    assert left is not None
    assert len(left) == len(opened.subtomograms) - 1 - len(set(queue.ids))


@pytest.mark.parametrize("what", ["tomograms", "labels"])
def test_what_is_newer_than_the_round_is_said_and_learnt_from(
    what: str, project: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    invariants(project)
    opened = Project.open(project)
    ids = [str(name) for name in opened.particles.id]
    opened.labels.add({name: "ab"[n % 2] for n, name in enumerate(ids[:10])}, "kim")
    opened.select(8)
    assert "does not know" not in cryoal("export", project).stderr
    if what == "labels":
        opened.labels.add({ids[-1]: "c"}, "kim")
        news = "Round 1 does not know 1 label of today yet"
    else:
        path = tmp_path / "more.csv"
        path.write_text("tomogram,x,y,z\nTS_001,300,300,300\nTS_001,460,320,310\n")
        cryoal("extract", project, "--particles", path, "--unit", "angstrom", "-j", 1)
        news = "Round 1 does not know 2 particles of today yet"
    assert news in cryoal("export", project).stderr
    assert news in cryoal("status", project).stdout
    assert cryoal("select", project, "-n", 8).code == 0
    assert Project.open(project).rounds[-1].number == 2
    assert "does not know" not in cryoal("status", project).stdout

"""The README's story, by command line, with the power cut in between."""

import json
from pathlib import Path

import pandas as pd
import pytest
from conftest import DIAMETER, cryoal, cryoal_process, cut_after

from cryoal.io.star import read_star
from cryoal.project.project import Project
from cryoal.simulate.write import SimulationResult


def run(*arguments: object) -> str:
    """Run a command to its good end; its stdout."""
    outcome = cryoal(*arguments)
    assert outcome.code == 0, outcome.stderr
    return outcome.stdout


def run_alone(*arguments: object) -> str:
    """The same in a process of its own, which knows nothing of those before it."""
    process = cryoal_process(*arguments)
    stdout, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    return stdout


def answer(queue: list[str], truth: Path, labels: Path) -> None:
    """Do what the person does: look at the particles in the queue and name them."""
    known = pd.read_csv(truth, sep="\t", dtype=str)
    known[known["id"].isin(queue)].to_csv(labels, sep="\t", index=False)


@pytest.mark.slow
def test_the_story_from_simulation_to_export_survives_a_power_cut(tmp_path: Path) -> None:
    data, project, labels = tmp_path / "data", tmp_path / "project", tmp_path / "labels.tsv"
    run("simulate", data, "--tomograms", 3, "--per-tomogram", 24, "--classes", 3, "--snr", 0.5,
        "--voxel-size", 28)  # fmt: skip
    facts = [
        json.loads(line)
        for line in run(
            "inspect", data / "particles.star", data / "tomograms.star", "--json"
        ).splitlines()
    ]
    assert [fact["kind"] for fact in facts] == ["particles", "tomogram_set"]
    assert facts[0]["n_particles"] == 72
    assert facts[0]["inside"] == 1

    extract = ["extract", project, "--tomograms", data / "tomograms.star", "--particles",
               data / "particles.star", "--diameter", 270, "--contrast", "dark"]  # fmt: skip
    run(*extract, "-j", 1)
    settings = project / "cryoal.toml"
    # Training writes down where it is after 200 steps.
    networks = 'network = "image2d"\nstudent = "image2d"\n'
    short = f"[train]\n{networks}max_steps = 210\nstudent_steps = 5\n"
    settings.write_text(settings.read_text().replace("[train]\n", short))

    first = json.loads(run("select", project, "-n", 16, "--json"))
    assert (first["round"], len(first["ids"])) == (0, 16)
    answer(first["ids"], data / "truth.tsv", labels)
    run("label", project, "--from", labels, "--annotator", "kim")

    here = project / "rounds" / "001"
    cut_after(here, "training.safetensors", "select", project, "-n", 8)
    assert not (here / "teacher.safetensors").exists()
    second = json.loads(run_alone("select", project, "-n", 8, "--json"))
    assert (second["round"], len(second["ids"])) == (1, 8)
    assert (here / "teacher.safetensors").exists()
    assert not (here / "training.safetensors").exists()
    assert not set(second["ids"]) & set(first["ids"])
    answer(second["ids"], data / "truth.tsv", labels)
    run("label", project, "--from", labels, "--annotator", "kim")

    run("export", project)
    given = read_star(data / "particles.star")["particles"]
    exported = read_star(project / "export" / "particles.star")["particles"]
    pd.testing.assert_frame_equal(exported[given.columns], given)
    labelled = exported[exported["cryoalStatus"] == "labelled"]
    assert set(labelled["cryoalId"]) == set(first["ids"]) | set(second["ids"])
    truth = pd.read_csv(data / "truth.tsv", sep="\t", dtype=str).set_index("id")["label"]
    assert labelled["cryoalLabel"].tolist() == truth[labelled["cryoalId"]].tolist()

    state = json.loads(run("status", project, "--json"))
    assert state["labels"] == 24
    assert state["round"] == 1
    assert state["next"].endswith(f"cryoal select {project}")
    run("report", project)
    assert "</html>" in (project / "report.html").read_text()


def extract_command(folder: Path, simulated: SimulationResult) -> list[object]:
    return ["extract", folder, "--tomograms", simulated.tomograms, "--particles",
            simulated.particles, "--diameter", DIAMETER, "--contrast", "dark",
            "-j", 1]  # fmt: skip


def test_an_extraction_that_was_killed_goes_on_to_the_same_project(
    simulated: SimulationResult, extracted: Path, tmp_path: Path
) -> None:
    project = tmp_path / "killed"
    stacks = project / "subtomograms"
    cut_after(stacks, "*.mrc", *extract_command(project, simulated))
    assert len(list(stacks.glob("*.mrc"))) == 1
    outcome = cryoal("extract", project, "-j", 1)
    assert outcome.code == 0, outcome.stderr
    for name in ("particles.star", "tomograms.star", "left_out.tsv"):
        assert (project / name).read_bytes() == (extracted / name).read_bytes()
    blocks = [read_star(folder / "subtomograms" / "index.star") for folder in (project, extracted)]
    for block in ("particles", "tomograms"):
        one, other = (found[block].sort_values("rlnTomoName", kind="stable") for found in blocks)
        pd.testing.assert_frame_equal(
            one.reset_index(drop=True), other.reset_index(drop=True), check_like=True
        )
    for stack in (extracted / "subtomograms").glob("*.mrc"):
        ours = (stacks / stack.name).read_bytes()
        assert ours[1024:] == stack.read_bytes()[1024:]
    assert not list(stacks.glob(".*.part"))


@pytest.mark.parametrize("when", ["cryoal.toml", "particles.star"])
def test_a_project_killed_before_its_first_stack_is_no_foreign_folder(
    when: str, simulated: SimulationResult, tmp_path: Path
) -> None:
    project = tmp_path / "killed"
    command = extract_command(project, simulated)
    cut_after(project, when, *command)
    outcome = cryoal(*command)
    assert outcome.code == 0, outcome.stderr
    assert len(Project.open(project).subtomograms) == 72

"""Commands, options and columns that scripts rely upon: they stay, and they work together."""

import json
from pathlib import Path

import pandas as pd
import pytest
import rich_click as click
from conftest import DIAMETER, cryoal

import cryoal as package
from cryoal.cli import cli
from cryoal.io.star import read_star
from cryoal.simulate.write import SimulationResult

#: Command -> options that a script may use.
OPTIONS = {
    "inspect": "--json",
    "convert": "--to --tomograms --unit --relion-centre",
    "extract": "--tomograms --particles --diameter --box --voxel-size --contrast --edge --unit"
    " --relion-centre --tilt-range --display-tomograms --float16 --workers --scheduler --dry-run"
    " --json",
    "train": "--from-scratch",
    "predict": "--model",
    "pretrain": "--templates",
    "select": "-n --acquisition --seed --json",
    "annotate": "--annotator",
    "sheet": "-o",
    "label": "--from --annotator",
    "export": "--to -o --class --min-confidence --min-distance",
    "status": "--json",
    "report": "",
    "doctor": "",
    "simulate": "--templates --tomograms --per-tomogram --snr --imbalance --junk --picks --like"
    " --seed",
    "benchmark": "--truth --acquisitions --recipes --start --step --rounds --seeds --oracle-error"
    " -o",
    "data": "",
    "demo": "",
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_command_keeps_the_options_that_scripts_use(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    known = {spelling for parameter in command.params for spelling in parameter.opts}
    assert set(OPTIONS[name].split()) - known == set()


def run(*arguments: object) -> str:
    outcome = cryoal(*arguments)
    assert outcome.code == 0, outcome.stderr
    return outcome.stdout


def test_inspect_prints_one_object_a_file(simulated: SimulationResult) -> None:
    lines = run("inspect", simulated.particles, simulated.tomograms, "--json").splitlines()
    particles, tomograms = map(json.loads, lines)
    assert particles["kind"] == "particles"
    assert particles["dialect"] == "relion5"
    assert particles["n_particles"] == 72
    assert tomograms["kind"] == "tomogram_set"
    wanted = {"kind", "dialect", "unit", "n_particles", "tomograms", "voxel_size", "problems"}
    assert wanted <= set(particles)


def test_a_round_by_command_line_leaves_what_scripts_read(
    project: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    first = json.loads(run("select", project, "-n", 12, "--seed", 3, "--json"))
    assert first["round"] == 0
    assert (project / "rounds/000/queries.star").exists()
    truth = pd.read_csv(simulated.truth, sep="\t", dtype=str)
    assert list(truth.columns) == ["id", "label"]
    said = truth[truth["id"].isin(first["ids"])]
    said.to_csv(tmp_path / "said.csv", index=False)
    run("label", project, "--from", tmp_path / "said.csv", "--annotator", "kim")
    assert len((project / "labels/kim.tsv").read_text().splitlines()) == 13
    run("train", project)
    run("predict", project)
    second = json.loads(run("select", project, "-n", 6, "--acquisition", "margin", "--json"))
    queries = read_star(project / "rounds/001/queries.star")["queries"]
    assert list(queries["cryoalId"]) == second["ids"]
    assert {"cryoalUncertainty", "cryoalPrediction", "cryoalConfidence", "cryoalControl"} <= set(
        queries
    )
    state = json.loads(run("status", project, "--json"))
    assert (state["labels"], state["round"], state["particles"]) == (12, 1, 72)

    run("export", project, "--to", "relion5", "-o", tmp_path / "all.star")
    rows = read_star(tmp_path / "all.star")["particles"]
    assert len(rows) == 72
    assert {"cryoalLabel", "cryoalConfidence", "cryoalUncertainty", "cryoalStatus"} <= set(rows)
    assert sorted(rows.loc[rows["cryoalStatus"] == "labelled", "cryoalId"]) == sorted(first["ids"])
    name = said["label"].iloc[0]
    run("export", project, "-o", tmp_path / "one.star", "--class", name, "--min-confidence", 0.5,
        "--min-distance", 50)  # fmt: skip
    assert set(read_star(tmp_path / "one.star")["particles"]["cryoalLabel"]) == {name}
    run("sheet", project, "-o", tmp_path / "sheet.html")
    run("report", project)
    assert (project / "report.html").exists()


def test_extracting_once_more_is_no_work_and_says_so(
    project: Path, simulated: SimulationResult
) -> None:
    again = cryoal(
        "extract", project, "--tomograms", simulated.tomograms, "--particles", simulated.particles,
        "--diameter", DIAMETER, "--contrast", "dark", "-j", 1, "--json",
    )  # fmt: skip
    assert again.code == 0, again.stderr
    assert "othing to do" in again.stderr


def test_python_has_the_names_that_scripts_use(project: Path) -> None:
    opened = package.Project.open(project)
    queue = opened.select(n=4)
    assert opened.subtomograms[queue.ids].shape == (4, *(opened.subtomograms.geometry.box,) * 3)
    opened.labels.add({queue.ids[0]: "ribosome"}, annotator="kim")
    assert opened.labels.current() == {queue.ids[0]: "ribosome"}
    assert len(opened.particles) == 72
    assert opened.predictions is None
    assert opened.export().rows == 72

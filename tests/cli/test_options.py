"""Each option of a command line changes what it says it changes."""

import json
import tomllib
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest
from conftest import DIAMETER, cryoal
from planted import plant, state

from cryoal.io.star import read_star
from cryoal.io.tsv import read_tsv, write_tsv
from cryoal.project.project import Project
from cryoal.simulate.write import SimulationResult


def simulated_with(out: Path, *options: object) -> tuple[dict, pd.Series]:  # type: ignore[type-arg]
    """Settings as they were written down, and picks of each class."""
    given = [
        "simulate", out, "--tomograms", 1, "--per-tomogram", 24, "--voxel-size", 20,
        "--only", "apoferritin,igg", "--snr", 0.7, *options,
    ]  # fmt: skip
    outcome = cryoal(*given)
    assert outcome.code == 0, outcome.stderr
    settings = tomllib.loads((out / "simulation.toml").read_text(encoding="utf-8"))
    return settings, read_tsv(out / "truth.tsv")["label"].value_counts()


def volume(out: Path) -> np.ndarray:
    with mrcfile.open(next((out / "tomograms").glob("*.mrc"))) as file:
        return np.array(file.data, dtype=np.float64)


def test_simulate_makes_what_is_asked_for(tmp_path: Path) -> None:
    plain, even = simulated_with(tmp_path / "plain")
    assert even.to_dict() == {"apoferritin": 12, "igg": 12}
    other, counts = simulated_with(
        tmp_path / "other", "--junk", 0.25, "--imbalance", 5, "--tilt-range", -50, 40,
        "--seed", 3, "--picks", "jittered", "--tomograms", 2, "--snr", 0.2,
    )  # fmt: skip
    assert counts["junk"] == 12  # a quarter of 48
    assert counts["apoferritin"] == pytest.approx(5 * counts["igg"], abs=3)
    tilts = read_star(tmp_path / "other" / "tomograms.star")["global"]
    assert len(tilts) == 2
    assert len(list((tmp_path / "other" / "tomograms").glob("*.mrc"))) == 2
    again, _ = simulated_with(tmp_path / "again", "--seed", 3)
    assert not np.array_equal(volume(tmp_path / "again"), volume(tmp_path / "plain"))
    text = {name: json.dumps(facts) for name, facts in (("plain", plain), ("other", other))}
    assert (plain["picks"], other["picks"]) == ("perfect", "jittered")
    assert "-50" in text["other"]
    assert "-50" not in text["plain"]
    for facts, snr in ((plain, 0.7), (other, 0.2), (again, 0.7)):
        assert f'"snr": {snr}' in json.dumps(facts)


def facts_of(project: Path) -> tuple[int, int, int, set[str]]:
    """Side of the boxes, bytes a voxel, boxes, and why particles have none."""
    store = Project.open(project).subtomograms
    with mrcfile.mmap(next((project / "subtomograms").glob("*.mrc"))) as file:
        size = file.data.itemsize
    reasons = read_tsv(project / "left_out.tsv")["reason"]
    return store.geometry.box, size, len(store), {str(why).split(":")[0] for why in reasons}


def test_extract_takes_its_options_from_the_file_unless_they_are_given(project: Path) -> None:
    assert facts_of(project) == (18, 4, 72, set())
    state(project / "cryoal.toml", "extract", box=22, edge="pad", float16=True)
    assert cryoal("extract", project, "--edge", "drop", "-j", 1).code == 0
    box, size, kept, reasons = facts_of(project)
    assert (box, size, reasons) == (22, 2, {"edge"})
    assert 0 < kept < 72


def test_options_of_a_new_project_reach_its_boxes_and_positions(
    project: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    outcome = cryoal(
        "extract", tmp_path / "other", "--tomograms", simulated.tomograms, "--particles",
        simulated.particles, "--box", 22, "--edge", "drop", "--float16", "--contrast", "bright",
        "--relion-centre", "half-minus-one", "--diameter", DIAMETER, "-j", 1,
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    box, size, kept, reasons = facts_of(tmp_path / "other")
    assert (box, size, reasons) == (22, 2, {"edge"})
    assert kept < 72
    first, second = Project.open(project), Project.open(tmp_path / "other")
    assert set(second.subtomograms.index.tomograms["cryoalContrast"]) == {"bright"}
    # RELION's picker counts from one unbinned pixel before the middle.
    pixel = float(read_star(simulated.tomograms)["global"]["rlnTomoTiltSeriesPixelSize"].iloc[0])
    np.testing.assert_allclose(
        np.abs(second.particles.position - first.particles.position), pixel, atol=1e-3
    )
    # The same density, taken as dark and as bright.
    ids = [str(name) for name in second.subtomograms.ids]
    boxes = first.subtomograms[ids].astype(float), second.subtomograms[ids][:, 2:-2, 2:-2, 2:-2]
    assert np.corrcoef(boxes[0].ravel(), boxes[1].astype(float).ravel())[0, 1] < -0.3


def test_what_a_list_says_of_its_particles_is_there_in_the_project(
    project: Path, simulated: SimulationResult
) -> None:
    opened = Project.open(project)
    assert opened.particles.score is not None
    given = read_star(simulated.particles)["particles"].set_index("rlnTomoParticleName")
    scores = given.loc[opened.particles.id, "rlnAutopickFigureOfMerit"].astype(float)
    np.testing.assert_allclose(opened.particles.score, scores, rtol=1e-4)
    assert opened.particles.source is not None
    assert set(opened.particles.source) == {"particles"}
    assert opened.particles.rotation is not None
    assert len(opened.particles.rotation) == 72
    assert cryoal("extract", project, "--tilt-range", -50, 45).code == 0
    tilts = {t.tilt_range for t in Project.open(project).tomograms.values()}
    assert tilts == {(-50.0, 45.0)}


def test_benchmark_measures_what_is_asked_for(
    extracted: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    out, way = tmp_path / "out", tmp_path / "small.toml"
    way.write_text(
        "start = 'scratch'\nnetwork = 'compact-thin'\nstudent = 'compact-thin'\n"
        "network_options = {width = 0.25}\nstudent_options = {width = 0.25}\n"
    )
    known = pd.DataFrame({"id": ["nobody"], "clarity": ["0.5"]})
    for seed in (0, 1):
        write_tsv(out / "chains" / f"difficulty-{seed}.tsv", known)
    outcome = cryoal(
        "benchmark", extracted, "--truth", simulated.truth, "--acquisitions", "random",
        "--recipes", way, "--start", 12, "--step", 3, "--rounds", 0, "--seeds", 2,
        "--start-with", "cold_start", "--subpool", 9, "--oracle-error", 0.2,
        "--oracle-unsure", 0.25, "--max-steps", 2, "--no-full", "-j", 1, "-o", out,
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    table = read_tsv(out / "results.tsv")
    assert table["seed"].tolist() == ["0", "1"]
    assert set(table["recipe"]) == {str(way)}
    assert set(table["asked"]) == {"12"}
    assert set(table["steps"]) == {"2"}
    assert not (out / "full.tsv").exists()
    plan = json.loads((out / "plan.json").read_text(encoding="utf-8"))
    assert {name: plan[name] for name in (
        "start", "step", "start_with", "oracle_error", "oracle_unsure", "subpool", "max_steps"
    )} == {
        "start": 12, "step": 3, "start_with": "cold_start", "oracle_error": 0.2,
        "oracle_unsure": 0.25, "subpool": 9, "max_steps": 2,
    }  # fmt: skip
    truth = read_tsv(simulated.truth).set_index("id")["label"]
    said = pd.concat(read_tsv(path) for path in (out / "chains").glob("random-*-labels.tsv"))
    words = said["label"].to_numpy()
    wrong = (words != "unsure") & (words != truth[said["id"]].to_numpy())
    assert wrong.any()
    assert (words == "unsure").any()


def test_select_takes_its_seed(project: Path) -> None:
    n = len(Project.open(project).subtomograms)
    plant(project, np.random.default_rng(1).dirichlet((1, 2, 3), n))
    found = [
        json.loads(
            cryoal("select", project, "-n", 9, "--acquisition", "random", "--seed", seed, "--json")
            .stdout
        )
        for seed in (4, 5)
    ]  # fmt: skip
    assert [one["seed"] for one in found] == [4, 5]
    assert set(found[0]["ids"]) != set(found[1]["ids"])


def test_export_takes_one_class_and_a_distance(project: Path) -> None:
    n = len(Project.open(project).subtomograms)
    p = np.where(np.arange(n)[:, None] % 3, [0.8, 0.1, 0.1], [0.1, 0.1, 0.8])
    plant(project, p)
    out = project / "one.star"
    assert cryoal("export", project, "-o", out, "--class", "junk").code == 0
    rows = read_star(out)["particles"]
    assert set(rows["cryoalLabel"]) == {"junk"}
    assert cryoal("export", project, "-o", out, "--min-distance", 700).code == 0
    assert (read_star(out)["particles"]["cryoalStatus"] == "duplicate").sum() > n // 4


def test_a_sheet_begins_with_the_name_and_shows_tomograms_unless_told_not_to(
    project: Path,
) -> None:
    assert cryoal("select", project, "-n", 4).code == 0
    pages = []
    for name, more in (("kim", []), ("lee", ["--no-context"])):
        page = project.parent / f"{name}.html"
        assert cryoal("sheet", project, "-o", page, "--annotator", name, *more).code == 0
        pages.append(page.read_text(encoding="utf-8"))
        assert f'"annotator":"{name}"' in pages[-1].replace('": "', '":"')
    assert len(pages[1]) < len(pages[0])

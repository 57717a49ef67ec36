"""A project on disk: what is done twice, what is not, and what adding picks leaves alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import cryoal

from cryoal.core.tilting import Tilting, tiltings
from cryoal.io.star import read_star
from cryoal.project.project import Project
from cryoal.project.sight import share_measured
from cryoal.simulate.write import SimulationResult


def mtimes(project: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in (project / "subtomograms").glob("*.mrc")}


def more_picks(folder: Path, simulated: SimulationResult) -> Path:
    """Twelve new picks in the first tomogram, in Angstrom."""
    xyz = np.random.default_rng(3).uniform(220, 480, (12, 3))
    path = folder / "more.csv"
    table = pd.DataFrame(xyz, columns=["x", "y", "z"]).assign(tomogram="TS_001")
    table.to_csv(path, index=False)
    return path


def test_only_the_stack_that_is_gone_is_made_again(project: Path) -> None:
    before, boxes = mtimes(project), Project.open(project).subtomograms[["TS_002/3"]]
    (project / "subtomograms" / "TS_002.mrc").unlink()
    assert cryoal("extract", project, "-j", 1).code == 0
    after = mtimes(project)
    assert before.keys() == after.keys()
    assert [name for name in after if after[name] != before[name]] == ["TS_002.mrc"]
    np.testing.assert_array_equal(Project.open(project).subtomograms[["TS_002/3"]], boxes)


def test_another_contrast_turns_every_box_over(project: Path) -> None:
    before = Project.open(project).subtomograms[["TS_002/3"]]
    assert cryoal("extract", project, "--contrast", "bright", "-j", 1).code == 0
    after = Project.open(project).subtomograms
    np.testing.assert_allclose(after[["TS_002/3"]], -before, atol=1e-5)
    assert set(after.index.tomograms["cryoalContrast"]) == {"bright"}


def test_adding_picks_later_keeps_labels_ids_and_finished_tomograms(
    project: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    opened = Project.open(project)
    said = {"TS_001/1": "a", "TS_003/2": "b"}
    opened.labels.add(said, "kim")
    ids, before, box = (
        opened.particles.id.tolist(),
        mtimes(project),
        opened.subtomograms[["TS_001/5"]],
    )
    new = more_picks(tmp_path, simulated)
    outcome = cryoal("extract", project, "--particles", new, "--unit", "angstrom", "-j", 1)
    assert outcome.code == 0, outcome.stderr
    again = Project.open(project)
    assert again.particles.id.tolist()[:72] == ids
    assert len(set(again.particles.id)) == 84
    assert again.labels.current() == said
    np.testing.assert_array_equal(again.subtomograms[["TS_001/5"]], box)
    after = mtimes(project)
    assert [name for name in after if after[name] != before[name]] == ["TS_001.mrc"]
    # The same list once more replaces its former self: nothing is there twice.
    assert cryoal("extract", project, "--particles", new, "--unit", "angstrom").code == 0
    assert len(Project.open(project).particles) == 84


def test_two_workers_write_the_same_bytes_as_one(project: Path) -> None:
    one = {p.name: p.read_bytes() for p in (project / "subtomograms").glob("*.mrc")}
    for name in one:
        (project / "subtomograms" / name).unlink()
    assert cryoal("extract", project, "-j", 2).code == 0
    two = {p.name: p.read_bytes() for p in (project / "subtomograms").glob("*.mrc")}
    assert two == one
    assert len(one) == 3


def test_the_index_forgets_a_stack_before_it_is_made_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A process killed while it turns boxes over must not leave turned ones under the old name.
    import cryoal.project.extraction as extraction

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(extraction, "as_completed", killed)
    with pytest.raises(Killed):
        extraction.extract(
            Project.open(project).layout, [], [], options={"contrast": "bright"}, workers=1
        )
    index = read_star(project / "subtomograms" / "index.star")
    assert len(index["tomograms"]) == 0
    monkeypatch.undo()
    assert cryoal("extract", project, "-j", 1).code == 0
    assert set(Project.open(project).subtomograms.index.tomograms["cryoalContrast"]) == {"dark"}


def test_a_new_tilt_range_reaches_training_without_cutting_anew(project: Path) -> None:
    before = mtimes(project)
    assert cryoal("extract", project, "--tilt-range", -40, 50).code == 0
    assert mtimes(project) == before
    index = Project.open(project).subtomograms.index
    assert set(index.tomograms["cryoalTiltMin"]) == {"-40"}
    assert set(index.tomograms["cryoalTiltMax"]) == {"50"}


def test_a_beam_axis_reaches_training_without_cutting_anew_and_is_kept(
    project: Path, simulated: SimulationResult
) -> None:
    before = mtimes(project)
    outcome = cryoal("extract", project, "--beam-axis", "y", "--tilt-axis", 5, "-j", 1)
    assert outcome.code == 0
    assert mtimes(project) == before
    stated = Tilting((-60.0, 60.0), 5.0, "y")
    index = Project.open(project).subtomograms.index
    assert set(tiltings(index.tomograms).values()) == {stated}
    measured = share_measured(index, 24)
    np.testing.assert_array_equal(measured, stated.measured((24, 24, 24)))
    again = cryoal("extract", project, "--tomograms", simulated.tomograms, "-j", 1)
    assert again.code == 0
    assert {t.tilting for t in Project.open(project).tomograms.values()} == {stated}


@pytest.mark.parametrize(
    "options", [("--tilt-range", "nan", "nan"), ("--tilt-axis", "nan"), ("--tilt-range", 60, -60)]
)
def test_tilts_that_are_none_are_refused(project: Path, options: tuple) -> None:
    outcome = cryoal("extract", project, *options)
    assert outcome.code == 2
    assert options[0] in outcome.stderr


def test_what_was_read_is_kept_column_by_column(project: Path, simulated: SimulationResult) -> None:
    given = read_star(simulated.particles)
    kept = read_star(project / "particles.star")
    pd.testing.assert_frame_equal(kept["particles"][given["particles"].columns], given["particles"])
    pd.testing.assert_frame_equal(kept["optics"], given["optics"])
    tomograms = read_star(simulated.tomograms)["global"]
    pd.testing.assert_frame_equal(
        read_star(project / "tomograms.star")["global"][tomograms.columns], tomograms
    )


def test_every_command_leaves_a_line_in_the_log(project: Path) -> None:
    assert cryoal("select", project, "-n", 4).code == 0
    lines = pd.read_json(project / "log.jsonl", lines=True)
    assert lines["command"].tolist() == ["extract", "select"]
    assert (lines["seconds"] >= 0).all()

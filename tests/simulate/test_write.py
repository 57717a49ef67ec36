"""A simulated folder is what RELION 5 would write, the truth fits it, and mistakes are answered."""

import tomllib

import numpy as np
import pytest
from click.testing import CliRunner

from cryoal.cli.simulate import simulate as command
from cryoal.core.errors import CryoalError
from cryoal.core.geometry import relion_uncentred, reverse_axes
from cryoal.io.mrc_header import read_header
from cryoal.io.star import read_star
from cryoal.io.tomograms import read_tomograms
from cryoal.io.tsv import read_tsv
from cryoal.project.project import Project
from cryoal.simulate.settings import settings_like
from cryoal.simulate.write import deal_classes, simulate

SMALL = ["apoferritin", "rubisco", "groel"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("simulated") / "set"
    result = simulate(
        out, tomograms=2, per_tomogram=20, junk=0.2, classes=SMALL, tilt_range=(-50, 62), seed=4
    )
    return out, result


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_pick_has_a_truth_under_its_particle_name(made):
    out, result = made
    particles = read_star(out / "particles.star")["particles"]
    truth = read_tsv(out / "truth.tsv")
    assert list(truth.columns) == ["id", "label"]
    assert (truth["id"] == particles["rlnTomoParticleName"]).all()
    assert truth["id"].is_unique
    assert len(truth) == 40
    assert (truth["label"] == "junk").sum() == 8
    assert result.counts == truth["label"].value_counts().to_dict()


def test_tomograms_read_back_with_voxel_size_and_tilt_range(made):
    out, result = made
    tomograms = read_tomograms([out / "tomograms.star"])
    assert list(tomograms) == ["TS_001", "TS_002"]
    for tomogram in tomograms.values():
        assert tomogram.shape == result.shape
        assert tomogram.voxel_size == 10
        assert tomogram.tilt_range == (-50, 62)
    header = read_header(out / "tomograms" / "TS_001.mrc")
    assert header.voxel_size == 10
    assert header.dtype == np.float32


def test_relions_coordinates_lead_to_the_placed_particles(made):
    out, _ = made
    row = read_star(out / "tomograms.star")["global"].iloc[0]
    particles = read_star(out / "particles.star")["particles"]
    particles = particles[particles["rlnTomoName"] == "TS_001"]
    centred = particles[[f"rlnCenteredCoordinate{a}Angst" for a in "XYZ"]].astype(float)
    size = [float(row[f"rlnTomoSize{a}"]) for a in "XYZ"]
    pixel = float(row["rlnTomoTiltSeriesPixelSize"])
    angstrom = reverse_axes(relion_uncentred(centred, size, pixel) * pixel)
    placed = read_tsv(out / "placed.tsv")
    placed = placed[placed["tomogram"] == "TS_001"]
    truth = placed[["z_angstrom", "y_angstrom", "x_angstrom"]].astype(float).to_numpy()
    away = np.linalg.norm(angstrom[:, None] - truth, axis=2)
    assert sorted(away.argmin(axis=1)) == list(range(20))
    assert away.min(axis=1).max() < 0.01
    labels = read_tsv(out / "truth.tsv")["label"][: len(particles)].to_numpy()
    what = placed["what"].to_numpy()[away.argmin(axis=1)]
    assert (what[labels != "junk"] == labels[labels != "junk"]).all()
    assert set(what[labels == "junk"]) == {"ice", "membrane", "gold", "flank"}


def test_the_settings_state_seed_ctf_and_the_ratio_with_its_definition(made):
    out, result = made
    said = tomllib.loads((out / "simulation.toml").read_text("utf-8"))
    assert said["seed"] == 4
    assert said["finished"] is True
    assert "Var(s) / Var(n)" in said["snr_definition"]
    assert said["ctf_state"] == "phase-flipped"
    assert [t["snr"] for t in said["tomogram"]] == pytest.approx([0.1, 0.1], rel=1e-4)
    assert len({t["defocus"] for t in said["tomogram"]}) == 2
    assert said["counts"] == result.counts


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path):
    asked = {"tomograms": 2, "per_tomogram": 6, "classes": ["rubisco"], "junk": 0.3}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate(tmp_path / name, seed=seed, **asked)
    first, again, other = (contents(tmp_path / name) for name in "abc")
    assert first == again
    assert all(first[path] != other[path] for path in first if path.suffix in (".mrc", ".tsv"))


def test_a_tomogram_does_not_change_when_more_are_asked_for(tmp_path):
    for name, n in (("two", 2), ("three", 3)):
        simulate(
            tmp_path / name, tomograms=n, per_tomogram=5, classes=["rubisco"], shape=(48, 64, 64)
        )
    one = "tomograms/TS_001.mrc"
    assert (tmp_path / "two" / one).read_bytes() == (tmp_path / "three" / one).read_bytes()


def test_our_own_folder_is_replaced_whole_and_anothers_is_refused(tmp_path):
    asked = {"per_tomogram": 4, "classes": ["rubisco"]}
    simulate(tmp_path / "out", tomograms=2, **asked)
    simulate(tmp_path / "out", tomograms=1, **asked)
    assert [p.name for p in (tmp_path / "out" / "tomograms").iterdir()] == ["TS_001.mrc"]
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "particles.star").write_text("precious")
    with pytest.raises(CryoalError, match="theirs: holds something that is not a simulation"):
        simulate(theirs, **asked)
    assert contents(theirs) == {next(theirs.iterdir()).relative_to(theirs): b"precious"}


def test_a_file_that_an_earlier_simulation_did_not_write_is_not_overwritten(tmp_path):
    asked = {"per_tomogram": 4, "classes": ["rubisco"]}
    simulate(tmp_path / "out", tomograms=1, **asked)
    (tmp_path / "out" / "tomograms" / "TS_002.mrc").write_text("precious")
    before = contents(tmp_path / "out")
    with pytest.raises(CryoalError, match=r"TS_002.mrc: the simulation .* did not write it"):
        simulate(tmp_path / "out", tomograms=2, **asked)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"snr": 0}, "signal-to-noise ratio of 0 cannot be"),
        ({"snr": -0.1}, "signal-to-noise ratio of -0.1"),
        ({"junk": 1.0}, "junk share of 1"),
        ({"imbalance": 0.5}, "imbalance of 0.5"),
        ({"tilt_range": (60, -60)}, "tilt range of 60 to -60"),
        ({"tomograms": 0}, "at least one tomogram"),
        ({"picks": "manual"}, "no picker is called 'manual'"),
        ({"defocus_error": -1.0}, "defocus error of -1 A"),
        ({"classes": 99}, "99 classes were asked for; there are"),
        ({"classes": ["rubisco"], "shape": (20, 200, 200)}, "too small for 'rubisco'"),
        ({"classes": ["rubisco"], "shape": (60, 60, 60)}, r"only \d+ of 150 particles fit"),
    ],
)
def test_what_cannot_be_is_answered_in_words(tmp_path, asked, answer):
    with pytest.raises(CryoalError, match=answer):
        simulate(tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("imbalance", [1.0, 3.0, 20.0])
def test_class_counts_fall_geometrically_from_the_ratio_to_one(imbalance, rng):
    plan = deal_classes(5, 4, 500, imbalance, rng)
    counts = np.bincount(plan.ravel(), minlength=5)
    assert plan.shape == (4, 500)
    assert counts[0] / counts[-1] == pytest.approx(imbalance, rel=0.03)
    np.testing.assert_allclose(counts[1:] / counts[:-1], imbalance**-0.25, rtol=0.05)


def test_the_rarest_class_is_never_lost(rng):
    assert np.bincount(deal_classes(10, 1, 40, 1000, rng).ravel(), minlength=10).min() >= 1


def test_the_command_ends_in_the_next_one(tmp_path, caplog):
    out = tmp_path / "set"
    with caplog.at_level("INFO", "cryoal"):
        answer = CliRunner().invoke(
            command, [str(out), "--tomograms", "1", "--per-tomogram", "8", "--classes", "1"]
        )
    assert answer.exit_code == 0, answer.output
    assert f"cryoal extract PROJECT --tomograms {out}/tomograms.star" in caplog.text
    assert f"--particles {out}/particles.star --diameter 240" in caplog.text


def test_a_project_lends_what_it_was_extracted_with(tmp_path):
    first = simulate(
        tmp_path / "first",
        tomograms=1,
        per_tomogram=6,
        voxel_size=12.0,
        tilt_range=(-50.0, 44.0),
        contrast="bright",
        largest=157.0,
    )
    Project.extract(
        tmp_path / "project",
        [first.tomograms],
        [first.particles],
        diameter=150.0,
        contrast="bright",
    )
    like = settings_like(tmp_path / "project")
    assert like.pop("tilt_range") == pytest.approx((-50, 44), abs=3)
    assert like == {"diameter": 150.0, "voxel_size": 12.0, "contrast": "bright"}
    out = tmp_path / "set"
    answer = CliRunner().invoke(
        command,
        [str(out), "--tomograms", "1", "--per-tomogram", "6", "--like", str(tmp_path / "project")],
    )
    assert answer.exit_code == 0, answer.output
    said = tomllib.loads((out / "simulation.toml").read_text("utf-8"))
    assert said["voxel_size"] == 12.0
    assert said["contrast"] == "bright"
    assert said["tilt_range"] == pytest.approx([-50, 44], abs=3)
    assert 0 < max(said["diameters"].values()) <= 1.05 * 150
    with pytest.raises(CryoalError, match="--like takes the folder of a project"):
        settings_like(tmp_path / "nowhere")


def test_the_method_is_written_down_and_a_wrong_one_refused(tmp_path):
    simulate(tmp_path / "set", tomograms=1, per_tomogram=4, classes=1, method="projections")
    said = tomllib.loads((tmp_path / "set" / "simulation.toml").read_text("utf-8"))
    assert said["method"] == "projections"
    with pytest.raises(CryoalError, match="volume or projections"):
        simulate(tmp_path / "other", tomograms=1, per_tomogram=4, method="x-rays")


def test_only_names_the_classes_and_their_order(tmp_path):
    asked = ["--tomograms", "1", "--per-tomogram", "12", "--imbalance", "5"]
    answer = CliRunner().invoke(
        command, [str(tmp_path / "a"), *asked, "--only", "rubisco, igg", "--ctf-state=uncorrected"]
    )
    assert answer.exit_code == 0, answer.output
    said = tomllib.loads((tmp_path / "a" / "simulation.toml").read_text("utf-8"))
    assert said["counts"] == {"rubisco": 10, "igg": 2, "junk": 0}
    assert said["ctf_state"] == "uncorrected"
    both = CliRunner().invoke(command, [str(tmp_path / "b"), "--only", "igg", "--classes", "1"])
    assert isinstance(both.exception, CryoalError)

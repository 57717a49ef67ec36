"""``cryoal convert`` keeps positions and accounts for every row."""

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import cryoal

from cryoal.cli.convert import convert as command
from cryoal.core.errors import CryoalError
from cryoal.io.convert import convert_file
from cryoal.io.particles import read_particles
from cryoal.io.star import read_star
from cryoal.io.tomograms import read_tomograms

STAR = ("relion3", "relion31", "relion4", "relion5", "warp", "pytom")


@pytest.fixture
def relion5(testdata):
    return testdata / "particles/relion5"


@pytest.fixture
def tomograms(relion5):
    return read_tomograms([relion5 / "tomograms.star"], need_volumes=False)


@pytest.mark.parametrize("dialect", [*STAR, "csv"])
@pytest.mark.parametrize("centre", ["half", "half-minus-one"])
def test_nine_thousand_real_particles_stay_where_they_are(
    relion5, tomograms, tmp_path, dialect, centre
):
    target = tmp_path / ("out.csv" if dialect == "csv" else "out.star")
    audit = convert_file(relion5 / "particles.star", target, dialect, tomograms,
                         relion_centre=centre)  # fmt: skip
    assert (audit.rows_in, audit.rows_out) == (9442, 9442)
    assert audit.largest_change < 2e-5
    # Without scores nothing marks a list as pytom-match-pick's.
    assert audit.dialect_out == ("relion3" if dialect == "pytom" else dialect)


@pytest.mark.parametrize("dialect", STAR)
def test_there_and_back_gives_the_same_centred_coordinates(relion5, tomograms, tmp_path, dialect):
    """Refined particles, two levels of angles, origins: only the origin is folded in."""
    convert_file(relion5 / "run_it025_data.star", tmp_path / "a.star", dialect, tomograms)
    convert_file(tmp_path / "a.star", tmp_path / "b.star", "relion5", tomograms)
    first, last = (
        read_particles([path], tomograms)
        for path in (relion5 / "run_it025_data.star", tmp_path / "b.star")
    )
    np.testing.assert_allclose(last.position, first.position, atol=2e-5)
    assert np.max((first.rotation.inv() * last.rotation).magnitude()) < 1e-6
    assert (last.table["rlnTomoParticleName"] == first.table["rlnTomoParticleName"]).all()
    assert (last.table["rlnRandomSubset"] == first.table["rlnRandomSubset"]).all()


def test_the_file_itself_states_pixel_sizes_enough_for_relion_4(testdata, tmp_path):
    source = testdata / "particles/relion4/relion_4.0.star"
    audit = convert_file(source, tmp_path / "out.star", "relion31")
    assert (audit.rows_in, audit.rows_out, audit.unit_in) == (1746, 1746, "unbinned_pixel")
    assert audit.largest_change < 1e-5
    assert audit.dialect_out == "relion31"
    to_warp = convert_file(source, tmp_path / "warp.star", "warp")
    assert (to_warp.dialect_out, to_warp.unit_out) == ("warp", "output_pixel")
    before, after = read_star(source)["particles"], read_star(tmp_path / "out.star")["particles"]
    kept = ["rlnImageName", "rlnCtfImage", "rlnClassNumber", "rlnRandomSubset", "rlnOpticsGroup"]
    assert before[kept].equals(after[kept])


def test_centred_coordinates_need_their_tomograms(relion5, tmp_path):
    with pytest.raises(CryoalError, match="give --tomograms"):
        convert_file(relion5 / "particles.star", tmp_path / "out.star", "relion4")
    assert not (tmp_path / "out.star").exists()


def test_a_unit_that_does_not_show_is_made_to_show(relion5, tomograms, tmp_path):
    """Bare coordinates said to be unbinned pixels come out as what a reader recognises."""
    bare = tmp_path / "TS_01_particles.star"
    bare.write_text("data_\nloop_\n_rlnTomoName #1\n_rlnCoordinateX #2\n_rlnCoordinateY #3\n"
                    "_rlnCoordinateZ #4\nTS_01 1000 2000 1500\n")  # fmt: skip
    audit = convert_file(bare, tmp_path / "o.star", "relion5", tomograms, unit="unbinned_pixel")
    assert audit.unit_out == "centred_angstrom"
    assert audit.largest_change < 1e-5
    written = read_star(tmp_path / "o.star")["particles"]
    centred = [float(written[f"rlnCenteredCoordinate{axis}Angst"].iloc[0]) for axis in "XYZ"]
    np.testing.assert_allclose(centred, [(1000 - 2000) * 1.35, 0, (1500 - 1000) * 1.35], atol=1e-5)


def test_a_file_is_never_converted_onto_itself(relion5, tomograms, tmp_path):
    source = tmp_path / "p.star"
    source.write_bytes((relion5 / "particles.star").read_bytes())
    with pytest.raises(CryoalError, match="overwrite its own source"):
        convert_file(source, source, "relion4", tomograms)


def test_an_unknown_dialect_is_answered_with_a_guess(relion5, tomograms, tmp_path):
    with pytest.raises(CryoalError, match="did you mean 'relion4'"):
        convert_file(relion5 / "particles.star", tmp_path / "o.star", "relion-4", tomograms)


def test_the_command_prints_the_audit_and_exits_3_when_rows_are_left_out(relion5, tmp_path):
    arguments = [str(relion5 / "run_it025_data.star"), str(tmp_path / "o.star"), "--to", "relion4",
                 "--tomograms", str(relion5 / "tomograms.star")]  # fmt: skip
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 3
    assert "read      10 particles: relion5, centred_angstrom" in result.stdout
    assert "written   5 particles: relion4, unbinned_pixel" in result.stdout
    assert "left out  5 particles of TS_02" in result.stdout


@pytest.mark.parametrize("name", ["nowhere.star", "nowhere.tbl", "folder", "folder.star"])
def test_what_is_no_file_is_one_line_and_exit_code_2(tmp_path, name):
    if name.startswith("folder"):
        (tmp_path / name).mkdir()
    outcome = cryoal("convert", tmp_path / name, tmp_path / "out.csv", "--to", "csv")
    assert outcome.code == 2
    assert f"{tmp_path / name}: " in outcome.stderr
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize("content", [b"my notes\n", b"\0" * 208 + b"MAP DD" + b"\0" * 2000])
def test_what_is_no_particle_list_is_not_written_over(tmp_path, content):
    (tmp_path / "a.coords").write_text("1.5 2 3\n4 5 6\n")
    (tmp_path / "mine").write_bytes(content)
    with pytest.raises(CryoalError, match="no particle list"):
        convert_file(tmp_path / "a.coords", tmp_path / "mine", "relion3", voxel_size=10.0)
    assert (tmp_path / "mine").read_bytes() == content
    (tmp_path / "mine").write_bytes(b"")
    for dialect in ("relion3", "csv", "relion3"):  # an earlier conversion is replaced
        convert_file(tmp_path / "a.coords", tmp_path / "mine", dialect, voxel_size=10.0)


def test_a_source_is_not_written_over_by_another_name(tmp_path):
    (tmp_path / "a.coords").write_text("1.5 2 3\n4 5 6\n")
    (tmp_path / "b.coords").hardlink_to(tmp_path / "a.coords")
    (tmp_path / "c.coords").symlink_to(tmp_path / "a.coords")
    for name in ("a.coords", "b.coords", "c.coords"):
        with pytest.raises(CryoalError, match="its own source"):
            convert_file(tmp_path / "a.coords", tmp_path / name, "relion3", voxel_size=10.0)

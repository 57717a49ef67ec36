"""Every real list in every dialect that is written: no row is lost, nothing moves by 0.01 A."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from real_files import FILES
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import formats
from cryoal.io.convert import convert_file
from cryoal.io.listing import open_list
from cryoal.io.names import file_stem
from cryoal.io.particles import read_particles, write_particles
from cryoal.io.side_table import side_table_of
from cryoal.io.tsv import read_tsv

WRITTEN = [name for name in formats.names() if formats.get(name).write is not None]
ONE_TOMOGRAM = ("coords", "copick", "portal")
#: All their points lie below z = 0, which is refused.
OUTSIDE = ("imod_mod/correct111.mod", "star_syntax/rln3.1_data_style.star",
           "star_syntax/single_line_end_of_multiblock.star")  # fmt: skip
LISTS = [n for n, (kind, *_) in FILES.items() if kind == "particles" and n not in OUTSIDE]
#: 2.6 A a voxel, unbinned 1.3 A, large enough for every real list in every unit. (In larger voxels
#: the few toy points next to the corner would look like fractions.)
STAR = {
    "rlnTomoTiltSeriesPixelSize": "1.3",
    "rlnTomoTomogramBinning": "2",
    "rlnTomoSizeX": "80000", "rlnTomoSizeY": "80000", "rlnTomoSizeZ": "40000",
}  # fmt: skip


def tomograms_for(path):
    picks = open_list(path).picks
    names = ["TS_01"] if picks.tomogram is None else np.unique(picks.tomogram).tolist()
    return {n: Tomogram(n, (20000, 40000, 40000), 2.6, columns=STAR) for n in names}


def suffix(dialect):
    return {"csv": ".csv", "dynamo": ".tbl", "em": ".em", "coords": ".coords"}.get(dialect, ".x")


def test_the_first_tier_is_read_and_written():
    first = {"relion3", "relion31", "relion4", "relion5", "warp", "pytom", "dynamo", "em", "copick",
             "portal", "coords", "csv"}  # fmt: skip
    assert first == set(WRITTEN)


@pytest.mark.parametrize("file", LISTS)
def test_every_list_in_every_dialect(testdata, tmp_path, file):
    path = testdata / "particles" / file
    tomograms = tomograms_for(path)
    before = read_particles([path], tomograms)
    # Thousands of rows say no more about a dialect than hundreds do.
    alike = len({file_stem(name) for name in tomograms}) < len(tomograms)
    few = ("em", "dynamo", "relion4") if len(before) > 600 else WRITTEN
    for dialect in few:
        if dialect in ONE_TOMOGRAM and len(tomograms) > 1:
            with pytest.raises(CryoalError, match="lie in"):
                write_particles(before, tmp_path / "no", tomograms, dialect)
            continue
        if alike and dialect == "warp":
            with pytest.raises(CryoalError, match="would both be called"):
                write_particles(before, tmp_path / "no", tomograms, dialect)
            continue
        target = tmp_path / f"TS_01_{dialect}{suffix(dialect)}"
        audit = convert_file(path, target, dialect, tomograms)
        assert (audit.rows_in, audit.rows_out) == (len(before), len(before)), dialect
        assert audit.largest_change < 0.01, dialect
        if len(before) < 200 and before.rotation is not None and dialect != "coords":
            after = read_particles([target], tomograms)
            turned = after.rotation.inv() * before.rotation
            assert turned.magnitude().max() < 1e-4, dialect


@pytest.mark.parametrize("dialect", ["dynamo", "em"])
def test_columns_without_a_place_stand_beside_the_list_row_by_row(testdata, tmp_path, dialect):
    path = testdata / "particles/relion4/relion_4.0.star"
    target = tmp_path / f"out{suffix(dialect)}"
    audit = convert_file(path, target, dialect)
    before = read_particles([path], tomograms_for(path))
    beside = read_tsv(side_table_of(target))
    assert audit.side_table == side_table_of(target)
    assert beside["id"].tolist() == before.id.tolist()
    assert beside["tomogram"].tolist() == before.tomogram.tolist()
    for column in ("rlnImageName", "rlnRandomSubset", "rlnOpticsGroup", "rlnGroupNumber"):
        assert column in audit.columns_left
        assert beside[column].tolist() == before.table[column].tolist()
    assert "rlnCoordinateX" not in audit.columns_left
    assert "rlnClassNumber" not in audit.columns_left


def test_numbers_of_tomograms_become_names_again(testdata, tmp_path):
    path = testdata / "particles/relion4/relion_4.0.star"
    convert_file(path, tmp_path / "out.tbl", "dynamo")
    again = open_list(tmp_path / "out.tbl").picks
    assert again.tomogram.tolist() == open_list(path).picks.tomogram.tolist()
    assert not again.numbered
    numbers = dict(line.split() for line in (tmp_path / "out.tbl.doc").read_text().splitlines())
    assert numbers["17"] == "TS_017"


@pytest.mark.parametrize("file", ["em_motl/au_1.em", "dynamo/t_double.tbl"])
def test_written_back_a_list_is_what_it_was(testdata, tmp_path, file):
    path = testdata / "particles" / file
    tomograms = tomograms_for(path)
    particles = read_particles([path], tomograms)
    write_particles(particles, tmp_path / "again")
    again = read_particles([tmp_path / "again"], tomograms)
    assert again.table.equals(particles.table)
    if file.endswith(".em"):
        assert (tmp_path / "again").read_bytes()[512:] == path.read_bytes()[512:]


@pytest.mark.parametrize(
    ("file", "column"), [("em_motl/au_1.em", "class"), ("dynamo/t_double.tbl", "column22")]
)
def test_a_class_goes_back_into_the_list_it_came_in(testdata, tmp_path, file, column):
    """As ``cryoal export`` gives it: rlnClassNumber and columns that only cryoal knows."""
    path = testdata / "particles" / file
    tomograms = tomograms_for(path)
    particles = read_particles([path], tomograms)
    particles.table["rlnClassNumber"] = ["3"] * len(particles)
    particles.table["cryoalLabel"] = ["ribosome"] * len(particles)
    write_particles(particles, tmp_path / "again")
    again = read_particles([tmp_path / "again"], tomograms)
    assert set(again.table[column]) == {"3"}
    beside = read_tsv(side_table_of(tmp_path / "again"))
    assert beside["cryoalLabel"].tolist() == ["ribosome"] * len(particles)
    assert list(beside.columns) == ["id", "tomogram", "cryoalLabel"]


@pytest.mark.parametrize("file", OUTSIDE)
def test_a_list_outside_its_tomogram_is_refused_with_the_share(testdata, tmp_path, file):
    path = testdata / "particles" / file
    with pytest.raises(CryoalError, match="100% of its positions lie outside"):
        convert_file(path, tmp_path / "out.em", "em", tomograms_for(path))


def test_a_list_only_read_is_not_written(testdata, tmp_path):
    path = testdata / "particles/imod_mod/points.mod"
    with pytest.raises(CryoalError, match=r"imod is only read here; .*em.* can be written"):
        convert_file(path, tmp_path / "out.mod", "imod", tomograms_for(path))


@pytest.mark.parametrize("dialect", WRITTEN)
@given(
    zyx=arrays(np.float64, st.tuples(st.integers(1, 6), st.just(3)), elements=st.floats(0, 5990)),
    seed=st.integers(0, 2**32 - 1),
    voxel_size=st.floats(0.6, 30),
    scored=st.booleans(),
)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_position_and_rotation_comes_back(tmp_path, dialect, zyx, seed, voxel_size, scored):
    """Also rotations of tilt 0, of which only the sum of two angles is determined."""
    n = len(zyx)
    rng = np.random.default_rng(seed)
    tomograms = {"TS_01": Tomogram("TS_01", (6000, 6000, 6000), voxel_size)}
    rotation = Rotation.random(n, rng=rng)
    if seed % 2:
        rotation = Rotation.from_euler("z", rng.uniform(-180, 180, (n, 1)), degrees=True)
    before = ParticleSet(
        id=np.array([f"TS_01/{i}" for i in range(n)]),
        tomogram=np.full(n, "TS_01"),
        position=(zyx + 1.5) * voxel_size,  # off the corner, where few points look like fractions
        rotation=rotation,
        score=rng.random(n) if scored else None,
        score_name="score" if scored else "",
    )
    path = tmp_path / f"TS_01{suffix(dialect)}"
    write_particles(before, path, tomograms, dialect)
    after = read_particles([path], tomograms)
    np.testing.assert_allclose(after.position, before.position, atol=0.01)
    if dialect != "coords":
        assert (after.rotation.inv() * before.rotation).magnitude().max() < 1e-4
    if scored and dialect not in ("coords", "portal"):
        np.testing.assert_allclose(after.score, before.score, atol=1e-6)


def test_a_file_is_called_as_its_dialect_has_it():
    names = {"dynamo": ".tbl", "em": ".em", "copick": ".json", "portal": ".ndjson", "csv": ".csv",
             "coords": ".coords", "cbox": ".cbox"}  # fmt: skip
    assert {n: formats.get(n).suffix for n in formats.names()} == {
        n: names.get(n, ".star") for n in formats.names()
    }

"""Particles of every dialect land where their programs meant them."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.base import Picks, formats, recognised
from cryoal.io.content import Content
from cryoal.io.dialects import STAR_DIALECTS
from cryoal.io.listing import check_size_of_numbers
from cryoal.io.particles import read_all, read_particles, write_particles
from cryoal.io.star import read_star, write_star

VOXEL, PIXEL = 10.0, 2.0  # Angstrom; binned five times
SHAPE = (100, 200, 300)  # zyx, voxels
ROW = {
    "rlnTomoTiltSeriesPixelSize": "2.0",
    "rlnTomoTomogramBinning": "5.0",
    "rlnTomoSizeX": "1500",
    "rlnTomoSizeY": "1000",
    "rlnTomoSizeZ": "500",
}
SPOT = np.array([400.0, 700.0, 1100.0])  # zyx, Angstrom: voxel 40, 70, 110


def table(**columns):
    return pd.DataFrame(columns, dtype=str)


def tomogram(name="TS_01", row=ROW):
    return Tomogram(
        name, SHAPE, VOXEL, columns=None if row is None else {"rlnTomoName": name} | row
    )


TOMOGRAMS = {"TS_01": tomogram()}
OPTICS = table(rlnOpticsGroup=["1"], rlnTomoTiltSeriesPixelSize=["2.0"], rlnImagePixelSize=["4.0"])
CENTRED = {
    "rlnCenteredCoordinateXAngst": ["-400"],
    "rlnCenteredCoordinateYAngst": ["-300"],
    "rlnCenteredCoordinateZAngst": ["-100"],
}


def corner(x, y, z):
    return {f"rlnCoordinate{axis}": [str(v)] for axis, v in zip("XYZ", (x, y, z), strict=True)}


UNITS = {
    "RELION 5": (
        {"particles": table(rlnTomoName=["TS_01"], **CENTRED)},
        ("relion5", "centred_angstrom"),
    ),
    "RELION 5 annotation": (
        {"": table(rlnTomoName=["TS_01"], **corner(110, 70, 40))},
        ("relion5", "voxel"),
    ),
    "RELION 4": (
        {"optics": OPTICS, "particles": table(rlnTomoName=["TS_01"], rlnOpticsGroup=["1"],
                                              **corner(550, 350, 200))},
        ("relion4", "unbinned_pixel"),
    ),
    "RELION 4 without optics": (
        {"particles": table(rlnTomoName=["TS_01"], **corner(550, 350, 200))},
        ("relion4", "unbinned_pixel"),
    ),
    "RELION 3.1": (
        {"optics": OPTICS[["rlnOpticsGroup", "rlnImagePixelSize"]],
         "particles": table(rlnMicrographName=["tomos/TS_01.mrc"], rlnOpticsGroup=["1"],
                            **corner(110, 70, 40))},
        ("relion31", "voxel"),
    ),
    "RELION 3.0": (
        {"": table(rlnMicrographName=["tomos/TS_01.mrc"], **corner(110, 70, 40))},
        ("relion3", "voxel"),
    ),
    "Warp 1 export": (
        {"": table(rlnMicrographName=["TS_01_10.00Apx.mrc"], rlnMagnification=["10000.0"],
                   rlnDetectorPixelSize=["4.0"], rlnImageName=["a.mrc"], **corner(275, 175, 100))},
        ("relion3", "output_pixel"),
    ),
    "WarpTools export": (
        {"optics": OPTICS, "particles": table(rlnTomoName=["TS_01.tomostar"], rlnOpticsGroup=["1"],
                                              **corner(275, 175, 100))},
        ("warp", "output_pixel"),
    ),
    "WarpTools matching": (
        {"": table(rlnMicrographName=["TS_01.tomostar"], rlnAutopickFigureOfMerit=["7.5"],
                   **corner(110 / 300, 70 / 200, 40 / 100))},
        ("warp", "fraction"),
    ),
    "M": (
        {"": table(wrpSourceName=["TS_01.tomostar"], wrpCoordinateX1=["1100"],
                   wrpCoordinateY1=["700"], wrpCoordinateZ1=["400"])},
        ("warp", "angstrom"),
    ),
    "pytom-match-pick": (
        {"particles": table(rlnMicrographName=["TS_01"], rlnLCCmax=["0.2"],
                            rlnDetectorPixelSize=["10"], **corner(110, 70, 40))},
        ("pytom", "voxel"),
    ),
    "pytom-match-pick for RELION 5": (
        {"particles": table(rlnTomoName=["TS_01"], rlnLCCmax=["0.2"], **CENTRED)},
        ("pytom", "centred_angstrom"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("program", UNITS)
def test_every_programs_coordinates_mean_the_same_spot(tmp_path, program):
    blocks, (dialect, unit) = UNITS[program]
    write_star(tmp_path / "p.star", blocks)
    reading = read_all([tmp_path / "p.star"], TOMOGRAMS)
    np.testing.assert_allclose(reading.particles.position, [SPOT], atol=1e-6)
    assert (reading.particles.dialect, reading.picks[0].unit) == (dialect, unit)
    assert reading.picks[0].evidence


@pytest.mark.parametrize("program", UNITS)
def test_what_was_read_is_written_back_as_it_was(tmp_path, program):
    blocks, _ = UNITS[program]
    write_star(tmp_path / "p.star", blocks)
    write_particles(read_particles([tmp_path / "p.star"], TOMOGRAMS), tmp_path / "q.star")
    again = read_star(tmp_path / "q.star")
    assert list(again) == list(blocks)
    assert all(again[name].equals(blocks[name]) for name in blocks)


def test_relions_picker_counts_from_a_pixel_before_the_middle(tmp_path):
    write_star(tmp_path / "p.star", UNITS["RELION 5"][0])
    half = read_particles([tmp_path / "p.star"], TOMOGRAMS)
    minus = read_particles([tmp_path / "p.star"], TOMOGRAMS, relion_centre="half-minus-one")
    np.testing.assert_allclose(half.position - minus.position, PIXEL)


def test_without_a_tomograms_star_the_middle_is_the_volumes(tmp_path, caplog):
    write_star(tmp_path / "p.star", UNITS["RELION 5"][0])
    bare = {"TS_01": tomogram(row=None)}
    with caplog.at_level(logging.WARNING):
        particles = read_particles([tmp_path / "p.star"], bare)
    np.testing.assert_allclose(particles.position, [SPOT])
    assert "counted from the middle of the volume" in caplog.text


def test_origins_are_subtracted_in_the_subtomograms_frame(tmp_path):
    """A subtomogram turned by rot = 90 degrees sees the tomogram's y along its own -x or x.

    RELION's matrix of (90, 0, 0) is [[0, 1, 0], [-1, 0, 0], [0, 0, 1]] (src/euler.cpp), so an
    origin of 5 A along x lies along -y of the tomogram and subtracting it adds 5 A in y.
    """
    blocks = {"optics": OPTICS, "particles": table(
        rlnTomoName=["TS_01"] * 2, rlnOpticsGroup=["1"] * 2,
        rlnCoordinateX=["550"] * 2, rlnCoordinateY=["350"] * 2, rlnCoordinateZ=["200"] * 2,
        rlnOriginXAngst=["5"] * 2, rlnOriginYAngst=["0"] * 2, rlnOriginZAngst=["0"] * 2,
        rlnTomoSubtomogramRot=["0", "90"], rlnTomoSubtomogramTilt=["0"] * 2,
        rlnTomoSubtomogramPsi=["0"] * 2)}  # fmt: skip
    write_star(tmp_path / "p.star", blocks)
    position = read_particles([tmp_path / "p.star"], TOMOGRAMS).position
    np.testing.assert_allclose(position, SPOT + np.array([[0, 0, -5], [0, 5, 0]]), atol=1e-9)


@pytest.mark.parametrize(
    ("extra", "shift"),
    [
        ({}, 2 * VOXEL),
        ({"rlnMagnification": ["10000"], "rlnDetectorPixelSize": ["5"]}, 2 * 5.0),
        ({"rlnPixelSize": ["5"]}, 2 * 5.0),
    ],
)
def test_relion_3_origins_count_pixels_of_the_image(tmp_path, extra, shift):
    block = table(rlnMicrographName=["TS_01.mrc"], rlnOriginX=["2"], rlnOriginY=["0"],
                  rlnOriginZ=["0"], **corner(110, 70, 40), **extra)  # fmt: skip
    write_star(tmp_path / "p.star", {"": block})
    position = read_particles([tmp_path / "p.star"], TOMOGRAMS).position
    np.testing.assert_allclose(position, [SPOT - [0, 0, shift]])


def test_relion_31_origins_are_angstrom_and_not_turned(tmp_path):
    block = table(rlnMicrographName=["TS_01.mrc"], rlnOriginXAngst=["3"], rlnOriginYAngst=["0"],
                  rlnOriginZAngst=["0"], rlnAngleRot=["90"], rlnAngleTilt=["0"], rlnAnglePsi=["0"],
                  rlnOpticsGroup=["1"], **corner(110, 70, 40))  # fmt: skip
    optics = table(rlnOpticsGroup=["1"], rlnVoltage=["300"])
    write_star(tmp_path / "p.star", {"optics": optics, "particles": block})
    position = read_particles([tmp_path / "p.star"], TOMOGRAMS).position
    np.testing.assert_allclose(position, [SPOT - [0, 0, 3]])


def test_two_levels_of_angles_make_one_rotation(tmp_path):
    outer, inner = [10.0, 20.0, 30.0], [40.0, 50.0, 60.0]
    names = ("Rot", "Tilt", "Psi")
    block = table(rlnTomoName=["TS_01"], **CENTRED,
                  **{f"rlnTomoSubtomogram{n}": [f"{outer[i]}"] for i, n in enumerate(names)},
                  **{f"rlnAngle{n}": [f"{inner[i]}"] for i, n in enumerate(names)})  # fmt: skip
    write_star(tmp_path / "p.star", {"particles": block})
    found = read_particles([tmp_path / "p.star"], TOMOGRAMS).rotation
    first, second = (Rotation.from_euler("ZYZ", a, degrees=True).inv() for a in (outer, inner))
    assert ((first * second).inv() * found[0]).magnitude() < 1e-12


def test_an_optics_group_each_gives_each_particle_its_pixel_size(tmp_path):
    optics = table(rlnOpticsGroup=["1", "2"], rlnTomoTiltSeriesPixelSize=["2.0", "1.0"])
    block = table(rlnTomoName=["TS_01"] * 2, rlnOpticsGroup=["2", "1"],
                  rlnCoordinateX=["1100", "550"], rlnCoordinateY=["700", "350"],
                  rlnCoordinateZ=["400", "200"])  # fmt: skip
    write_star(tmp_path / "p.star", {"optics": optics, "particles": block})
    np.testing.assert_allclose(
        read_particles([tmp_path / "p.star"], TOMOGRAMS).position, [SPOT] * 2
    )


def test_scores_are_known_and_refinement_statistics_are_none(tmp_path):
    blocks, _ = UNITS["RELION 5"]
    for column in ("rlnAutopickFigureOfMerit", "rlnLCCmax", "ptmLCCmax"):
        write_star(
            tmp_path / "p.star", {"particles": blocks["particles"].assign(**{column: "0.5"})}
        )
        particles = read_particles([tmp_path / "p.star"], TOMOGRAMS)
        assert (particles.score_name, particles.score.tolist()) == (column, [0.5])
    for column, value in (("rlnMaxValueProbDistribution", "0.5"),
                          ("rlnAutopickFigureOfMerit", "-999.0")):  # fmt: skip
        write_star(
            tmp_path / "p.star", {"particles": blocks["particles"].assign(**{column: value})}
        )
        assert read_particles([tmp_path / "p.star"], TOMOGRAMS).score is None


def bare(n, name="TS_01", **extra):
    spread = [str(10 + i) for i in range(n)]
    return table(rlnTomoName=[name] * n, rlnCoordinateX=spread, rlnCoordinateY=spread,
                 rlnCoordinateZ=spread, **extra)  # fmt: skip


def test_ids_are_relions_where_they_are_unique(tmp_path):
    write_star(tmp_path / "p.star", {"": bare(2, rlnTomoParticleName=["TS_01/7", "TS_01/9"])})
    assert read_particles([tmp_path / "p.star"], TOMOGRAMS).id.tolist() == ["TS_01/7", "TS_01/9"]


def test_ids_are_tomogram_and_number_otherwise(tmp_path, caplog):
    write_star(tmp_path / "p.star", {"": bare(2, rlnTomoParticleName=["TS_01/7", "TS_01/7"])})
    with caplog.at_level(logging.WARNING):
        particles = read_particles([tmp_path / "p.star"], TOMOGRAMS)
    assert particles.id.tolist() == ["TS_01/1", "TS_01/2"]
    assert "not unique" in caplog.text


def test_the_projects_own_ids_come_first(tmp_path):
    write_star(tmp_path / "p.star", {"": bare(1, rlnTomoParticleName=["a"], cryoalId=["b"])})
    assert read_particles([tmp_path / "p.star"], TOMOGRAMS).id.tolist() == ["b"]


def test_a_second_list_with_the_same_ids_is_prefixed_and_the_first_keeps_its_own(tmp_path):
    write_star(tmp_path / "ribosome.star", {"": bare(2)})
    write_star(tmp_path / "proteasome.star", {"": bare(1)})
    files = [tmp_path / "ribosome.star", tmp_path / "proteasome.star"]
    particles = read_particles(files, TOMOGRAMS)
    assert particles.id.tolist() == ["TS_01/1", "TS_01/2", "proteasome:TS_01/1"]
    assert particles.source.tolist() == ["ribosome", "ribosome", "proteasome"]


def test_lists_of_equal_names_are_told_apart_by_their_folders(tmp_path):
    for folder in "ab":
        write_star(tmp_path / folder / "picks.star", {"": bare(1)})
    particles = read_particles([str(tmp_path / "*/picks.star")], TOMOGRAMS)
    assert particles.source.tolist() == ["a/picks", "b/picks"]


def test_lists_that_count_differently_are_joined_in_one_dialect(tmp_path):
    for i, program in enumerate(("RELION 5", "RELION 5 annotation", "RELION 4", "RELION 3.0")):
        write_star(tmp_path / f"{i}.star", UNITS[program][0])
    particles = read_particles([str(tmp_path / "?.star")], TOMOGRAMS)
    write_particles(particles, tmp_path / "joined.star")
    again = read_particles([tmp_path / "joined.star"], TOMOGRAMS)
    np.testing.assert_allclose(again.position, [SPOT] * 4, atol=1e-5)


def test_optics_groups_of_joined_lists_keep_their_meaning(tmp_path):
    for name, pixel, factor in (("a", "2.0", 1), ("b", "1.0", 2)):
        optics = table(rlnOpticsGroup=["1"], rlnTomoTiltSeriesPixelSize=[pixel])
        block = table(rlnTomoName=["TS_01"], rlnOpticsGroup=["1"],
                      **corner(550 * factor, 350 * factor, 200 * factor))  # fmt: skip
        write_star(tmp_path / f"{name}.star", {"optics": optics, "particles": block})
    particles = read_particles([tmp_path / "a.star", tmp_path / "b.star"], TOMOGRAMS)
    write_particles(particles, tmp_path / "joined.star")
    joined = read_star(tmp_path / "joined.star")
    assert joined["optics"]["rlnOpticsGroup"].tolist() == ["1", "2"]
    again = read_particles([tmp_path / "joined.star"], TOMOGRAMS)
    np.testing.assert_allclose(again.position, [SPOT] * 2, atol=1e-5)


def test_particles_of_tomograms_that_were_not_given_are_kept_aside_and_reported(tmp_path, caplog):
    both = pd.concat([bare(2), bare(1, "TS_02")], ignore_index=True)
    write_star(tmp_path / "p.star", {"": both})
    with caplog.at_level(logging.WARNING):
        reading = read_all([tmp_path / "p.star"], TOMOGRAMS)
    assert reading.particles.id.tolist() == ["TS_01/1", "TS_01/2"]
    assert reading.unmatched.id.tolist() == ["TS_02/1"]
    assert np.isnan(reading.unmatched.position).all()
    assert "1 of 3 particles are in 1 tomograms that were not given: TS_02 (1)" in caplog.text


def test_a_file_none_of_whose_particles_match_is_refused_with_near_names(tmp_path):
    write_star(tmp_path / "p.star", {"": bare(2, "TS_02")})
    with pytest.raises(
        CryoalError, match=r"p\.star: .*no tomogram is called 'TS_02' \(near: 'TS_01"
    ):
        read_particles([tmp_path / "p.star"], TOMOGRAMS)


def test_a_list_without_names_needs_one_tomogram_or_its_name_in_the_file_name(tmp_path):
    nameless = bare(1).drop(columns="rlnTomoName")
    many = TOMOGRAMS | {"TS_02": tomogram("TS_02")}
    for stem in ("picks", "TS_02_particles"):
        write_star(tmp_path / f"{stem}.star", {"": nameless})
    assert read_particles([tmp_path / "picks.star"], TOMOGRAMS).tomogram.tolist() == ["TS_01"]
    found = read_particles([tmp_path / "TS_02_particles.star"], many)
    assert found.tomogram.tolist() == ["TS_02"]
    with pytest.raises(CryoalError, match=r"it names no tomograms .* 2 tomograms are given"):
        read_particles([tmp_path / "picks.star"], many)


def test_positions_outside_are_a_unit_error_that_names_the_unit_that_fits(tmp_path):
    write_star(tmp_path / "p.star", {"": table(rlnTomoName=["TS_01"], **corner(1400, 900, 450))})
    with pytest.raises(CryoalError, match=r"100% of its positions lie outside .* read as voxel .*"
                                          r"--unit unbinned_pixel \(100% inside\)"):  # fmt: skip
        read_particles([tmp_path / "p.star"], TOMOGRAMS)
    found = read_particles([tmp_path / "p.star"], TOMOGRAMS, unit="unbinned_pixel")
    np.testing.assert_allclose(found.position, [[900, 1800, 2800]])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rlnCoordinateX": "abc"}, "particle 1: rlnCoordinateX is 'abc', a number was expected"),
        ({"rlnCoordinateX": "nan"}, "rlnCoordinateX is 'nan'"),
        ({"rlnCoordinateZ": None}, "single images"),
        ({"rlnCoordinateX": None, "rlnCoordinateZ": None}, "no particle positions"),
    ],
)
def test_bad_coordinates_are_named(tmp_path, change, words):
    block = bare(1)
    for column, value in change.items():
        block = block.drop(columns=column) if value is None else block.assign(**{column: value})
    write_star(tmp_path / "p.star", {"": block})
    with pytest.raises(CryoalError, match=words):
        read_particles([tmp_path / "p.star"], TOMOGRAMS)


def test_unknown_units_and_centres_are_refused(tmp_path):
    write_star(tmp_path / "p.star", {"": bare(1)})
    with pytest.raises(CryoalError, match="no unit is called 'pixels'"):
        read_particles([tmp_path / "p.star"], TOMOGRAMS, unit="pixels")
    with pytest.raises(CryoalError, match="--relion-centre middle"):
        read_particles([tmp_path / "p.star"], TOMOGRAMS, relion_centre="middle")


def test_a_missing_optics_group_is_named(tmp_path):
    blocks = {"optics": OPTICS, "particles": bare(1, rlnOpticsGroup=["3"])}
    write_star(tmp_path / "p.star", blocks)
    with pytest.raises(CryoalError, match="rlnOpticsGroup"):
        read_particles([tmp_path / "p.star"], TOMOGRAMS)


def test_an_optimisation_set_leads_to_its_particles(tmp_path):
    write_star(tmp_path / "Extract/particles.star", UNITS["RELION 5"][0])
    sets = table(rlnTomoParticlesFile=["Extract/particles.star"], rlnTomoTomogramsFile=["t.star"])
    write_star(tmp_path / "optimisation_set.star", {"": sets})
    found = read_particles([tmp_path / "optimisation_set.star"], TOMOGRAMS)
    np.testing.assert_allclose(found.position, [SPOT])


RELION = ("relion3", "relion4", "relion5", "pytom_match_pick", "warptools")


@pytest.mark.parametrize("folder", RELION)
def test_every_real_particle_file_is_read_whole_and_written_back_with_nothing_lost(
    testdata, tmp_path, folder
):
    read = 0
    for path in sorted((testdata / "particles" / folder).glob("*.star")):
        content = Content(path)
        try:
            picks = recognised(content).read(content, None)
        except CryoalError:
            continue
        names = [] if picks.tomogram is None else np.unique(picks.tomogram).tolist()
        tomograms = {name: tomogram(name) for name in names or ["TS_01"]}
        reading = read_all([path], tomograms, check_inside=False)
        assert reading.unmatched is None
        assert np.isfinite(reading.particles.position).all()
        write_particles(reading.particles, tmp_path / "again.star")
        before, after = read_star(path), read_star(tmp_path / "again.star")
        assert list(before) == list(after), path
        assert all(before[name].equals(after[name]) for name in before), path
        read += len(picks)
    assert read > 1000


#: From the third voxel on: a list that lies in the first two only would look like fractions.
positions = st.lists(
    st.tuples(*[st.floats(2 * VOXEL, n * VOXEL - VOXEL) for n in SHAPE]), min_size=1, max_size=5
)
angles = st.tuples(st.floats(-180, 180), st.floats(0.5, 179.5), st.floats(-180, 180))


WRITTEN = [name for name in formats.names() if formats.get(name).write is not None]


@pytest.mark.parametrize("dialect", WRITTEN)
@settings(max_examples=10, deadline=None)
@given(where=positions, turned=angles, minus=st.booleans())
def test_positions_and_rotations_survive_every_dialect(tmp_path_factory, dialect, where, turned,
                                                       minus):  # fmt: skip
    n, centre = len(where), "half-minus-one" if minus else "half"
    rotation = Rotation.from_euler("ZYZ", [turned] * n, degrees=True)
    particles = ParticleSet(np.array([f"TS_01/{i}" for i in range(n)]), np.full(n, "TS_01"),
                            np.array(where, dtype=float), rotation)  # fmt: skip
    path = tmp_path_factory.mktemp("d") / ("p.star" if dialect in STAR_DIALECTS else "p.txt")
    write_particles(particles, path, TOMOGRAMS, dialect, relion_centre=centre)
    again = read_particles([path], TOMOGRAMS, relion_centre=centre)
    np.testing.assert_allclose(again.position, particles.position, atol=2e-5)
    if dialect != "coords":
        assert np.max((again.rotation.inv() * rotation).magnitude()) < 1e-5


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_position_that_is_no_number_is_refused_whatever_the_dialect(number):
    picks = Picks(Path("a.tbl"), "dynamo", "voxel", "", np.array([[1, 2, 3], [1, number, 3.0]]),
                  pd.DataFrame())  # fmt: skip
    with pytest.raises(CryoalError, match="particle 2: its position is"):
        check_size_of_numbers(picks)

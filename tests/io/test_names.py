"""Names of one tomogram in many spellings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoal.io.names import file_stem, match_file, match_names, pixel_size_in_name, series_name

SPELLINGS = [
    "TS_01",
    "TS_01.tomostar",
    "rec_TS_01",
    "rec_TS_01.mrc",
    "TS_01_10.00Apx.mrc",
    "TS_01.mrc.tomostar",
    "/data/warp_tiltseries/reconstruction/TS_01_10.00Apx.mrc",
    "Tomograms\\job009\\rec_TS_01.mrc",
    "tomograms/TS_01/TS_01.st:mrc",
    "TS_01_dn.mrc",
    "TS_01_10.00Apx_deconv.rec",
    "TS_01_Vol.mrc",
    "TS_01_EVN_Vol.mrc",
    "rec_TS_01_half1.mrc",
    "TS_01_SIRT_bin4.mrc",
]


@pytest.mark.parametrize("written", SPELLINGS)
@pytest.mark.parametrize("known", ["TS_01", "rec_TS_01", "TS_01_10.00Apx"])
def test_every_usual_spelling_finds_its_tomogram(written, known):
    match = match_names([written], [known, "TS_011", "TS_02"])
    assert match.found == {written: known}


def test_the_exact_name_wins_over_a_looser_reading():
    match = match_names(["TS_01_bin4"], ["TS_01_bin4", "TS_01_bin8"])
    assert match.found == {"TS_01_bin4": "TS_01_bin4"}


def test_a_name_that_fits_two_tomograms_is_ambiguous_and_both_are_named():
    match = match_names(["TS_01"], ["TS_01_bin4", "TS_01_bin8"])
    assert match.ambiguous == {"TS_01": ["TS_01_bin4", "TS_01_bin8"]}
    assert "'TS_01' could be 'TS_01_bin4' or 'TS_01_bin8'" in match.complaint()


def test_an_unknown_name_is_answered_with_near_ones():
    complaint = match_names(["TS_91"], ["TS_01", "lamella_7"]).complaint()
    assert "no tomogram is called 'TS_91' (near: 'TS_01')" in complaint


def test_numbers_in_names_are_compared_as_text():
    assert match_names(["1"], ["001", "1"]).found == {"1": "1"}
    assert "001" in match_names(["001"], ["1"]).missing


def test_the_voxel_size_in_warps_names_is_read():
    assert pixel_size_in_name("reconstruction/TS_01_12.56Apx.mrc") == 12.56
    assert pixel_size_in_name("TS_01_10.00Apx_dn.mrc") == 10.0
    assert pixel_size_in_name("TS_01.mrc") is None


def test_a_particle_file_belongs_to_the_tomogram_it_is_named_after():
    known = ["TS_01", "TS_011", "rec_TS_02"]
    assert match_file("TS_01_particles", known) == "TS_01"
    assert match_file("TS_011", known) == "TS_011"
    assert match_file("TS_02_10.00Apx_ribosome", known) == "rec_TS_02"
    assert match_file("picks", known) is None


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30))
def test_readings_never_fail_and_settle_at_once(name):
    for reading in (file_stem, series_name):
        once = reading(name)
        assert reading(once) == once or "/" in once or "\\" in once
    assert match_names([name], [name]).found == {name: name}

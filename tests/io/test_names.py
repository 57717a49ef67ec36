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


def test_zeros_before_a_number_count_only_where_they_tell_two_tomograms_apart():
    assert match_names(["1"], ["001", "1"]).found == {"1": "1"}
    match = match_names(["TS_1", "TS_12"], ["TS_001", "TS_012", "TS_002"])
    assert match.found == {"TS_1": "TS_001", "TS_12": "TS_012"}
    assert "'TS_1' is 'TS_001'" in match.guesses()
    two = match_names(["TS_001"], ["TS_01", "TS_1"])
    assert two.ambiguous == {"TS_001": ["TS_01", "TS_1"]}
    both = match_names(["TS_1", "TS_01"], ["TS_001"])
    assert not both.found
    assert "'TS_1' and 'TS_01' could each be 'TS_001'" in both.complaint()


@pytest.mark.parametrize(
    "written",
    [
        "_isonet2-n2n_unet-medium_TS_001_10.00Apx.mrc",
        "_isonet2-n2n_unet-medium_TS_001.tomostar",
        "denoised-TS_001.mrc",
        "easymode_TS_1_v2.mrc",
        "session.TS_001.ctf15.mrc",
        "TS_001_corrected_by_me_4.23A.mrc",
    ],
)
def test_the_one_tomogram_whose_name_is_a_whole_part_of_the_name_is_found(written):
    known = ["TS_001", "TS_002", "TS_0011"]
    match = match_names([written], known)
    assert match.found == {written: "TS_001"}
    assert f"{written!r} is 'TS_001'" in match.guesses()
    assert match_names(known, [written]).found == {"TS_001": written}


@pytest.mark.parametrize(
    "written", ["xTS_001.mrc", "iso_TS_0012", "iso_TS_001a", "iso_TS_001_2", "iso_TS_003", "TS"]
)
def test_a_name_that_only_begins_alike_is_no_part(written):
    match = match_names([written], ["TS_001", "TS_002"])
    assert not match.found
    assert not match.ambiguous


def test_of_names_that_hold_each_other_the_longest_counts():
    match = match_names(["iso_Position_1_2", "iso_Position_1"], ["Position_1", "Position_1_2"])
    assert match.found == {
        "iso_Position_1_2": "Position_1_2",
        "iso_Position_1": "Position_1",
    }


def test_a_name_that_holds_two_tomograms_and_a_tomogram_in_two_names_are_refused():
    two = match_names(["TS_01_and_TS_02"], ["TS_01", "TS_02"])
    assert two.ambiguous == {"TS_01_and_TS_02": ["TS_01", "TS_02"]}
    both = match_names(["L1_TS_01", "L2_TS_01"], ["TS_01"])
    assert "'L1_TS_01' and 'L2_TS_01' could each be 'TS_01'" in both.complaint()


def test_a_tomogram_that_is_named_as_it_is_goes_to_no_other_name():
    match = match_names(["TS_01", "L2_TS_01"], ["TS_01"])
    assert match.found == {"TS_01": "TS_01"}
    assert match.missing == {"L2_TS_01": ["TS_01"]} or "L2_TS_01" in match.missing


@given(st.lists(st.integers(1, 999), min_size=1, max_size=9, unique=True), st.data())
def test_whatever_stands_before_them_every_tomogram_finds_its_own(numbers, data):
    known = [f"TS_{n:03d}" for n in numbers]
    front = data.draw(st.sampled_from(["_isonet2-n2n_", "ddw.", "easymode-", "my lab "]))
    wanted = {f"{front}{name}_10.00Apx.mrc": name for name in known}
    assert match_names(wanted, known).found == wanted


def test_thousands_of_names_are_matched_in_seconds():
    known = [f"TS_{n:04d}" for n in range(1500)]
    wanted = {f"_iso_{name}.mrc": name for name in known}
    assert match_names(wanted, known).found == wanted


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

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import sampled_region
from cryoal.core.tilting import Tilting, check_tilts, tiltings
from cryoal.core.tomogram import Tomogram

SHAPE = (24, 20, 28)


@pytest.mark.parametrize(("beam", "order"), [("y", (1, 0, 2)), ("x", (2, 1, 0))])
@pytest.mark.parametrize("tilts", [(-60, 60), (-40, 55)])
def test_a_transposed_volume_has_the_wedge_of_its_beam_axis(beam, order, tilts):
    upright = sampled_region(SHAPE, tilts, real=False)
    shape = tuple(SHAPE[axis] for axis in order)
    lying = Tilting(tilts, 0.0, beam).measured(shape, real=False)
    np.testing.assert_array_equal(lying, upright.transpose(order))


@pytest.mark.parametrize(("beam", "letters"), [("z", "yx"), ("y", "zx"), ("x", "yz")])
def test_an_axis_by_its_letter_is_the_axis_by_its_angle(beam, letters):
    for letter, angle in zip(letters, (0.0, 90.0), strict=True):
        by_letter = sampled_region(SHAPE, (-50, 60), letter, beam)
        np.testing.assert_array_equal(by_letter, sampled_region(SHAPE, (-50, 60), angle, beam))


def test_a_tilt_axis_counts_anticlockwise_from_y_with_y_up():
    measured = sampled_region((33, 33, 33), (-40, 40), 20.0, real=False)
    # The tilt axis itself is measured at k of the beam = 0 only, what lies across it all around.
    angle = np.radians(20)
    y, x = round(12 * np.cos(angle)), round(-12 * np.sin(angle))
    assert not measured[1, y, x]
    assert measured[1, round(12 * np.sin(angle)), round(12 * np.cos(angle))]


@given(
    st.tuples(st.integers(-80, -1), st.integers(1, 80)),
    st.floats(0, 179).map(lambda angle: round(angle, 1)),
    st.sampled_from("zyx"),
)
def test_tilts_come_back_from_their_columns(tilt_range, axis, beam):
    tilting = Tilting(tuple(map(float, tilt_range)), axis, beam)
    assert Tilting.of(tilting.columns()) == tilting


def test_an_index_of_before_there_were_beam_axes_is_read():
    table = pd.DataFrame(
        {"rlnTomoName": ["a", "b"], "cryoalTiltMin": [-60, -40], "cryoalTiltMax": [60, 40],
         "cryoalTiltAxis": ["y", "x"]}
    )  # fmt: skip
    assert tiltings(table) == {"a": Tilting(), "b": Tilting((-40.0, 40.0), 90.0)}
    joined = pd.concat([table, pd.DataFrame([{"rlnTomoName": "c", **Tilting().columns()}])])
    assert tiltings(joined)["b"] == Tilting((-40.0, 40.0), 90.0)


def test_a_tomogram_takes_letters_too():
    tomogram = Tomogram("a", (1, 1, 1), 10.0, tilt_axis="x")
    assert tomogram.tilting == Tilting(tilt_axis=90.0)


@pytest.mark.parametrize(
    ("tilt_range", "axis"),
    [((np.nan, np.nan), None), ((60.0, -60.0), None), ((-100.0, 60.0), None), (None, np.nan)],
)
def test_tilts_that_cannot_be_are_refused(tilt_range, axis):
    with pytest.raises(CryoalError, match="--tilt-"):
        check_tilts(tilt_range, axis)


@pytest.mark.parametrize("change", [{"cryoalTiltMin": "nan"}, {"cryoalBeamAxis": "q"}])
def test_damaged_tilts_are_refused_by_the_tomogram(change):
    with pytest.raises(CryoalError):
        Tilting.of({"rlnTomoName": "TS_01", **Tilting().columns(), **change})

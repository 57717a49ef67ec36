import numpy as np
import pytest

from cryoal.core.geometry import sampled_region
from cryoal.core.tilting import Tilting
from cryoal.data.wedge import Wedge, find_wedge

SHAPE = (64, 96, 104)
UPRIGHT = Tilting()


def reconstruction(
    tilts: tuple[float, float] = (-60.0, 60.0),
    axis: float = 0.0,
    inside: float = 0.0,
    seed: int = 0,
) -> np.ndarray:
    """White noise without its wedge, or with that share of its amplitude there."""
    white = np.random.default_rng(seed).normal(size=SHAPE)
    measured = sampled_region(SHAPE, tilts, axis)
    spectrum = np.fft.rfftn(white) * np.where(measured, 1.0, inside)
    return np.fft.irfftn(spectrum, s=SHAPE, axes=(0, 1, 2)).astype(np.float32)


def found(volume: np.ndarray) -> Wedge:
    wedge = find_wedge(volume)
    assert wedge is not None
    return wedge


@pytest.mark.parametrize(
    ("order", "beam", "axis"),
    [((0, 1, 2), "z", 0), ((0, 2, 1), "z", 90), ((1, 0, 2), "y", 0), ((2, 1, 0), "x", 0)],
)
def test_the_beam_and_the_tilt_axis_are_found_however_the_volume_lies(order, beam, axis):
    wedge = found(reconstruction().transpose(order))
    assert wedge.sure
    assert (wedge.tilting.beam_axis, wedge.tilting.tilt_axis) == (beam, axis)
    assert wedge.contradicts(wedge.tilting) == ""
    says = wedge.contradicts(UPRIGHT)
    if (beam, axis) == ("z", 0):
        assert says == ""
    else:
        assert f"say --beam-axis {beam} --tilt-axis {axis} " in says
        assert f"{wedge.parts} of {wedge.parts} parts" in says


@pytest.mark.parametrize("axis", [20.0, 65.0, 150.0])
def test_an_oblique_tilt_axis_is_found(axis):
    wedge = found(reconstruction(axis=axis))
    assert wedge.tilting.tilt_axis == pytest.approx(axis, abs=5)
    assert "--tilt-axis" in wedge.contradicts(UPRIGHT)


@pytest.mark.parametrize("tilts", [(-40.0, 40.0), (-60.0, 60.0), (-48.0, 66.0), (-70.0, 70.0)])
def test_a_right_statement_is_not_contradicted(tilts):
    wedge = found(reconstruction(tilts))
    assert wedge.sure
    assert wedge.contradicts(Tilting(tilts)) == ""


@pytest.mark.parametrize("stated", [UPRIGHT, Tilting(beam_axis="y"), Tilting(tilt_axis=90.0)])
@pytest.mark.parametrize("inside", [0.5, 1.0])
def test_a_filled_wedge_gives_no_verdict(stated, inside):
    wedge = found(reconstruction(inside=inside))
    assert not wedge.sure
    assert wedge.contradicts(stated) == ""


def test_dead_voxels_hide_no_wedge():
    volume = reconstruction()
    volume[5, 5, 5], volume[40, 50, 60] = np.nan, np.inf
    assert found(volume).contradicts(Tilting(beam_axis="y"))


@pytest.mark.parametrize("volume", [np.zeros(SHAPE), np.full(SHAPE, np.nan), np.ones((10, 64, 64))])
def test_what_holds_no_wave_shows_no_wedge(volume):
    assert find_wedge(volume.astype(np.float32)) is None

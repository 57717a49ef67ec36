import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from cryoal.core.geometry import box_centre
from cryoal.data.crop import Cropper
from cryoal.data.kernels import mirrored


def blob(shape: tuple[int, int, int], where: np.ndarray, width: float = 2.0) -> np.ndarray:
    """A Gaussian whose value between the voxels is known exactly."""
    grids = np.indices(shape)
    distance = sum((grid - at) ** 2 for grid, at in zip(grids, where, strict=True))
    return np.exp(-distance / (2 * width**2)).astype(np.float32)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """Noise that ends before Nyquist, so that its values between the voxels mean something."""
    volume = np.random.default_rng(0).normal(size=(64, 72, 80))
    spectrum = np.fft.rfftn(volume)
    for axis, size in enumerate(volume.shape):
        k = np.fft.rfftfreq(size) if axis == 2 else np.abs(np.fft.fftfreq(size))
        spectrum *= (k < 0.45).reshape([-1 if axis == a else 1 for a in range(3)])
    return np.fft.irfftn(spectrum, volume.shape, axes=(0, 1, 2)).astype(np.float32)


def fourier_shift(volume: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The periodic volume moved by ``-shift`` voxels, in double precision."""
    return np.fft.ifftn(ndimage.fourier_shift(np.fft.fftn(volume.astype(float)), -shift)).real


@settings(deadline=None)
@given(st.tuples(*[st.integers(0, 40)] * 3))
def test_at_a_whole_voxel_the_box_is_an_exact_copy(where):
    volume = np.arange(41**3, dtype=np.float32).reshape((41,) * 3)
    box = Cropper(volume, 8)(np.array(where, dtype=float))
    start = np.array(where) - box_centre(8)
    for offset in np.ndindex(8, 8, 8):
        at = start + offset
        if ((at >= 0) & (at < 41)).all():
            assert box[offset] == volume[tuple(at)]
        else:
            assert np.isnan(box[offset])


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.floats(28, 36)] * 3))
def test_wherever_the_particle_is_it_ends_in_the_centre(where):
    box = Cropper(blob((64, 64, 64), np.array(where)), 24)(np.array(where))
    np.testing.assert_allclose(ndimage.center_of_mass(box), [12, 12, 12], atol=0.01)


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.floats(24, 40)] * 3))
def test_between_voxels_the_box_is_what_a_shift_of_the_whole_tomogram_gives(noise, where):
    centre = np.array(where)
    whole = np.floor(centre).astype(int)
    reference = fourier_shift(noise, centre - whole)
    a, b, c = whole - 8
    expected = reference[a : a + 16, b : b + 16, c : c + 16]
    assert 1 - correlation(Cropper(noise, 16)(centre), expected) < 1.5e-3


def test_a_twentieth_of_a_voxel_would_be_noticed(noise):
    centre = np.array([32.3, 36.7, 40.25])
    right = Cropper(noise, 24)(centre)
    wrong = Cropper(noise, 24)(centre + np.array([0, 0, 0.05]))
    assert 1 - correlation(right, wrong) > 1.5e-3


@pytest.mark.parametrize("face", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_box_that_touches_a_face_is_as_exact_as_any(axis, face):
    where = np.array([32.0, 36.0, 40.0])
    size = (64, 72, 80)[axis]
    where[axis] = 8.4 if face == 0 else size - 8.4
    volume = blob((64, 72, 80), where)
    box = Cropper(volume, 16)(where)
    measured = np.isfinite(box)
    expected = blob((16,) * 3, np.full(3, 8.0))
    assert measured.mean() > 0.9
    assert 1 - correlation(box[measured], expected[measured]) < 1e-4


@settings(max_examples=25, deadline=None)
@given(st.floats(1.05, 2.5), st.tuples(*[st.floats(44, 52)] * 3))
def test_rescaling_keeps_the_centre_and_the_scale(scale, where):
    centre = np.array(where)
    width = 4.0
    box = Cropper(blob((96, 96, 96), centre, width), 16, scale)(centre)
    expected = blob((16,) * 3, np.full(3, 8.0), width / scale)
    assert 1 - correlation(box, expected) < 1e-4


def test_rescaling_cuts_what_the_coarser_grid_cannot_hold():
    x = np.arange(96)
    fast = np.cos(2 * np.pi * 0.4 * x).astype(np.float32) * np.ones((96, 96, 1), np.float32)
    assert np.abs(Cropper(fast, 16, 2.0)(np.array([48.3, 48.0, 48.0]))).max() < 0.05


def test_going_finer_interpolates_and_invents_nothing():
    centre = np.array([32.0, 32.0, 32.0])
    volume = blob((64, 64, 64), centre, 3.0)
    box = Cropper(volume, 24, 0.5)(centre)
    assert 1 - correlation(box, blob((24,) * 3, np.full(3, 12.0), 6.0)) < 1e-4


@given(st.integers(1, 30), st.integers(-60, 60))
def test_mirrored_indices_lie_inside_and_leave_inner_ones_alone(size, index):
    folded = mirrored(index, size)
    assert 0 <= folded < size
    assert folded == index or not 0 <= index < size


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float16", ">f4", "float64"])
def test_every_voxel_type_comes_out_as_native_float32(dtype):
    volume = np.arange(20**3).reshape((20,) * 3).astype(dtype)
    box = Cropper(volume, 8)(np.array([10.0, 10, 10]))
    assert box.dtype == np.float32
    assert box.dtype.isnative
    np.testing.assert_array_equal(box, volume[6:14, 6:14, 6:14].astype(np.float32))


@pytest.mark.parametrize("scale", [1.0, 1.3])
@pytest.mark.parametrize("fill", [0.0, 17.5, -3.3e4])
def test_what_was_never_measured_is_missing_between_voxels_too(rng, fill, scale):
    volume = rng.normal(fill, 1, size=(80, 80, 80)).astype(np.float32)
    volume[:, :, :40] = fill
    box = Cropper(volume, 24, scale)(np.array([40.3, 40.2, 40.4]))
    missing = np.isnan(box)
    at = 40.4 + (np.arange(24) - 12) * scale
    np.testing.assert_array_equal(missing, np.broadcast_to(np.rint(at) < 40, box.shape))


def test_integers_that_happen_to_be_equal_are_not_missing(rng):
    volume = np.rint(3 * rng.normal(size=(64, 64, 64))).astype(np.int8)
    assert not np.isnan(Cropper(volume, 24)(np.array([32.3, 32.2, 32.4]))).any()


def test_inside_counts_the_share_of_the_box():
    cropper = Cropper(np.zeros((40, 40, 40), np.float32), 16)
    assert cropper.inside(np.array([20.0, 20, 20])) == 1
    assert cropper.inside(np.array([4.0, 20, 20])) == pytest.approx(0.75)
    assert cropper.inside(np.array([-30.0, 20, 20])) == 0

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from cryoal.core import geometry

triples = arrays(float, (4, 3), elements=st.floats(-1e4, 1e4))
angles = st.tuples(st.floats(-180, 180), st.floats(1, 179), st.floats(-180, 180))


def euler_angles_to_matrix(rot: float, tilt: float, psi: float) -> np.ndarray:
    """RELION's Euler_angles2matrix (src/euler.cpp), written out."""
    ca, cb, cg = (np.cos(np.radians(angle)) for angle in (rot, tilt, psi))
    sa, sb, sg = (np.sin(np.radians(angle)) for angle in (rot, tilt, psi))
    cc, cs, sc, ss = cb * ca, cb * sa, sb * ca, sb * sa
    return np.array(
        [
            [cg * cc - sg * sa, cg * cs + sg * ca, -cg * sb],
            [-sg * cc - cg * sa, -sg * cs + cg * ca, sg * sb],
            [sc, ss, cb],
        ]
    )


@given(triples)
def test_reversing_the_axes_twice_changes_nothing(xyz):
    np.testing.assert_array_equal(geometry.reverse_axes(geometry.reverse_axes(xyz)), xyz)


@given(triples, st.floats(0.5, 30))
def test_voxels_and_angstrom_go_there_and_back(position, voxel_size):
    there = geometry.voxels_from_angstrom(position, voxel_size)
    back = geometry.angstrom_from_voxels(there, voxel_size)
    np.testing.assert_allclose(back, position, atol=1e-8)


def test_the_first_voxels_centre_is_0_angstrom():
    assert geometry.angstrom_from_voxels([0, 0, 0], 13.1).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("box", "centre"), [(64, 32), (65, 32), (16, 8)])
def test_the_box_centre_is_relions(box, centre):
    assert geometry.box_centre(box) == centre


@given(st.tuples(*[st.floats(-180, 180)] * 3))
def test_relions_matrix_is_the_inverse_of_scipys_intrinsic_zyz(rot_tilt_psi):
    expected = euler_angles_to_matrix(*rot_tilt_psi)
    np.testing.assert_allclose(geometry.relion_matrix(rot_tilt_psi), expected, atol=1e-12)
    scipys = Rotation.from_euler("ZYZ", rot_tilt_psi, degrees=True).inv().as_matrix()
    np.testing.assert_allclose(expected, scipys, atol=1e-12)


@given(angles)
def test_angles_survive_the_way_through_a_rotation(rot_tilt_psi):
    back = geometry.relion_angles(geometry.relion_rotation([rot_tilt_psi]))
    there = geometry.relion_matrix([rot_tilt_psi])
    np.testing.assert_allclose(geometry.relion_matrix(back), there, atol=1e-9)


@pytest.mark.filterwarnings("error")
def test_a_particle_that_is_not_turned_has_angles_without_a_warning():
    rotation = geometry.relion_rotation([[30.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    back = geometry.relion_matrix(geometry.relion_angles(rotation))
    np.testing.assert_allclose(back, rotation.as_matrix(), atol=1e-9)


def test_the_origin_is_subtracted_in_the_subtomograms_frame():
    # A quarter turn about z: RELION's matrix takes x to -y.
    by_hand = np.array([[100.0, 200.0 + 10 / 2, 300.0]])
    found = geometry.relion_decentred([[100, 200, 300]], [[10.0, 0, 0]], 2.0, [[90.0, 0, 0]])
    np.testing.assert_allclose(found, by_hand, atol=1e-12)
    plain = geometry.relion_decentred([[100, 200, 300]], [[10.0, 0, 0]], 2.0)
    np.testing.assert_allclose(plain, [[95, 200, 300]])


@pytest.mark.parametrize(("centre", "expected"), [("half", 1010), ("half-minus-one", 1009)])
def test_centred_coordinates_count_from_the_centre_of_the_unbinned_tomogram(centre, expected):
    found = geometry.relion_uncentred([[15.0, 0, 0]], [2000, 1000, 500], 1.5, centre)
    assert found[0, 0] == expected


@pytest.mark.parametrize("shape", [(48, 48, 48), (40, 48, 64)])
def test_a_60_degree_range_measures_the_part_of_space_that_geometry_says(shape):
    region = geometry.sampled_region(shape, (-60, 60), real=False)
    kz, _, kx = geometry.frequencies(shape, real=False)
    expected = np.broadcast_to(np.abs(kz) <= np.abs(kx) * np.tan(np.pi / 3) + 1e-12, shape)
    np.testing.assert_array_equal(region, expected)


def test_a_60_degree_range_measures_two_thirds_of_the_sphere():
    shape = (64, 64, 64)
    region = geometry.sampled_region(shape, real=False)
    kz, ky, kx = geometry.frequencies(shape, real=False)
    ball = kz**2 + ky**2 + kx**2 <= 0.25
    # 120 of 180 degrees, but for the width of a voxel beside the wedge's faces.
    assert region[ball].mean() == pytest.approx(2 / 3, abs=0.5 / 32)


@given(st.floats(-75, -10), st.floats(10, 75), st.sampled_from("xy"))
def test_what_is_measured_is_symmetric_as_a_real_volumes_spectrum_is(low, high, axis):
    region = geometry.sampled_region((15, 15, 15), (low, high), axis, real=False)
    mirrored = np.roll(region[::-1, ::-1, ::-1], 1, axis=(0, 1, 2))
    np.testing.assert_array_equal(region, mirrored)


@given(st.floats(-75, -10), st.floats(10, 75))
def test_the_half_spectrum_is_half_of_the_whole(low, high):
    whole = geometry.sampled_region((15, 15, 15), (low, high), real=False)
    half = geometry.sampled_region((15, 15, 15), (low, high))
    np.testing.assert_array_equal(half, whole[..., :8])


@given(st.floats(20, 900), st.floats(1, 30), st.integers(0, 3))
def test_a_box_holds_one_and_a_half_diameters_and_is_even(diameter, voxel_size, shift):
    box = geometry.box_for_diameter(diameter, voxel_size, shift)
    assert box % 2 == 0
    assert (box - 2 * shift) * voxel_size >= 1.5 * diameter - 1e-6
    assert (box - 2 * shift - 2) * voxel_size < 1.5 * diameter


def test_the_radius_is_0_at_the_box_centre():
    radius = geometry.radius_grid(12)
    assert radius[6, 6, 6] == 0
    assert radius[6, 6, 9] == 3

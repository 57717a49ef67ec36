import numpy as np
import pytest
from scipy.ndimage import center_of_mass

from cryoal.core.geometry import box_centre
from cryoal.simulate.complexes import COMPLEXES
from cryoal.simulate.procedural import BUILDS, LEAST_MASS, random_complex, random_densities


@pytest.fixture(scope="module")
def densities():
    return random_densities(12, 13.3, seed=5)


def test_a_seed_always_draws_the_same_complexes(densities):
    again = random_densities(12, 13.3, seed=5)
    assert [d.name for d in again] == [d.name for d in densities]
    for one, other in zip(again, densities, strict=True):
        np.testing.assert_array_equal(one.data, other.data)


def test_another_seed_draws_others(densities):
    other = random_densities(3, 13.3, seed=6)
    for one, two in zip(densities, other, strict=False):
        assert one.data.shape != two.data.shape or not np.allclose(one.data, two.data)


def test_the_first_complexes_do_not_depend_on_how_many_are_drawn(densities):
    np.testing.assert_array_equal(random_densities(2, 13.3, seed=5)[1].data, densities[1].data)


def test_a_complex_is_the_same_at_every_voxel_size(densities):
    for coarse, fine in zip(densities[:4], random_densities(4, 10.0, seed=5), strict=True):
        mass = [d.data.sum(dtype=np.float64) * d.voxel_size**3 for d in (coarse, fine)]
        assert mass[0] == pytest.approx(mass[1], rel=0.02)
        assert fine.diameter == pytest.approx(coarse.diameter, abs=2.5 * 13.3)


def test_densities_are_as_the_simulator_wants_them(densities):
    for density in densities:
        n = len(density.data)
        assert density.data.dtype == np.float32
        assert n % 2 == 0
        assert density.data.min() >= 0
        np.testing.assert_allclose(center_of_mass(density.data), [box_centre(n)] * 3, atol=0.3)


def test_complexes_are_neither_too_light_to_see_nor_larger_than_asked():
    for at in range(20):
        complex_ = random_complex("x", np.random.default_rng(at), (100, 250))
        assert complex_.mass >= LEAST_MASS
        assert complex_.dimensions[0] < 1.2 * 250


def test_every_build_and_many_point_groups_come_up():
    drawn = [random_complex("x", np.random.default_rng(at), (150, 300)) for at in range(60)]
    assert {c.source.removeprefix("random ") for c in drawn} == {
        build.__name__.strip("_") for build in BUILDS
    }
    assert {c.symmetry[0] for c in drawn} >= {"C", "D"}
    assert len({c.symmetry for c in drawn}) > 8


def test_none_is_one_of_the_known_complexes(densities):
    known = {c.name for c in COMPLEXES}
    assert not known & {d.name for d in densities}

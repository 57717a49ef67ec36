"""Nothing overlaps, poses are the stated ones, and noise is what the ratio says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.ndimage import center_of_mass
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import sampled_region
from cryoal.simulate.ctf import Ctf
from cryoal.simulate.density import SUPPORT, Density, phantoms
from cryoal.simulate.scene import blank, margin_for, place_particles, rotated, shape_for, support_of
from cryoal.simulate.tomogram import build_scene, image

SMALL = ["apoferritin", "rubisco", "proteasome_20s"]


@pytest.fixture(scope="module")
def densities():
    return phantoms(10.0, SMALL)


@pytest.fixture(scope="module")
def scene(densities):
    rng = np.random.default_rng(1)
    classes = rng.integers(0, 3, 30)
    return build_scene(densities, classes, (64, 96, 96), rng, n_junk=8)


def lopsided() -> Density:
    """A bar along x with a knob at its positive end."""
    data = np.zeros((16, 16, 16), np.float32)
    data[8, 8, 3:13] = 1
    data[8, 8, 12] = 6
    return Density("bar", ndimage.gaussian_filter(data, 1.0), 10.0, 120.0)


def test_no_two_particles_share_a_voxel(densities):
    rng = np.random.default_rng(3)
    classes = np.repeat([0, 1, 2], 8)
    canvas = blank((60, 80, 80), margin_for(densities))
    positions, rotations = place_particles(canvas, densities, classes, rng)
    count = np.zeros(canvas.shape, int)
    for where, rotation, c in zip(positions, rotations, classes, strict=True):
        base = np.rint(where).astype(int)
        coefficients = ndimage.spline_filter(densities[c].data, order=3, output=np.float32)
        cluster = rotated(coefficients, rotation, where - base)
        count[tuple((base + cluster.offsets[cluster.support]).T)] += 1
    assert count.max() == 1
    assert count.sum() == canvas.taken.sum()


def test_a_rotation_acts_on_xyz_as_the_conventions_say():
    coefficients = ndimage.spline_filter(lopsided().data, order=3, output=np.float32)
    turn = Rotation.from_rotvec([0, 0, np.pi / 2])  # x to y
    cluster = rotated(coefficients, turn, np.zeros(3))
    knob = cluster.offsets[cluster.values.argmax()]
    assert knob.tolist() == [0, 4, 0]  # zyx


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.floats(-0.5, 0.5)] * 3), st.integers(0, 1000))
def test_wherever_a_particle_is_put_its_centre_of_mass_follows(fraction, seed):
    (density,) = phantoms(10.0, ["thyroglobulin"])
    coefficients = ndimage.spline_filter(density.data, order=3, output=np.float32)
    rotation = Rotation.random(random_state=seed)
    cluster = rotated(coefficients, rotation, np.array(fraction))
    centre = np.average(cluster.offsets, axis=0, weights=cluster.values)
    np.testing.assert_allclose(centre, fraction, atol=0.08)


def test_rotating_changes_no_mass(densities):
    for density in densities:
        coefficients = ndimage.spline_filter(density.data, order=3, output=np.float32)
        cluster = rotated(coefficients, Rotation.random(random_state=5), np.full(3, 0.3))
        assert cluster.values.sum() == pytest.approx(density.data.sum(), rel=0.02)


def test_particles_lie_where_the_scene_says(scene):
    alone = np.argmax([np.sort(np.linalg.norm(scene.positions - p, axis=1))[1]
                       for p in scene.positions])  # fmt: skip
    where = scene.positions[alone]
    base = np.rint(where).astype(int)
    reach = int(scene.diameters[alone] / 2)
    cube = scene.particles[tuple(slice(b - reach, b + reach + 1) for b in base)]
    np.testing.assert_allclose(np.array(center_of_mass(cube)) - reach + base, where, atol=0.5)


def test_too_many_particles_are_answered_with_how_many_fit(densities):
    with pytest.raises(CryoalError, match=r"only \d+ of 500 particles fit into a tomogram of 60 x"):
        build_scene(densities, np.zeros(500, int), (60, 60, 60), np.random.default_rng(0))


def test_the_chosen_shape_holds_the_particles_at_every_seed(densities):
    counts = np.array([20, 20, 20])
    shape = shape_for(densities, counts)
    assert all(n % 2 == 0 for n in shape)
    assert shape[0] <= shape[1] == shape[2]
    for seed in range(3):
        scene = build_scene(
            densities, np.repeat([0, 1, 2], counts), shape, np.random.default_rng(seed)
        )
        assert len(scene.labels) == 60


def test_junk_comes_in_equal_parts_and_holds_no_centred_particle(scene):
    assert {kind: len(places) for kind, places in scene.junk.items()} == {
        "ice": 2, "membrane": 2, "gold": 2, "flank": 2,
    }  # fmt: skip
    for places in scene.junk.values():
        away = np.linalg.norm(places[:, None] - scene.positions, axis=2)
        assert (away > np.maximum(0.25 * scene.diameters, 2)).all()
    ice = np.rint(scene.junk["ice"]).astype(int)
    assert scene.particles[tuple(ice.T)].max() == 0
    assert scene.other[tuple(np.rint(scene.junk["membrane"]).astype(int).T)].min() >= 0
    assert scene.other.max() == pytest.approx(7.0, rel=0.01)  # gold


@settings(max_examples=8, deadline=None)
@given(st.floats(0.02, 3.0), st.sampled_from([(-60.0, 60.0), (-48.0, 66.0)]), st.integers(0, 99))
def test_the_ratio_measured_back_is_the_one_asked_for(scene, snr, tilt_range, seed):
    ctf = Ctf(30_000)
    rng = np.random.default_rng(seed)
    noisy = image(scene, 10.0, ctf, snr, rng, tilt_range=tilt_range, contrast="bright")
    # Everything but noise, from an independent image in which noise plays no part.
    rng = np.random.default_rng(seed)
    clean = image(scene, 10.0, ctf, 1e12, rng, tilt_range=tilt_range, contrast="bright")
    unit = noisy.signal.std() / clean.signal.std()
    noise = noisy.volume - unit * clean.volume
    inside = scene.particles > SUPPORT * scene.particles.max()
    assert noisy.signal[inside].var() / noise.var() == pytest.approx(snr, rel=0.01)
    assert noisy.snr == pytest.approx(snr, rel=1e-4)


def test_nothing_is_measured_in_the_missing_wedge(scene):
    limits = (-48.0, 66.0)
    imaged = image(scene, 10.0, Ctf(30_000), 0.1, np.random.default_rng(0), tilt_range=limits)
    power = np.abs(np.fft.rfftn(imaged.volume)) ** 2
    measured = sampled_region(imaged.volume.shape, limits)
    assert power[~measured].sum() < 1e-8 * power[measured].sum()
    assert (~measured).mean() > 0.2


def test_protein_is_dark_unless_asked_to_be_bright(scene):
    inside = scene.particles > SUPPORT * scene.particles.max()
    images = {
        contrast: image(
            scene, 10.0, Ctf(30_000), 2.0, np.random.default_rng(0), contrast=contrast
        ).volume
        for contrast in ("dark", "bright")
    }
    assert images["dark"][inside].mean() < images["dark"][~inside].mean()
    np.testing.assert_array_equal(images["dark"], -images["bright"])


def test_support_is_what_exceeds_a_tenth(densities):
    for density in densities:
        assert density.data[support_of(density)].min() > 0.1 * density.data.max()

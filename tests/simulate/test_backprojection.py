import numpy as np
import pytest

from cryoal.core.geometry import frequencies, sampled_region
from cryoal.simulate.backprojection import image_by_projections
from cryoal.simulate.ctf import Ctf
from cryoal.simulate.density import SUPPORT, phantoms
from cryoal.simulate.scene import shape_for
from cryoal.simulate.tomogram import build_scene, image

CTF = Ctf(30_000.0)


@pytest.fixture(scope="module")
def scene():
    densities = phantoms(14.0)[:2]
    classes = np.repeat([0, 1], 6)
    shape = shape_for(densities, np.array([6, 6]), 0)
    return build_scene(densities, classes, shape, np.random.default_rng(0))


def power(volume: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.rfftn(volume)) ** 2


def test_particles_are_where_the_other_simulator_puts_them(scene):
    one, other = (
        way(scene, 14.0, CTF, 0.5, np.random.default_rng(1), contrast="bright").signal
        for way in (image, image_by_projections)
    )
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.75
    for axis in range(3):
        shifted = np.roll(other, 1, axis)
        assert np.corrcoef(one.ravel(), shifted.ravel())[0, 1] < 0.75


def test_the_missing_wedge_lies_where_the_tilts_leave_it(scene):
    tilts = (-60.0, 30.0)
    rng = np.random.default_rng(1)
    seen = image_by_projections(scene, 14.0, CTF, 0.5, rng, tilt_range=tilts)
    spectrum = power(seen.signal)
    inside = sampled_region((*spectrum.shape[:2], scene.particles.shape[2]), tilts)
    mirrored = sampled_region((*spectrum.shape[:2], scene.particles.shape[2]), (-30.0, 60.0))
    assert spectrum[inside].sum() > 0.9 * spectrum.sum()
    assert spectrum[inside].sum() > 1.05 * spectrum[mirrored].sum()


def test_the_snr_wanted_is_the_snr_realised(scene):
    seen = image_by_projections(scene, 14.0, CTF, 0.07, np.random.default_rng(2), contrast="bright")
    assert seen.snr == pytest.approx(0.07, rel=1e-3)
    inside = scene.particles > SUPPORT * scene.particles.max()
    noise = seen.volume - seen.signal
    assert seen.signal[inside].var() / noise[~inside].var() == pytest.approx(0.07, rel=0.3)


def test_protein_is_dark_unless_bright_is_wanted(scene):
    dark, bright = (
        image_by_projections(scene, 14.0, CTF, 5.0, np.random.default_rng(3), contrast=contrast)
        for contrast in ("dark", "bright")
    )
    np.testing.assert_allclose(dark.volume, -bright.volume)
    inside = scene.particles > 0.5 * scene.particles.max()
    assert dark.volume[inside].mean() < 0 < bright.volume[inside].mean()


def test_an_error_of_the_defocus_takes_signal_away_and_none_changes_nothing(scene):
    def seen(**asked):
        rng = np.random.default_rng(3)
        far = Ctf(80_000.0)  # its first zero is well inside 14 A a voxel
        return image_by_projections(scene, 14.0, far, 5.0, rng, contrast="bright", **asked).signal

    exact = seen()
    np.testing.assert_array_equal(exact, seen(defocus_error=0.0))
    true = np.fft.rfftn(scene.particles)
    beyond = np.sqrt(sum(f**2 for f in frequencies(scene.particles.shape))) / 14 > 0.026

    def agreement(signal):
        spectrum = np.fft.rfftn(signal)
        return (spectrum * true.conj()).real[beyond].sum() / np.linalg.norm(spectrum[beyond])

    assert agreement(seen(defocus_error=40_000.0)) < 0.7 * agreement(exact)

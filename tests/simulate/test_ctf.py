"""The contrast transfer function crosses zero where theory says."""

import numpy as np
import pytest

from cryoal.simulate.ctf import Ctf, transfer, transfer_volume, wavelength


def test_electrons_of_300_kv_have_the_textbook_wavelength():
    assert wavelength(300) == pytest.approx(0.019687, abs=1e-6)


def test_without_amplitude_contrast_the_first_zero_is_at_one_over_root_lambda_defocus():
    ctf = Ctf(30_000, 0.0, "uncorrected", b_factor=0, spherical_aberration=0)
    first = 1 / np.sqrt(wavelength(300) * 30_000)
    assert transfer(np.array([first]), ctf)[0] == pytest.approx(0, abs=1e-9)
    before, after = transfer(first * np.array([0.9, 1.1]), ctf)
    assert before > 0 > after


def test_at_zero_frequency_only_the_amplitude_contrast_is_left():
    assert transfer(np.zeros(1), Ctf(30_000, 0.08))[0] == pytest.approx(0.08)


def test_flipped_phases_are_the_absolute_value():
    k = np.linspace(0, 0.05, 200)
    flipped = transfer(k, Ctf(40_000, 0.07, "phase-flipped"))
    raw = transfer(k, Ctf(40_000, 0.07, "uncorrected"))
    assert raw.min() < 0
    np.testing.assert_array_equal(flipped, np.abs(raw))


def test_the_volume_is_isotropic_whatever_its_shape():
    volume = transfer_volume((20, 30, 40), 10.0, Ctf(30_000))
    assert volume.shape == (20, 30, 21)
    # 0.1 cycles a voxel along each axis
    np.testing.assert_allclose([volume[2, 0, 0], volume[0, 3, 0]], volume[0, 0, 4], rtol=1e-4)


def test_phases_flipped_by_a_wrong_defocus_stay_wrong_between_the_two_zeros():
    k = np.linspace(0, 0.05, 400)
    raw = transfer(k, Ctf(30_000, 0.07, "uncorrected"))
    estimated = transfer(k, Ctf(31_000, 0.07, "uncorrected"))
    flipped = transfer(k, Ctf(30_000, 0.07, estimate_error=1_000))
    np.testing.assert_allclose(np.abs(flipped), np.abs(raw))
    wrong = raw * estimated < 0
    assert 0 < wrong.mean() < 0.2
    assert (flipped[wrong] < 0).all()
    assert (flipped[~wrong] >= 0).all()

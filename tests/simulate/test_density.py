"""Densities have the size, mass and place that files and publications say."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import center_of_mass
from scipy.spatial.distance import pdist, squareform

from cryoal.core.errors import CryoalError
from cryoal.core.geometry import box_centre
from cryoal.io.mrc import write_volume
from cryoal.simulate.complexes import COMPLEXES, PROTEIN_VOLUME, all_balls
from cryoal.simulate.density import load_templates, phantoms


def ball(box: int, radius: float, centre: tuple[float, float, float]) -> np.ndarray:
    grid = np.indices((box,) * 3) - np.array(centre)[:, None, None, None]
    return np.clip(radius - np.sqrt((grid**2).sum(0)) + 0.5, 0, 1).astype(np.float32)


@pytest.mark.parametrize("complex_", COMPLEXES, ids=lambda c: c.name)
def test_a_complex_is_as_large_as_published(complex_):
    balls = all_balls(complex_)
    width = squareform(pdist(balls[:, :3])) + np.add.outer(balls[:, 3], balls[:, 3])
    spans = np.ptp([*(balls[:, :3] + balls[:, 3:]), *(balls[:, :3] - balls[:, 3:])], axis=0)
    # A barrel's diagonal is longer than its height, so the two sides have two measures.
    assert spans.max() < 1.15 * complex_.dimensions[0] < 1.35 * width.max()
    assert spans.min() == pytest.approx(complex_.dimensions[2], rel=0.15)


@pytest.mark.parametrize("voxel_size", [8.0, 13.33])
def test_a_phantom_weighs_what_its_complex_weighs(voxel_size):
    for phantom, complex_ in zip(phantoms(voxel_size), COMPLEXES, strict=True):
        volume = phantom.data.sum(dtype=np.float64) * voxel_size**3
        assert volume / PROTEIN_VOLUME / 1000 == pytest.approx(complex_.mass, rel=0.01)


def test_phantoms_are_about_as_dense_as_protein_and_never_negative():
    for phantom in phantoms(10.0):
        assert phantom.data.min() >= 0
        assert 0.6 < phantom.data.max() < 1.6


def test_the_centre_of_mass_is_the_box_centre():
    for phantom in phantoms(10.0):
        assert len(phantom.data) % 2 == 0
        np.testing.assert_allclose(
            center_of_mass(phantom.data), box_centre(len(phantom.data)), atol=0.05
        )


def test_at_least_ten_phantoms_all_different():
    names = [c.name for c in COMPLEXES]
    assert len(set(names)) == len(names) >= 10


def test_an_unknown_phantom_is_answered_with_the_list():
    with pytest.raises(CryoalError, match=r"no phantom is called 'ribosom'.*ribosome_70s"):
        phantoms(10.0, ["ribosom"])


@pytest.mark.parametrize("own", [4.0, 10.0, 14.0])
def test_a_template_keeps_its_size_in_angstrom_whatever_its_voxel(tmp_path, own):
    box = int(400 / own)
    write_volume(tmp_path / "ball.mrc", ball(box, 100 / own, (box / 2 + 3, box / 2, box / 2)), own)
    (density,) = load_templates(tmp_path, 10.0)
    assert density.name == "ball"
    assert density.diameter == pytest.approx(200, abs=25)
    # Half the height is where the edge lies, however soft the resampling has made it.
    radius = (3 / 4 / np.pi * (density.data > 0.5).sum()) ** (1 / 3) * 10
    assert radius == pytest.approx(100, abs=4)
    np.testing.assert_allclose(
        center_of_mass(density.data), box_centre(len(density.data)), atol=0.05
    )


def test_a_template_is_trimmed_to_its_extent(tmp_path):
    write_volume(tmp_path / "ball.mrc", ball(80, 5, (20, 40, 55)), 10.0)
    (density,) = load_templates(tmp_path, 10.0)
    assert len(density.data) <= 16


def test_templates_of_other_programs_units_come_out_equally_dense(tmp_path):
    write_volume(tmp_path / "a.mrc", 240 * ball(40, 8, (20, 20, 20)), 10.0)
    write_volume(tmp_path / "b.mrc", 0.01 * ball(40, 8, (20, 20, 20)), 10.0)
    a, b = load_templates(tmp_path, 10.0)
    np.testing.assert_allclose(a.data, b.data, atol=1e-5)


@pytest.mark.parametrize("voxel_size", [0.0, 1.0])
def test_a_map_that_does_not_know_its_voxel_is_refused_by_name(tmp_path, voxel_size):
    write_volume(tmp_path / "ball.mrc", ball(20, 5, (10, 10, 10)), voxel_size)
    with pytest.raises(CryoalError, match=r"ball\.mrc: the header says a voxel"):
        load_templates(tmp_path, 10.0)


def test_a_map_with_negative_protein_is_refused(tmp_path):
    write_volume(tmp_path / "ball.mrc", -ball(20, 5, (10, 10, 10)) + 0.01, 10.0)
    with pytest.raises(CryoalError, match=r"ball\.mrc: protein seems negative"):
        load_templates(tmp_path, 10.0)


def test_a_folder_that_is_missing_or_holds_no_map_is_named(tmp_path):
    with pytest.raises(CryoalError, match="no such directory"):
        load_templates(tmp_path / "nowhere", 10.0)
    with pytest.raises(CryoalError, match="holds no map"):
        load_templates(tmp_path, 10.0)


def test_a_file_that_is_no_map_is_named(tmp_path):
    Path(tmp_path / "text.mrc").write_text("not a map")
    with pytest.raises(CryoalError, match=r"text\.mrc: 9 bytes are too few for an MRC header"):
        load_templates(tmp_path, 10.0)


def test_third_party_templates_load_at_their_published_size(testdata):
    names = ["3j9i", "4v4r", "2uv8"]
    densities = load_templates(testdata / "templates" / "polnet_10A", 10.0, names)
    sizes = {d.name: d.diameter for d in densities}
    assert list(sizes) == names
    assert 148 < sizes["3j9i"] < 210  # 20S proteasome, 148 x 113 A
    assert 220 < sizes["4v4r"] < 300  # 70S ribosome
    assert 260 < sizes["2uv8"] < 320  # fatty acid synthase, 270 A


def test_third_party_masks_with_a_voxel_of_one_are_refused(testdata):
    with pytest.raises(CryoalError, match="voxel of 1 A"):
        load_templates(testdata / "templates" / "deepfinder_masks", 10.0)

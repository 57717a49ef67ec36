"""What a person sees is the particle: centred, at the right resolution, in the right place."""

import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import center_of_mass
from scipy.spatial.transform import Rotation

from cryoal.annotate.context import context, contrasts, display_box, read_window
from cryoal.annotate.views import (
    band_pass,
    contrast_limits,
    gallery,
    orthogonal,
    projection,
    stretched,
    turned,
)
from cryoal.core.errors import CryoalError
from cryoal.core.geometry import radius_grid
from cryoal.core.tomogram import Tomogram
from cryoal.data.extract import BoxGeometry
from cryoal.io.mrc import open_volume, write_volume
from cryoal.io.tomograms import mean_of_halves
from cryoal.project.project import Project


def blob(box: int, centre: tuple[float, float, float], sigma: float = 1.5) -> np.ndarray:
    return np.exp(-(radius_grid(box, centre) ** 2) / (2 * sigma**2)).astype(np.float32)


def test_each_picture_shows_its_two_axes():
    pictures = orthogonal(blob(24, (9, 12, 16)), slab_voxels=9)
    assert pictures.shape == (3, 24, 24)
    assert pictures.dtype == np.float32
    where = [center_of_mass(picture) for picture in pictures]
    np.testing.assert_allclose(where, [(12, 16), (9, 16), (9, 12)], atol=0.01)


@pytest.mark.parametrize(("slab", "slices"), [(0.2, 1), (1, 1), (3, 3), (4, 5), (5.9, 5)])
def test_a_slab_has_the_particle_in_its_middle(slab, slices, rng):
    box = rng.normal(size=(16, 16, 16)).astype(np.float32)
    half = slices // 2
    expected = box[8 - half : 8 + half + 1].mean(0)
    np.testing.assert_allclose(orthogonal(box, slab)[0], expected, atol=1e-6)


def test_the_projection_leaves_out_what_is_above_and_below_the_particle():
    box = blob(32, (16, 16, 16)) + 9 * blob(32, (3, 8, 8), sigma=1)
    assert projection(box, 8)[8, 8] < 1e-3
    assert projection(box, 16)[8, 8] > 0.1


@pytest.mark.parametrize(("low", "high"), [(40, None), (None, 200), (40, 200)])
def test_a_wave_passes_where_it_should(low, high):
    n, voxel = 64, 10.0
    x = np.arange(n)
    for period in (n / 2, n / 8, n / 16, n / 28):  # 320, 80, 40 and 23 Angstrom
        wave = np.broadcast_to(np.cos(2 * np.pi * x / period), (n, n, n)).astype(np.float32)
        left = band_pass(wave, voxel, low, high).std() / wave.std()
        length = period * voxel
        expected = float((low is None or length > low) and (high is None or length < high))
        if low is not None and length == low:
            expected = 0.5
        assert left == pytest.approx(expected, abs=0.01)


def test_a_filter_of_nothing_changes_nothing(rng):
    box = rng.normal(size=(2, 12, 12, 12)).astype(np.float32)
    np.testing.assert_array_equal(band_pass(box, 10, None, None), box)
    np.testing.assert_allclose(band_pass(box, 10, low_pass=2), box, atol=1e-5)


def test_boxes_are_filtered_one_by_one(rng):
    boxes = rng.normal(size=(3, 16, 15, 14)).astype(np.float32)
    together = band_pass(boxes, 10)
    for box, filtered in zip(boxes, together, strict=True):
        np.testing.assert_allclose(band_pass(box, 10), filtered, atol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(40, 40), (40, 30), (0, None), (-3, None), (None, 0)])
def test_a_filter_that_leaves_nothing_is_refused(low, high):
    with pytest.raises(CryoalError, match="A"):
        band_pass(np.zeros((8, 8, 8)), 10, low, high)


@given(st.integers(0, 10_000))
def test_a_particle_turned_back_lies_as_its_reference(seed):
    rotation = Rotation.random(random_state=seed)
    centre = np.full(3, 16)
    in_reference = np.array([5.0, -3.0, 2.0])  # zyx from the centre
    in_tomogram = rotation.apply(in_reference[::-1])[::-1]
    particle = blob(32, tuple(centre + in_tomogram), sigma=2)
    found = center_of_mass(turned(particle, rotation.as_matrix()))
    np.testing.assert_allclose(found, centre + in_reference, atol=0.05)


@given(hnp.arrays(np.float32, (5, 7), elements=st.floats(-1e6, 1e6, width=32)))
def test_every_picture_can_be_drawn(picture):
    low, high = contrast_limits(picture)
    assert low < high
    drawn = stretched(picture)
    assert drawn.min() >= 0
    assert drawn.max() <= 1


def test_a_picture_of_nothing_has_limits():
    assert contrast_limits(np.full((3, 3), np.nan)) == (0, 1)


@given(st.integers(1, 23), st.integers(1, 9), st.integers(0, 3))
def test_whatever_is_clicked_in_a_gallery_is_the_box_there(count, columns, gap):
    boxes = np.zeros((count, 6, 6, 6), np.float32)
    shown = gallery(boxes, columns, gap=gap)
    for index in range(count):
        y, x = shown.corner(index)
        for dy, dx in ((0, 0), (5, 5), (2.4, 5.4), (-0.4, 3)):
            assert shown.index_at(y + dy, x + dx) == index
    assert shown.index_at(-1, 0) is None
    assert shown.index_at(0, shown.columns * shown.pitch) is None
    y, x = shown.corner(count - 1)
    assert shown.index_at(y + shown.pitch, x) is None
    if gap:
        assert shown.index_at(y, x + 6) is None
    with pytest.raises(IndexError):
        shown.corner(count)


def test_a_gallery_shows_each_box_at_its_place(rng):
    boxes = np.stack([blob(16, (8, *where)) for where in rng.uniform(5, 10, (5, 2))])
    shown = gallery(boxes, columns=3)
    assert shown.picture.shape == (2 * 18 - 2, 3 * 18 - 2)
    for index, box in enumerate(boxes):
        y, x = shown.corner(index)
        here = shown.picture[y : y + 16, x : x + 16]
        peak = np.unravel_index(box[8].argmax(), (16, 16))
        assert here[peak] == here.max() == 1


def test_a_gallery_of_nothing_is_a_black_picture():
    shown = gallery(np.zeros((0, 8, 8, 8), np.float32))
    assert shown.picture.max() == 0
    assert shown.index_at(0, 0) is None


@pytest.fixture
def tomogram(tmp_path: Path) -> Tomogram:
    """A dark spot at voxel (z 6, y 20, x 30), 10 A a voxel."""
    z, y, x = np.ogrid[:16, :40, :60]
    spot = -np.exp(-((z - 6) ** 2 + (y - 20) ** 2 + (x - 30) ** 2) / 4)
    path = tmp_path / "T.mrc"
    write_volume(path, spot, 10.0)
    load = functools.partial(open_volume, path)
    return Tomogram("T", (16, 40, 60), 10.0, load, contrast="dark")


def test_the_context_has_the_particle_at_its_centre_and_bright(tomogram):
    picture, centre = context(tomogram, (60, 200, 300), size=200, slab=30)
    assert picture.shape == (21, 21)
    assert np.unravel_index(picture.argmax(), picture.shape) == centre == (10, 10)
    assert picture.max() > 0.5


@given(st.tuples(st.floats(0, 150), st.floats(0, 390), st.floats(0, 590)), st.floats(1, 900))
def test_at_the_edge_the_context_ends_where_the_tomogram_does(position, size):
    volume = np.arange(40)[:, None] * 100.0 + np.arange(60)
    there = Tomogram("T", (16, 40, 60), 10.0, lambda: np.broadcast_to(volume, (16, 40, 60)))
    picture, (y, x) = context(there, position, size, slab=30)
    assert min(picture.shape) >= 1
    assert -0.5 <= y <= picture.shape[0] - 0.5
    assert -0.5 <= x <= picture.shape[1] - 0.5
    first = position[1] / 10 - y, position[2] / 10 - x
    assert picture[0, 0] == pytest.approx(100 * first[0] + first[1], abs=0.01)


def test_only_the_slab_is_read(tomogram):
    class Counting:
        read = 0

        def __getitem__(self, window):
            part = tomogram.load()[window]
            Counting.read += part.size
            return part

    lazy = Tomogram("T", (16, 40, 60), 10.0, Counting)
    context(lazy, (60, 200, 300), size=200, slab=30)
    assert Counting.read == 3 * 21 * 21


def test_of_two_halves_only_the_part_is_averaged(tmp_path):
    for name, value in (("a", 1), ("b", 4)):
        write_volume(tmp_path / f"{name}.mrc", np.full((4, 5, 6), float(value)), 10.0)
    load = functools.partial(mean_of_halves, tmp_path / "a.mrc", tmp_path / "b.mrc")
    window = (slice(0, 2), slice(0, 3), slice(0, 4))
    np.testing.assert_array_equal(read_window(load, window), np.full((2, 3, 4), 2.5))


def test_a_particle_outside_its_tomogram_has_no_context(tomogram):
    with pytest.raises(CryoalError, match="T: the particle at x 99, y 2, z 1 lies outside"):
        context(tomogram, (10, 20, 990), 200, 30)


def test_a_tomogram_without_a_volume_has_no_context():
    with pytest.raises(CryoalError, match="volume is not known"):
        context(Tomogram("T", (9, 9, 9), 10.0), (0, 0, 0), 50, 10)


def test_the_display_box_lies_on_the_grid_of_the_boxes(extracted):
    project = Project.open(extracted)
    kinds = contrasts(project)
    assert set(kinds.values()) == {"dark"}
    for name in project.subtomograms.ids[::20]:
        row = project.particles.rows([name])[0]
        tomogram = project.tomograms[str(project.particles.tomogram[row])]
        shown = display_box(
            tomogram,
            project.particles.position[row],
            project.subtomograms.geometry,
            contrast=kinds[tomogram.name],
        )
        np.testing.assert_allclose(shown, project.subtomograms[[name]][0], atol=1e-5)


def test_a_denoised_volume_is_shown_where_there_is_one(tomogram):
    there = Tomogram(
        "T", (16, 40, 60), 10.0, tomogram.load, contrast="dark",
        load_display=lambda: 5 * np.asarray(tomogram.load()),
    )  # fmt: skip
    raw, _ = context(there, (60, 200, 300), 200, 30)
    shown, _ = context(there, (60, 200, 300), 200, 30, display=True)
    np.testing.assert_allclose(shown, 5 * raw, rtol=1e-5)
    box = display_box(there, (60, 200, 300), BoxGeometry(16, 10.0, 60.0))
    np.testing.assert_allclose(center_of_mass(box > 4), (8, 8, 8), atol=0.1)

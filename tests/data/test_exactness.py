"""Boxes against sums of plane waves, whose values between the voxels are known in closed form."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoal.core.geometry import relion_decentred, reverse_axes
from cryoal.core.tomogram import Tomogram
from cryoal.data.crop import Cropper
from cryoal.data.extract import BoxGeometry, Task, extract_tomogram
from cryoal.data.resample import LANE_TILE, ROW_TILE, tiles
from cryoal.io.mrc import open_stack, open_volume, write_volume

SHAPE = (70, 76, 82)

#: Largest allowed difference between a box and the truth: root mean square over the box and largest
#: voxel, in standard deviations of the signal.
RMS, LARGEST = 0.01, 0.06


class Waves:
    """A sum of 60 plane waves, none of them faster along any axis than ``band`` of Nyquist."""

    def __init__(self, band: float, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.frequency = rng.uniform(-band / 2, band / 2, size=(60, 3))  # cycles per voxel
        self.phase = rng.uniform(0, 2 * np.pi, size=60)

    def on(self, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Values on a grid of positions along each axis, in double precision."""
        factors = [
            np.exp(2j * np.pi * np.outer(f, at))
            for f, at in zip(self.frequency.T, (z, y, x), strict=True)
        ]
        factors[0] *= np.exp(1j * self.phase)[:, None]
        return np.einsum("wz,wy,wx->zyx", *factors, optimize=True).real / np.sqrt(30)

    def volume(self) -> np.ndarray:
        return self.on(*map(np.arange, SHAPE)).astype(np.float32)

    def box(self, centre: np.ndarray, box: int, scale: float = 1.0) -> np.ndarray:
        return self.on(*(c + (np.arange(box) - box // 2) * scale for c in centre))


@pytest.fixture(scope="module")
def waves() -> tuple[Waves, np.ndarray]:
    made = Waves(band=0.8)
    return made, made.volume()


def errors(box: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Root mean square and largest difference."""
    away = np.abs(box - truth)
    return float(np.sqrt((away**2).mean())), float(away.max())


def anywhere(box: int) -> st.SearchStrategy[np.ndarray]:
    """Centres whose box and the seven voxels around it lie inside the volume."""
    room = box // 2 + 8
    return st.tuples(*[st.floats(room, size - room) for size in SHAPE]).map(np.array)


@settings(max_examples=40, deadline=None)
@given(anywhere(32))
def test_every_voxel_of_a_box_is_the_signals_value_there(waves, centre):
    truth, volume = waves
    rms, largest = errors(Cropper(volume, 32)(centre), truth.box(centre, 32))
    assert rms < RMS
    assert largest < LARGEST


@settings(max_examples=20, deadline=None)
@given(anywhere(42), st.sampled_from([16, 18, 30, 34, 42]))
def test_boxes_of_any_size_are_as_exact_up_to_their_faces(waves, centre, box):
    truth, volume = waves
    away = np.abs(Cropper(volume, box)(centre) - truth.box(centre, box))
    for axis in range(3):
        for face in (0, -1):
            assert np.sqrt((away.take(face, axis=axis) ** 2).mean()) < 2 * RMS


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shift", [-0.05, 0.05])
def test_a_twentieth_of_a_voxel_along_any_axis_would_fail(waves, axis, shift):
    truth, volume = waves
    for centre in np.random.default_rng(1).uniform(28, 40, size=(10, 3)):
        wrong = centre.copy()
        wrong[axis] += shift
        rms, _ = errors(Cropper(volume, 32)(wrong), truth.box(centre, 32))
        assert rms > 4 * RMS


def test_a_twentieth_of_a_voxel_across_the_box_would_fail(waves):
    truth, volume = waves
    centre = np.array([35.3, 38.1, 40.7])
    stretched = Cropper(volume, 32, 1 + 0.05 / 16)(centre)  # by which its faces are off
    assert errors(stretched, truth.box(centre, 32))[0] > 2 * RMS


@settings(max_examples=20, deadline=None)
@given(st.floats(0.5, 1.8), st.tuples(*[st.floats(34, 36)] * 3).map(np.array))
def test_rescaled_boxes_are_as_exact(scale, centre):
    truth = Waves(band=0.8 / max(scale, 1))
    rms, largest = errors(Cropper(truth.volume(), 18, scale)(centre), truth.box(centre, 18, scale))
    assert rms < RMS
    assert largest < LARGEST


@pytest.mark.parametrize("face", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_at_the_tomograms_faces_only_the_seven_voxels_beside_them_are_less_exact(waves, axis, face):
    truth, volume = waves
    centre = np.array(SHAPE) / 2 + 0.37
    centre[axis] = 12.4 if face == 0 else SHAPE[axis] - 12.6
    box = Cropper(volume, 32)(centre)
    away = np.moveaxis(box - truth.box(centre, 32), axis, 0)
    at = centre[axis] + np.arange(32) - 16
    beyond = (at <= -0.5) | (at >= SHAPE[axis] - 0.5)
    assert beyond.sum() in (3, 4)
    assert np.isnan(away[beyond]).all()
    near = np.minimum(at, SHAPE[axis] - 1 - at) < 14
    assert np.sqrt((away[~near] ** 2).mean()) < RMS
    assert np.sqrt((away[~beyond] ** 2).mean()) < 0.25


def test_noise_up_to_nyquist_is_what_a_phase_ramp_makes_of_it():
    noise = np.random.default_rng(0).normal(size=(64, 64, 64)).astype(np.float32)
    shift = np.array([0.31, -0.22, 0.43])
    k = np.meshgrid(*[np.fft.fftfreq(64)] * 3, indexing="ij")
    ramp = np.exp(2j * np.pi * sum(f * s for f, s in zip(k, shift, strict=True)))
    truth = np.fft.ifftn(np.fft.fftn(noise) * ramp).real[16:48, 16:48, 16:48]
    box = Cropper(noise, 32)(32 + shift)
    assert np.corrcoef(box.ravel(), truth.ravel())[0, 1] > 0.97


def test_extraction_cuts_where_origin_voxel_size_and_working_size_say(tmp_path: Path):
    voxel_size, working = 7.84, 10.0
    truth = Waves(band=0.5)
    path = tmp_path / "TS_01.mrc"
    write_volume(path, truth.volume(), voxel_size)
    tomogram = Tomogram("TS_01", SHAPE, voxel_size, partial(open_volume, path), path=str(path))
    # Unbinned pixels, binned by four; the refined origin is in Angstrom and is subtracted.
    unbinned = np.array([[163.3, 151.9, 139.2], [160.1, 149.7, 143.8]])
    origin = np.array([[3.1, -5.2, 7.7], [-4.4, 2.3, -6.1]])
    pixel = voxel_size / 4
    position = reverse_axes(relion_decentred(unbinned, origin, pixel)) * pixel
    task = Task(
        tomogram,
        np.array(["a", "b"]),
        position,
        tmp_path / "stack.mrc",
        BoxGeometry(24, working, 150.0),
        contrast="bright",
    )
    done = extract_tomogram(task)
    boxes = dict(zip(done.ids, open_stack(task.stack), strict=True))
    for name, xyz, off in zip("ab", unbinned, origin, strict=True):
        centre = (xyz / 4 - off / voxel_size)[::-1]
        expected = truth.box(centre, 24, working / voxel_size)
        box = boxes[name]
        unclipped = np.abs(box) < 4.9
        assert 1 - np.corrcoef(box[unclipped], expected[unclipped])[0, 1] < 1e-4
        wrong = truth.box(centre + np.array([0, 0, 0.05]), 24, working / voxel_size)
        assert 1 - np.corrcoef(wrong.ravel(), expected.ravel())[0, 1] > 3e-4


@settings(max_examples=30, deadline=None)
@given(st.integers(16, 64), st.floats(0.4, 3), st.sampled_from([ROW_TILE, LANE_TILE]))
def test_resampling_keeps_a_constant(box, step, size):
    line = tiles(box, step, size)
    np.testing.assert_allclose(line.table.sum(axis=1), 1, atol=1e-5)
    assert line.first[0] == 0
    assert line.first[-1] + line.size == box

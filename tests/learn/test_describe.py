import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from cryoal.learn.describe import (
    describe,
    read_beside,
    read_descriptions,
    write_beside,
    write_descriptions,
)
from cryoal.models.harmonics import COEFFICIENTS
from cryoal.models.invariants import SIZE, Invariants


@pytest.fixture(scope="module")
def shapes():
    """Rods, small balls and large balls in noise: (30, 24, 24, 24), and which is which."""
    rng = np.random.default_rng(0)
    z, y, x = np.meshgrid(*[np.arange(24) - 12] * 3, indexing="ij")
    r = np.sqrt(z**2 + y**2 + x**2)
    templates = [
        (np.hypot(y, x) < 2) & (abs(z) < 10),
        r < 3,
        r < 7,
    ]
    kind = np.arange(30) % 3
    boxes = np.stack([gaussian_filter(3.0 * templates[k], 1) for k in kind])
    return (boxes + rng.normal(size=boxes.shape)).astype(np.float32), kind


def test_particles_of_a_kind_lie_together(shapes):
    boxes, kind = shapes
    z = describe([boxes], 24)
    z = (z - z.mean(0)) / (z.std(0) + 1e-9)
    distance = np.linalg.norm(z[:, None] - z[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert (kind[distance.argmin(1)] == kind).mean() > 0.9


def test_blocks_give_the_same_as_one_array_and_progress_counts_particles(shapes):
    boxes, _ = shapes
    seen = []
    parted = describe(iter([boxes[:7], boxes[7:]]), 24, progress=seen.append)
    np.testing.assert_allclose(parted, describe([boxes], 24), rtol=1e-3, atol=1e-3)
    assert seen == [7, 30]


def test_the_margin_for_shifts_is_not_seen(shapes):
    boxes, _ = shapes
    loud = np.pad(boxes, ((0, 0), (2, 2), (2, 2), (2, 2)), constant_values=100.0)
    np.testing.assert_allclose(describe([loud], 24), describe([boxes], 24), rtol=1e-4, atol=1e-4)


def test_what_is_kept_serves_only_the_boxes_it_was_made_from(tmp_path):
    path = tmp_path / "descriptions.safetensors"
    points = np.ones((3, SIZE + COEFFICIENTS), dtype=np.float32)
    assert read_descriptions(path, "one", 3) is None
    write_descriptions(path, points, "one")
    np.testing.assert_array_equal(read_descriptions(path, "one", 3), points)
    assert read_descriptions(path, "another", 3) is None
    assert read_descriptions(path, "one", 4) is None
    path.write_bytes(path.read_bytes()[:40])
    assert read_descriptions(path, "one", 3) is None
    for damaged in (points[:, :-1], points.astype(np.float64), np.full_like(points, np.nan)):
        write_descriptions(path, damaged, "one")
        assert read_descriptions(path, "one", 3) is None


def test_what_is_seen_from_other_places_is_kept_in_half_precision(shapes, tmp_path):
    boxes, _ = shapes
    path = tmp_path / "beside.npy"
    write_beside(path, iter([boxes[:7], boxes[7:]]), 30, 20)
    kept = read_beside(path, 30)
    seen = Invariants(20).beside(torch.from_numpy(boxes)[:, None]).numpy()
    np.testing.assert_allclose(kept, seen[:, :, : kept.shape[2]], rtol=2e-3, atol=1e-3)
    assert not seen[:, :, kept.shape[2] :].any()
    assert read_beside(path, 31) is None
    path.write_bytes(path.read_bytes()[:-5])
    assert read_beside(path, 30) is None

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cryoal.learn.features import features


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
    z = features(boxes)
    z = (z - z.mean(0)) / (z.std(0) + 1e-9)
    distance = np.linalg.norm(z[:, None] - z[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert (kind[distance.argmin(1)] == kind).mean() > 0.9


def test_blocks_give_the_same_as_one_array(shapes):
    boxes, _ = shapes
    np.testing.assert_allclose(
        features(iter([boxes[:7], boxes[7:]])), features(boxes), rtol=1e-3, atol=1e-3
    )


def test_a_constant_box_has_finite_features():
    assert np.isfinite(features(np.zeros((2, 16, 16, 16), dtype=np.float32))).all()

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoal.learn.discriminant import discriminant, shrunk_covariance, start_head
from cryoal.learn.predict import predict
from cryoal.models.base import build


def clouds(rng: np.random.Generator, n: int, d: int, apart: float) -> tuple[np.ndarray, np.ndarray]:
    """Three correlated normal clouds of n points each."""
    mixing = rng.normal(size=(d, d))
    centres = apart * rng.normal(size=(3, d)) @ mixing
    targets = np.repeat(np.arange(3), n)
    return centres[targets] + rng.normal(size=(3 * n, d)) @ mixing, targets


def named(points: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return (points @ weight.T + bias).argmax(axis=1)


def test_clouds_apart_are_told_apart_from_fewer_points_than_dimensions(rng):
    points, targets = clouds(rng, 60, 40, apart=1.0)
    few = np.concatenate([np.flatnonzero(targets == c)[:8] for c in range(3)])
    right = named(points, *discriminant(points[few], targets[few], 3)) == targets
    assert right.mean() > 0.9


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(-6, 6))
def test_the_unit_of_a_descriptor_does_not_matter(seed, power):
    rng = np.random.default_rng(seed)
    points, targets = clouds(rng, 20, 6, apart=1.0)
    scaled = points * np.array([10.0**power, 1, 1, 1, 1, 1])
    before = named(points, *discriminant(points, targets, 3))
    after = named(scaled, *discriminant(scaled, targets, 3))
    # float32 weights and a floor under tiny deviations leave the odd point on the border.
    assert (before == after).mean() > 0.95


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 60), st.integers(1, 30))
def test_the_shrunk_covariance_can_always_be_inverted_and_keeps_the_trace(n, d):
    x = np.random.default_rng(n * d).normal(size=(n, d))
    covariance = shrunk_covariance(x)
    assert np.linalg.eigvalsh(covariance).min() > 0
    assert np.trace(covariance) == pytest.approx(np.trace(x.T @ x / n), rel=1e-3)


def test_with_many_points_next_to_nothing_is_shrunk(rng):
    x = rng.normal(size=(20_000, 4)) * [1, 2, 3, 4]
    np.testing.assert_allclose(shrunk_covariance(x), x.T @ x / len(x), atol=0.05)


@pytest.mark.parametrize("name", ["shape", "hybrid", "compact"])
def test_a_started_head_names_what_it_was_started_on(name, rng):
    boxes = rng.normal(size=(24, 16, 16, 16)).astype(np.float32)
    boxes[:12, 5:11, 5:11, 5:11] += 2
    targets = np.repeat([0, 1], 12)
    network = build(name, 2, 16)
    start_head(network, boxes, targets, device="cpu")
    probabilities, _ = predict(network, boxes, device="cpu")
    assert (probabilities.argmax(1) == targets).all()


def test_a_class_without_points_is_allowed(rng):
    points, targets = clouds(rng, 10, 5, apart=1.0)
    weight, bias = discriminant(points, targets, 4)
    assert weight.shape == (4, 5)
    assert np.isfinite(weight).all()
    assert np.isfinite(bias).all()

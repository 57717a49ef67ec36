import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from cryoal.learn.describe import describe
from cryoal.learn.discriminant import discriminant, settle, settle_head, shrunk_covariance
from cryoal.learn.predict import predict
from cryoal.models.base import build
from cryoal.models.invariants import SIZE


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


def test_a_class_of_few_labels_is_not_called_the_less_for_it(rng):
    called = []
    for _ in range(20):
        points, targets = clouds(rng, 100, 40, apart=0.4)
        few = np.concatenate([np.flatnonzero(targets == c)[:n] for c, n in enumerate((3, 30, 30))])
        rest = np.setdiff1d(np.arange(300), few)
        called.append(
            (named(points, *discriminant(points[few], targets[few], 3)) == 0)[rest].mean()
        )
    # Without taking the error of its mean off it is called in 0.18, though it is 0.41 of all.
    assert np.mean(called) > 0.28


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(-4, 4))
def test_the_unit_of_a_column_does_not_matter(seed, power):
    rng = np.random.default_rng(seed)
    points, targets = clouds(rng, 20, 6, apart=1.0)
    scaled = points * np.array([10.0**power, 1, 1, 1, 1, 1])
    told = np.arange(0, 60, 2)
    before, after = (settle(p, told, targets[told], 3) for p in (points, scaled))
    same = named(points, before.weight, before.bias) == named(scaled, after.weight, after.bias)
    # float32 weights and a floor under tiny deviations leave the odd point on the border.
    assert same.mean() > 0.95


def test_unlabelled_points_make_up_for_missing_labels(rng):
    right = {"labels alone": [], "with the pool": []}
    for _ in range(10):
        points, targets = clouds(rng, 200, 20, apart=0.7)
        told = np.concatenate([np.flatnonzero(targets == c)[:4] for c in range(3)])
        alone = settle(points[told], np.arange(12), targets[told], 3)
        pool = settle(points, told, targets[told], 3)
        for name, found in (("labels alone", alone), ("with the pool", pool)):
            right[name].append((named(points, found.weight, found.bias) == targets).mean())
    assert np.mean(right["with the pool"]) > np.mean(right["labels alone"]) + 0.05


def test_labels_set_aside_say_how_right_and_how_sure_it_is(rng):
    points, targets = clouds(rng, 300, 10, apart=0.5)
    told = rng.permutation(900)[:120]
    found = settle(points, told, targets[told], 3)
    logits = points @ found.weight.T + found.bias
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    rest = np.setdiff1d(np.arange(900), told)
    accuracy = (logits.argmax(1) == targets)[rest].mean()
    assert found.accuracy == pytest.approx(accuracy, abs=0.1)
    assert p[rest].max(1).mean() == pytest.approx(accuracy, abs=0.1)


def test_a_head_on_what_has_learnt_the_labels_is_certain_of_all(rng):
    points, targets = clouds(rng, 60, 10, apart=0.6)
    told = np.arange(0, 180, 4)

    def sure(by_heart: bool) -> np.ndarray:
        found = settle(points, told, targets[told], 3, by_heart=by_heart)
        return softmax(points @ found.weight.T + found.bias, axis=1).max(1)

    assert np.median(sure(True)) > 0.999
    assert np.median(sure(False)) < 0.99


def test_a_column_without_emphasis_is_left_out(rng):
    points, targets = clouds(rng, 20, 4, apart=2.0)
    found = settle(points, np.arange(60), targets, 3, np.array([1.0, 1, 0, 1]))
    assert (found.weight[:, 2] == 0).all()
    assert (found.weight[:, 0] != 0).all()


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


@pytest.mark.parametrize("name", ["shape", "shape-thin", "shape-linear", "compact"])
def test_a_settled_head_names_what_it_was_settled_on(name, rng):
    boxes = rng.normal(size=(24, 16, 16, 16)).astype(np.float32)
    boxes[:12, 5:11, 5:11, 5:11] += 2
    targets = np.repeat([0, 1], 12)
    network = build(name, 2, 16)
    if network.sees == "invariants":
        described = describe([boxes], 16, device="cpu")
        network.standard.settle(torch.from_numpy(described[:, :SIZE]))
    _, points = predict(network, boxes, device="cpu")
    settled = settle_head(network, points, np.arange(24), targets)
    assert set(settled) == set(network.emphases())
    probabilities, _ = predict(network, boxes, device="cpu")
    assert (probabilities.argmax(1) == targets).all()


def test_labels_choose_the_columns_that_serve_them(rng):
    network = build("shape", 3, 16)
    learnt = network.head.in_features - network.standard.mean.numel()
    points = rng.normal(size=(90, network.head.in_features))
    targets = np.repeat([0, 1, 2], 30)
    points[:, learnt : learnt + 3] += 3 * np.eye(3)[targets]
    points[:, :learnt] *= 5  # loud, and of no use
    assert next(iter(settle_head(network, points, np.arange(90), targets))) == "invariants"
    assert (network.head.weight[:, :learnt] == 0).all()


def test_a_class_without_points_is_allowed(rng):
    points, targets = clouds(rng, 10, 5, apart=1.0)
    weight, bias = discriminant(points, targets, 4)
    assert weight.shape == (4, 5)
    assert np.isfinite(weight).all()
    assert np.isfinite(bias).all()


def test_a_head_in_closed_form_is_as_sure_as_it_is_right(rng):
    """Far from its own scale: in so few labels of so many dimensions it would be certain."""
    points, targets = clouds(rng, 400, 60, apart=0.25)
    told = np.concatenate([np.flatnonzero(targets == c)[:25] for c in range(3)])
    found = settle(points, told, targets[told], 3, np.ones(60))
    p = softmax(points @ found.weight.T + found.bias, axis=1)
    rest = np.setdiff1d(np.arange(len(points)), told)
    right = (p[rest].argmax(1) == targets[rest]).mean()
    assert 0.5 < right < 0.9
    assert p[rest].max(1).mean() == pytest.approx(right, abs=0.12)

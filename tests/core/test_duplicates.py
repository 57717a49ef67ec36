"""Which picks are one particle: by class, by size, and by nothing else."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cryoal.core.duplicates import distances_apart, distinct

CLASSES = ["large", "small", "junk"]
SIZES = {"large": 300.0, "small": 80.0}
JUNK, UNKNOWN = 2, 3


def scene(
    seed: int, n: int = 120
) -> tuple[NDArray[np.str_], NDArray[np.float64], NDArray[np.intp]]:
    """Particles of all kinds in two tomograms, some at the same place."""
    rng = np.random.default_rng(seed)
    position = rng.uniform(0, 600, (n, 3))
    position[n // 2 : n // 2 + 10] = position[:10]
    return rng.choice(["A", "B"], n), position, rng.integers(0, 4, n)


def test_half_the_sum_of_the_radii_is_worked_out_by_hand() -> None:
    apart = distances_apart(CLASSES, 200.0, SIZES)
    assert apart[0].tolist() == [150.0, 95.0, 0.0, 125.0]
    assert apart[1].tolist() == [95.0, 40.0, 0.0, 70.0]
    assert apart[JUNK].tolist() == [0.0] * 4
    assert apart[UNKNOWN, UNKNOWN] == 100.0
    np.testing.assert_array_equal(apart, apart.T)


def test_a_distance_within_a_class_leaves_that_between_classes_and_0_leaves_none() -> None:
    apart = distances_apart(CLASSES, 200.0, SIZES, within=20.0)
    assert apart.diagonal().tolist() == [20.0, 20.0, 0.0, 20.0]
    assert apart[0, 1] == 95.0
    assert not distances_apart(CLASSES, 200.0, SIZES, within=0.0).any()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_no_two_kept_ones_are_too_close_and_every_other_has_a_better_one_near(seed: int) -> None:
    tomogram, position, kind = scene(seed)
    apart = distances_apart(CLASSES, 150.0, SIZES)
    order = np.random.default_rng(seed).permutation(len(kind))
    kept = list(distinct(tomogram, position, kind, apart, order))
    away = np.linalg.norm(position[:, None] - position, axis=-1)
    close = (away < apart[kind[:, None], kind]) & (tomogram[:, None] == tomogram)
    np.fill_diagonal(close, val=False)
    assert not close[np.ix_(kept, kept)].any()
    place = np.argsort(order)
    for row in set(order.tolist()) - set(kept):
        assert any(close[row, other] and place[other] < place[row] for other in kept)
    assert set(np.flatnonzero(kind == JUNK)) <= set(kept)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_junk_changes_nothing_for_the_others(seed: int) -> None:
    tomogram, position, kind = scene(seed)
    apart = distances_apart(CLASSES, 150.0, SIZES)
    real = np.flatnonzero(kind != JUNK)
    kept = distinct(tomogram, position, kind, apart, np.arange(len(kind)))
    assert [row for row in kept if kind[row] != JUNK] == list(
        distinct(tomogram, position, kind, apart, real)
    )


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_rows_in_the_table_decides_nothing(seed: int) -> None:
    tomogram, position, kind = scene(seed)
    apart = distances_apart(CLASSES, 150.0, SIZES)
    order = np.arange(len(kind))
    kept = list(distinct(tomogram, position, kind, apart, order, [3, 40]))
    mixed = np.random.default_rng(seed).permutation(len(kind))
    back = np.argsort(mixed)
    again = distinct(
        tomogram[mixed], position[mixed], kind[mixed], apart, back[order], back[[3, 40]]
    )
    assert mixed[list(again)].tolist() == kept


def test_what_stands_takes_room_and_is_not_asked_itself() -> None:
    where = np.array([[0.0, 0, 0], [0, 0, 60], [0, 0, 120]])
    rows = (np.array(["A"] * 3), where, np.zeros(3, dtype=np.intp), np.array([[70.0]]))
    assert list(distinct(*rows, [1, 2], [0])) == [2]
    assert list(distinct(*rows, [2, 1, 0])) == [2, 0]


def test_exactly_the_distance_apart_both_stand() -> None:
    where = np.array([[0.0, 0, 0], [0, 0, 70]])
    rows = (np.array(["A"] * 2), where, np.zeros(2, dtype=np.intp), np.array([[70.0]]))
    assert list(distinct(*rows, [0, 1])) == [0, 1]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_particle_that_is_nowhere_is_nobodys_duplicate(value: float) -> None:
    where = np.array([[value, 0, 0], [0, 0, 0], [0, 0, value], [0, 0, 1]])
    rows = (np.array(["A"] * 4), where, np.zeros(4, dtype=np.intp), np.array([[70.0]]))
    assert list(distinct(*rows, np.arange(4))) == [0, 1, 2]


def test_no_particles_are_no_duplicates() -> None:
    none = (np.array([], dtype=str), np.empty((0, 3)), np.array([], dtype=np.intp))
    assert list(distinct(*none, np.array([[70.0]]), [])) == []


@pytest.mark.parametrize("size", [10_000.0, 100.0])
def test_a_hundred_thousand_particles_take_seconds(size: float) -> None:
    rng = np.random.default_rng(0)
    n = 100_000
    began = time.monotonic()
    kept = list(
        distinct(
            rng.choice([f"T{k}" for k in range(30)], n), rng.uniform(0, size, (n, 3)),
            rng.integers(0, 4, n), distances_apart(CLASSES, 150.0, SIZES), np.arange(n),
        )
    )  # fmt: skip
    assert 0 < len(kept) < n
    assert time.monotonic() - began < 10

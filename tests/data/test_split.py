import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cryoal.data.split import by_block, by_tomogram, split


def particles(counts, seed=0):
    rng = np.random.default_rng(seed)
    tomogram = np.repeat([f"TS_{i}" for i in range(len(counts))], counts)
    return tomogram, rng.uniform(0, [1000, 4000, 2000], (len(tomogram), 3))


@given(
    st.lists(st.integers(1, 40), min_size=5, max_size=12), st.floats(0.05, 0.9), st.integers(0, 9)
)
def test_no_tomogram_is_on_both_sides(counts, share, seed):
    tomogram, position = particles(counts)
    train, test = split(tomogram, position, share, np.random.default_rng(seed))
    assert not set(tomogram[train]) & set(tomogram[test])
    assert len(train) > 0
    assert len(test) > 0
    assert sorted(np.r_[train, test]) == list(range(len(tomogram)))


def test_the_share_is_met_as_nearly_as_tomograms_allow(rng):
    tomogram, _ = particles([10] * 10)
    assert len(by_tomogram(tomogram, 0.3, rng)[1]) == 30


@given(st.floats(0.1, 0.5), st.integers(0, 9))
def test_few_tomograms_are_cut_in_blocks_a_box_apart(share, seed):
    tomogram, position = particles([200, 150])
    train, test = by_block(tomogram, position, share, np.random.default_rng(seed), gap=320)
    for name in ("TS_0", "TS_1"):
        here, there = (position[r][tomogram[r] == name] for r in (train, test))
        assert len(here) > 0
        assert len(there) > 0
        assert np.abs(here[:, None] - there[None]).max(-1).min() >= 320


def test_one_tomogram_is_enough(rng):
    tomogram, position = particles([100])
    train, test = split(tomogram, position, 0.25, rng)
    assert len(test) == 25
    assert len(train) == 75

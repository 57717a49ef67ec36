import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryoal.learn.prior import pool_prior, tell

NOBODY = np.zeros(0, dtype=np.intp)


def pool(rng, shares, n=4000, apart=2.0):
    """Logits of equal priors, calibrated: a class's logit is higher by normal evidence."""
    kinds = rng.choice(len(shares), n, p=shares)
    seen = rng.normal(size=(n, len(shares))) + apart * np.eye(len(shares))[kinds]
    return apart * seen, kinds


@pytest.mark.parametrize("shares", [(0.25, 0.25, 0.25, 0.25), (0.7, 0.2, 0.07, 0.03)])
def test_the_pool_tells_how_common_its_classes_are(rng, shares):
    logits, kinds = pool(rng, shares)
    told = rng.permutation(len(kinds))[:1000]
    np.testing.assert_allclose(pool_prior(logits, told, kinds[told]), shares, atol=0.03)


def test_what_is_asked_about_does_not_look_common(rng):
    logits, kinds = pool(rng, (0.8, 0.1, 0.1))
    told = np.concatenate([np.flatnonzero(kinds == kind)[:100] for kind in range(3)])
    assert pool_prior(logits, told, kinds[told])[0] > 0.7


def test_fewer_labels_leave_classes_more_equal(rng):
    logits, kinds = pool(rng, (0.8, 0.1, 0.1))
    found = [pool_prior(logits, np.arange(n), kinds[:n])[0] for n in (10, 50, 250, 1000)]
    assert found == sorted(found)
    assert found[0] < 0.45


@given(st.integers(1, 30), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_shares_are_shares_whatever_the_logits(n, n_classes, seed):
    logits = np.random.default_rng(seed).normal(scale=50, size=(n, n_classes))
    found = pool_prior(logits, NOBODY, NOBODY)
    assert found.sum() == pytest.approx(1)
    assert (found > 0).all()


def test_a_head_that_is_told_answers_for_these_shares():
    head, shares = torch.nn.Linear(5, 3), np.array([0.7, 0.2, 0.1])
    before = head.bias.detach().numpy().copy()
    tell(head, shares)
    np.testing.assert_allclose(head.bias.detach().numpy() - before, np.log(shares), rtol=1e-5)

"""Chance within strata: the small groups have their share."""

from dataclasses import replace

import numpy as np
import pytest
from contracts.test_acquisitions import a_pool

from cryoal.acquire.base import acquisitions


@pytest.mark.parametrize("trait", ["tomogram", "source"])
@pytest.mark.parametrize("seed", range(5))
def test_a_group_of_a_twentieth_has_its_turns(trait: str, seed: int) -> None:
    pool = a_pool(n=400, labelled=0)
    small = np.arange(400) < 20
    alike = replace(
        pool,
        tomogram=np.full(400, "TS_1"),
        source=np.full(400, "a"),
        score_rank=np.full(400, 0.5),
    )
    pool = replace(alike, **{trait: np.where(small, "other", "same")})
    rng = np.random.default_rng(seed)
    pool.predictions.probabilities["teacher"][:] = [1, 0, 0, 0]
    rows = acquisitions.get("stratified")(pool, 20, rng).rows
    assert small[rows].sum() == 10, "two groups take turns"

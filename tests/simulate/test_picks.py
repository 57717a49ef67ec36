"""Picks lie where their picker's errors put them, and the truth about them is true."""

import numpy as np
import pytest

from cryoal.core.labels import JUNK
from cryoal.simulate.ctf import Ctf
from cryoal.simulate.density import phantoms
from cryoal.simulate.picks import HIT_SHARE, JITTER, MOST_PICKS, known_picks, matched_picks
from cryoal.simulate.tomogram import build_scene, image


@pytest.fixture(scope="module")
def densities():
    return phantoms(10.0, ["ribosome_70s", "proteasome_20s"])


@pytest.fixture(scope="module")
def scene(densities):
    rng = np.random.default_rng(2)
    return build_scene(densities, np.tile([0, 1], 15), (90, 120, 120), rng, n_junk=12)


def nearest(picks, scene):
    away = np.linalg.norm(picks.positions[:, None] - scene.positions, axis=2)
    return away.argmin(axis=1), away.min(axis=1)


def test_perfect_picks_are_the_truth_in_another_order(scene, rng):
    picks = known_picks(scene, rng)
    row, distance = nearest(picks, scene)
    particle = picks.labels != JUNK
    assert particle.sum() == 30
    assert sorted(row[particle]) == list(range(30))
    assert distance[particle].max() < 1e-9
    assert (picks.labels[particle] == scene.labels[row[particle]]).all()
    turned = picks.rotations[particle] * scene.rotations[row[particle]].inv()
    assert turned.magnitude().max() < 1e-6
    assert list(row[particle]) != sorted(row[particle])


def test_every_kind_of_junk_is_in_the_list(scene, rng):
    picks = known_picks(scene, rng)
    kinds, counts = np.unique(picks.kinds[picks.labels == JUNK], return_counts=True)
    assert dict(zip(kinds, counts, strict=True)) == dict.fromkeys(
        ["flank", "gold", "ice", "membrane"], 3
    )


def test_jittered_picks_err_by_about_a_voxel_and_know_no_angles(scene, rng):
    errors = []
    for _ in range(20):
        picks = known_picks(scene, rng, jitter=JITTER)
        assert picks.rotations is None
        row, _ = nearest(picks, scene)
        particle = picks.labels != JUNK
        errors.append((picks.positions - scene.positions[row])[particle])
    assert np.concatenate(errors).std() == pytest.approx(JITTER, rel=0.1)


def test_scores_tell_particles_from_junk_only_in_part(scene, rng):
    better = []
    for _ in range(20):
        picks = known_picks(scene, rng)
        junk = picks.labels == JUNK
        better.append((picks.scores[~junk][:, None] > picks.scores[junk]).mean())
    assert 0.65 < np.mean(better) < 0.9


def test_matching_finds_most_ribosomes_among_false_positives(scene, densities):
    rng = np.random.default_rng(0)
    ctf = Ctf(30_000)
    volume = image(scene, 10.0, ctf, 0.1, rng, contrast="bright").volume
    picks = matched_picks(volume, scene, densities, ctf, rng)
    row, distance = nearest(picks, scene)
    hit = picks.labels != JUNK
    assert len(picks.positions) <= MOST_PICKS * 30
    found = set(row[hit]) & set(np.flatnonzero(scene.labels == "ribosome_70s"))
    assert len(found) >= 11  # of 15
    assert (distance[hit] <= HIT_SHARE * scene.diameters[row[hit]]).all()
    assert (picks.labels[hit] == scene.labels[row[hit]]).all()
    assert 0 < distance[hit].mean() < 3
    assert hit.mean() < 1
    assert picks.scores[hit].mean() > picks.scores[~hit].mean()
    assert (np.diff(picks.scores) <= 0).all()


def test_picks_in_pure_noise_are_junk_but_for_chance(scene, densities, rng):
    noise = rng.standard_normal(scene.particles.shape).astype(np.float32)
    picks = matched_picks(noise, scene, densities, Ctf(30_000), rng)
    assert (picks.labels != JUNK).sum() <= 0.3 * len(picks.labels)

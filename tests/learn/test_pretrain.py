import numpy as np
import pytest
import torch

from cryoal.learn.lessons import Lessons
from cryoal.learn.pretrain import Course, pretrain, standardised
from cryoal.models.invariants import SIZE
from cryoal.models.pretrained import save_weights

SHORT = Course(epochs=3, batch_size=16, warmup=2)


@pytest.fixture(scope="module")
def lessons():
    """Four scenes of three classes that differ in ten columns, each tomogram on its own scale."""
    rng = np.random.default_rng(0)
    targets = np.tile(np.arange(3), 80)
    scene = np.repeat(np.arange(4), 60)
    points = rng.normal(size=(240, SIZE)) + np.eye(3)[targets] @ rng.normal(
        size=(3, SIZE), scale=2.0
    ) * (np.arange(SIZE) < 10)
    points = points * (1 + scene[:, None]) + 10 * scene[:, None]
    return Lessons(points.astype(np.float32), targets, scene, scene, ("a", "b", "c"))


def test_a_short_course_learns_and_scores_scenes_it_has_not_seen(lessons):
    seen = []
    outcome = pretrain(lessons, SHORT, held_out=0.25, progress=lambda *at: seen.append(at))
    assert [at[:2] for at in seen] == [(1, 3), (2, 3), (3, 3)]
    assert outcome.losses[-1] < outcome.losses[0]
    assert outcome.accuracy > 0.7
    assert not outcome.network.training


def test_each_tomogram_is_judged_on_its_own_scale(lessons):
    points = standardised(lessons)
    for tomogram in range(4):
        block = points[lessons.tomogram == tomogram]
        np.testing.assert_allclose(block.mean(0), 0, atol=0.02)
        np.testing.assert_allclose(block.std(0), 1, atol=0.02)


def test_a_second_course_goes_on_from_the_first(lessons, tmp_path):
    first = pretrain(lessons, SHORT)
    save_weights(first.network, tmp_path / "w.safetensors")
    nothing = Course(epochs=1, batch_size=16, learning_rate=0.0)
    second = pretrain(lessons, nothing, weights=tmp_path / "w.safetensors")
    for one, two in zip(
        first.network.features.parameters(), second.network.features.parameters(), strict=True
    ):
        torch.testing.assert_close(one, two, rtol=2e-3, atol=1e-6)


def test_with_one_scene_nothing_is_held_out(lessons):
    alone = Lessons(
        lessons.points[:60],
        lessons.targets[:60],
        lessons.tomogram[:60],
        lessons.scene[:60],
        lessons.classes,
    )
    assert np.isnan(pretrain(alone, SHORT).accuracy)

import dataclasses

import numpy as np
import pytest
import torch

from cryoal.learn.pretrain import (
    JUNK_CLASSES,
    STORED_BOX,
    Course,
    Family,
    draw_look,
    make_boxes,
    pretrain,
    reconstructed,
)
from cryoal.models.pretrained import save_weights

SMALL = (
    Family(13.3, 3, 1, (200.0, 330.0), 0.5),
    Family(16.0, 2, 2, (200.0, 380.0), 0.5),
)


@pytest.fixture(scope="module")
def data():
    return make_boxes(3, 0, looks=1, per_scene=18, junk=4, families=SMALL)


def test_every_box_has_a_class_of_its_own_family(data):
    assert data.boxes.shape[1:] == (STORED_BOX,) * 3
    assert len(data.boxes) == len(data.targets) == len(data.views) == len(data.tomogram)
    assert data.classes[-len(JUNK_CLASSES) :] == JUNK_CLASSES
    assert len(set(data.classes)) == 5 + len(JUNK_CLASSES)
    for scene in np.unique(data.tomogram):
        seen = {data.classes[t] for t in data.targets[data.tomogram == scene]}
        complexes = {name for name in seen if not name.startswith("junk")}
        assert len({name.rsplit("_", 1)[1] for name in complexes}) == 1
        assert complexes
        assert seen - complexes


def test_boxes_are_normalised_with_protein_bright(data):
    boxes = data.boxes.astype(np.float32)
    particle = data.targets < 5
    assert np.abs(np.median(boxes, axis=(1, 2, 3))).max() < 0.5
    middle = boxes[:, 14:23, 14:23, 14:23].mean(axis=(1, 2, 3))
    assert (middle[particle] > 0).mean() > 0.8


def test_the_same_seed_makes_the_same_boxes(data):
    again = make_boxes(3, 0, looks=1, per_scene=18, junk=4, families=SMALL)
    np.testing.assert_array_equal(again.boxes, data.boxes)


def test_a_short_course_learns_something_and_scores_scenes_it_has_not_seen(data):
    seen = []
    outcome = pretrain(
        data, Course(steps=12, batch_size=8, warmup=2), progress=lambda *at: seen.append(at)
    )
    assert seen[-1][:2] == (12, 12)
    assert len(outcome.losses) == 1
    assert 0 <= outcome.accuracy <= 1
    assert not outcome.network.training


def test_a_second_course_goes_on_from_the_first(data, tmp_path):
    nothing = Course(steps=1, batch_size=4, warmup=1, learning_rate=0)
    first = pretrain(data, Course(steps=2, batch_size=4, warmup=1))
    save_weights(first.network, tmp_path / "w.safetensors")
    second = pretrain(data, nothing, weights=tmp_path / "w.safetensors")
    for one, two in zip(
        first.network.features.parameters(), second.network.features.parameters(), strict=True
    ):
        torch.testing.assert_close(one, two, rtol=2e-3, atol=1e-6)


def test_with_one_scene_nothing_is_held_out():
    alone = make_boxes(1, 0, looks=1, per_scene=8, junk=4, families=SMALL[:1])
    assert np.isnan(pretrain(alone, Course(steps=1, batch_size=4, warmup=1)).accuracy)


def test_looks_differ_and_stay_within_what_laboratories_do(rng):
    looks = [draw_look(rng) for _ in range(60)]
    assert {look.ctf.state for look in looks} == {"phase-flipped", "uncorrected"}
    assert {look.tilt_axis for look in looks} == {"x", "y"}
    assert all(0.05 <= look.snr <= 1 for look in looks)
    assert any(abs(sum(look.tilt_range)) > 3 for look in looks)


def test_weighting_a_reconstruction_changes_no_phase_and_keeps_it_finite(rng):
    volume = rng.standard_normal((16, 20, 24)).astype(np.float32)
    look = dataclasses.replace(draw_look(rng), weight=-0.5, resolution=40.0)
    old, new = (np.fft.rfftn(v) for v in (volume, reconstructed(volume, 10.0, look)))
    ratio = new / old
    assert np.abs(ratio.imag).max() < 1e-3
    assert (ratio.real > 0).all()
    assert ratio.real[0, 0, 1] > ratio.real[0, 0, 6]

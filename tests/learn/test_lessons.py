import dataclasses

import numpy as np
import pytest

from cryoal.learn.lessons import (
    JUNK_CLASSES,
    Family,
    make_lessons,
    with_templates,
)
from cryoal.learn.looks import JITTER, SNRS, TILTS, draw_look, reconstructed
from cryoal.models.invariants import SIZE

SMALL = (
    Family("13A", 13.3, 0.5, 5, 1, (200.0, 330.0)),
    Family("16A", 16.0, 0.5, 4, 2, (200.0, 380.0)),
)


@pytest.fixture(scope="module")
def lessons():
    return make_lessons(3, 0, SMALL, looks=2, per_scene=16, junk=4)


def test_every_point_has_a_class_of_its_own_family(lessons):
    n = len(lessons.points)
    assert lessons.points.shape == (n, SIZE)
    assert len(lessons.targets) == len(lessons.tomogram) == len(lessons.scene) == n
    assert lessons.classes[-len(JUNK_CLASSES) :] == JUNK_CLASSES
    assert len(set(lessons.classes)) == 9 + len(JUNK_CLASSES)
    for scene in np.unique(lessons.scene):
        seen = {lessons.classes[t] for t in lessons.targets[lessons.scene == scene]}
        complexes = {name for name in seen if not name.startswith("junk")}
        assert len({name.split("/")[0] for name in complexes}) == 1
        assert complexes
        assert seen - complexes


def test_every_scene_is_looked_at_twice(lessons):
    for scene in range(3):
        assert len(np.unique(lessons.tomogram[lessons.scene == scene])) == 2


def test_the_same_seed_makes_the_same_lessons(lessons):
    again = make_lessons(3, 0, SMALL, looks=2, per_scene=16, junk=4)
    np.testing.assert_array_equal(again.points, lessons.points)


def test_templates_stand_beside_what_is_made_up(testdata):
    folder = testdata / "templates" / "polnet_10A"
    families = with_templates(folder, (10.0, 13.3), ["4v94", "1u6g"])
    real = [f for f in families if f.templates]
    assert [f.voxel_size for f in real] == [10.0, 13.3]
    assert [d.name for d in real[1].densities()] == ["4v94", "1u6g"]
    lessons = make_lessons(1, 0, real[:1], looks=1, per_scene=8, junk=4)
    assert "templates_10A/4v94" in lessons.classes


def test_where_picks_are_matched_some_are_false():
    lessons = make_lessons(1, 0, SMALL, looks=12, per_scene=24, junk=4)
    seen = [{lessons.classes[t] for t in lessons.targets[lessons.tomogram == n]} for n in range(12)]
    matched = [names for names in seen if "junk_false positive" in names]
    assert 0 < len(matched) < 12
    assert all(any("/" in name for name in names) for names in matched)


def test_looks_differ_and_stay_within_what_laboratories_do(rng):
    looks = [draw_look(rng) for _ in range(60)]
    assert {look.ctf.state for look in looks} == {"phase-flipped", "uncorrected"}
    assert {look.tilt_axis for look in looks} == {"x", "y"}
    assert all(SNRS[0] <= look.snr <= SNRS[1] for look in looks)
    assert all(TILTS[0] <= abs(t) <= TILTS[1] for look in looks for t in look.tilt_range)
    assert any(look.matched for look in looks)
    assert any(look.jitter > JITTER for look in looks)
    assert any(abs(sum(look.tilt_range)) > 3 for look in looks)


def test_weighting_a_reconstruction_changes_no_phase_and_keeps_it_finite(rng):
    volume = rng.standard_normal((16, 20, 24)).astype(np.float32)
    look = dataclasses.replace(draw_look(rng), weight=-0.5, resolution=40.0)
    old, new = (np.fft.rfftn(v) for v in (volume, reconstructed(volume, 10.0, look)))
    ratio = new / old
    assert np.abs(ratio.imag).max() < 1e-3
    assert (ratio.real > 0).all()
    assert ratio.real[0, 0, 1] > ratio.real[0, 0, 6]

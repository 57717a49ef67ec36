import numpy as np
import pytest

from cryoal.core.errors import CryoalError
from cryoal.data.placement import (
    Check,
    Placement,
    Reading,
    check_lists,
    check_placement,
    misread_lists,
    settle_contrast,
)

SHAPE = (80, 150, 170)
DIAMETER = 16.0


def scene(contrast: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Balls that do not touch, in noise: (volume, centres zyx)."""
    rng = np.random.default_rng(seed)
    volume = rng.normal(size=SHAPE).astype(np.float32)
    centres: list[np.ndarray] = []
    while len(centres) < 60:
        at = rng.uniform([18] * 3, np.array(SHAPE) - 18)
        if all(np.linalg.norm(at - other) > 20 for other in centres):
            centres.append(at)
    grid = np.indices((19, 19, 19)) - 9
    for at in centres:
        whole = np.rint(at).astype(int)
        ball = np.sqrt(((grid - (at - whole)[:, None, None, None]) ** 2).sum(0)) < DIAMETER / 2
        a, b, c = whole - 9
        volume[a : a + 19, b : b + 19, c : c + 19] += contrast * ball
    return volume, np.array(centres)


def check(volume: np.ndarray, centres: np.ndarray) -> Placement:
    return check_placement(volume, centres, DIAMETER, 1.0, np.random.default_rng(0))


@pytest.mark.parametrize(("contrast", "verdict"), [(-0.6, "dark"), (0.6, "bright")])
def test_protein_is_told_dark_or_bright(contrast, verdict):
    placement = check(*scene(contrast))
    assert placement.contrast == verdict
    assert placement.problem == ""


def test_noise_alone_decides_nothing():
    volume, centres = scene(0.0)
    assert check(volume, centres).contrast is None


@pytest.mark.parametrize(
    ("reading", "mistake"),
    [
        ("flipped along z", lambda c: c * [-1, 1, 1] + [SHAPE[0] - 1, 0, 0]),
        ("flipped along y", lambda c: c * [1, -1, 1] + [0, SHAPE[1] - 1, 0]),
        ("flipped along x", lambda c: c * [1, 1, -1] + [0, 0, SHAPE[2] - 1]),
        ("times two", lambda c: c / 2),
        ("with x and z exchanged", lambda c: c[:, ::-1]),
        ("with x and y exchanged", lambda c: c[:, [0, 2, 1]]),
    ],
)
def test_a_mistaken_reading_is_named(reading, mistake):
    volume, centres = scene(-0.8)
    placement = check(volume, mistake(centres))
    assert reading in placement.problem
    assert placement.best.name == reading


def test_picks_beside_their_particles_are_noticed_and_measured():
    volume, centres = scene(-0.8)
    placement = check(volume, centres + np.array([0, 6, 0]))
    assert "off the picks" in placement.problem
    np.testing.assert_allclose(placement.offset, [0, -6, 0], atol=2.1)


@pytest.mark.parametrize("dead", [np.nan, np.inf, -np.inf, 1e30])
def test_a_dead_voxel_changes_no_verdict(dead):
    volume, centres = scene(-0.8)
    whole = check(volume, centres)
    spoilt = volume.copy()
    spoilt[5, 5, 5] = spoilt[40, 70, 80] = dead
    assert check(spoilt, centres).contrast == whole.contrast == "dark"
    assert check(spoilt, centres).given.z == pytest.approx(whole.given.z, rel=0.05)
    assert "flipped along z" in check(spoilt, centres * [-1, 1, 1] + [SHAPE[0] - 1, 0, 0]).problem


def test_a_verdict_that_is_no_number_is_none():
    assert verdict(np.nan).contrast is None
    with pytest.raises(CryoalError, match="shows neither"):
        settle_contrast({"a": (verdict(np.nan), 200)})


def check_both(volume: np.ndarray, **lists: np.ndarray) -> Check:
    places = {name: (centres, {}) for name, centres in lists.items()}
    return check_lists(volume, places, DIAMETER, 1.0, np.random.default_rng(0))


def test_a_good_list_hides_no_flipped_one():
    volume, centres = scene(-0.8)
    flipped = centres * [-1, 1, 1] + [SHAPE[0] - 1, 0, 0]
    found = check_both(volume, good=centres, bad=flipped)
    assert found.lists["good"].problem == ""
    assert found.problems == [f"bad: {found.lists['bad'].problem}"]
    assert "flipped along z" in found.problems[0]
    assert found.placement.contrast == "dark"


def test_the_option_that_reads_a_list_rightly_is_named():
    volume, centres = scene(-0.8)
    others = {"with --unit angstrom": centres * 0.9, "with --pick-voxel-size 13": centres}
    found = check_placement(volume, centres / 1.3, DIAMETER, 1.0, np.random.default_rng(0), others)
    assert "better with --pick-voxel-size 13 (mean box" in found.problem


def test_a_list_with_few_picks_a_tomogram_is_judged_by_all_its_tomograms():
    found = {}
    for seed in range(8):
        volume, centres = scene(-0.8, seed)
        few = centres[:8] * [-1, 1, 1] + [SHAPE[0] - 1, 0, 0]
        found[f"TS_{seed}"] = check_both(volume, good=centres, few=few)
        assert not found[f"TS_{seed}"].problems
    assert "flipped along z" in misread_lists(found)["few"]
    assert "good" not in misread_lists(found)


def test_boxes_on_top_of_each_other_are_one_measurement():
    volume, centres = scene(-0.8)
    once = check(volume, centres).given.z
    ten_times = check(volume, np.repeat(centres, 5, axis=0)).given.z
    assert ten_times == pytest.approx(once, rel=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_picks_at_random_places_are_read_in_no_other_way(seed):
    volume, _ = scene(-0.8, seed)
    rng = np.random.default_rng(seed)
    anywhere = rng.uniform(0, 1, (60, 3)) * SHAPE
    others = {f"with --pick-voxel-size {k}": anywhere / k for k in (2, 3, 4, 6, 8)}
    found = check_placement(volume, anywhere, DIAMETER, 1.0, rng, others)
    assert found.better is None


def verdict(z: float) -> Placement:
    reading = Reading("as given", z, 100)
    return Placement(reading, reading, np.zeros(3), "")


def test_a_tomogram_with_few_picks_follows_the_others():
    verdicts = {"a": (verdict(-9.0), 200), "b": (verdict(0.4), 4)}
    assert settle_contrast(verdicts) == {"a": "dark", "b": "dark"}


def test_a_tomogram_too_faint_to_tell_follows_the_others_where_they_agree():
    faint = {"a": (verdict(-9.0), 200), "b": (verdict(0.4), 200)}
    assert settle_contrast(faint) == {"a": "dark", "b": "dark"}
    with pytest.raises(CryoalError, match=r"b: .* say --contrast dark"):
        settle_contrast({**faint, "c": (verdict(9.0), 200)})


def test_tomograms_that_are_each_too_faint_tell_together():
    faint = {name: (verdict(-2.0), 200) for name in "abcd"}
    assert set(settle_contrast(faint).values()) == {"dark"}


def test_tomograms_that_tell_nothing_stop_and_ask():
    with pytest.raises(CryoalError, match=r"a: .* say --contrast dark"):
        settle_contrast({"a": (verdict(1.0), 200), "b": (verdict(-1.0), 200)})


def test_picks_that_look_misplaced_stop_and_ask():
    lost = Placement(*(Reading("as given", 0.4, 99),) * 2, np.zeros(3), "axes may be swapped")
    with pytest.raises(CryoalError, match="axes may be swapped"):
        settle_contrast({"a": (verdict(-9.0), 200), "b": (lost, 200)})


def test_mixed_projects_are_allowed():
    verdicts = {"warp": (verdict(8.0), 90), "relion": (verdict(-7.0), 90)}
    assert settle_contrast(verdicts) == {"warp": "bright", "relion": "dark"}

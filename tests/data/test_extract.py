from dataclasses import replace
from functools import partial
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.data.extract import BoxGeometry, Task, choose_geometry, extract_tomogram
from cryoal.data.store import Index, SubtomogramStore
from cryoal.data.units import outside, suspected_unit
from cryoal.io.mrc import open_stack, open_volume, write_volume

FACTS = {
    "cryoalInputDigest": "d",
    "cryoalContrast": "dark",
    "cryoalContrastZ": "-9",
    "cryoalTiltMin": "-60",
    "cryoalTiltMax": "60",
    "cryoalTiltAxis": "y",
}


@pytest.fixture
def tomogram(tmp_path: Path, rng: np.random.Generator) -> Tomogram:
    path = tmp_path / "TS_01.mrc"
    write_volume(path, rng.normal(size=(48, 80, 96)).astype(np.float32), 10.0)
    return Tomogram("TS_01", (48, 80, 96), 10.0, partial(open_volume, path), path=str(path))


def make_task(tomogram: Tomogram, voxels: list[list[float]], tmp_path: Path, **options) -> Task:
    ids = np.array([f"TS_01/{n}" for n in range(len(voxels))])
    position = np.array(voxels, dtype=float).reshape(-1, 3) * tomogram.voxel_size
    stack = tmp_path / "subtomograms" / "TS_01.mrc"
    return Task(tomogram, ids, position, stack, BoxGeometry(24, 10.0, 150.0), **options)


def test_boxes_are_normalised_with_protein_bright_and_found_by_id(tomogram, tmp_path):
    task = make_task(tomogram, [[30, 40, 50], [20, 30, 40]], tmp_path)
    result = extract_tomogram(task)
    Index.new(task.geometry).with_tomogram(result, task.stack, FACTS).write(task.stack.parent)
    store = SubtomogramStore(task.stack.parent)
    volume = tomogram.load()
    for name, (z, y, x) in zip(task.ids, [(30, 40, 50), (20, 30, 40)], strict=True):
        raw = volume[z - 12 : z + 12, y - 12 : y + 12, x - 12 : x + 12]
        (box,) = store[[name]]
        assert 1 - np.corrcoef(box.ravel(), -raw.ravel())[0, 1] < 1e-6
    assert store[["TS_01/1", "TS_01/0"]].shape == (2, 24, 24, 24)


def test_the_box_mean_and_deviation_stand_beside_it_relative_to_the_tomogram(tomogram, tmp_path):
    result = extract_tomogram(make_task(tomogram, [[24, 40, 48]], tmp_path))
    assert abs(result.mean[0]) < 0.1
    assert result.std[0] == pytest.approx(1, abs=0.05)


def test_the_realised_voxel_size_stands_in_the_header(tomogram, tmp_path):
    task = make_task(tomogram, [[24, 40, 48]], tmp_path)
    extract_tomogram(task)
    with mrcfile.open(task.stack) as file:
        assert file.is_volume_stack()
        assert file.voxel_size.x == pytest.approx(10.0)
        assert file.header.ispg == 401
        assert mrcfile.validate(str(task.stack))


@pytest.mark.parametrize(("edge", "kept"), [("pad", 2), ("drop", 1)])
def test_what_reaches_over_the_edge_is_padded_or_left_out_with_its_reason(
    tomogram, tmp_path, edge, kept
):
    voxels = [[24, 40, 48], [24, 40, 8], [24, 40, 1]]
    result = extract_tomogram(make_task(tomogram, voxels, tmp_path, edge=edge))
    assert len(result.ids) == kept
    assert all(reason.startswith("edge: ") for _, reason in result.left_out)
    assert [name for name, _ in result.left_out][-1] == "TS_01/2"


def test_empty_boxes_are_left_out_and_say_so(tmp_path, rng):
    volume = rng.normal(size=(48, 80, 96)).astype(np.float32)
    volume[:, :, :48] = 0
    path = tmp_path / "TS_01.mrc"
    write_volume(path, volume, 10.0)
    tomogram = Tomogram("TS_01", volume.shape, 10.0, partial(open_volume, path), path=str(path))
    result = extract_tomogram(make_task(tomogram, [[24, 40, 30], [24, 40, 70]], tmp_path))
    assert list(result.ids) == ["TS_01/1"]
    assert result.left_out[0][0] == "TS_01/0"
    assert result.left_out[0][1].startswith("empty: ")


def test_a_tomogram_of_which_nothing_is_kept_leaves_no_stack(tomogram, tmp_path):
    task = make_task(tomogram, [[24, 40, 1]], tmp_path)
    assert len(extract_tomogram(task).ids) == 0
    assert not task.stack.exists()


def test_half_precision_takes_half_the_space_and_reads_as_float32(tomogram, tmp_path):
    task = make_task(tomogram, [[24, 40, 48]], tmp_path, float16=True)
    Index.new(task.geometry).with_tomogram(extract_tomogram(task), task.stack, FACTS).write(
        task.stack.parent
    )
    assert task.stack.stat().st_size == 1024 + 2 * 24**3
    assert SubtomogramStore(task.stack.parent)[["TS_01/0"]].dtype == np.float32


def test_a_stack_that_lost_boxes_is_noticed_on_opening(tomogram, tmp_path):
    task = make_task(tomogram, [[24, 40, 48], [20, 30, 40]], tmp_path)
    Index.new(task.geometry).with_tomogram(extract_tomogram(task), task.stack, FACTS).write(
        task.stack.parent
    )
    write_volume(task.stack, np.zeros((1, 24, 24, 24), np.float32), 10.0, volume_stack=True)
    with pytest.raises(CryoalError, match=r"1 boxes of 24, but index\.star names 2"):
        SubtomogramStore(task.stack.parent)


def test_ten_thousand_boxes_of_one_tomogram_can_be_read_again(tmp_path):
    write_volume(tmp_path / "many.mrc", np.zeros((10_000, 12, 12, 12), "i1"), 10, volume_stack=True)
    assert open_stack(tmp_path / "many.mrc").shape == (10_000, 12, 12, 12)


def test_the_header_of_a_stack_states_what_the_file_holds(tomogram, tmp_path, rng):
    voxels = rng.uniform(8, 38, size=(30, 3))
    for contrast in ("dark", "bright"):
        task = make_task(tomogram, voxels.tolist(), tmp_path, contrast=contrast)
        extract_tomogram(task)
        with mrcfile.open(task.stack) as file:
            data, header = file.data.astype(np.float64), file.header
            assert header.dmin == pytest.approx(data.min(), abs=1e-5)
            assert header.dmax == pytest.approx(data.max(), abs=1e-5)
            assert header.dmean == pytest.approx(data.mean(), abs=1e-5)
            assert header.rms == pytest.approx(data.std(), rel=1e-5)


def test_a_box_does_not_depend_on_those_beside_it(tomogram, tmp_path, rng):
    voxels = rng.uniform(8, 38, size=(40, 3))
    voxels[::3] = np.rint(voxels[::3])
    task = make_task(tomogram, voxels.tolist(), tmp_path)
    together = extract_tomogram(task)
    boxes = dict(zip(together.ids, np.array(open_stack(task.stack)), strict=True))
    assert len(boxes) > 10
    for row in rng.permutation(len(voxels))[:10]:
        alone = replace(task, ids=task.ids[[row]], position=task.position[[row]])
        if len(extract_tomogram(alone).ids):
            np.testing.assert_array_equal(open_stack(task.stack)[0], boxes[task.ids[row]])


def test_an_id_without_a_box_is_answered_with_the_reason(tomogram, tmp_path):
    task = make_task(tomogram, [[24, 40, 48], [24, 40, 1]], tmp_path)
    Index.new(task.geometry).with_tomogram(extract_tomogram(task), task.stack, FACTS).write(
        task.stack.parent
    )
    store = SubtomogramStore(task.stack.parent)
    with pytest.raises(CryoalError, match="left out of the extraction"):
        store[["TS_01/1"]]
    with pytest.raises(CryoalError, match="there is no particle"):
        store[["TS_02/1"]]


@given(st.floats(60, 600), st.floats(2, 20))
def test_a_box_made_for_a_diameter_holds_it_with_background_and_shifts(diameter, voxel_size):
    try:
        geometry = choose_geometry(voxel_size, diameter)
    except CryoalError:
        return
    assert geometry.box % 2 == 0
    assert geometry.network_box * voxel_size >= 1.2 * diameter
    assert geometry.network_box >= 16
    assert 0 <= geometry.shift <= 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"box": 33}, "try 34"),
        ({"box": 8}, "from 16 to 128"),
        ({"box": 24, "diameter": 250}, "under 1.2 diameters"),
        ({}, "--diameter"),
    ],
)
def test_impossible_boxes_are_refused_with_what_to_do(options, says):
    with pytest.raises(CryoalError, match=says):
        choose_geometry(10.0, **options)


def test_the_unit_that_would_put_positions_inside_is_named(tomogram, rng):
    voxels = rng.uniform(2, 46, size=(50, 3))
    as_angstrom_taken_for_voxels = voxels * 10.0 * 10.0
    assert outside(as_angstrom_taken_for_voxels, tomogram).mean() > 0.5
    assert "--unit angstrom" in list(suspected_unit(as_angstrom_taken_for_voxels, tomogram))

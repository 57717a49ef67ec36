"""MRC volumes are believed only as far as their bytes bear them out."""

import pickle
import struct
from functools import partial

import mrcfile
import numpy as np
import pytest

from cryoal.core.errors import CryoalError
from cryoal.io.mrc import open_stack, open_volume, write_volume, writing_stack
from cryoal.io.mrc_header import read_header

MODE_AT, IMOD_AT, MAP_AT, STAMP_AT, MINIMUM_AT = 12, 152, 208, 212, 76


def patch(path, at, data):
    raw = bytearray(path.read_bytes())
    raw[at : at + len(data)] = data
    path.write_bytes(raw)


@pytest.fixture
def volume(tmp_path, rng):
    path = tmp_path / "TS_01.mrc"
    write_volume(path, rng.normal(size=(4, 6, 8)).astype(np.float32), 7.5)
    return path


@pytest.mark.parametrize("dtype", ["i1", "i2", "u2", "f2", "f4"])
def test_what_is_written_is_valid_and_what_is_read(tmp_path, rng, dtype):
    array = (rng.normal(size=(4, 6, 8)) * 20 + 60).astype(dtype)
    path = tmp_path / "a.mrc"
    write_volume(path, array, 7.5)
    with mrcfile.open(path) as other:
        np.testing.assert_array_equal(other.data, array)
        assert other.voxel_size.x == pytest.approx(7.5)
        assert float(other.header.dmax) == pytest.approx(float(array.max()))
    mapped = open_volume(path)
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, array)
    assert read_header(path).voxel_size == 7.5


def test_written_files_pass_mrcfiles_own_validation(tmp_path, rng, capsys):
    write_volume(tmp_path / "a.mrc", rng.normal(size=(4, 6, 8)), 7.5)
    write_volume(tmp_path / "b.mrc", rng.normal(size=(3, 6, 6, 6)), 7.5, volume_stack=True)
    with writing_stack(tmp_path / "c.mrc", 6, 7.5, np.float16) as stack:
        stack.append(rng.normal(size=(3, 6, 6, 6)))
    assert all(mrcfile.validate(tmp_path / f"{name}.mrc") for name in "abc")


def test_a_stack_is_written_box_by_box_and_mapped_as_boxes(tmp_path, rng):
    boxes = rng.normal(size=(5, 8, 8, 8)).astype(np.float32)
    path = tmp_path / "stack.mrc"
    with writing_stack(path, 8, 10.0) as stack:
        stack.append(boxes[:2])
        for box in boxes[2:]:
            stack.append(box)
        assert not path.exists()
    np.testing.assert_array_equal(open_stack(path), boxes)
    with mrcfile.open(path) as other:
        assert other.is_volume_stack()
        np.testing.assert_array_equal(other.data, boxes)
        assert float(other.header.rms) == pytest.approx(boxes.std(), rel=1e-5)


def test_one_box_is_a_stack_too(tmp_path):
    with writing_stack(tmp_path / "one.mrc", 8, 10.0) as stack:
        stack.append(np.ones((8, 8, 8)))
    assert open_stack(tmp_path / "one.mrc").shape == (1, 8, 8, 8)


def test_an_interrupted_stack_leaves_nothing(tmp_path):
    def interrupted():
        with writing_stack(tmp_path / "s.mrc", 4, 10.0) as stack:
            stack.append(np.ones((4, 4, 4)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_the_loader_can_be_sent_to_another_process(volume):
    load = pickle.loads(pickle.dumps(partial(open_volume, volume)))
    assert load().shape == (4, 6, 8)


def test_big_endian_files_are_read(volume):
    array = np.array(open_volume(volume))
    with mrcfile.open(volume, "r+") as file:
        header = file.header.copy()
    raw = header.byteswap().view(header.dtype.newbyteorder()).tobytes()
    volume.write_bytes(raw[:STAMP_AT] + b"\x11\x11\0\0" + raw[STAMP_AT + 4 :]
                       + array.astype(">f4").tobytes())  # fmt: skip
    assert read_header(volume).dtype == np.dtype(">f4")
    np.testing.assert_array_equal(open_volume(volume), array)


@pytest.mark.parametrize(("at", "data", "words"), [(MAP_AT, b"\0\0\0\0", "no 'MAP'"),
                                                   (STAMP_AT, b"\0\0\0\0", "stamp")])  # fmt: skip
def test_wrong_marks_are_remarked_and_forgiven(volume, at, data, words):
    before = np.array(open_volume(volume))
    patch(volume, at, data)
    assert any(words in remark for remark in read_header(volume).remarks)
    np.testing.assert_array_equal(open_volume(volume), before)


@pytest.mark.parametrize(("mode", "words"), [(3, "complex"), (4, "complex"), (101, "4-bit")])
def test_modes_that_are_no_density_are_refused(volume, mode, words):
    patch(volume, MODE_AT, struct.pack("<i", mode))
    with pytest.raises(CryoalError, match=words):
        open_volume(volume)


def test_a_file_shorter_than_its_header_says_is_refused(volume):
    volume.write_bytes(volume.read_bytes()[:-1])
    with pytest.raises(CryoalError, match=r"TS_01\.mrc: 1791 bytes, but its header .* needs 1792"):
        open_volume(volume)


def test_images_compressed_text_and_missing_files_are_refused(tmp_path, testdata):
    write_volume(tmp_path / "flat.mrc", np.zeros((1, 4, 4)), 10.0)
    with pytest.raises(CryoalError, match="a single image"):
        open_volume(tmp_path / "flat.mrc")
    with pytest.raises(CryoalError, match="unpack it first"):
        open_volume(testdata / "odd_mrc/EMD-3001.map.bz2")
    with pytest.raises(CryoalError, match="too few for an MRC header"):
        open_volume(testdata / "odd_mrc/README.txt")
    with pytest.raises(CryoalError, match="cannot be read"):
        open_volume(tmp_path / "none.mrc")


def smooth_bytes(tmp_path, imod=None, statistics=None):
    """A ramp from 100 to 160: as signed bytes it jumps from 127 to -128."""
    ramp = np.broadcast_to(np.linspace(100, 160, 32).astype(np.uint8), (4, 16, 32))
    path = tmp_path / "bytes.mrc"
    write_volume(path, ramp.view(np.int8), 10.0)
    if imod is not None:
        patch(path, IMOD_AT, struct.pack("<ii", 1146047817, imod))
    if statistics is not None:
        patch(path, MINIMUM_AT, struct.pack("<ff", *statistics))
    return path, ramp


def test_imods_flag_decides_whether_bytes_have_a_sign(tmp_path):
    path, ramp = smooth_bytes(tmp_path, imod=0)
    np.testing.assert_array_equal(open_volume(path), ramp)
    path, ramp = smooth_bytes(tmp_path, imod=1)
    np.testing.assert_array_equal(open_volume(path), ramp.view(np.int8))


def test_without_imods_flag_the_stated_range_decides(tmp_path):
    path, ramp = smooth_bytes(tmp_path, statistics=(100.0, 160.0))
    np.testing.assert_array_equal(open_volume(path), ramp)
    assert "100 to 160" in " ".join(read_header(path).remarks)


def test_without_any_statement_the_smoother_reading_is_taken(tmp_path):
    path, ramp = smooth_bytes(tmp_path, statistics=(0.0, -1.0))
    np.testing.assert_array_equal(open_volume(path), ramp)


def test_bytes_around_zero_stay_signed(tmp_path, testdata):
    assert read_header(testdata / "odd_mrc/signed_ints.mrc").dtype == np.int8
    ramp = np.broadcast_to(np.linspace(-30, 30, 32).astype(np.int8), (4, 16, 32))
    write_volume(tmp_path / "s.mrc", ramp, 10.0)
    patch(tmp_path / "s.mrc", MINIMUM_AT, struct.pack("<ff", 0.0, -1.0))
    np.testing.assert_array_equal(open_volume(tmp_path / "s.mrc"), ramp)


def test_a_real_imod_crop_is_unsigned_as_its_header_says(testdata):
    crop = open_volume(testdata / "experimental/tardis_crops/rec3D.rec")
    assert (crop.min(), crop.max()) == (141, 163)


def test_an_image_stack_is_a_volume_whose_depth_is_not_asked_for_its_voxel_size(volume):
    patch(volume, 88, struct.pack("<i", 0))  # ISPG
    patch(volume, 36, struct.pack("<i", 1))  # MZ
    header = read_header(volume)
    assert (header.shape, header.voxel_size, header.cubic) == ((4, 6, 8), 7.5, True)


def test_unsigned_bytes_are_stored_so_that_every_program_reads_them_alike(tmp_path):
    write_volume(tmp_path / "u.mrc", np.full((2, 4, 4), 200, np.uint8), 10.0)
    assert open_volume(tmp_path / "u.mrc").dtype == np.int16


def test_sections_counted_as_images_say_nothing_of_the_voxels_depth(volume):
    patch(volume, 36, struct.pack("<i", 1))  # MZ, while ISPG says volume
    header = read_header(volume)
    assert (header.voxel_size, header.cubic) == (7.5, True)


def test_a_mode_that_mrc_does_not_have_is_named(volume):
    patch(volume, MODE_AT, struct.pack("<i", 7))
    with pytest.raises(CryoalError, match=r"mode 7 is none of MRC's \(0, 1, 2, 6 and 12"):
        open_volume(volume)


@pytest.mark.parametrize(("imod", "word"), [(0, "unsigned"), (1, "signed")])
def test_the_verdict_on_bytes_and_its_reason_are_told(tmp_path, imod, word):
    path, _ = smooth_bytes(tmp_path, imod=imod)
    (remark,) = read_header(path).remarks
    assert remark == f"bytes read as {word}: its IMOD stamp says so"


def test_a_range_written_by_a_program_that_read_the_bytes_wrongly_is_overruled(tmp_path):
    path, ramp = smooth_bytes(tmp_path, statistics=(-128.0, 127.0))
    np.testing.assert_array_equal(open_volume(path), ramp)
    assert "neighbours would jump" in " ".join(read_header(path).remarks)


def test_noise_around_zero_stays_signed_whatever_the_smoothness_of_noise_says(tmp_path, rng):
    noise = np.clip(rng.normal(0, 30, (4, 16, 32)), -128, 127).astype(np.int8)
    write_volume(tmp_path / "n.mrc", noise, 10.0)
    np.testing.assert_array_equal(open_volume(tmp_path / "n.mrc"), noise)


def test_bytes_that_are_the_same_either_way_are_not_discussed(tmp_path, rng):
    write_volume(tmp_path / "p.mrc", rng.integers(0, 100, (4, 16, 32), np.int8), 10.0)
    assert read_header(tmp_path / "p.mrc").remarks == ()

"""MRC headers as programs leave them: what is read, what is said, what is refused."""

import bz2
import gzip
import struct

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cryoal.core.errors import CryoalError
from cryoal.io.inspect import inspect
from cryoal.io.volumes import open_volume, read_header

SHAPE = (20, 32, 28)
VOLUME = gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 1.5)
VOLUME /= VOLUME.std()
FLOATS = VOLUME.astype("f4")
BYTES = (VOLUME * 25 + 128).clip(0, 255).astype("u1")
SIGNED = (VOLUME * 25).clip(-127, 127).astype("i1")
NOT_A_NUMBER = float("nan")


def mrc(data, mode, *, order="<", shape=SHAPE, cell=(280, 320, 200), group=1, sections=20,
        extended=0, start=(0, 0, 0), origin=(0, 0, 0), lowest=0.0, highest=-1.0, imod=None,
        mark=b"MAP ", stamp=None, axes=(1, 2, 3), between=b"", after=b""):  # fmt: skip
    """An MRC file, its header put together byte by byte (MRC2014)."""
    head = bytearray(1024)

    def put(at, form, *values):
        struct.pack_into(order + form, head, at, *values)

    nz, ny, nx = shape
    put(0, "10i", nx, ny, nz, mode, *start, nx, ny, sections)
    put(40, "6f", *cell, 90, 90, 90)
    put(64, "3i3f2i", *axes, lowest, highest, -2.0, group, extended)
    if imod is not None:
        put(152, "2i", 1146047817, imod)
    put(196, "3f", *origin)
    native = b"DD\0\0" if order == "<" else b"\x11\x11\0\0"
    head[208:216] = mark + (native if stamp is None else stamp)
    return bytes(head) + between + data.astype(data.dtype.newbyteorder(order)).tobytes() + after


INTEGERS, WORDS = (VOLUME * 800).astype("i2"), (VOLUME * 8000 + 32768).astype("u2")
HALVES = VOLUME.astype("f2")
#: What is odd: file, its voxels, voxel size, a word of the remark.
READ = {
    "big-endian 16-bit integers": (mrc(INTEGERS, 1, order=">"), INTEGERS, 10, ""),
    "big-endian 16-bit words": (mrc(WORDS, 6, order=">"), WORDS, 10, ""),
    "big-endian 16-bit floats": (mrc(HALVES, 12, order=">"), HALVES, 10, ""),
    "16-bit words": (mrc(WORDS, 6), WORDS, 10, ""),
    "IMOD's unsigned bytes": (mrc(BYTES, 0, imod=0), BYTES, 10, "unsigned: its IMOD stamp"),
    "IMOD's signed bytes": (mrc(SIGNED, 0, imod=1), SIGNED, 10, "signed: its IMOD stamp"),
    "IMOD's signed bytes, other flags set": (mrc(SIGNED, 0, imod=17), SIGNED, 10, "IMOD stamp"),
    "unsigned bytes, range stated": (mrc(BYTES, 0, highest=255.0), BYTES, 10, "says 0 to 255"),
    "signed bytes, range stated": (
        mrc(SIGNED, 0, lowest=-127.0, highest=127.0), SIGNED, 10, "says -127 to 127"),
    "unsigned bytes, nothing stated": (mrc(BYTES, 0), BYTES, 10, "would jump"),
    "signed bytes, nothing stated": (mrc(SIGNED, 0), SIGNED, 10, "signed"),
    "big-endian unsigned bytes of IMOD": (mrc(BYTES, 0, order=">", imod=0), BYTES, 10, "unsigned"),
    "origin": (mrc(FLOATS, 2, origin=(10, 0, -5)), FLOATS, 10, "origin is not 0"),
    "start": (mrc(FLOATS, 2, start=(0, -3, 2)), FLOATS, 10, "origin is not 0"),
    "no stamp": (mrc(FLOATS, 2, stamp=b"\0\0\0\0"), FLOATS, 10, "machine stamp"),
    "the other machine's stamp": (mrc(FLOATS, 2, stamp=b"\x11\x11\0\0"), FLOATS, 10, "stamp"),
    "big-endian with the stamp of little-endian": (
        mrc(FLOATS, 2, order=">", stamp=b"DD\0\0"), FLOATS, 10, "machine stamp"),
    "no MAP": (mrc(FLOATS, 2, mark=b"\0\0\0\0"), FLOATS, 10, "'MAP'"),
    "big-endian without any mark": (
        mrc(HALVES, 12, order=">", mark=b"\0\0\0\0", stamp=b"\0\0\0\0"), HALVES, 10, "'MAP'"),
    "an image stack": (mrc(FLOATS, 2, group=0), FLOATS, 10, ""),
    "an image stack of depth 1": (mrc(FLOATS, 2, group=0, sections=1), FLOATS, 10, ""),
    "a space group that is none": (mrc(FLOATS, 2, group=12345), FLOATS, 10, ""),
    "an extended header": (
        mrc(FLOATS, 2, extended=640, between=b"\1" * 640), FLOATS, 10, ""),
    "bytes after the data": (mrc(FLOATS, 2, after=b"xyz"), FLOATS, 10, "3 bytes after"),
    "no cell": (mrc(FLOATS, 2, cell=(0, 0, 0)), FLOATS, None, "--voxel-size"),
    "a cell of one a voxel": (mrc(FLOATS, 2, cell=(28, 32, 20)), FLOATS, None, "--voxel-size"),
    "a cell that is no number": (
        mrc(FLOATS, 2, cell=(NOT_A_NUMBER,) * 3), FLOATS, None, "--voxel-size"),
    "a cell below zero": (mrc(FLOATS, 2, cell=(-280, -320, -200)), FLOATS, None, "--voxel-size"),
    "a cell along x alone": (mrc(FLOATS, 2, cell=(280, 0, 0)), FLOATS, 10, "not cubes"),
    "rounded cell": (mrc(FLOATS, 2, cell=(280.003, 320, 200.001)), FLOATS, 10, ""),
    "voxels that are no cubes": (mrc(FLOATS, 2, cell=(280, 320, 400)), FLOATS, 10, "not cubes"),
    "axes in another order": (mrc(FLOATS, 2, axes=(3, 2, 1)), FLOATS, 10, "not in the order"),
    "gzip": (gzip.compress(mrc(FLOATS, 2)), FLOATS, 10, "gzip"),
    "bzip2, big-endian": (bz2.compress(mrc(INTEGERS, 1, order=">")), INTEGERS, 10, "bzip2"),
}  # fmt: skip
REFUSED = {
    "an extended header that was never written": (
        mrc(FLOATS, 2, extended=4096),
        "extended header was never written",
    ),
    "half an extended header": (
        mrc(FLOATS, 2, extended=4096) + b"\0" * 2048,
        "never written",
    ),
    "an extended header and half the data": (mrc(FLOATS[:10], 2, extended=4096), "cut off"),
    "more sections than the file": (mrc(FLOATS, 2, shape=(20_000, 32, 28)), "cut off"),
    "more voxels than any file": (mrc(FLOATS, 2, shape=(99_999,) * 3), "no sense"),
    "a size below zero": (mrc(FLOATS, 2, shape=(-20, 32, 28)), "no sense"),
    "a size of zero": (mrc(FLOATS, 2, shape=(0, 32, 28)), "no sense"),
    "half the data": (mrc(FLOATS[:10], 2), "cut off"),
    "complex integers": (mrc(FLOATS, 3), "complex"),
    "complex floats": (mrc(FLOATS, 4), "complex"),
    "colours": (mrc(FLOATS, 16), "RGB"),
    "4 bits": (mrc(BYTES, 101), "4-bit"),
    "one section": (mrc(FLOATS[:1], 2, shape=(1, 32, 28)), "single image"),
}


@pytest.mark.parametrize("oddity", READ)
def test_what_is_odd_is_read_and_told(tmp_path, oddity):
    raw, expected, size, word = READ[oddity]
    (tmp_path / "volume").write_bytes(raw)
    facts = inspect(tmp_path / "volume")
    assert (facts["kind"], facts["refused"]) == ("tomogram", None)
    assert facts["voxel_size"] == (None if size is None else pytest.approx(size, abs=1e-3))
    assert any(word in problem for problem in facts["problems"]) or not word
    found = np.asarray(open_volume(tmp_path / "volume"))
    np.testing.assert_array_equal(found.astype("f4"), expected.astype("f4"))


@pytest.mark.parametrize("oddity", REFUSED)
def test_what_cannot_be_a_volume_is_refused_in_one_line(tmp_path, oddity):
    raw, word = REFUSED[oddity]
    (tmp_path / "volume.mrc").write_bytes(raw)
    assert word in inspect(tmp_path / "volume.mrc")["refused"]
    with pytest.raises(CryoalError, match=r"^[^\n]*volume\.mrc[^\n]*$"):
        open_volume(tmp_path / "volume.mrc")


def test_what_is_packed_is_named_by_the_file_that_the_user_has(tmp_path):
    (tmp_path / "particles.star.gz").write_bytes(gzip.compress(b"data_particles\n"))
    with pytest.raises(CryoalError, match=r"^[^\n]*/particles\.star\.gz: .*lists have to be"):
        read_header(tmp_path / "particles.star.gz", unpack_into=tmp_path / "cache")

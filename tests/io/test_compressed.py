"""A compressed volume is unpacked only where there is room for it."""

import bz2
import gzip
import lzma
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mounts import read_only, small_disk

from cryoal.core.errors import CryoalError, MachineError
from cryoal.io.compressed import unpack_all, unpacked
from cryoal.io.mrc import write_volume
from cryoal.io.volumes import open_volume

PACKERS = {"gz": gzip, "bz2": bz2, "xz": lzma}


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A volume of 2.1 MB that packs well."""
    write_volume(tmp_path / "TS_01.mrc", np.zeros((32, 128, 128), np.float32), 10.0)
    return tmp_path / "TS_01.mrc"


def packed(volume: Path, ending: str, name: str = "") -> Path:
    path = volume.with_name(f"{name or volume.name}.{ending}")
    path.write_bytes(PACKERS[ending].compress(volume.read_bytes()))
    return path


@pytest.mark.parametrize("ending", PACKERS)
def test_where_there_is_no_room_nothing_is_unpacked_and_it_is_told_how_much_is_missing(
    volume: Path, tmp_path: Path, ending: str
) -> None:
    path = packed(volume, ending)
    with small_disk(tmp_path / "small", "1m") as disk:
        with pytest.raises(MachineError, match=r"2\.1 MB are needed to unpack, and 1\.0 MB"):
            unpacked(path, disk)
        assert list(disk.iterdir()) == []
        assert os.statvfs(disk).f_bfree == os.statvfs(disk).f_blocks


def test_a_gzip_file_of_several_members_is_counted_whole(volume: Path, tmp_path: Path) -> None:
    path = packed(volume, "gz")
    path.write_bytes(path.read_bytes() + gzip.compress(b"the last of its members"))
    with small_disk(tmp_path / "small", "1m") as disk, pytest.raises(MachineError, match="needed"):
        unpacked(path, disk)


def test_several_that_fit_alone_but_not_together_are_refused_together(
    volume: Path, tmp_path: Path
) -> None:
    paths = [packed(volume, "gz", f"TS_0{n}.mrc") for n in range(3)]
    with small_disk(tmp_path / "small", "5m") as disk:
        with pytest.raises(MachineError, match=r"TS_00.mrc.gz and 2 more: 6\.3 MB"):
            unpack_all(paths, disk)
        assert list(disk.iterdir()) == []
        unpack_all(paths[:2], disk)
        assert len(list(disk.iterdir())) == 2


def test_inspect_says_that_the_temporary_folder_is_full_and_not_that_the_file_is_bad(
    volume: Path, tmp_path: Path
) -> None:
    path = packed(volume, "gz")
    with small_disk(tmp_path / "small", "1m") as disk:
        done = subprocess.run(
            [sys.executable, "-m", "cryoal", "inspect", path],
            capture_output=True, text=True, check=False, env={**os.environ, "TMPDIR": str(disk)},
        )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.rstrip().splitlines()[-1]
    assert "TMPDIR=" in last
    assert "are needed to unpack" in last
    assert "cannot be read" not in done.stdout + done.stderr


def test_a_disk_that_fills_up_meanwhile_is_told_too(volume: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"""
import resource
from pathlib import Path
from cryoal.io.compressed import unpacked
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
unpacked({str(packed(volume, "gz"))!r}, {str(tmp_path / "cache")!r})
"""],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "MachineError" in done.stderr
    assert "could not be unpacked into" in done.stderr
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_can_only_be_read_is_read_and_others_are_unpacked_elsewhere(
    volume: Path, tmp_path: Path
) -> None:
    first, second = packed(volume, "gz", "a.mrc"), packed(volume, "gz", "b.mrc")
    cache = tmp_path / "cache"
    held = unpacked(first, cache)
    with read_only(cache):
        assert unpacked(first, cache) == held
        assert unpacked(second, cache).parent != cache
        assert open_volume(second, cache).shape == (32, 128, 128)


def test_what_is_damaged_is_told_as_damaged_however_small_the_disk(
    volume: Path, tmp_path: Path
) -> None:
    path = packed(volume, "xz")
    path.write_bytes(path.read_bytes()[:-50])
    with small_disk(tmp_path / "small", "1m") as disk, pytest.raises(CryoalError, match="damaged"):
        unpacked(path, disk)

"""A file is whole or not there, and nothing of another process is touched."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cryoal.core.errors import CryoalError
from cryoal.io.files import locked, replacing

BEGIN = """
import sys, time
from pathlib import Path
from cryoal.io.files import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write("half")
    file.flush()
    print("begun", flush=True)
    time.sleep(60)
"""


def begun(target: Path) -> subprocess.Popen[str]:
    """A process that has begun to write a file and does not end."""
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN, str(target)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def write(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text)


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob(".*.part"))


def test_what_a_killed_process_had_begun_goes_with_the_next_file_of_that_folder(tmp_path):
    process = begun(tmp_path / "a.star")
    process.kill()
    process.communicate()
    assert len(parts(tmp_path)) == 1
    write(tmp_path / "another.star", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["another.star"]


def test_what_a_living_process_has_begun_stays(tmp_path):
    process = begun(tmp_path / "a.star")
    try:
        for name in ("a.star", "b.star"):
            write(tmp_path / name, "whole")
        assert len(parts(tmp_path)) == 1
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "name",
    [".mine.part", ".notes.star.abcd1234.part", "download.part", ".a.star.01234567-89abcdef.part"],
)
def test_parts_of_other_programs_and_machines_stay(tmp_path, name):
    (tmp_path / name).write_text("mine")
    write(tmp_path / "a.star", "whole")
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_that_fails_leaves_the_old_one_and_nothing_beside(tmp_path):
    write(tmp_path / "a.txt", "old")
    with contextlib.suppress(KeyError), replacing(tmp_path / "a.txt") as file:
        file.write("new")
        raise KeyError
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_link_stays_a_link_and_its_file_is_replaced(tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "a.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "scratch" / "a.txt")
    write(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "scratch" / "a.txt").read_text() == "new"


def test_a_link_into_a_folder_that_is_gone_is_refused(tmp_path):
    (tmp_path / "link.txt").symlink_to(tmp_path / "unmounted" / "a.txt")
    with pytest.raises(CryoalError, match="is it mounted"):
        write(tmp_path / "link.txt", "new")
    assert not (tmp_path / "unmounted").exists()


def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CryoalError, match="device or a pipe"):
        write(tmp_path / "pipe", "new")
    assert (tmp_path / "pipe").is_fifo()


def test_a_long_name_can_be_written(tmp_path):
    write(tmp_path / ("n" * 250 + ".txt"), "whole")
    assert (tmp_path / ("n" * 250 + ".txt")).read_text() == "whole"


def test_a_lock_keeps_out_others_until_it_is_let_go(tmp_path):
    second = locked(tmp_path / ".lock")
    with locked(tmp_path / ".lock"), pytest.raises(CryoalError, match="at work"):
        second.__enter__()
    with locked(tmp_path / ".lock"):
        pass

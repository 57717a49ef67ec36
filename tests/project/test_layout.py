"""Where files lie and what they may be called."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoal.core.errors import CryoalError
from cryoal.io.names import safe_name
from cryoal.project.layout import Layout, refuse_collisions


@given(st.text(min_size=1, max_size=300))
def test_a_safe_name_is_one_part_of_a_path_or_refused(name: str) -> None:
    try:
        safe = safe_name(name)
    except CryoalError:
        return
    assert safe == Path(safe).name
    assert not safe.startswith(".")
    assert len(safe) <= 120
    assert safe_name(safe) == safe


@pytest.mark.parametrize("name", ["TS_01", "tomo-3.rec", "20240101_a+b"])
def test_an_ordinary_name_is_left_as_it_is(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize("name", ["", "...", "///", "_"])
def test_a_name_of_nothing_but_signs_is_refused(name: str) -> None:
    with pytest.raises(CryoalError, match="rename it"):
        safe_name(name)


@pytest.mark.parametrize("other", ["ts_01/A", "TS_01:a", "Ts_01_a"])
def test_two_names_of_one_file_are_refused(other: str) -> None:
    with pytest.raises(CryoalError, match="would share the file"):
        refuse_collisions(["TS_01_a", "TS_02", other])
    refuse_collisions(["TS_01_a", "TS_02"])


def test_rounds_are_listed_by_number_and_strangers_are_ignored(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert layout.existing_rounds() == []
    for name in ("002", "010", "1000", "000", "notes"):
        (layout.rounds / name).mkdir(parents=True)
    assert [r.number for r in layout.existing_rounds()] == [0, 2, 10, 1000]
    assert layout.round(2).folder == layout.rounds / "002"


@pytest.mark.parametrize("letter", ["a", "é", "粒", "\U00010400"])
def test_names_are_counted_in_bytes(letter: str, tmp_path: Path) -> None:
    (tmp_path / safe_name("a" + letter * 200)).touch()
    with pytest.raises(CryoalError, match="over 120 bytes; shorten"):
        Layout(tmp_path).ledger(letter * 121)
    assert Layout(tmp_path).ledger(letter * (120 // len(letter.encode()))).parent.name == "labels"

"""What was acknowledged is read again, whatever else happened to the file."""

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoal.core.errors import CryoalError, MachineError
from cryoal.core.labels import Label
from cryoal.io import ledger

NOON = "2026-01-01T12:00:00.000000+00:00"


def said(number: int, word: str = "ribosome", when: str = NOON, **more: str) -> Label:
    return Label(when, f"s{number}", "kim", more.pop("id", f"p{number}"), word, **more)


def names(path: Path) -> set[str]:
    return {label.statement for label in ledger.read(path).statements}


#: Words with what a table's syntax is made of.
words = st.text(st.sampled_from("ab\"\r\t ü,'é"), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(st.lists(words, min_size=1, max_size=4), words, st.data())
def test_a_line_torn_anywhere_costs_nobody_else_anything(tmp_path_factory, before, torn, data):
    path = tmp_path_factory.mktemp("ledger") / "kim.tsv"
    ledger.append(path, [said(n, word) for n, word in enumerate(before)])
    whole = path.stat().st_size
    ledger.append(path, [said(50, torn)])
    os.truncate(path, data.draw(st.integers(whole, path.stat().st_size - 1)))
    for n in range(60, 63):
        ledger.append(path, [said(n)])
    kept = {label.statement: label.label for label in ledger.read(path).statements}
    expected = {f"s{n}": word for n, word in enumerate(before)}
    assert kept == expected | dict.fromkeys(("s60", "s61", "s62"), "ribosome")


def test_a_line_torn_inside_a_quoted_name_is_said_and_spoils_nothing_after_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "kim.tsv"
    ledger.append(path, [said(n) for n in range(9)])
    ledger.append(path, [said(9, 'the "big" one')])
    at = path.read_bytes().rindex(b'"big')
    os.truncate(path, at + 2)
    for n in range(10, 60):
        ledger.append(path, [said(n)])
    assert names(path) == {f"s{n}" for n in range(60) if n != 9}
    assert [message for message in caplog.messages if "line 11" in message]


def test_a_quote_that_never_ends_costs_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "kim.tsv"
    ledger.append(path, [said(0)])
    with path.open("ab") as file:
        file.write(b's1\twhen\t"' + b"x" * 200_000 + b"\n")
    ledger.append(path, [said(2)])
    assert names(path) == {"s0", "s2"}


@pytest.mark.parametrize("size", [1, 9, 40, len(ledger.HEADER) - 1])
def test_a_first_line_that_was_torn_is_completed(tmp_path: Path, size: int) -> None:
    path = tmp_path / "kim.tsv"
    path.write_bytes(ledger.HEADER[:size])
    assert names(path) == set()
    ledger.append(path, [said(0)])
    assert names(path) == {"s0"}


@pytest.mark.parametrize(
    "saved",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: (
            b"\n".join(
                b"\t".join([b"" if n else b"note", *line.split(b"\t")[::-1]])
                for n, line in enumerate(text.rstrip(b"\n").split(b"\n"))
            )
            + b"\n"
        ),
    ],
    ids=["byte-order mark", "line ends of Windows", "columns in another order, and one more"],
)
def test_what_another_program_saved_is_read_and_added_to(tmp_path: Path, saved) -> None:
    path = tmp_path / "kim.tsv"
    ledger.append(path, [said(0, tomogram="TS_1", position=(3.0, 2.0, 1.0))])
    path.write_bytes(saved(path.read_bytes()))
    ledger.append(path, [said(1, tomogram="TS_2", position=(6.0, 5.0, 4.0))])
    found = {label.statement: label for label in ledger.read(path).statements}
    assert {name: (label.tomogram, label.position) for name, label in found.items()} == {
        "s0": ("TS_1", (3.0, 2.0, 1.0)),
        "s1": ("TS_2", (6.0, 5.0, 4.0)),
    }


@pytest.mark.parametrize(
    ("saved", "word"),
    [
        (lambda text: text.decode().encode("utf-16"), "UTF-16"),
        (lambda text: text.replace(b"statement", b"Statement", 1), "no column statement"),
        (lambda _: b"id\tlabel\np1\tribosome\n", "label ledger"),
    ],
    ids=["UTF-16", "a column renamed", "a table of labels"],
)
def test_what_is_no_ledger_is_refused_before_anything_is_added(tmp_path, saved, word) -> None:
    path = tmp_path / "kim.tsv"
    ledger.append(path, [said(0)])
    path.write_bytes(saved(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(CryoalError, match=word):
        ledger.read(path)
    with pytest.raises(CryoalError, match=word):
        ledger.append(path, [said(1)])
    assert path.read_bytes() == before


def test_a_name_saved_in_latin_1_is_refused_and_not_misread(tmp_path: Path) -> None:
    path = tmp_path / "kim.tsv"
    ledger.append(path, [said(0, "Kugel-Zürich")])
    path.write_bytes(path.read_bytes().decode().encode("latin-1"))
    with pytest.raises(CryoalError, match=r"line 2: not UTF-8"):
        ledger.read(path)


def test_an_id_with_a_carriage_return_comes_back_and_one_with_a_line_break_is_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "kim.tsv"
    ledger.append(path, [said(0, id="a\rb")])
    assert {label.id for label in ledger.read(path).statements} == {"a\rb"}
    bare = path.read_bytes().replace(b'"', b"").replace(b"s0", b"s1")  # as it was written once
    path.write_bytes(path.read_bytes() + bare.removeprefix(ledger.HEADER))
    assert {label.id for label in ledger.read(path).statements} == {"a\rb"}
    assert names(path) == {"s0", "s1"}
    before = path.read_bytes()
    with pytest.raises(CryoalError, match="one line"):
        ledger.append(path, [said(1), said(2, id="a\nb")])
    assert path.read_bytes() == before


WRITER = """
import sys
from pathlib import Path
from cryoal.core.labels import Label
from cryoal.io import ledger
path, first = Path(sys.argv[1]), int(sys.argv[2])
for n in range(first, first + 150):
    ledger.append(path, [Label("2026", f"s{n}", "kim", f"p{n}", 'a "b"')])
"""


def test_processes_and_threads_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "kim.tsv"
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(first)])
        for first in (0, 1000)
    ]
    threads = [
        threading.Thread(
            target=lambda first=first: [
                ledger.append(path, [said(n)]) for n in range(first, first + 150)
            ]
        )
        for first in (2000, 3000)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(60) for process in processes] == [0, 0]
    assert names(path) == {f"s{n + k}" for n in range(0, 4000, 1000) for k in range(150)}
    assert path.read_text().count("statement\twhen") == 1


def test_a_write_that_fails_takes_no_line_of_another_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kim.tsv"
    ledger.append(path, [said(0)])
    other = threading.Thread(target=lambda: ledger.append(path, [said(1)]))
    whole = ledger._write

    def fails(file: io.FileIO, data: bytes) -> None:
        monkeypatch.setattr(ledger, "_write", whole)
        other.start()  # it has to wait until this one has tidied up
        other.join(0.3)
        file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledger, "_write", fails)
    with pytest.raises(MachineError, match="not recorded"):
        ledger.append(path, [said(2)])
    other.join()
    assert names(path) == {"s0", "s1"}
    assert path.read_bytes().endswith(b"\n")


def test_within_a_file_its_order_counts_whatever_the_clock_said(tmp_path: Path) -> None:
    path = tmp_path / "kim.tsv"
    for number, (word, when) in enumerate(
        [("wrong", "2031"), ("better", "2026"), ("right", "2025"), ("right", "2025")]
    ):
        when = f"{when}-01-01T00:00:00.000000+00:00"
        ledger.append(path, [said(number, word, when, id="p")])
    assert ledger.read(path).current() == {"p": "right"}


def test_of_the_same_moment_the_later_line_counts(tmp_path: Path) -> None:
    path = tmp_path / "kim.tsv"
    ledger.append(path, [said(9, "first", id="p"), said(1, "second", id="p")])
    assert ledger.read(path).current() == {"p": "second"}


def test_what_joins_from_another_file_counts_by_its_time(tmp_path: Path) -> None:
    path = tmp_path / "kim.tsv"
    day = "2026-01-{:02d}T00:00:00.000000+00:00".format
    ledger.append(path, [said(0, "old", day(1), id="p"), said(1, "new", day(20), id="p")])
    ledger.append(path, [said(2, "between", day(10), id="p")], joined=True)
    assert ledger.read(path).current() == {"p": "new"}
    ledger.append(path, [said(3, "newest", day(21), id="p")], joined=True)
    assert ledger.read(path).current() == {"p": "newest"}
    assert names(path) == {"s0", "s1", "s2", "s3"}

"""Tables in text."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoal.core.errors import CryoalError
from cryoal.io.tsv import read_tsv, write_tsv


def test_tab_or_comma_is_seen_in_the_header(tmp_path):
    (tmp_path / "a.tsv").write_text("id\tlabel\nTS_01/1\tribosome, 70S\n")
    (tmp_path / "b.csv").write_text('id,label\nTS_01/1,"ribosome, 70S"\n')
    first, second = read_tsv(tmp_path / "a.tsv"), read_tsv(tmp_path / "b.csv")
    assert first.equals(second)
    assert first["label"].tolist() == ["ribosome, 70S"]


def test_byte_order_mark_windows_line_ends_and_empty_lines_are_no_values(tmp_path):
    (tmp_path / "a.tsv").write_bytes(b"\xef\xbb\xbfid\tlabel\r\n\r\n001\tx\r\n\r\n")
    assert read_tsv(tmp_path / "a.tsv").to_numpy().tolist() == [["001", "x"]]


def test_missing_columns_are_named_with_those_that_are_there(tmp_path):
    (tmp_path / "a.tsv").write_text("particle\tlabel\n1\tx\n")
    with pytest.raises(CryoalError, match=r"a\.tsv: no column 'id' .*'particle', 'label'"):
        read_tsv(tmp_path / "a.tsv", required=("id", "label"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id\tlabel\n1\n", "line 2: 1 values under a header of 2"),
        ("id\tid\n1\t2\n", "column 'id' stands twice"),
        ("", "empty"),
        ('id,label\n"1,2\n', "not a table"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, words):
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(CryoalError, match=words):
        read_tsv(tmp_path / "a.tsv")


@settings(deadline=None)
@given(
    st.lists(st.tuples(*[st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)] * 2))
)
def test_what_is_written_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("tsv") / "a.tsv"
    rows = [(a, b) for a, b in rows if (a + b).strip()]
    frame = pd.DataFrame(rows, columns=["id", "label"], dtype=str)
    write_tsv(path, frame)
    assert read_tsv(path).to_numpy().tolist() == frame.to_numpy().tolist()

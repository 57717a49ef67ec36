"""STAR files keep every value as it stood."""

from pathlib import Path

import pandas as pd
import pytest
import starfile
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoal.core.errors import CryoalError
from cryoal.io.star import is_simple, read_star, simple, star_text, write_star
from cryoal.io.star_parsing import parse_star

PLACE = Path("test.star")
FOLDERS = ("relion3", "relion4", "relion5", "star_syntax", "stopgap", "stopgap_tm",
           "pytom_match_pick", "warptools")  # fmt: skip


def parse(text: str) -> dict[str, pd.DataFrame]:
    return parse_star(text, PLACE)


def same(first: dict[str, pd.DataFrame], second: dict[str, pd.DataFrame]) -> bool:
    return list(first) == list(second) and all(
        first[name].equals(second[name])
        and list(first[name].columns) == list(second[name].columns)
        and is_simple(first[name]) == is_simple(second[name])
        for name in first
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_real_files_are_written_back_with_nothing_lost(testdata, tmp_path, folder):
    files = sorted((testdata / "particles" / folder).glob("*.star"))
    assert files
    for path in files:
        before = read_star(path)
        write_star(tmp_path / "again.star", before)
        assert same(before, read_star(tmp_path / "again.star")), path


@pytest.mark.parametrize("folder", ["relion3", "relion4", "relion5"])
def test_an_independent_parser_finds_the_same_blocks_and_values(testdata, tmp_path, folder):
    """What we write is what starfile reads from the original, numbers compared as numbers."""
    for path in sorted((testdata / "particles" / folder).glob("*.star")):
        write_star(tmp_path / "again.star", read_star(path))
        original, again = (
            {
                name: pd.DataFrame(block, index=None if hasattr(block, "index") else [0])
                for name, block in starfile.read(file, always_dict=True).items()
            }
            for file in (path, tmp_path / "again.star")
        )
        assert list(original) == list(again)
        for name, block in original.items():
            pd.testing.assert_frame_equal(block, again[name])


def test_a_name_that_looks_like_a_number_stays_a_name():
    table = parse("data_\nloop_\n_rlnTomoName #1\n001\n1e3\nnan\n")[""]
    assert table["rlnTomoName"].tolist() == ["001", "1e3", "nan"]


def test_quotes_end_only_at_their_own_kind_before_a_space():
    table = parse("data_x\nloop_\n_a\n_b\n_c\n'it''s' \"a 'b' c\" d'e\"f\n")["x"]
    assert table.iloc[0].tolist() == ["it''s", "a 'b' c", "d'e\"f"]


def test_a_hash_is_a_comment_only_where_a_value_would_start():
    table = parse("data_x # note\nloop_\n_a #1\n_b #2\nfile#1.mrc 2 # rest 3 4\n")["x"]
    assert table.iloc[0].tolist() == ["file#1.mrc", "2"]


def test_byte_order_mark_and_windows_line_ends_are_no_values(tmp_path):
    path = tmp_path / "windows.star"
    path.write_bytes(b"\xef\xbb\xbfdata_\r\n\r\nloop_\r\n_a #1\r\n_b #2\r\n1 2\r\n3 4\r\n")
    assert read_star(path)[""].to_numpy().tolist() == [["1", "2"], ["3", "4"]]


def test_a_table_without_rows_keeps_its_columns():
    blocks = parse("data_a\nloop_\n_x #1\n_y #2\n\ndata_b\n_z 1\n")
    assert list(blocks["a"].columns) == ["x", "y"]
    assert len(blocks["a"]) == 0
    assert same(blocks, parse(star_text(blocks)))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("data_\nloop_\n_a\n_b\n1 2\n3\n", 6, "1 values in a table of 2 columns"),
        ("data_\nloop_\n_a\n_b\n1 2 3\n", 5, "3 values in a table of 2 columns"),
        ("data_\nloop_\n_a\n_a\n1 2\n", 4, "column _a stands twice"),
        ("data_\n_a 1\n_a 2\n", 3, "_a stands twice"),
        ("data_x\n_a 1\ndata_x\n_a 1\n", 3, "'data_x' stands twice"),
        ("data_\nloop_\n_a\n'open\n", 4, "never closed"),
        ("data_\nloop_\n1 2\n", 3, "no column names"),
        ("x,y,z\n1,2,3\n", 1, "is this a STAR file?"),
        ("data_\n_a\n", 2, "'_name value' or 'loop_'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, line, words):
    with pytest.raises(CryoalError, match=f"test.star, line {line}: ") as caught:
        parse(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"data_\x00\x01"])
def test_empty_and_binary_files_are_refused_by_name(tmp_path, content):
    (tmp_path / "bad.star").write_bytes(content)
    with pytest.raises(CryoalError, match=r"bad\.star: "):
        read_star(tmp_path / "bad.star")


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(CryoalError, match=r"none\.star: cannot be read \(No such file"):
        read_star(tmp_path / "none.star")


def test_a_value_with_a_line_break_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(CryoalError, match="cannot hold the value"):
        write_star(tmp_path / "a.star", {"x": simple(a="two\nlines")})
    assert not (tmp_path / "a.star").exists()


values = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=12)


@settings(deadline=None)
@given(st.lists(st.tuples(values, values), max_size=5), st.booleans())
def test_any_values_survive_a_round_trip(rows, as_pairs):
    table = pd.DataFrame(rows, columns=["rlnA", "rlnB"], dtype=str)
    if as_pairs and len(table) == 1:
        table.attrs["simple"] = True
    try:
        text = star_text({"particles": table, "": simple(x="1")})
    except CryoalError:
        # Only a value with both kinds of quotes before white space has no way to be written.
        assert any('" ' in v and "' " in v for row in rows for v in row)
        return
    assert same({"particles": table, "": simple(x="1")}, parse(text))

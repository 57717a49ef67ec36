"""Every real particle file is what its producer says it is."""

import json

import pytest
from real_files import FILES, REFUSED

from cryoal.io.base import UNITS
from cryoal.io.inspect import KINDS, inspect


def test_no_file_is_forgotten(testdata):
    folder = testdata / "particles"
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert there == FILES.keys() | REFUSED.keys()


@pytest.mark.parametrize("file", FILES)
def test_kind_dialect_unit_and_count(testdata, file):
    facts = inspect(testdata / "particles" / file)
    assert facts["refused"] is None
    found = tuple(facts[key] for key in ("kind", "dialect", "unit", "n_particles"))
    assert found == FILES[file]
    assert facts["kind"] in KINDS
    assert facts["unit"] is None or facts["unit"] in UNITS
    json.dumps(facts, allow_nan=False)


@pytest.mark.parametrize("file", REFUSED)
def test_a_refused_file_is_named_with_the_reason(testdata, file):
    kind, dialect, words = REFUSED[file]
    facts = inspect(testdata / "particles" / file)
    assert (facts["kind"], facts["dialect"]) == (kind, dialect)
    assert words in facts["refused"]
    assert facts["refused"] in facts["problems"]
    assert str(testdata / "particles" / file) in facts["refused"]


@pytest.mark.parametrize("file", FILES)
def test_the_name_does_not_decide(testdata, tmp_path, file):
    """Detection is by content: the same bytes under a name that says nothing."""
    expected = FILES[file]
    (tmp_path / "list").write_bytes((testdata / "particles" / file).read_bytes())
    facts = inspect(tmp_path / "list")
    assert tuple(facts[key] for key in ("kind", "dialect", "unit", "n_particles")) == expected

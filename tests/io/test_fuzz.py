"""Damaged files are refused in one line or read; nothing else ever happens."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from real_files import FILES

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.io.inspect import KINDS, inspect
from cryoal.io.listing import open_list
from cryoal.io.mrc import open_volume, write_volume
from cryoal.io.particles import read_particles, write_particles
from cryoal.io.tomograms import read_tomograms

#: One small real file of every dialect, and of every other kind that is told by content.
SMALL = [
    "relion3/relion_3.0.star",
    "relion3/relion_3.1_optics.star",
    "relion4/particles.star",
    "relion4/relion_4_star.star",
    "relion5/particle.star",
    "relion5/tomograms.star",
    "relion5/optimisation_set.star",
    "relion5/run_it025_data.star",
    "relion5/relion5_TS_01_tilt.star",
    "star_syntax/loop_single_quote.star",
    "star_syntax/one_loop.star",
    "stopgap/stopgap_star.star",
    "stopgap/tomoman_relion_star.star",
    "stopgap/wedge_list.star",
    "warptools/warp2_matching_optimisation_set.star",
    "warptools/018.xml",
    "cbox/3d_particle.cbox",
    "csv/tardis.csv",
    "csv/points.csv",
    "copick/copick.json",
    "cryoet_portal_ndjson/175505_OrientedPoint.first12.ndjson",
    "deepfinder_xml/object_list_valid.xml",
    "dynamo/t_double.tbl",
    "em_motl/au_2.em",
    "eman2_json/ts_001_AreTomo_SART_reconstruction_TiltCor18_refineFlag1_VolZ1800_info_tmp.json",
    "imod_mod/points.mod",
    "imod_mod/oriented_points.mod",
    "pytom_match_pick/CCDC147C_001_particles.star",
    "pytom_xml/pickpos_format.xml",
    "pytom_xml/localizationSample.xml",
    "tomotwin/valid.tloc",
]
#: Of longer files the beginning; a hundred rows hold every way to be damaged.
_LONGEST = 12_000
TOMOGRAMS = {
    name: Tomogram(name, (300, 2000, 2000), 10.0)
    for name in ("TS_01", "session1_TS_1", "tomo_1-2", "01006", "0002", "TS_001", "8")
}
changes = st.lists(
    st.tuples(
        st.sampled_from(["cut", "drop", "twice", "swap", "replace", "flip", "column", "header"]),
        st.floats(0, 1, exclude_max=True),
        st.sampled_from([b"", b"\n", b'"', b"'", b"#", b"\x00", b"data_x\n", b"loop_\n", b"-1e999",
                         b"nan", b"_rlnTomoName #1\n", b"\xff", b" ", b"<NA>", b"1e308", b"null",
                         b"[]", b"{}", b"<", b"/>", b"\t", b",", b"\x7f\xff\xff\xff", b"1e-320",
                         b"\xff\xff\xff\xff", b"C:\\data\\TS_01.mrc", "Å".encode()]),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip
#: A hang is a failure: every example has five seconds on a busy machine.
gently = settings(
    max_examples=15, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_WHOLE = {
    "BOM": lambda raw: b"\xef\xbb\xbf" + raw,
    "CRLF": lambda raw: raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
    "CR": lambda raw: raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r"),
    "tabs": lambda raw: raw.replace(b"  ", b"\t").replace(b" ", b"\t"),
    "no last line end": lambda raw: raw.rstrip(),
    "blank lines": lambda raw: raw + b"\n\n\n",
}


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def damaged(raw, how):
    for kind, where, what in how:
        at = int(where * max(len(raw), 1))
        if kind == "cut":
            raw = raw[:at]
        elif kind == "drop":
            raw = raw[:at] + raw[at + 7 :]
        elif kind == "twice":
            raw = raw[:at] + raw[max(0, at - 60) :]
        elif kind == "swap":
            raw = raw[at:] + raw[:at]
        elif kind == "flip":
            raw = raw[:at] + bytes([raw[at] ^ 0x41]) + raw[at + 1 :] if raw else raw
        elif kind == "column":
            raw = without_a_column(raw, where)
        elif kind == "header":
            raw = what + raw
        else:
            raw = raw[:at] + what + raw[at + len(what) :]
    return raw


def without_a_column(raw, where):
    """Every line without its n-th word: a column gone, its label left."""
    lines = raw.split(b"\n")
    widest = max(len(line.split()) for line in lines)
    gone = int(where * max(widest, 1))
    words = [line.split() for line in lines]
    return b"\n".join(b" ".join(w for i, w in enumerate(row) if i != gone) for row in words)


def refused_in_one_line(function, *arguments, **options):
    complaint = ""
    try:
        return function(*arguments, **options)
    except CryoalError as problem:
        complaint = str(problem)
    assert complaint
    assert "\n" not in complaint
    return None


def examined(path, tmp_path):
    """Do with a file what a user may do; return its particles, None where it is refused."""
    facts = inspect(path, TOMOGRAMS)
    assert facts["kind"] in KINDS
    assert facts["refused"] is None or "\n" not in facts["refused"]
    json.dumps(facts, allow_nan=False)
    refused_in_one_line(read_tomograms, [path], need_volumes=False)
    particles = refused_in_one_line(read_particles, [path], TOMOGRAMS)
    if particles is not None:
        assert np.isfinite(particles.position).all()
        assert len(set(particles.id.tolist())) == len(particles)
        if particles.rotation is not None:
            assert np.isfinite(particles.rotation.as_matrix()).all()
        refused_in_one_line(write_particles, particles, tmp_path / "out")
        for dialect in ("relion4", "dynamo", "em"):
            refused_in_one_line(write_particles, particles, tmp_path / "out", TOMOGRAMS, dialect)
    return particles


@pytest.mark.parametrize("file", SMALL)
@given(how=changes)
@gently
def test_damaged_lists_are_refused_or_read(testdata, tmp_path, file, how):
    path = tmp_path / f"damaged{Path(file).suffix}"
    raw = (testdata / "particles" / file).read_bytes()[:_LONGEST]
    path.write_bytes(damaged(raw, how))
    examined(path, tmp_path)


@pytest.mark.parametrize("file", [f for f in SMALL if FILES.get(f, [""])[0] == "particles"])
@pytest.mark.parametrize("how", _WHOLE)
def test_another_editors_habits_change_nothing(testdata, tmp_path, file, how):
    raw = (testdata / "particles" / file).read_bytes()
    if b"\0" in raw:
        return
    if how == "tabs" and (
        b'"' in raw or file.startswith(("csv", "copick", "cryoet", "relion5/run"))
    ):
        return  # a space within a value, or a table with commas, is no separator
    before, after = tmp_path / "before" / "TS_01", tmp_path / "after" / "TS_01"
    for path, content in ((before, raw), (after, _WHOLE[how](raw))):
        path.parent.mkdir()
        path.write_bytes(content)
    first, second = open_list(before).picks, open_list(after).picks
    assert (second.dialect, second.unit) == (first.dialect, first.unit)
    np.testing.assert_array_equal(second.xyz, first.xyz)


@pytest.mark.parametrize("file", SMALL)
@pytest.mark.parametrize("content", [b"", b"\n \n", b"\x00" * 600, b"\xef\xbb\xbf"])
def test_an_empty_file_is_said_to_be_empty(tmp_path, file, content):
    path = tmp_path / f"nothing{Path(file).suffix}"
    path.write_bytes(content)
    assert examined(path, tmp_path) is None


@given(
    at=st.integers(0, 1023),
    data=st.binary(min_size=1, max_size=8),
    length=st.integers(0, 1400),
)
@settings(gently, max_examples=100)
def test_damaged_volumes_are_refused_or_mapped(tmp_path, at, data, length):
    path = tmp_path / "TS_01.mrc"
    write_volume(path, np.arange(80, dtype=np.int8).reshape(4, 4, 5), 10.0)
    raw = bytearray(path.read_bytes())
    raw[at : at + len(data)] = data
    path.write_bytes(raw[: len(raw) - max(0, length - 1300)])
    volume = refused_in_one_line(open_volume, path)
    if volume is not None:
        assert volume.ndim == 3
        assert np.asarray(volume).size > 0
    refused_in_one_line(read_tomograms, [path])
    assert inspect(path)["kind"]

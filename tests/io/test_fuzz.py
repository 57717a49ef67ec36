"""Damaged files are refused in one line or read; nothing else ever happens."""

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.io.inspect import inspect
from cryoal.io.mrc import open_volume, write_volume
from cryoal.io.particles import read_particles, write_particles
from cryoal.io.tomograms import read_tomograms

SMALL = [
    "relion3/relion_3.0.star",
    "relion3/relion_3.1_optics.star",
    "relion4/particles.star",
    "relion4/relion_4_star.star",
    "relion5/particle.star",
    "relion5/tomograms.star",
    "relion5/optimisation_set.star",
    "relion5/run_it025_data.star",
    "star_syntax/loop_single_quote.star",
    "warptools/warp2_matching_optimisation_set.star",
    "csv/tardis.csv",
    "csv/points.csv",
    "copick/copick.json",
    "cryoet_portal_ndjson/175505_OrientedPoint.first12.ndjson",
    "dynamo/t_double.tbl",
    "em_motl/au_2.em",
]
TOMOGRAMS = {
    name: Tomogram(name, (300, 2000, 2000), 10.0)
    for name in ("TS_01", "session1_TS_1", "tomo_1-2", "01006", "0002", "TS_001")
}
changes = st.lists(
    st.tuples(
        st.sampled_from(["cut", "drop", "twice", "swap", "replace"]),
        st.floats(0, 1, exclude_max=True),
        st.sampled_from([b"", b"\n", b'"', b"'", b"#", b"\x00", b"data_x\n", b"loop_\n", b"-1e999",
                         b"nan", b"_rlnTomoName #1\n", b"\xff", b" ", b"<NA>", b"1e308"]),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip
gently = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


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
        else:
            raw = raw[:at] + what + raw[at + len(what) :]
    return raw


def refused_in_one_line(function, *arguments, **options):
    complaint = ""
    try:
        return function(*arguments, **options)
    except CryoalError as problem:
        complaint = str(problem)
    assert complaint
    assert "\n" not in complaint
    return None


@pytest.mark.parametrize("file", SMALL)
@given(how=changes)
@gently
def test_damaged_lists_are_refused_or_read(testdata, tmp_path, file, how):
    path = tmp_path / f"damaged{Path(file).suffix}"
    path.write_bytes(damaged((testdata / "particles" / file).read_bytes(), how))
    particles = refused_in_one_line(read_particles, [path], TOMOGRAMS)
    if particles is not None:
        assert np.isfinite(particles.position).all()
        assert len(set(particles.id.tolist())) == len(particles)
        refused_in_one_line(write_particles, particles, tmp_path / "out.star")
        refused_in_one_line(write_particles, particles, tmp_path / "out.star", TOMOGRAMS, "relion4")
    refused_in_one_line(read_tomograms, [path], need_volumes=False)
    assert inspect(path)["kind"]


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

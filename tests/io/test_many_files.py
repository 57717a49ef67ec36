"""Particles of many tomograms in dialects that keep one a file: as many rows out as went in."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import cryoal
from hypothesis import given
from hypothesis import strategies as st

from cryoal.core.errors import CryoalError
from cryoal.core.particles import ParticleSet
from cryoal.core.tomogram import Tomogram
from cryoal.io.convert import convert_file
from cryoal.io.many_files import MANIFEST, plan_files, write_files
from cryoal.io.particles import read_particles, write_particles
from cryoal.io.tsv import read_tsv

NAMES = ["TS_01", "TS_02", "TS_10"]
CLASSES = ["ribosome", "80 S_b", "junk"]
N = 60
SIZE = {
    "rlnTomoTiltSeriesPixelSize": "5.0", "rlnTomoTomogramBinning": "2",
    "rlnTomoSizeX": "800", "rlnTomoSizeY": "800", "rlnTomoSizeZ": "400",
}  # fmt: skip


def some(names: list[str] | None = None, classes: list[str] | None = None) -> ParticleSet:
    """Particles in the order of no tomogram and no class."""
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"cryoalLabel": rng.permutation((classes or CLASSES) * N)[:N]}, dtype=str)
    return ParticleSet(
        np.array([f"p{k}" for k in range(N)]), rng.permutation((names or NAMES) * N)[:N],
        rng.integers(200, 3800, (N, 3)) / 2, table=table, dialect="relion5",
    )  # fmt: skip


def tomograms(names: list[str] | None = None) -> dict[str, Tomogram]:
    return {n: Tomogram(n, (200, 400, 400), 10.0, columns=SIZE) for n in names or NAMES}


def write(particles: ParticleSet, target: Path, dialect: str) -> list[Path]:
    plan = plan_files(particles, target, dialect)
    known = tomograms(sorted(set(particles.tomogram.tolist())))
    write_files(particles, plan, known, dialect, anew=True)
    return [part.path for part in plan.parts]


def places(particles: ParticleSet) -> list[tuple[object, ...]]:
    rows = zip(particles.tomogram.tolist(), particles.position.round(2).tolist(), strict=True)
    return sorted((name, *position) for name, position in rows)


@pytest.mark.parametrize("dialect", ["copick", "portal", "coords", "em", "dynamo"])
def test_a_folder_holds_every_particle_and_is_read_again_as_a_whole(
    tmp_path: Path, dialect: str
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    particles = some()
    files = write(particles, folder, dialect)
    assert len(files) == (9 if dialect == "copick" else 3)
    told = read_tsv(folder / MANIFEST)
    assert told["particles"].astype(int).sum() == N
    assert [folder / name for name in told["file"]] == files
    # By files, by convert, and by inspect.
    assert places(read_particles(files, tomograms())) == places(particles)
    audit = convert_file(folder, tmp_path / "again.csv", "csv", tomograms())
    assert (audit.rows_in, audit.rows_out, audit.files_in) == (N, N, len(files))
    assert places(read_particles([tmp_path / "again.csv"], tomograms())) == places(particles)
    facts = [json.loads(line) for line in cryoal("inspect", folder, "--json").stdout.splitlines()]
    assert sum(one["n_particles"] or 0 for one in facts) == N


def test_copick_finds_one_run_and_one_object_a_file_where_it_looks(tmp_path: Path) -> None:
    particles = some()
    write(particles, tmp_path / "project", "copick")
    for path in (tmp_path / "project").glob("ExperimentRuns/*/Picks/*.json"):
        user, session, named = path.stem.split("_")  # as copick splits it
        picks = json.loads(path.read_text())
        assert (user, session) == (picks["user_id"], picks["session_id"]) == ("cryoal", "0")
        assert named == picks["pickable_object_name"]
        assert picks["run_name"] == path.parts[-3]
        label = {"80-S-b": "80 S_b"}.get(named, named)
        mine = (particles.tomogram == picks["run_name"]) & (particles.table["cryoalLabel"] == label)
        at = [[point["location"][axis] for axis in "zyx"] for point in picks["points"]]
        np.testing.assert_allclose(at, particles.position[mine], atol=1e-9)
        for point in picks["points"]:
            matrix = np.array(point["transformation_"])
            assert matrix.shape == (4, 4)
            assert matrix[3].tolist() == [0, 0, 0, 1]
            assert isinstance(point["instance_id"], int)


@pytest.mark.parametrize("dialect", ["coords", "portal", "em", "relion5", "csv"])
def test_a_name_with_placeholders_makes_a_file_of_each(tmp_path: Path, dialect: str) -> None:
    target = tmp_path / "{tomogram}" / "{class}.x"
    files = write(some(), target, dialect)
    assert sorted(str(p.relative_to(tmp_path)) for p in files) == sorted(
        f"{name}/{kind}.x" for name in NAMES for kind in ("ribosome", "80_S_b", "junk")
    )
    told = read_tsv(tmp_path / MANIFEST)
    assert told["particles"].astype(int).sum() == N
    assert set(told["class"]) == set(CLASSES)


def test_names_that_had_to_be_changed_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    particles = some(["TS 1/a", "TS_2"], ["../../x", "b"])
    files = write(particles, tmp_path / "in" / "out", "copick")
    assert all(path.resolve().is_relative_to((tmp_path / "in" / "out").resolve()) for path in files)
    assert "'TS 1/a' is 'TS_1_a'" in caplog.text
    assert "'../../x' is '..-..-x'" in caplog.text
    again = read_particles(files, tomograms(["TS 1/a", "TS_2"]))
    assert places(again) == places(particles)


@pytest.mark.parametrize(
    ("names", "classes"), [(["TS 1", "TS_1"], ["a"]), (["T1"], ["a b", "a_b"]), (["A", "a"], ["a"])]
)
def test_names_that_would_share_a_file_are_refused_before_any_is_written(
    tmp_path: Path, names: list[str], classes: list[str]
) -> None:
    with pytest.raises(CryoalError, match="would share this file; rename one of them"):
        write(some(names, classes), tmp_path / "out", "copick")
    assert not (tmp_path / "out").exists()


WORDS = st.lists(st.text(min_size=1, max_size=300), min_size=1, max_size=4, unique=True)


@given(WORDS, WORDS, st.sampled_from(["copick", "coords", "portal"]))
def test_whatever_names_are_each_row_has_one_file_below_the_folder_or_all_are_refused(
    names: list[str], classes: list[str], dialect: str
) -> None:
    particles = ParticleSet(
        np.arange(N).astype(str), np.resize(np.array(names, dtype=object), N), np.zeros((N, 3)),
        table=pd.DataFrame({"cryoalLabel": np.resize(np.array(classes, dtype=object), N)}),
    )  # fmt: skip
    folder = Path("/nowhere/out")
    try:
        parts = plan_files(particles, folder, dialect).parts
    except CryoalError:
        return
    assert sorted(row for part in parts for row in part.rows.tolist()) == list(range(N))
    assert len({str(part.path).casefold() for part in parts}) == len(parts)
    for part in parts:
        inside = part.path.relative_to(folder).parts
        assert not {"", ".", ".."} & set(inside)
        assert all(len(name.encode()) < 255 - len(".columns.tsv") for name in inside)


def test_names_as_long_as_they_can_be_have_files(tmp_path: Path) -> None:
    names = ["長" * 200 + "1", "b" * 400]
    assert len(write(some(names, ["é" * 300]), tmp_path / "out", "copick")) == 2


@pytest.mark.parametrize(
    ("target", "dialect", "said"),
    [
        ("x.json", "copick", "name a folder, or a file with {tomogram}"),
        ("x.ndjson", "portal", "these particles lie in 3"),
        ("x.coords", "coords", "such as {tomogram}.coords"),
        ("x_{tomo}.coords", "coords", "{tomo} stands for nothing"),
        ("x_{class}.coords", "coords", "these particles lie in 3"),
        ("{tomogram}.json", "copick", "one object a file"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(
    tmp_path: Path, target: str, dialect: str, said: str
) -> None:
    with pytest.raises(CryoalError) as problem:
        write(some(), tmp_path / target, dialect)
    assert said in str(problem.value)
    assert not list(tmp_path.glob("*.coords")) + list(tmp_path.glob("*.json"))


def test_particles_without_classes_are_no_reason_for_files_of_classes(tmp_path: Path) -> None:
    bare = replace(some(), table=pd.DataFrame(index=range(N)))
    with pytest.raises(CryoalError, match=r"no classes for \{class\}"):
        plan_files(bare, tmp_path / "{tomogram}_{class}.coords", "coords")
    assert len(write(bare, tmp_path / "out", "copick")) == 3


def test_writing_again_replaces_its_own_and_takes_away_what_is_no_more(tmp_path: Path) -> None:
    particles = some()
    first = write(particles, tmp_path / "out", "copick")
    kept = particles.table["cryoalLabel"] != "junk"
    second = write(particles[kept.to_numpy()], tmp_path / "out", "copick")
    assert len(second) == 6
    assert {path for path in first if path.exists()} == set(second)
    assert len(list((tmp_path / "out").rglob("*.json"))) == 6
    assert not list((tmp_path / "out").rglob("*junk*"))
    # Another dialect in the same folder leaves the first alone.
    write(particles, tmp_path / "out", "coords")
    assert all(path.exists() for path in second)


def test_what_cryoal_did_not_write_or_somebody_changed_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "TS_02.coords").write_text("1 2 3\n")
    with pytest.raises(CryoalError, match=r"TS_02\.coords: is there already and was not written"):
        write(some(), out, "coords")
    assert [path.name for path in out.iterdir()] == ["TS_02.coords"]
    (out / "TS_02.coords").unlink()
    write(some(), out, "coords")
    (out / "TS_10.coords").write_text("1 2 3\n")
    with pytest.raises(CryoalError, match=r"TS_10\.coords: was changed since cryoal wrote it"):
        write(some(), out, "coords")
    write(some(["TS_01", "TS_02"]), out, "coords")
    assert (out / "TS_10.coords").read_text() == "1 2 3\n"
    assert "stays: it was changed since" in caplog.text


def test_a_damaged_table_of_files_takes_nothing_away(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(some(), out, "coords")
    (tmp_path / "mine.coords").write_text("1 2 3\n")
    (out / "mine.txt").write_text("mine")
    told = (out / MANIFEST).read_text()
    key = told.splitlines()[1].split("\t")[0]
    for name in ("../mine.coords", "mine.txt", str(tmp_path / "mine.coords")):
        told += f"{key}\t{name}\tTS_01\t\t1\t\n"
    (out / MANIFEST).write_text(told)
    write(some(), out, "coords")
    assert (tmp_path / "mine.coords").exists()
    assert (out / "mine.txt").exists()


def test_a_killed_run_is_finished_by_the_next(tmp_path: Path) -> None:
    out = tmp_path / "out"
    files = write(some(), out, "coords")
    # As it is between two files: the table names all, without what they hold.
    told = read_tsv(out / MANIFEST)
    told["sha256"] = ""
    (out / MANIFEST).write_text(told.to_csv(sep="\t", index=False))
    files[1].write_text("half of the old ones\n")
    assert write(some(), out, "coords") == files
    assert places(read_particles(files, tomograms())) == places(some())


def test_file_names_that_do_not_tell_their_tomogram_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(some(), tmp_path / "{tomogram}_{class}.coords", "coords")
    assert "do not begin with" not in caplog.text
    write(some(), tmp_path / "{class}_{tomogram}.coords", "coords")
    assert "9 of 9 file names do not begin with the name of their tomogram" in caplog.text
    caplog.clear()
    write(some(["T", "T_2"], ["2"]), tmp_path / "short" / "{tomogram}_{class}.coords", "coords")
    assert "1 of 2 file names do not begin" in caplog.text  # T_2.coords is of T


def test_a_list_is_not_converted_onto_itself(tmp_path: Path) -> None:
    write(some(), tmp_path / "out", "coords")
    with pytest.raises(CryoalError, match="would overwrite its own source"):
        convert_file(tmp_path / "out", tmp_path / "out", "coords", tomograms())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.coords", "10 20 30\n40 50 60\n"),
        ("x.star", "data_\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n_rlnCoordinateZ #3\n"
         "10 20 30\n40 50 60\n"),
    ],
)  # fmt: skip
def test_lists_without_names_go_back_to_one_of_each_tomogram(
    tmp_path: Path, name: str, text: str
) -> None:
    lists = [tmp_path / name.replace("x", known) for known in NAMES]
    for path in lists:
        path.write_text(text)
    particles = read_particles(lists, tomograms())
    with pytest.raises(CryoalError, match="these particles lie in 3"):
        write_particles(particles, tmp_path / "all.x")
    plan = plan_files(particles, tmp_path / "out", particles.dialect)
    write_files(particles, plan, None)
    assert places(read_particles([p.path for p in plan.parts], tomograms())) == places(particles)


def test_tables_without_names_of_tomograms_get_them_where_there_are_several(tmp_path: Path) -> None:
    lists = [tmp_path / f"{known}.csv" for known in NAMES]
    for path in lists:
        path.write_text("x,y,z\n10,20,30\n40,50,60\n")
    particles = read_particles(lists, tomograms())
    write_particles(particles, tmp_path / "all.csv")
    assert places(read_particles([tmp_path / "all.csv"], tomograms())) == places(particles)
    write_particles(particles[particles.tomogram == "TS_01"], tmp_path / "one.csv")
    assert (tmp_path / "one.csv").read_text() == lists[0].read_text()


def test_the_columns_kept_beside_a_list_are_no_list_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("tomogram,x [A],y [A],z [A],note\nTS_01,100,200,300,mine\n")
    convert_file(tmp_path / "a.csv", tmp_path / "out", "coords", tomograms())
    facts = [
        json.loads(s) for s in cryoal("inspect", tmp_path / "out", "--json").stdout.splitlines()
    ]
    assert [one["n_particles"] for one in facts if one["kind"] == "particles"] == [1]
    assert read_tsv(tmp_path / "out" / "TS_01.coords.columns.tsv")["note"].tolist() == ["mine"]


def test_a_damaged_list_in_a_folder_is_refused_and_other_files_are_passed_over(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    files = write(some(), out, "copick")
    (out / "notes.txt").write_text("picked on Monday\n")
    outcome = cryoal("convert", out, tmp_path / "a.csv", "--to", "csv")
    assert outcome.code == 0, outcome.stderr
    assert f"read      {N} particles in 9 files" in outcome.stdout
    assert "files passed over, as no particle lists: 1 (notes.txt)" in outcome.stderr
    files[4].write_text(files[4].read_text()[:-40])
    refused = cryoal("convert", out, tmp_path / "b.csv", "--to", "csv")
    assert refused.code == 2
    assert str(files[4]) in refused.stderr
    assert not (tmp_path / "b.csv").exists()

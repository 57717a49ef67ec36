"""Boxes are the same whatever format their tomogram came in; what is shown is kept beside it."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import tifffile
from conftest import DIAMETER, cryoal
from volume_files import served, write_ome_zarr

from cryoal.io.mrc import open_volume as open_mrc
from cryoal.io.mrc import write_volume
from cryoal.io.volumes import open_volume
from cryoal.project.project import Project
from cryoal.simulate.write import SimulationResult

VOXEL = 20.0


def extract(folder: Path, simulated: SimulationResult, *more: object) -> Path:
    outcome = cryoal(
        "extract", folder, "--particles", simulated.particles, "--diameter", DIAMETER,
        "--contrast", "dark", "-j", 1, *more,
    )  # fmt: skip
    assert outcome.code in (0, 3), outcome.stderr
    return folder


@pytest.fixture
def volumes(simulated: SimulationResult) -> dict[str, Path]:
    return {p.stem: p for p in sorted((simulated.tomograms.parent / "tomograms").glob("*.mrc"))}


def packed(path: Path, source: Path) -> None:
    path.write_bytes(gzip.compress(source.read_bytes(), 1))


def as_zarr(path: Path, source: Path) -> None:
    write_ome_zarr(path, [np.array(open_mrc(source))], VOXEL / 10, unit="nanometer", chunks=32)


def as_tiff(path: Path, source: Path) -> None:
    tifffile.imwrite(path, np.array(open_mrc(source)), imagej=True, resolution=(0.5, 0.5),
                     metadata={"unit": "nm", "spacing": 2.0, "axes": "ZYX"})  # fmt: skip


@pytest.mark.parametrize(
    ("ending", "write"), [(".zarr", as_zarr), (".mrc.gz", packed), (".tif", as_tiff)]
)
def test_boxes_do_not_depend_on_the_format(simulated, extracted, volumes, tmp_path, ending, write):
    for name, source in volumes.items():
        write(tmp_path / f"{name}{ending}", source)
    folder = extract(tmp_path / "p", simulated, "--tomograms", str(tmp_path / f"*{ending}"))
    project, expected = Project.open(folder), Project.open(extracted)
    ids = expected.subtomograms.index.boxes["cryoalId"].tolist()
    np.testing.assert_array_equal(project.subtomograms[ids], expected.subtomograms[ids])
    again = cryoal("extract", folder, "-j", 1)
    assert "Nothing to do" in again.stderr


def test_boxes_come_out_of_a_remote_zarr(simulated, extracted, volumes, tmp_path):
    name, source = next(iter(volumes.items()))
    as_zarr(tmp_path / f"{name}.zarr", source)
    with served(tmp_path) as address:
        folder = extract(tmp_path / "p", simulated, "--tomograms", f"{address}/{name}.zarr")
    project, expected = Project.open(folder), Project.open(extracted)
    ids = project.subtomograms.index.boxes["cryoalId"].tolist()
    assert len(ids) >= 20
    np.testing.assert_array_equal(project.subtomograms[ids], expected.subtomograms[ids])


def test_an_unpacked_tomogram_may_be_deleted_and_comes_back(simulated, volumes, tmp_path):
    name, source = next(iter(volumes.items()))
    packed(tmp_path / f"{name}.mrc.gz", source)
    folder = extract(tmp_path / "p", simulated, "--tomograms", tmp_path / f"{name}.mrc.gz")
    (unpacked,) = (folder / ".cache").iterdir()
    unpacked.unlink()
    volume = Project.open(folder).tomograms[name].load()
    np.testing.assert_array_equal(volume, open_mrc(source))
    assert unpacked.exists()


def test_a_dry_run_unpacks_nothing_into_the_project(simulated, volumes, tmp_path):
    name, source = next(iter(volumes.items()))
    packed(tmp_path / f"{name}.mrc.gz", source)
    extract(tmp_path / "p", simulated, "--tomograms", tmp_path / f"{name}.mrc.gz", "--dry-run")
    assert not (tmp_path / "p").exists()


def test_display_volumes_are_kept_with_the_project(simulated, project, volumes, tmp_path):
    for name, source in volumes.items():
        volume = np.array(open_mrc(source), dtype=np.float32)
        cut = volume[: volume.shape[0] // 2 * 2, : volume.shape[1] // 2 * 2]
        z, y, x = (size // 2 for size in cut.shape)
        binned = cut[:, :, : x * 2].reshape(z, 2, y, 2, x, 2).mean((1, 3, 5))
        write_volume(tmp_path / f"dn/{name}_denoised.mrc", binned, 0.0)
    assert Project.open(project).display_tomogram("TS_001") is None
    before = {p: p.stat().st_mtime_ns for p in (project / "subtomograms").glob("*.mrc")}
    outcome = cryoal("extract", project, "--display-tomograms", tmp_path / "dn/*.mrc", "-j", 1)
    assert outcome.code == 0, outcome.stderr
    assert "binned by 2" in outcome.stderr
    assert before == {p: p.stat().st_mtime_ns for p in (project / "subtomograms").glob("*.mrc")}
    opened = Project.open(project)
    place = opened.display_tomogram("TS_001")
    assert place == tmp_path / "dn/TS_001_denoised.mrc"
    shown = opened.tomograms["TS_001"].shown
    assert (shown.shape, shown.voxel_size) == (open_volume(place).shape, 2 * VOXEL)
    cryoal("extract", project, "--tomograms", simulated.tomograms, "-j", 1)
    assert Project.open(project).display_tomogram("TS_001") == place

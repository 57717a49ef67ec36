"""The main job on experimental noise: two real microtubule crops, 13 and 14 protofilaments."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from conftest import cryoal

from cryoal import Project
from cryoal.io import write_volume
from cryoal.io.star import read_star

VOXEL_SIZE = 10.52
#: Axis of each filament in voxels, zyx, measured by eye at its two ends; 5 voxels a pick.
AXES = {"13pf_MT": ([18, 2, 81], [18, 203, 21]), "14pf_MT": ([22, 2, 65], [22, 133, 28])}
#: Beside the filaments, where there is only ice and gold.
BESIDE = {
    "13pf_MT": [(18, y, 24) for y in range(20, 90, 10)]
    + [(18, y, 72) for y in range(130, 190, 10)],
    "14pf_MT": [(22, y, 20) for y in range(20, 50, 10)],
}


@pytest.fixture(scope="module")
def microtubules(testdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MRC files, picks along the filaments and beside them, and the truth."""
    folder = tmp_path_factory.mktemp("microtubules")
    rows, truth = [], []
    for name, (start, end) in AXES.items():
        volume = tifffile.imread(testdata / f"experimental/cylindra_microtubules/{name}.tif")
        write_volume(folder / f"{name}.mrc", volume.astype(np.float32), VOXEL_SIZE)
        along = np.linspace(start, end, (end[1] - start[1]) // 5)
        label = name.removesuffix("_MT")
        for number, (z, y, x) in enumerate([*along, *BESIDE[name]]):
            particle = f"{name}/{number}"
            rows.append((particle, f"{name}.mrc", f"{x:.2f}", f"{y:.2f}", f"{z:.2f}"))
            truth.append((particle, label if number < len(along) else "junk"))
    columns = ["rlnTomoParticleName", "rlnMicrographName"]
    columns += [f"rlnCoordinate{axis}" for axis in "XYZ"]
    table = "\n".join("\t".join(row) for row in rows)
    names = "\n".join(f"_{name} #{n}" for n, name in enumerate(columns, 1))
    (folder / "picks.star").write_text(f"data_\n\nloop_\n{names}\n{table}\n\n", encoding="utf-8")
    pd.DataFrame(truth, columns=["id", "label"]).to_csv(folder / "truth.tsv", sep="\t", index=False)
    return folder


@pytest.fixture(scope="module")
def project(microtubules: Path) -> Path:
    path = microtubules / "project"
    outcome = cryoal(
        *("extract", path, "--tomograms", f"{microtubules}/*.mrc"),
        *("--particles", microtubules / "picks.star", "--diameter", 250, "--workers", 1),
    )
    assert outcome.code in (0, 3), outcome.stderr
    settings = path / "cryoal.toml"
    text = settings.read_text(encoding="utf-8")
    tiny = "[train]\nmax_steps = 15\nstudent_steps = 5\n"
    settings.write_text(text.replace("[train]\n", tiny), encoding="utf-8")
    return path


def test_protein_is_seen_to_be_bright_in_both(project):
    contrast = Project.open(project).subtomograms.index.tomograms["cryoalContrast"]
    assert list(contrast) == ["bright", "bright"]


def test_the_filament_runs_through_the_middle_of_the_mean_box(project):
    opened = Project.open(project)
    store = opened.subtomograms
    ids = [i for i in store.ids if i.startswith("14pf_MT") and int(i.split("/")[1]) < 26]
    mean = store[ids].mean(axis=0)
    middle = store.geometry.box // 2
    across = mean.mean(axis=(0, 1))  # along x, the walls stand left and right of the axis
    wall = np.abs(np.arange(len(across)) - middle)
    assert across[(wall > 7) & (wall < 13)].mean() > across[wall < 5].mean()


def test_the_whole_job_runs_on_experimental_noise(project, microtubules, tmp_path):
    truth = pd.read_csv(microtubules / "truth.tsv", sep="\t").set_index("id")["label"]
    for _ in range(2):
        assert cryoal("select", project, "-n", 10).code == 0
        ids = Project.open(project).queue.ids
        answers = tmp_path / "answers.tsv"
        truth[ids].rename_axis("id").reset_index().to_csv(answers, sep="\t", index=False)
        assert cryoal("label", project, "--from", answers).code == 0
    assert cryoal("select", project, "-n", 10).code == 0
    assert cryoal("export", project, "-o", tmp_path / "out.star").code == 0
    rows = next(t for t in read_star(tmp_path / "out.star").values() if "cryoalLabel" in t)
    assert list(rows["rlnTomoParticleName"]) == list(truth.index)
    assert set(rows["cryoalLabel"]) <= {"13pf", "14pf", "junk", "none"}
    people = rows.set_index("rlnTomoParticleName")["cryoalStatus"] == "labelled"
    assert people.sum() == 20

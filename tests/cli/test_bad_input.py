"""Whatever is wrong with the input: one line, exit code 2, and nothing half-written."""

import shutil
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from conftest import DIAMETER, cryoal

from cryoal.io.files import locked
from cryoal.simulate.write import SimulationResult

Case = Callable[["Bench"], list[object]]


class Bench:
    """A folder with a copy of the data and of the project, to spoil."""

    def __init__(self, folder: Path, simulated: SimulationResult, extracted: Path) -> None:
        self.folder = folder
        self.data = Path(shutil.copytree(simulated.tomograms.parent, folder / "data"))
        self.project = Path(shutil.copytree(extracted, folder / "project"))
        self.tomograms = self.data / "tomograms.star"
        self.particles = self.data / "particles.star"
        self.volume = self.data / "tomograms" / "TS_002.mrc"
        self.settings = self.project / "cryoal.toml"

    def extract(self, *more: object) -> list[object]:
        return [
            "extract", self.folder / "new", "--tomograms", self.tomograms, "--particles",
            self.particles, "--diameter", DIAMETER, "--contrast", "dark", *more,
        ]  # fmt: skip

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def edit(self, path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def labels(self, text: str) -> list[object]:
        return ["label", self.project, "--from", self.write("labels.tsv", text)]

    def listing(self) -> dict[Path, tuple[int, int]]:
        """Every file with its size and modification time; the empty lock file is none."""
        return {
            path: (path.stat().st_size, path.stat().st_mtime_ns)
            for path in self.folder.rglob("*")
            if path.is_file() and path.name != ".lock"
        }


def star_without_tomogram_names(bench: Bench) -> list[object]:
    bench.edit(bench.particles, "_rlnTomoName #1\n_rlnTomoParticleName", "_other #1\n_another")
    return bench.extract()


def no_tomogram(bench: Bench) -> list[object]:
    bench.volume.unlink()
    return bench.extract()


def no_star(bench: Bench) -> list[object]:
    bench.tomograms.unlink()
    return bench.extract()


def truncated_tomogram(bench: Bench) -> list[object]:
    whole = bench.volume.read_bytes()
    bench.volume.write_bytes(whole[: len(whole) // 2])
    return bench.extract()


def no_mrc_at_all(bench: Bench) -> list[object]:
    bench.volume.write_text("<html>404 not found</html>" * 100)
    return bench.extract()


def empty_tomogram_file(bench: Bench) -> list[object]:
    bench.volume.write_bytes(b"")
    return bench.extract()


def flat_tomogram(bench: Bench) -> list[object]:
    with mrcfile.new(bench.volume, np.zeros((54, 54), np.float32), overwrite=True) as file:
        file.voxel_size = 20
    return bench.extract()


def complex_tomogram(bench: Bench) -> list[object]:
    with mrcfile.new(bench.volume, np.zeros((36, 54, 54), np.complex64), overwrite=True) as file:
        file.voxel_size = 20
    return bench.extract()


def other_size_than_the_star_says(bench: Bench) -> list[object]:
    with mrcfile.new(bench.volume, np.zeros((36, 54, 99), np.float32), overwrite=True) as file:
        file.voxel_size = 20
    return bench.extract()


def voxels_taken_for_angstrom(bench: Bench) -> list[object]:
    rows = "".join(f"TS_001,{x},{x},{x}\n" for x in range(100, 700, 40))
    bench.particles = bench.write("picks.csv", f"tomogram,x,y,z\n{rows}")
    return bench.extract("--unit", "voxel")


def box_beyond_the_tomogram(bench: Bench) -> list[object]:
    return bench.extract("--box", 64)


def diameter_beyond_the_tomogram(bench: Bench) -> list[object]:
    return [*bench.extract(), "--diameter", 3000]


def odd_box(bench: Bench) -> list[object]:
    return bench.extract("--box", 19)


def negative_diameter(bench: Bench) -> list[object]:
    return [*bench.extract(), "--diameter", -190]


def no_size_given(bench: Bench) -> list[object]:
    return ["extract", bench.folder / "new", "--tomograms", bench.tomograms, "--particles",
            bench.particles]  # fmt: skip


def nobody_knows_the_voxel_size(bench: Bench) -> list[object]:
    with mrcfile.open(bench.volume, mode="r+") as file:
        file.voxel_size = 0
    bench.tomograms = bench.volume
    return bench.extract()


def negative_voxel_size(bench: Bench) -> list[object]:
    return bench.extract("--voxel-size", -20)


def undecided_contrast(bench: Bench) -> list[object]:
    with mrcfile.mmap(bench.volume, mode="r+") as file:
        file.data[:] = np.random.default_rng(0).normal(size=file.data.shape)
    return [*bench.extract(), "--contrast", "auto"]


def picks_without_rows(bench: Bench) -> list[object]:
    text = bench.particles.read_text()
    bench.particles.write_text(text[: text.index("TS_001\t")])
    return bench.extract()


def picks_of_other_tomograms(bench: Bench) -> list[object]:
    bench.edit(bench.particles, "TS_00", "Position_")
    return bench.extract()


def coordinate_that_is_no_number(bench: Bench) -> list[object]:
    line = next(x for x in bench.particles.read_text().splitlines() if "TS_002/3\t" in x)
    cells = line.split("\t")
    bench.edit(bench.particles, line, "\t".join([*cells[:2], "12,5", *cells[3:]]))
    return bench.extract()


def row_cut_short(bench: Bench) -> list[object]:
    line = next(x for x in bench.particles.read_text().splitlines() if "TS_002/3\t" in x)
    bench.edit(bench.particles, line, line.rsplit("\t", 3)[0])
    return bench.extract()


def into_a_foreign_folder(bench: Bench) -> list[object]:
    (bench.folder / "new").mkdir()
    bench.write("new/thesis.tex", "years of work")
    return bench.extract()


def into_a_file(bench: Bench) -> list[object]:
    bench.write("new", "a file")
    return bench.extract()


def newer_format(bench: Bench) -> list[object]:
    bench.edit(bench.settings, "format = 1", "format = 2")
    return ["status", bench.project]


def broken_toml(bench: Bench) -> list[object]:
    bench.edit(bench.settings, "[select]", "[select")
    return ["select", bench.project]


def unknown_setting(bench: Bench) -> list[object]:
    bench.edit(bench.settings, "[select]", "[select]\nbatchsize = 20")
    return ["select", bench.project]


def impossible_setting(bench: Bench) -> list[object]:
    bench.edit(bench.settings, "[select]", "[select]\ncontrols = 10")
    return ["select", bench.project]


def unknown_acquisition(bench: Bench) -> list[object]:
    return ["select", bench.project, "--acquisition", "discrepency"]


def acquisition_that_cannot_be_imported(bench: Bench) -> list[object]:
    return ["select", bench.project, "--acquisition", "mylab.scores:vote"]


def unknown_network(bench: Bench) -> list[object]:
    bench.edit(bench.settings, "[train]\n", '[train]\nnetwork = "resnett"\n')
    assert cryoal(*bench.labels("id\tlabel\nTS_001/1\ta\nTS_001/2\tb\n")).code == 0
    return ["train", bench.project]


def no_project(bench: Bench) -> list[object]:
    return ["select", bench.data]


def nothing_to_ask_for(bench: Bench) -> list[object]:
    return ["select", bench.project, "-n", 0]


def negative_seed(bench: Bench) -> list[object]:
    return ["select", bench.project, "--seed", -1]


def labels_for_unknown_ids(bench: Bench) -> list[object]:
    return bench.labels("id\tlabel\nTS_001/1\tribosome\nTS_009/7\tribosome\n")


def labels_without_columns(bench: Bench) -> list[object]:
    return bench.labels("TS_001/1\tribosome\nTS_001/2\tjunk\n")


def two_labels_for_one_particle(bench: Bench) -> list[object]:
    return bench.labels("id\tlabel\nTS_001/1\tribosome\nTS_001/1\tjunk\n")


def empty_label_file(bench: Bench) -> list[object]:
    return bench.labels("")


def label_file_of_a_header(bench: Bench) -> list[object]:
    return bench.labels("id\tlabel\n")


def label_file_that_is_not_there(bench: Bench) -> list[object]:
    return ["label", bench.project, "--from", bench.folder / "labels.tsv"]


def labels_from_a_plain_folder(bench: Bench) -> list[object]:
    return ["label", bench.project, "--from", bench.data]


def sheet_without_a_queue(bench: Bench) -> list[object]:
    return ["sheet", bench.project, "-o", bench.folder / "sheet.html"]


def sheet_of_another_project(bench: Bench) -> list[object]:
    header = "statement,when,id,label,round,revokes,tomogram,x,y,z"
    row = "b1,2026-03-01T10:00:00Z,TS_009/1,a,0,,TS_009,1,2,3"
    return bench.labels(f"{header}\n{row}\n")


def sheet_with_a_torn_line(bench: Bench) -> list[object]:
    header = "statement,when,id,label,round,revokes"
    return bench.labels(f"{header}\nb1,2026-03-01T10:00,TS_001/1,a,zero,\n")


def train_on_one_class(bench: Bench) -> list[object]:
    assert cryoal(*bench.labels("id\tlabel\nTS_001/1\ta\nTS_001/2\ta\n")).code == 0
    return ["train", bench.project]


def train_on_nothing(bench: Bench) -> list[object]:
    return ["train", bench.project]


def predict_before_training(bench: Bench) -> list[object]:
    return ["predict", bench.project]


def predict_with_no_network(bench: Bench) -> list[object]:
    return ["predict", bench.project, "--model", bench.data]


def predict_with_a_picture(bench: Bench) -> list[object]:
    name = bench.write("teacher.safetensors", "not a network")
    bench.write("student.safetensors", "not a network")
    return ["predict", bench.project, "--model", name]


def stack_deleted(bench: Bench) -> list[object]:
    (bench.project / "subtomograms" / "TS_002.mrc").unlink()
    return ["select", bench.project]


def stack_cut_short(bench: Bench) -> list[object]:
    stack = bench.project / "subtomograms" / "TS_002.mrc"
    stack.write_bytes(stack.read_bytes()[:-5000])
    return ["select", bench.project]


def stacks_deleted(bench: Bench) -> list[object]:
    shutil.rmtree(bench.project / "subtomograms")
    return ["status", bench.project]


def particle_file_deleted(bench: Bench) -> list[object]:
    (bench.project / "particles.star").unlink()
    return ["select", bench.project]


def queue_that_is_none(bench: Bench) -> list[object]:
    (bench.project / "rounds" / "000").mkdir(parents=True)
    bench.write("project/rounds/000/queries.star", "data_\n\nloop_\n_a #1\n1\n")
    return ["select", bench.project]


def ledger_of_another_kind(bench: Bench) -> list[object]:
    (bench.project / "labels").mkdir()
    bench.write("project/labels/anna.tsv", "particle\tclass\nTS_001/1\ta\n")
    return ["status", bench.project]


def unknown_dialect(bench: Bench) -> list[object]:
    return ["export", bench.project, "--to", "relion6"]


def export_onto_a_folder(bench: Bench) -> list[object]:
    return ["export", bench.project, "-o", bench.data]


def a_file_for_a_project(bench: Bench) -> list[object]:
    return ["status", bench.settings]


def class_that_is_not_there(bench: Bench) -> list[object]:
    return ["export", bench.project, "--class", "ribosome"]


def confidence_beyond_one(bench: Bench) -> list[object]:
    return ["export", bench.project, "--min-confidence", 90]


def truth_of_other_particles(bench: Bench) -> list[object]:
    truth = bench.write("truth.tsv", "id\tlabel\nTS_001/1\ta\nTS_001/2\tb\n")
    return ["benchmark", bench.project, "--truth", truth, "-j", 1, "-o", bench.folder / "out"]


def benchmark_of_an_unknown_strategy(bench: Bench) -> list[object]:
    truth = bench.data / "truth.tsv"
    return ["benchmark", bench.project, "--truth", truth, "--acquisitions", "randon",
            "-o", bench.folder / "out"]  # fmt: skip


def unknown_command(bench: Bench) -> list[object]:
    return ["clasify", bench.project]


def unknown_option(bench: Bench) -> list[object]:
    return ["extract", bench.project, "--diametre", 190]


#: What is wrong, and the words that the one line must hold: the place, and what to do.
CASES: list[tuple[Case, tuple[str, ...]]] = [
    (star_without_tomogram_names, ("particles.star", "rlnTomoName")),
    (no_tomogram, ("tomograms.star", "TS_002", "not there")),
    (no_star, ("tomograms.star", "no such file")),
    (truncated_tomogram, ("TS_002.mrc", "bytes")),
    (no_mrc_at_all, ("TS_002.mrc", "MRC")),
    (empty_tomogram_file, ("TS_002.mrc",)),
    (flat_tomogram, ("TS_002.mrc", "single image")),
    (complex_tomogram, ("TS_002.mrc", "complex")),
    (other_size_than_the_star_says, ("TS_002", "rlnTomoSize")),
    (voxels_taken_for_angstrom, ("picks.csv", "outside", "read as voxel", "--unit angstrom")),
    (box_beyond_the_tomogram, ("TS_001", "does not fit", "--box")),
    (diameter_beyond_the_tomogram, ("TS_001", "does not fit", "--diameter")),
    (odd_box, ("--box 19", "even", "20")),
    (negative_diameter, ("--diameter -190", "greater than 0")),
    (no_size_given, ("--diameter", "--box")),
    (nobody_knows_the_voxel_size, ("TS_002.mrc", "voxel size", "--voxel-size")),
    (negative_voxel_size, ("--voxel-size -20", "greater than 0")),
    (undecided_contrast, ("TS_00", "--contrast dark", "--contrast bright")),
    (picks_without_rows, ("particles.star",)),
    (picks_of_other_tomograms, ("particles.star", "Position_1", "TS_001")),
    (coordinate_that_is_no_number, ("particles.star", "12,5", "rlnCenteredCoordinateXAngst")),
    (row_cut_short, ("particles.star", "line")),
    (into_a_foreign_folder, ("new", "neither empty nor a cryoal project")),
    (into_a_file, ("new", "is a file")),
    (newer_format, ("cryoal.toml", "format 2", "newer cryoal")),
    (broken_toml, ("cryoal.toml", "TOML", "line")),
    (unknown_setting, ("cryoal.toml", "[select]", "'batchsize'; did you mean 'batch'?")),
    (impossible_setting, ("cryoal.toml", "select.controls", "10")),
    (unknown_acquisition, ("discrepency", "did you mean 'discrepancy'?")),
    (acquisition_that_cannot_be_imported, ("mylab.scores:vote", "cannot be imported")),
    (unknown_network, ("resnett", "did you mean 'resnet")),
    (no_project, ("data", "not a cryoal project", "cryoal extract")),
    (nothing_to_ask_for, ("-n 0", "at least one")),
    (negative_seed, ("--seed", "-1")),
    (labels_for_unknown_ids, ("labels.tsv", "TS_009/7", "ids look like")),
    (labels_without_columns, ("labels.tsv", "'id'")),
    (two_labels_for_one_particle, ("labels.tsv", "TS_001/1", "2 different labels")),
    (empty_label_file, ("labels.tsv",)),
    (label_file_of_a_header, ("labels.tsv", "no labels")),
    (label_file_that_is_not_there, ("labels.tsv", "does not exist")),
    (labels_from_a_plain_folder, ("data", "project")),
    (sheet_without_a_queue, ("project", "cryoal select")),
    (sheet_of_another_project, ("labels.tsv", "TS_009/1", "another project")),
    (sheet_with_a_torn_line, ("labels.tsv, row 2", "zero")),
    (train_on_one_class, ("2 labels", "'a'", "two classes")),
    (train_on_nothing, ("no labels yet", "cryoal select")),
    (predict_before_training, ("nothing trained yet", "cryoal train")),
    (predict_with_no_network, ("data", "not a cryoal project")),
    (predict_with_a_picture, ("teacher.safetensors",)),
    (stack_deleted, ("TS_002.mrc", "cryoal extract")),
    (stack_cut_short, ("TS_002.mrc",)),
    (stacks_deleted, ("subtomograms", "cryoal extract")),
    (particle_file_deleted, ("particles.star",)),
    (queue_that_is_none, ("queries.star",)),
    (ledger_of_another_kind, ("anna.tsv", "line 1", "statement")),
    (unknown_dialect, ("relion6", "relion5")),
    (export_onto_a_folder, ("data", "is a folder", "name a file")),
    (a_file_for_a_project, ("cryoal.toml", "not a cryoal project")),
    (class_that_is_not_there, ("'ribosome'", "there are")),
    (confidence_beyond_one, ("--min-confidence", "90")),
    (truth_of_other_particles, ("truth.tsv", "TS_00")),
    (benchmark_of_an_unknown_strategy, ("randon", "did you mean 'random'?")),
    (unknown_command, ("clasify", "--help")),
    (unknown_option, ("--diametre", "--diameter")),
]


@pytest.mark.parametrize(("case", "words"), CASES, ids=[case.__name__ for case, _ in CASES])
def test_bad_input_is_one_line_and_leaves_nothing_behind(
    case: Case,
    words: tuple[str, ...],
    tmp_path: Path,
    simulated: SimulationResult,
    extracted: Path,
) -> None:
    bench = Bench(tmp_path, simulated, extracted)
    command = case(bench)
    before = bench.listing()
    outcome = cryoal(*command)
    assert outcome.code == 2
    lines = outcome.stderr.splitlines()
    assert len(lines) == 1, outcome.stderr
    assert lines[0].startswith("cryoal: ")
    assert outcome.stdout == ""
    for word in words:
        assert word in lines[0]
    assert bench.listing() == before


@pytest.mark.parametrize("command", [["train"], ["predict"], ["select"], ["extract"]])
def test_a_locked_project_is_left_alone(command: list[str], project: Path) -> None:
    text = "id\tlabel\nTS_001/1\ta\nTS_001/2\tb\n"
    (project.parent / "labels.tsv").write_text(text)
    assert cryoal("label", project, "--from", project.parent / "labels.tsv").code == 0
    with locked(project / ".lock"):
        outcome = cryoal(*command, project)
    assert outcome.code == 2
    assert "another cryoal command is at work" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1

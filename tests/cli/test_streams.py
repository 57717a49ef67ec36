"""Exit codes, what stands on which stream, and help."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import DIAMETER, cryoal, cryoal_process

from cryoal.cli import COMMANDS, caused_by_interrupt
from cryoal.io.star import read_star
from cryoal.simulate.write import SimulationResult


def extract(folder: Path, simulated: SimulationResult, *more: object) -> list[object]:
    return [
        "extract", folder, "--tomograms", simulated.tomograms, "--particles", *more,
        "--diameter", DIAMETER, "--contrast", "dark", "-j", 1,
    ]  # fmt: skip


@pytest.fixture
def picks_with_one_at_the_edge(simulated: SimulationResult, tmp_path: Path) -> Path:
    """Ten picks of one tomogram, the last with less than 75 % of its box inside."""
    rows = np.random.default_rng(1).uniform(220, 480, (9, 3)).tolist()
    rows.append([0, 0, 0])
    path = tmp_path / "edge.csv"
    table = pd.DataFrame(rows, columns=["x", "y", "z"]).assign(tomogram="TS_001")
    table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize(("edge", "code"), [("pad", 3), ("drop", 0)])
def test_leaving_out_more_than_was_asked_for_shows_in_the_exit_code(
    edge: str,
    code: int,
    simulated: SimulationResult,
    picks_with_one_at_the_edge: Path,
    tmp_path: Path,
) -> None:
    command = extract(tmp_path / "p", simulated, picks_with_one_at_the_edge)
    outcome = cryoal(*command, "--unit", "angstrom", "--edge", edge, "--json")
    assert outcome.code == code
    facts = json.loads(outcome.stdout)
    left_out = pd.read_csv(tmp_path / "p" / "left_out.tsv", sep="\t")
    assert facts["left_out"] == len(left_out) >= 1
    assert facts["extracted"] + facts["left_out"] == 10
    assert left_out["reason"].str.startswith("edge: ").all()
    assert "left_out.tsv" in outcome.stderr


def test_a_project_without_a_single_box_says_so_and_sends_nobody_on(
    simulated: SimulationResult, tmp_path: Path
) -> None:
    corner = tmp_path / "corner.csv"
    corner.write_text("tomogram,x,y,z\nTS_001,0,0,0\nTS_001,5,5,5\n")
    outcome = cryoal(*extract(tmp_path / "p", simulated, corner), "--unit", "angstrom")
    assert outcome.code == 3
    assert "None of 2 particles has a box" in outcome.stderr
    assert "left_out.tsv" in outcome.stderr
    selected = cryoal("select", tmp_path / "p", "-n", 3)
    assert selected.code == 0
    assert "No particle is left to ask about" in selected.stderr


def test_picks_of_a_tomogram_that_was_not_given_show_in_the_exit_code(
    simulated: SimulationResult, tmp_path: Path
) -> None:
    only = simulated.tomograms.parent / "tomograms" / "TS_001.mrc"
    command = extract(tmp_path / "p", simulated, simulated.particles)
    command[command.index("--tomograms") + 1] = only
    outcome = cryoal(*command, "--json", "--unit", "centred_angstrom")
    assert outcome.code == 3
    assert json.loads(outcome.stdout)["extracted"] == 24
    assert "TS_002" in outcome.stderr


def test_a_dry_run_writes_nothing(simulated: SimulationResult, tmp_path: Path) -> None:
    command = extract(tmp_path / "p", simulated, simulated.particles)
    outcome = cryoal(*command, "--dry-run")
    assert outcome.code == 0
    assert "72 particles in 3 tomograms, boxes of 18 at 20 A" in outcome.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_repeated_extraction_touches_no_stack_and_says_so(project: Path) -> None:
    stacks = sorted((project / "subtomograms").glob("*.mrc"))
    before = [stack.stat().st_mtime_ns for stack in stacks]
    outcome = cryoal("extract", project)
    assert outcome.code == 0
    assert "Nothing to do: 72 particles are there" in outcome.stderr
    assert len(stacks) == 3
    assert [stack.stat().st_mtime_ns for stack in stacks] == before


@pytest.mark.parametrize(
    "command",
    [("status",), ("select", "-n", 5), ("extract",)],
    ids=lambda command: str(command[0]),
)
def test_json_is_one_object_on_stdout_and_the_rest_is_on_stderr(
    command: tuple[object, ...], project: Path
) -> None:
    verb, *options = command
    outcome = cryoal(verb, project, *options, "--json")
    assert outcome.code == 0
    assert isinstance(json.loads(outcome.stdout), dict)
    loud = cryoal(verb, project, *options, "--json", "-v")
    assert isinstance(json.loads(loud.stdout), dict)


def test_inspect_prints_its_object_even_when_it_refuses(tmp_path: Path) -> None:
    path = tmp_path / "picks.star"
    path.write_text("data_particles\n\nloop_\n_rlnMicrographName #1\nmic1.mrc\n")
    outcome = cryoal("inspect", path, "--json")
    assert outcome.code == 2
    (line,) = outcome.stdout.splitlines()
    assert json.loads(line)["refused"]
    assert outcome.stderr.startswith("cryoal: ")


def test_quiet_commands_say_nothing(project: Path) -> None:
    outcome = cryoal("select", project, "-n", 4, "-q")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", "")


def test_a_warning_is_marked_and_a_sentence_ends_in_the_next_command(project: Path) -> None:
    outcome = cryoal("select", project, "-n", 4)
    assert outcome.stderr.rstrip().endswith(f"cryoal label {project} --from labels.tsv")


def test_help_takes_less_than_a_second_and_lists_every_command_with_a_text() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = cryoal_process("--help")
    stdout, _ = process.communicate(timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert process.returncode == 0
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1
    for name in COMMANDS:
        (line,) = [line for line in stdout.splitlines() if line.startswith(f"│ {name} ")]
        assert len(line.split(name, 1)[1].strip("│ ")) > 20


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nsys.argv = ['cryoal', '--help']\nimport cryoal.cli\n"
        "try:\n    cryoal.cli.main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'pandas', 'pydantic', 'napari', 'qtpy', 'scipy', 'matplotlib'}\n"
        "sys.stderr.write(' '.join(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_each_of_its_options(name: str) -> None:
    outcome = cryoal(name, "--help")
    assert outcome.code == 0
    assert f"Usage: cryoal {name}" in outcome.stdout
    assert "--verbose" in outcome.stdout
    assert "--quiet" in outcome.stdout


def test_every_option_has_a_help_text() -> None:
    from cryoal.cli import cli

    context = cli.make_context("cryoal", ["status"], resilient_parsing=True)
    untold = [
        f"{name} {parameter.opts[-1]}"
        for name in COMMANDS
        for parameter in cli.get_command(context, name).params  # type: ignore[union-attr]
        if parameter.param_type_name == "option" and not getattr(parameter, "help", "")
    ]
    assert untold == []


def test_labelling_and_status_do_not_wait_for_torch(project: Path) -> None:
    script = (
        "import sys\nsys.argv = ['cryoal', 'status', sys.argv[1]]\nimport cryoal.cli\n"
        "try:\n    cryoal.cli.main()\nexcept SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(project)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "72 of 72 particles extracted" in done.stdout


def test_a_queue_names_what_was_asked(project: Path) -> None:
    outcome = cryoal("select", project, "-n", 6, "--json")
    facts = json.loads(outcome.stdout)
    table = read_star(Path(facts["queries"]))["queries"]
    assert facts["ids"] == table["cryoalId"].tolist()
    assert len(facts["ids"]) == 6


def test_a_line_of_a_ledger_that_is_not_whole_is_said_once(project: Path) -> None:
    name = read_star(project / "particles.star")["particles"]["cryoalId"][0]
    (project / "labels.tsv").write_text(f"id\tlabel\n{name}\ta\n")
    assert (
        cryoal("label", project, "--from", project / "labels.tsv", "--annotator", "kim").code == 0
    )
    with (project / "labels" / "kim.tsv").open("a") as file:
        file.write("half a li\n")
    outcome = cryoal("status", project)
    assert "1 labels: a 1" in outcome.stdout
    assert outcome.stderr.count("not whole") == 1


def test_ctrl_c_while_a_compiled_module_is_loaded_is_no_bug() -> None:
    pressed = ImportError("initialization failed")
    pressed.__cause__ = KeyboardInterrupt()
    assert caused_by_interrupt(pressed)
    assert not caused_by_interrupt(ImportError("no such module"))

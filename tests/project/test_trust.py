"""A file never runs code; the person at the keyboard may."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import cryoal
from safetensors import safe_open
from safetensors.torch import save_file

from cryoal import CryoalError, Project
from cryoal.models import checkpoint
from cryoal.project.oracle import Truth
from cryoal.simulate.write import SimulationResult

EVIL = """
from pathlib import Path
from cryoal.models.compact import compact_thin as net
from cryoal.acquire.random import random as vote
Path(__file__).with_name("ran").touch()
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A file that leaves a mark beside itself when it runs."""
    path = tmp_path / "evil.py"
    path.write_text(EVIL)
    return path


@pytest.fixture
def labelled(project: Path, simulated: SimulationResult) -> Path:
    """A project in which twelve particles are named."""
    opened = Project.open(project)
    names = [str(name) for name in opened.subtomograms.ids[::5][:12]]
    opened.labels.add(Truth.read(simulated.truth).ask(names), annotator="truth")
    return project


def ran(code: Path) -> bool:
    return code.with_name("ran").exists()


def set_to(project: Path, section: str, lines: str) -> None:
    settings = project / "cryoal.toml"
    text = settings.read_text()
    settings.write_text(text.replace(f"[{section}]\n", f"[{section}]\n{lines}\n"))


@pytest.mark.parametrize("verb", ["select", "train"])
@pytest.mark.parametrize("part", ["network", "student"])
def test_a_network_that_only_the_settings_name_does_not_run(
    labelled: Path, code: Path, verb: str, part: str
) -> None:
    set_to(labelled, "train", f'{part} = "{code}:net"')
    outcome = cryoal(verb, labelled)
    assert outcome.code == 2
    assert not ran(code)
    assert len(outcome.stderr.splitlines()) == 1
    for said in (str(labelled / "cryoal.toml"), f"{code}:net", "--network", "CRYOAL_TRUST=1"):
        assert said in outcome.stderr


def test_an_acquisition_that_only_the_settings_name_does_not_run(project: Path, code: Path) -> None:
    set_to(project, "select", f'acquisition = "{code}:vote"')
    outcome = cryoal("select", project)
    assert outcome.code == 2
    assert not ran(code)
    assert "--acquisition" in outcome.stderr
    assert str(project / "cryoal.toml") in outcome.stderr
    with pytest.raises(CryoalError, match="CRYOAL_TRUST=1"):
        Project.open(project).select(n=3)
    assert not ran(code)


def test_trust_in_the_environment_lets_the_settings_name_code(
    project: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to(project, "select", f'acquisition = "{code}:vote"')
    monkeypatch.setenv("CRYOAL_TRUST", "1")
    assert cryoal("select", project, "-n", 3).code == 0
    assert ran(code)


def test_an_argument_of_a_script_is_the_keyboard_and_only_for_its_call(
    labelled: Path, code: Path
) -> None:
    opened = Project.open(labelled)
    assert len(opened.select(3, f"{code}:vote")) == 3
    set_to(labelled, "select", f'acquisition = "{code}:vote"')
    with pytest.raises(CryoalError, match=r"cryoal\.toml"):
        Project.open(labelled).select(3)


@pytest.mark.parametrize("which", ["teacher", "student"])
def test_a_checkpoint_that_names_code_does_not_run_it(
    labelled: Path, code: Path, tmp_path: Path, which: str
) -> None:
    assert cryoal("train", labelled).code == 0
    strange = tmp_path / "model"
    shutil.copytree(Project.open(labelled).rounds[-1].folder, strange)
    file = strange / f"{which}.safetensors"
    with safe_open(file, framework="pt") as opened:
        header = json.loads(opened.metadata()["cryoal"])
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    header["network"] = f"{code}:net"
    save_file(tensors, file, {"cryoal": json.dumps(header)})
    outcome = cryoal("predict", labelled, "--model", strange)
    assert outcome.code == 2
    assert not ran(code)
    assert str(file) in outcome.stderr
    assert f"{code}:net" in outcome.stderr


def test_a_network_named_by_option_is_met_again_by_predict_which_asks_for_the_option(
    labelled: Path, code: Path
) -> None:
    name = f"{code}:net"
    outcome = cryoal("train", labelled, "--network", name, "--student", "compact-thin")
    assert outcome.code == 0, outcome.stderr
    rounds = Project.open(labelled).rounds
    with pytest.raises(CryoalError, match="was not run"):
        checkpoint.load(rounds[-1].teacher)
    for verb in ("predict", "select"):
        outcome = cryoal(verb, labelled)
        assert outcome.code == 2
        assert str(rounds[-1].teacher) in outcome.stderr
        assert "--network" in outcome.stderr
    assert cryoal("predict", labelled, "--network", name).code == 0
    outcome = cryoal("select", labelled, "-n", 3)
    assert outcome.code == 0, outcome.stderr
    assert len(Project.open(labelled).rounds) == len(rounds)

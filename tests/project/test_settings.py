"""cryoal.toml: its template, its defaults, and who wins."""

import json
import tomllib
from pathlib import Path

import pytest
from conftest import cryoal

from cryoal.core.errors import CryoalError
from cryoal.learn.schedule import Schedule
from cryoal.project.lesson_plan import schedule_for
from cryoal.project.project import Project
from cryoal.project.settings import ExtractSettings, Settings, read_settings, write_template
from cryoal.project.status import status


def uncommented(text: str) -> str:
    """The template with every example line in force."""
    lines = []
    for line in text.splitlines():
        bare = line.removeprefix("# ")
        lines.append(bare if line.startswith("# ") and " = " in bare else line)
    return "\n".join(lines)


def test_the_template_as_it_is_holds_nothing_but_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "cryoal.toml"
    write_template(path, {})
    assert read_settings(path) == Settings()
    assert path.read_text().startswith("format = 1\n")


def test_every_example_in_the_template_is_a_setting_and_shows_its_default(tmp_path: Path) -> None:
    path = tmp_path / "cryoal.toml"
    write_template(path, {})
    shown = tomllib.loads(uncommented(path.read_text()))
    path.write_text(uncommented(path.read_text()))
    settings = read_settings(path)
    assert set(shown) == {"format", "extract", "train", "select", "export", "classes"}
    defaults = {
        "max_steps": Schedule().max_steps,
        "student_steps": schedule_for(Settings().train).student_steps,
    }
    for section in ("train", "select", "export", "extract"):
        usual = getattr(Settings(), section).model_dump()
        for name, value in shown[section].items():
            assert getattr(settings, section).model_dump()[name] == value
            if usual[name] is not None:
                assert usual[name] == value, name
            elif name in defaults:
                assert defaults[name] == value, name


def test_the_template_states_what_the_first_extraction_was_given(tmp_path: Path) -> None:
    path = tmp_path / "cryoal.toml"
    write_template(path, {"diameter": 250.0, "box": None, "edge": "drop"}, {"max_steps": 40})
    settings = read_settings(path)
    assert settings.extract == ExtractSettings(diameter=250.0, edge="drop")
    assert settings.train.max_steps == 40


def test_an_option_wins_over_the_file_and_the_file_over_the_default(project: Path) -> None:
    def asked(*options: object) -> dict[str, object]:
        found = cryoal("select", project, "--json", *options)
        assert found.code == 0, found.stderr
        result: dict[str, object] = json.loads(found.stdout)
        return result

    path = project / "cryoal.toml"
    path.write_text(path.read_text().replace("[select]", "[select]\nbatch = 7"))
    assert len(asked()["ids"]) == 7  # type: ignore[arg-type]
    assert len(asked("-n", 9)["ids"]) == 9  # type: ignore[arg-type]


def test_nothing_rewrites_the_file(project: Path) -> None:
    path = project / "cryoal.toml"
    before = path.read_bytes()
    assert cryoal("extract", project, "--box", 20, "-j", 1).code == 0
    assert cryoal("select", project, "-n", 4).code == 0
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("[classes.ribosome]\ndiametre = 290", "did you mean 'diameter'?"),
        ("[classes.ribosome]\ndiameter = -1", "classes.ribosome.diameter = -1"),
        ("[classes.ribosome]\ndiameter = nan", "classes.ribosome.diameter = nan"),
        ("[classes.ribosome]\ndiameter = inf", "classes.ribosome.diameter = inf"),
        ("[classes.ribosome]\ndiameter = true", "classes.ribosome.diameter = True"),
        ("[classes.ribosome]\ndiameter = '290'", "classes.ribosome.diameter = '290'"),
        ("[classes.ribosome]", "[classes.ribosome] has no diameter"),
        ("[classes]\nribosome = 290", "classes.ribosome = 290"),
        ("[classes.junk]\ndiameter = 290", "junk is no particle"),
        ("[export]\nmin_distance = inf", "export.min_distance = inf"),
    ],
)
def test_a_class_has_a_diameter_or_is_refused(lines: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "cryoal.toml"
    path.write_text(f"format = 1\n{lines}\n")
    with pytest.raises(CryoalError) as problem:
        read_settings(path)
    assert said in str(problem.value)
    assert "\n" not in str(problem.value)


def test_a_diameter_of_a_class_that_nobody_knows_is_said_once(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = project / "cryoal.toml"
    path.write_text(path.read_text() + "ribosome.diameter = 290\n'80 S'.diameter = 250.5\n")
    opened = Project.open(project)
    opened.labels.add({"TS_001/1": "ribosome"}, "kim")
    with caplog.at_level("WARNING", logger="cryoal"):
        assert opened.diameters == {"ribosome": 290.0, "80 S": 250.5}
        status(opened)
    (said,) = [record.getMessage() for record in caplog.records]
    assert "names '80 S', which no label and no prediction knows" in said


@pytest.mark.parametrize("first", ["", "format = '1'", "format = 0", "format = 1.5"])
def test_a_file_without_its_format_is_refused(first: str, tmp_path: Path) -> None:
    path = tmp_path / "cryoal.toml"
    path.write_text(first)
    with pytest.raises(CryoalError, match="format = 1"):
        read_settings(path)


@pytest.mark.parametrize(("most", "least"), [(20, 20), (300, 300), (1800, 600)])
def test_fewer_steps_at_most_are_fewer_at_least(most: int, least: int) -> None:
    scratch = {"start": "scratch", "max_steps": most, "student_steps": 0}
    settings = Settings().train.model_copy(update=scratch)
    schedule = schedule_for(settings)
    assert (schedule.min_steps, schedule.max_steps) == (least, most)
    assert schedule.student_steps == 0


def test_a_setting_that_is_gone_is_named_once_and_ignored(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = project / "cryoal.toml"
    before = read_settings(path)
    path.write_text(path.read_text().replace("[train]\n", '[train]\nclass_weights = "balanced"\n'))
    assert read_settings(path) == before
    (warning,) = caplog.messages
    assert "[train] class_weights" in warning
    assert "delete the line" in warning
    outcome = cryoal("status", project, "--json")
    assert outcome.code == 0, outcome.stderr

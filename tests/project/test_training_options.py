"""Options of networks and of trainings by steps: what they change, and where they are refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import cryoal

from cryoal.core.errors import CryoalError
from cryoal.learn.predict import predict
from cryoal.learn.schedule import Schedule
from cryoal.models import checkpoint
from cryoal.models.base import build
from cryoal.project.chain import run_chain
from cryoal.project.finishing import _as_sure, finish
from cryoal.project.lesson_plan import check_settings
from cryoal.project.plan import Plan
from cryoal.project.project import Project
from cryoal.project.recipes import BOXES, recipe
from cryoal.project.settings import TrainSettings
from cryoal.project.sight import look
from cryoal.project.training import train_pair
from cryoal.simulate.write import SimulationResult


def boxes(**options: object) -> TrainSettings:
    short = {"max_steps": 3, "student_steps": 1, "device": "cpu"}
    small = {"network_options": {"width": 0.25}, "student_options": {"width": 0.125}}
    return TrainSettings(**{**BOXES, **small, **short, **options})


@pytest.fixture(scope="module")
def plain(extracted: Path, simulated: SimulationResult) -> torch.Tensor:
    return teacher_of(extracted, simulated, boxes())


def teacher_of(project: Path, simulated: SimulationResult, settings: TrainSettings) -> torch.Tensor:
    store = Project.open(project).subtomograms
    rows, labels = told(project, simulated)
    pair = train_pair(look(store, "cpu"), rows, labels, settings)
    return torch.cat([w.flatten() for w in pair.teacher.state_dict().values()])


def told(project: Path, simulated: SimulationResult, n: int = 24) -> tuple[np.ndarray, list[str]]:
    store = Project.open(project).subtomograms
    truth = pd.read_csv(simulated.truth, sep="\t", dtype=str).set_index("id")["label"]
    rows = np.arange(0, len(store), max(1, len(store) // n))[:n]
    return rows, truth[list(store.ids[rows])].tolist()


def test_a_networks_options_make_it_and_its_round(
    project: Path, simulated: SimulationResult
) -> None:
    pd.read_csv(simulated.truth, sep="\t", dtype=str).head(12).to_csv(
        project.parent / "labels.tsv", sep="\t", index=False
    )
    assert cryoal("label", project, "--from", project.parent / "labels.tsv").code == 0
    toml, words = project / "cryoal.toml", (project / "cryoal.toml").read_text()
    for width, rounds in ((0.25, 1), (0.5, 2), (0.5, 2)):
        lines = 'start = "scratch"\nnetwork = "compact"\nstudent = "compact-thin"\n'
        lines += f"network_options = {{width = {width}}}\nstudent_options = {{width = 0.125}}\n"
        toml.write_text(words.replace("[train]\n", f"[train]\n{lines}"))
        outcome = cryoal("train", project)
        assert outcome.code == 0, outcome.stderr
        opened = Project.open(project)
        assert len(opened.rounds) == rounds
        teacher = checkpoint.load(opened.rounds[-1].teacher).network
        assert teacher.recipe.options == {"width": width}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"depth": 3}, "no option 'depth'; it has: width, dropout"),
        ({"width": "wide"}, "width = 'wide'; it must be a number above 0"),
        ({"width": 0}, "width = 0; it must be a number above 0"),
        ({"dropout": 1.5}, "it must be a share below 1"),
    ],
)
def test_an_option_that_makes_no_network_is_named(options: dict[str, object], says: str) -> None:
    with pytest.raises(CryoalError, match=says):
        check_settings(boxes(network_options=options), 3, 18)


def test_a_switch_is_no_number() -> None:
    assert build("shape", 3, 18, bypass=False).recipe.options == {"bypass": False}


def test_a_recipe_file_may_give_options_and_another_network_does_not_inherit_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "wide.toml"
    path.write_text('network = "resnet10"\nnetwork_options = {width = 8}\n')
    made = recipe(str(path), TrainSettings())
    assert (made.network, made.network_options) == ("resnet10", {"width": 8})
    assert recipe("compact", made).network_options == {}
    assert recipe("project", made).network_options == {"width": 8}


@pytest.mark.parametrize(
    ("name", "value"), [("rotations", 0.4), ("noise", 0.4), ("ctf_filter", 0.4), ("pool_steps", 4)]
)
def test_what_changes_nothing_is_refused(name: str, value: float) -> None:
    with pytest.raises(CryoalError, match=rf'{name} under.* set start = "scratch"'):
        check_settings(TrainSettings(**{name: value}), 3, 18)
    with pytest.raises(CryoalError, match=rf"{name} under.* sees invariants"):
        check_settings(TrainSettings(start="scratch", **{name: value}), 3, 18)
    check_settings(boxes(**{name: value}), 3, 18)


@pytest.mark.parametrize(
    "option",
    [
        {"rotations": 0.0},
        {"noise": 0.5},
        {"ctf_filter": 1.0},
        {"shifts": False},
        {"pool_steps": 2},
        {"head": "trained"},
        {"ema_on": "unlabelled", "ema_weight": 1.0},
    ],
)
def test_an_option_changes_the_teacher_and_the_seed_decides_the_rest(
    extracted: Path, simulated: SimulationResult, plain: torch.Tensor, option: dict[str, object]
) -> None:
    one, again = (teacher_of(extracted, simulated, boxes(**option)) for _ in range(2))
    assert torch.equal(one, again)
    assert not torch.equal(one, plain)


def test_a_settled_head_names_labels_where_one_that_never_learnt_does_not(
    extracted: Path, simulated: SimulationResult
) -> None:
    store = Project.open(extracted).subtomograms
    rows, labels = told(extracted, simulated, n=60)
    classes, targets = np.unique(labels, return_inverse=True)
    torch.manual_seed(0)
    pair = [build("compact", len(classes), store.geometry.network_box) for _ in range(2)]
    sight = look(store, "cpu")
    pool = np.setdiff1d(np.arange(len(store)), rows)
    before = pair[1].head.bias.detach().clone()  # type: ignore[union-attr]
    with torch.no_grad():
        pair[0].head.weight.mul_(100)  # type: ignore[operator, union-attr]  # sure, and wrong
    settled = finish(pair[0], sight, rows, targets, pool, boxes(head="settled"))
    assert list(settled) == ["all"]
    assert torch.equal(pair[1].head.bias, before)  # type: ignore[arg-type]
    right = [
        (predict(network, store.read(rows), device="cpu")[0].argmax(1) == targets).mean()
        for network in pair
    ]
    assert right[0] > 0.45
    assert right[0] > right[1] + 0.1


def test_a_round_starts_from_the_one_before_if_told_to_and_an_interrupted_chain_too(
    extracted: Path, simulated: SimulationResult, tmp_path: Path
) -> None:
    way = tmp_path / "warm.toml"
    way.write_text(
        'start = "previous"\nnetwork = "compact-thin"\nstudent = "compact-thin"\n'
        "network_options = {width = 0.25}\nstudent_options = {width = 0.25}\n"
    )
    plan = Plan(
        extracted, simulated.truth, tmp_path / "out", ("random",), recipes=(str(way),),
        start=8, step=4, rounds=2, seeds=1, schedule=Schedule(max_steps=6, student_steps=2),
    )  # fmt: skip
    run_chain(plan, "random", 0, str(way))
    path = plan.chain_file("random", 0, str(way))
    whole = pd.read_csv(path, sep="\t", dtype=str)
    whole.iloc[:2].to_csv(path, sep="\t", index=False)
    run_chain(plan, "random", 0, str(way))
    again = pd.read_csv(path, sep="\t", dtype=str)
    pd.testing.assert_frame_equal(again.drop(columns="seconds"), whole.drop(columns="seconds"))


def test_a_warm_start_without_steps_is_the_earlier_pair(
    extracted: Path, simulated: SimulationResult
) -> None:
    sight = look(Project.open(extracted).subtomograms, "cpu")
    rows, labels = told(extracted, simulated)
    still = Schedule(max_steps=0, min_steps=0, student_steps=0)
    first = train_pair(sight, rows, labels, boxes(head="trained"))
    warm = boxes(start="previous", seed=5, head="trained")
    second = train_pair(sight, rows, labels, warm, schedule=still, earlier=first)
    for one, other in ((first.teacher, second.teacher), (first.student, second.student)):
        for mine, theirs in zip(
            one.state_dict().values(), other.state_dict().values(), strict=True
        ):
            assert torch.equal(mine, theirs)


def test_a_settled_head_is_as_sure_as_the_trained_one_was_of_the_pool(
    rng: np.random.Generator,
) -> None:
    points = rng.normal(size=(200, 6)).astype(np.float32)
    head = torch.nn.Linear(6, 3)
    trained = {name: value.clone() for name, value in head.state_dict().items()}
    with torch.no_grad():
        p = head(torch.from_numpy(points)).softmax(-1).numpy()
        for part in head.parameters():
            part.mul_(10)
    sure = _as_sure(head, points, p, 50)
    np.testing.assert_allclose(sure, p, atol=1e-3)
    for name, value in head.state_dict().items():
        torch.testing.assert_close(value, trained[name], rtol=1e-2, atol=1e-3)

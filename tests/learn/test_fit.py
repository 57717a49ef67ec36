import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from cryoal.learn.fit import fit
from cryoal.learn.predict import predict
from cryoal.learn.schedule import Schedule
from cryoal.learn.transfer import TransferOptions
from cryoal.models.base import build

QUICK = Schedule(min_steps=30, max_steps=30, student_steps=10, warmup=5, batch_size=8)
LONG = replace(QUICK, min_steps=60, max_steps=60, student_steps=20)


def blobs(n=40, box=20, seed=0):
    """Two classes: a large and a small blob, in noise."""
    rng = np.random.default_rng(seed)
    at = np.arange(box) - box // 2
    r2 = at[:, None, None] ** 2 + at[None, :, None] ** 2 + at[None, None, :] ** 2
    targets = np.arange(n) % 2
    width = np.where(targets == 0, 1.5, 4.0)
    boxes = 2 * np.exp(-r2 / 2 / width[:, None, None, None] ** 2)
    return (boxes + rng.normal(size=boxes.shape)).astype(np.float16), targets


def a_pair(seed=0):
    torch.manual_seed(seed)
    return build("compact-thin", 2, 16), build("compact-thin", 2, 16, width=0.25)


def trained(**arguments):
    teacher, student = a_pair()
    boxes, targets = blobs()
    arguments = {"schedule": QUICK, "shift": 2, "device": "cpu", **arguments}
    history = fit(teacher, student, boxes, targets, **arguments)
    return teacher, student, history


def same(one, two):
    return all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    )


def test_teacher_and_student_learn_what_a_child_could_tell():
    teacher, student, history = trained(schedule=LONG, views=np.ones((40, 4), dtype=bool))
    boxes, targets = blobs(seed=1)
    for network in (teacher, student):
        p, _ = predict(network, boxes, device="cpu")
        assert (p.argmax(1) == targets).mean() > 0.9
    assert history.steps == 60
    assert history.records[0]["step"] == 50


def test_the_seed_decides_everything():
    first, again, other = (trained(seed=s)[0] for s in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)


def test_callers_random_numbers_are_left_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    teacher, student = a_pair()
    torch.manual_seed(7)
    fit(teacher, student, *blobs(), schedule=QUICK, device="cpu")
    assert torch.equal(torch.rand(3), expected)


AVERAGED = {"schedule": LONG, "transfer": TransferOptions(ema_weight=0.1)}

KILLED = """
import os, signal, sys
from pathlib import Path
import torch
sys.path.insert(0, {here!r})
from test_fit import AVERAGED, trained
torch.set_num_threads(1)
def die(step, expected, loss):
    os.kill(os.getpid(), signal.SIGKILL)
trained(resume_path=Path({state!r}), save_every=30, progress=die, **AVERAGED)
"""


def test_a_killed_training_goes_on_as_if_nothing_had_happened(tmp_path):
    state = tmp_path / "training.safetensors"
    code = KILLED.format(here=str(Path(__file__).parent), state=str(state))
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert state.exists()
    resumed, straight = trained(resume_path=state, **AVERAGED), trained(**AVERAGED)
    assert same(resumed[0], straight[0])
    assert same(resumed[1], straight[1])
    assert resumed[2].records == straight[2].records


def test_a_kill_in_the_students_own_steps_is_survived_too(tmp_path):
    class Killed(Exception):
        pass

    def die(step, expected, loss):
        if step == 50:
            raise Killed

    schedule = replace(QUICK, student_steps=30)
    state = tmp_path / "training.safetensors"
    with pytest.raises(Killed):
        trained(schedule=schedule, resume_path=state, save_every=15, progress=die)
    resumed = trained(schedule=schedule, resume_path=state)
    straight = trained(schedule=schedule)
    assert same(resumed[0], straight[0])
    assert same(resumed[1], straight[1])


def test_the_state_of_another_training_is_not_taken_up(tmp_path):
    state = tmp_path / "training.safetensors"
    trained(resume_path=state, save_every=10, seed=5)
    assert same(trained(resume_path=state, seed=6)[0], trained(seed=6)[0])


def test_a_torn_state_is_not_taken_up(tmp_path):
    state = tmp_path / "training.safetensors"
    state.write_bytes(b"half")
    assert same(trained(resume_path=state)[0], trained()[0])


def test_training_ends_soon_after_the_loss_has_fallen():
    schedule = replace(QUICK, max_steps=2000, loss_below=0.3, descent=0.5, student_steps=0)
    _, _, history = trained(schedule=schedule)
    assert history.converged
    assert 30 <= history.steps < 1000


def test_training_that_does_not_converge_says_so():
    schedule = replace(QUICK, loss_below=0.0)
    assert not trained(schedule=schedule)[2].converged


def test_the_rate_rises_stays_and_falls_to_nothing():
    schedule = Schedule(warmup=10, descent=0.5)
    rates = [schedule.rate(step, 100) for step in range(200)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:100] == [1.0] * 90
    assert all(a >= b for a, b in pairwise(rates[99:]))
    assert rates[-1] == pytest.approx(0)


def test_the_teacher_rests_while_the_student_goes_on():
    more = replace(QUICK, student_steps=20)
    without, with_more = trained(schedule=replace(QUICK, student_steps=0)), trained(schedule=more)
    assert same(without[0], with_more[0])
    assert not same(without[1], with_more[1])


def test_fewer_labels_than_a_batch_are_enough():
    teacher, student = a_pair()
    boxes, targets = blobs(3)
    fit(teacher, student, boxes, targets, schedule=QUICK, device="cpu")
    assert predict(teacher, boxes, device="cpu")[0].shape == (3, 2)


def test_transfer_on_the_pool_takes_unlabelled_boxes():
    teacher, student = a_pair()
    boxes, targets = blobs()
    options = TransferOptions(where="both")
    fit(
        teacher,
        student,
        boxes,
        targets,
        transfer=options,
        unlabelled=blobs(seed=3)[0],
        schedule=QUICK,
        device="cpu",
    )
    other = trained(shift=0)
    assert same(teacher, other[0])
    assert not same(student, other[1])


def test_a_training_goes_on_from_what_was_saved_and_not_from_its_beginning(tmp_path):
    class Killed(Exception):
        pass

    def die(step, expected, loss):
        raise Killed

    state, schedule = tmp_path / "training.safetensors", replace(QUICK, student_steps=30)
    with pytest.raises(Killed):
        trained(schedule=schedule, resume_path=state, save_every=15, progress=die)
    with safe_open(state, framework="pt") as file:
        facts, tensors = file.metadata(), {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
    # A beginning anew would come to the same networks, so something is planted in the state.
    planted = next(name for name in tensors if name.startswith("teacher.") and "weight" in name)
    tensors[planted] += 1
    save_file(tensors, state, facts)
    assert not same(trained(schedule=schedule, resume_path=state)[0], trained(schedule=schedule)[0])

import math

import pytest
import torch
from torch.nn import functional

from cryoal.core.errors import CryoalError
from cryoal.learn.transfer import (
    DISTANCES,
    KnowledgeTransfer,
    MovingAverage,
    TransferOptions,
    divergence,
)
from cryoal.models.base import build

P = torch.tensor([[0.5, 0.5]]).log()
Q = torch.tensor([[0.25, 0.75]]).log()

BY_HAND = {
    "kl": 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75),
    "reverse_kl": 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5),
    "jsd": 0.5
    * (
        0.5 * math.log(0.5 / 0.375)
        + 0.5 * math.log(0.5 / 0.625)
        + 0.25 * math.log(0.25 / 0.375)
        + 0.75 * math.log(0.75 / 0.625)
    ),
    "mse": 0.25**2,
    "l1": 0.25,
}


@pytest.mark.parametrize("distance", DISTANCES)
def test_each_distance_is_what_the_formula_gives_by_hand(distance):
    assert divergence(P, Q, distance).item() == pytest.approx(BY_HAND[distance], abs=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
def test_each_distance_is_zero_in_agreement_whatever_the_logits_offset(distance):
    assert divergence(P, P + 3, distance).item() == pytest.approx(0, abs=1e-6)


def test_temperature_softens_both_and_scales_by_its_square():
    soft = [(x / 2).softmax(-1) for x in (P, Q)]
    by_hand = 4 * (soft[0] * (soft[0] / soft[1]).log()).sum().item()
    assert divergence(P, Q, "kl", temperature=2).item() == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"distance": "hellinger"},
        {"where": "everywhere"},
        {"ema_where": "nowhere"},
        {"student_ce": 2.0},
        {"temperature": 0.0},
    ],
)
def test_an_impossible_option_is_refused(wrong):
    with pytest.raises(CryoalError):
        TransferOptions(**wrong)


def a_pair(**options):
    torch.manual_seed(0)
    teacher, student = (build("compact-thin", 3, 16, dropout=0.0) for _ in range(2))
    return KnowledgeTransfer(teacher, student, TransferOptions(**options))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    boxes = torch.randn(6, 1, 16, 16, 16, generator=generator)
    return boxes, torch.tensor([0, 1, 2, 0, 1, 2]), torch.randn(6, 1, 16, 16, 16)


def gradients(network):
    return [p.grad for p in network.parameters()]


def test_the_teacher_learns_from_labels_alone(batch):
    pair = a_pair()
    teacher_loss, _ = pair.losses(*batch[:2])
    logits, _ = pair.teacher(batch[0])
    assert teacher_loss.item() == pytest.approx(functional.cross_entropy(logits, batch[1]).item())


def test_the_students_loss_moves_the_student_only(batch):
    pair = a_pair()
    pair.losses(*batch[:2])[1].backward()
    assert all(g is None for g in gradients(pair.teacher))
    assert all(g is not None for g in gradients(pair.student))


def test_the_teachers_loss_moves_the_teacher_only_even_when_mutual(batch):
    for mutual in (False, True):
        pair = a_pair(mutual=mutual)
        pair.losses(*batch[:2])[0].backward()
        assert all(g is None for g in gradients(pair.student))
        assert all(g is not None for g in gradients(pair.teacher))


def test_mutual_learning_adds_the_distance_from_the_student(batch):
    alone, mutual = a_pair(), a_pair(mutual=True)
    task, _ = alone.losses(*batch[:2])
    both, _ = mutual.losses(*batch[:2])
    t, s = (network(batch[0])[0] for network in (mutual.teacher, mutual.student))
    assert (both - task).item() == pytest.approx(divergence(s, t, "kl").mean().item(), abs=1e-5)


def test_student_ce_mixes_labels_into_the_students_loss(batch):
    values = {a: a_pair(student_ce=a).losses(*batch[:2])[1].item() for a in (0.0, 0.25, 1.0)}
    assert values[0.25] == pytest.approx(0.75 * values[0.0] + 0.25 * values[1.0], abs=1e-5)


def test_transfer_on_both_is_the_mean_of_transfer_on_each(batch):
    boxes, targets, pool = batch
    value = {
        where: a_pair(where=where).losses(boxes, targets, pool)[1].item()
        for where in ("labelled", "unlabelled", "both")
    }
    assert value["labelled"] != value["unlabelled"]
    assert value["both"] == pytest.approx((value["labelled"] + value["unlabelled"]) / 2, abs=1e-5)


def test_the_moving_average_counts_its_steps_from_its_own_birth():
    network = build("compact-thin", 2, 16)
    first = MovingAverage(network, 0.999)
    for _ in range(100):
        first.update(network)
    again = MovingAverage(network, 0.999)
    with torch.no_grad():
        network.head.bias += 1
    before = again.network.head.bias.clone()
    again.update(network)  # decay (1 + 0) / (10 + 0) = 0.1
    assert torch.allclose(again.network.head.bias - before, torch.tensor(0.9), atol=1e-6)


def test_consistency_pulls_the_teacher_towards_its_average(batch):
    pair = a_pair(ema_weight=0.5)
    task = pair.losses(*batch[:2])[0].item()
    with torch.no_grad():
        pair.average.network.head.bias += torch.tensor([3.0, 0.0, 0.0])
    assert pair.losses(*batch[:2])[0].item() > task


def test_a_mean_teacher_is_followed_on_another_view_of_the_pool(batch):
    boxes, targets, pool = batch
    value = {}
    for where in ("labelled", "unlabelled", "both"):
        pair = a_pair(ema_weight=0.5, ema_where=where)
        assert pair.options.consistent_on_pool == (where != "labelled")
        pair.teacher.eval()
        with torch.no_grad():
            pair.average.network.head.bias += torch.tensor([3.0, 0.0, 0.0])
        task = functional.cross_entropy(pair.teacher(boxes)[0], targets)
        loss = pair.losses(boxes, targets, pool, pool.flip(-1))[0]
        value[where] = (loss - task).item() / 0.5
    trailing, own = pair.average.network(pool.flip(-1))[0], pair.teacher(pool)[0]
    by_hand = divergence(trailing, own, "kl").mean().item()
    assert value["unlabelled"] == pytest.approx(by_hand, abs=1e-5)
    assert value["both"] == pytest.approx((value["labelled"] + by_hand) / 2, abs=1e-5)


def test_a_student_that_is_the_average_starts_as_the_teacher_and_trails_it(batch):
    pair = a_pair(average=True, ema_decay=0.5)
    pair.teacher.eval()
    _, distance = pair.losses(*batch[:2])
    assert distance.item() == pytest.approx(0, abs=1e-5)
    with torch.no_grad():
        pair.teacher.head.bias += torch.tensor([3.0, 0.0, 0.0])
    loss, distance = pair.losses(*batch[:2])
    t, s = (network(batch[0])[0] for network in (pair.teacher, pair.student))
    assert distance.item() == pytest.approx(divergence(s, t, "kl").mean().item(), abs=1e-5)
    assert loss.item() == pytest.approx(functional.cross_entropy(t, batch[1]).item(), abs=1e-5)
    before = pair.student.head.bias.clone()
    pair.average.update(pair.teacher)  # decay (1 + 0) / (10 + 0) = 0.1
    moved = pair.student.head.bias - before
    assert torch.allclose(moved, torch.tensor([2.7, 0.0, 0.0]), atol=1e-5)


def test_a_labels_only_student_never_sees_the_teacher(batch):
    pair = a_pair(student_ce=1.0)
    before = pair.losses(*batch[:2])[1].item()
    with torch.no_grad():
        pair.teacher.head.bias += 3.0 * torch.arange(3)
    assert pair.losses(*batch[:2])[1].item() == pytest.approx(before, abs=1e-5)
    student = pair.student(batch[0])[0]
    assert before == pytest.approx(functional.cross_entropy(student, batch[1]).item(), abs=1e-5)


@pytest.mark.parametrize("also", [{"mutual": True}, {"student_ce": 0.5}, {"where": "both"}])
def test_an_average_that_should_learn_is_refused(also):
    with pytest.raises(CryoalError, match="moving average"):
        TransferOptions(average=True, **also)


@pytest.mark.parametrize("alone", [False, True], ids=["both networks", "the student alone"])
def test_on_the_pool_each_particle_is_compared_with_itself(batch, alone):
    boxes, targets, pool = batch
    pair = a_pair(where="unlabelled")
    t, s = (network.eval()(pool)[0] for network in (pair.teacher, pair.student))
    expected = divergence(t, s, "kl").mean().item()
    if alone:
        found = pair.student_loss(boxes, targets, pool)
    else:
        found = pair.losses(boxes, targets, pool)[1]
    assert found.item() == pytest.approx(expected, rel=1e-4)

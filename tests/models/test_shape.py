import torch

from cryoal.models.base import build
from cryoal.models.invariants import SIZE
from cryoal.models.shape import FARTHEST, Standard


def test_boxes_and_their_invariants_get_the_same_answer():
    network = build("shape", 3, 20).eval()
    boxes = torch.randn(4, 1, 20, 20, 20)
    points = network.invariants(boxes)
    for one, other in zip(network(boxes), network(points), strict=True):
        torch.testing.assert_close(one, other)


def test_a_settled_pool_has_mean_0_and_deviation_1_and_no_outliers():
    points = 5 + 3 * torch.randn(200, 4)
    points[:, 2] = 7  # does not vary
    points[0, 0] = 1e6
    standard = Standard(4)
    standard.settle(points)
    seen = standard(points)
    torch.testing.assert_close(seen[:, [1, 3]].mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[:, [1, 3]].std(0), torch.ones(2), atol=0.01, rtol=0)
    assert (seen[:, 2] == 0).all()
    assert seen.abs().max() <= FARTHEST


def test_the_student_sees_less_than_the_teacher():
    teacher, student = build("shape", 3, 20), build("shape-thin", 3, 20)
    assert teacher.head.in_features == student.head.in_features + SIZE

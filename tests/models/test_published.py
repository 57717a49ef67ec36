"""Networks of the field have the sizes that were published."""

import pytest
import torch

from cryoal.core.errors import CryoalError
from cryoal.learn.fit import fit
from cryoal.learn.predict import predict
from cryoal.learn.schedule import Schedule
from cryoal.models.base import build


def millions(name, box=32, n_classes=10, **options):
    return sum(p.numel() for p in build(name, n_classes, box, **options).parameters()) / 1e6


@pytest.mark.parametrize(
    ("name", "options", "published"),
    [
        ("dsrf3d", {}, 10.3),
        ("yopo", {}, 6.3),
        ("resnet18", {"width": 64}, 33),
        ("resnet18", {"width": 32}, 8.3),
        ("resnet18", {"width": 16}, 2.1),
        ("resnet10", {"width": 64}, 14),
        ("distilled-1000k", {}, 1.00),
        ("distilled-490k", {}, 0.49),
        ("distilled-148k", {}, 0.148),
    ],
)
def test_it_has_as_many_parameters_as_published(name, options, published):
    assert millions(name, **options) == pytest.approx(published, rel=0.03)


@pytest.mark.parametrize("box", [24, 32, 48])
@pytest.mark.parametrize("name", ["yopo", "distilled-148k"])
def test_pooled_not_at_all_or_to_a_voxel_the_size_of_the_box_changes_no_weight(name, box):
    assert millions(name, box) == millions(name, 24)


def test_where_a_feature_lies_does_not_matter_to_a_network_of_maxima():
    torch.manual_seed(0)
    network = build("yopo", 2, 32, width=8, hidden=16).eval()
    box = torch.zeros(1, 1, 32, 32, 32)
    box[..., 14:17, 14:17, 14:17] = 1
    moved = box.roll((1, -2, 1), (2, 3, 4))
    assert torch.allclose(network(box)[1], network(moved)[1], atol=1e-5)


def test_a_flat_network_takes_images_rows_and_boxes():
    torch.manual_seed(0)
    network = build("image2d", 3, 16).eval()
    images = torch.randn(4, 1, 8, 8)
    assert torch.equal(network(images)[0], network(images.flatten(1))[0])
    assert network(torch.randn(4, 1, 6, 9))[0].shape == (4, 3)
    with pytest.raises(CryoalError, match="no square image"):
        network(torch.randn(4, 63))


def test_teacher_and_student_of_images_learn_through_the_same_loop(rng):
    # Bars lie or stand: nothing here has to do with tomograms.
    targets = rng.integers(0, 2, 64)
    images = rng.normal(size=(64, 8, 8)).astype("float32") * 0.1
    for image, stands in zip(images, targets, strict=True):
        image[(slice(None), 3) if stands else (3, slice(None))] += 1
    rows = images.reshape(64, 64)
    torch.manual_seed(0)
    teacher, student = build("image2d", 2, 16), build("image2d-thin", 2, 16)
    schedule = Schedule(max_steps=60, min_steps=20, student_steps=20, warmup=5)
    fit(teacher, student, rows[:48], targets[:48], schedule=schedule, device="cpu")
    for network in (teacher, student):
        p, _ = predict(network, rows[48:], device="cpu")
        assert (p.argmax(1) == targets[48:]).mean() > 0.9

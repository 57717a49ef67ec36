import pytest
import torch

from cryoal.core.errors import CryoalError
from cryoal.core.registry import named_by_person
from cryoal.models.base import build


@pytest.mark.parametrize("box", [14, 17, 98])
def test_an_impossible_box_is_refused_with_the_range(box):
    with pytest.raises(CryoalError, match="even and from 16 to 96"):
        build("compact", 2, box)


def test_one_class_is_no_classification():
    with pytest.raises(CryoalError, match="at least two classes"):
        build("compact", 1, 24)


def test_a_typo_is_answered_with_a_guess():
    with pytest.raises(CryoalError, match="did you mean 'compact'"):
        build("compcat", 2, 24)


def test_a_private_network_needs_no_registration():
    with named_by_person("cryoal.models.compact:Compact"):
        network = build("cryoal.models.compact:Compact", 2, 16, width=0.25)
    assert network.recipe.name == "cryoal.models.compact:Compact"
    assert network(torch.zeros(1, 1, 16, 16, 16))[0].shape == (1, 2)


def test_the_default_is_small_and_its_student_smaller():
    size = [
        sum(p.numel() for p in build(name, 8, 32).parameters())
        for name in ("compact", "compact-thin")
    ]
    assert size[0] < 400_000
    assert size[1] < size[0] / 3

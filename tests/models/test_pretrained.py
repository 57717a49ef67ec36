import pytest
import torch

from cryoal.models.base import build
from cryoal.models.pretrained import has_weights, save_weights, start_from_weights


@pytest.fixture
def stored(tmp_path):
    torch.manual_seed(1)
    network = build("shape", 9, 24)
    save_weights(network, tmp_path / "shape.safetensors")
    return network, tmp_path / "shape.safetensors"


def test_everything_but_the_head_is_taken_whatever_the_box(stored):
    source, path = stored
    torch.manual_seed(2)
    network = build("shape", 4, 32)
    head = network.head.weight.clone()
    assert start_from_weights(network, path)
    assert torch.equal(network.head.weight, head)
    for (name, own), other in zip(
        network.features.named_parameters(), source.features.parameters(), strict=True
    ):
        torch.testing.assert_close(own, other, rtol=2e-3, atol=1e-6, msg=name)


def test_weights_in_half_precision_leave_the_network_in_single(stored):
    network = build("shape", 4, 24)
    start_from_weights(network, stored[1])
    assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_a_network_of_other_layers_keeps_its_own_start(stored):
    network = build("compact", 4, 24)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert not start_from_weights(network, stored[1])
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_teacher_and_student_from_the_same_weights_are_not_identical(stored):
    pair = [build(name, 4, 24) for name in ("shape", "shape-thin")]
    assert all(start_from_weights(network, stored[1]) for network in pair)
    boxes = torch.randn(3, 1, 24, 24, 24)
    logits = [network.eval()(boxes)[0] for network in pair]
    assert (logits[0] - logits[1]).abs().max() > 1e-3


def test_the_default_pair_has_shipped_weights_and_others_say_they_have_none():
    assert has_weights("shape")
    assert has_weights("shape-linear")
    assert not has_weights("compact")
    assert not start_from_weights(build("compact", 3, 24))

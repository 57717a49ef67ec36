import pytest
import torch

from cryoal.models.base import build
from cryoal.models.pretrained import has_weights, save_weights, start_from_weights


@pytest.fixture
def stored(tmp_path):
    torch.manual_seed(1)
    network = build("compact", 9, 24)
    save_weights(network, tmp_path / "compact.safetensors")
    return network, tmp_path / "compact.safetensors"


def test_everything_but_the_head_is_taken(stored):
    source, path = stored
    torch.manual_seed(2)
    network = build("compact", 4, 32)
    head = network.head.weight.clone()
    assert start_from_weights(network, path)
    assert torch.equal(network.head.weight, head)
    for (name, own), other in zip(
        network.features.named_parameters(), source.features.parameters(), strict=True
    ):
        torch.testing.assert_close(own, other, rtol=2e-3, atol=1e-6, msg=name)


def test_weights_in_half_precision_leave_the_network_in_single(stored):
    network = build("compact", 4, 24)
    start_from_weights(network, stored[1])
    assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_a_network_of_another_width_keeps_its_own_start(stored):
    network = build("compact", 4, 24, width=0.5)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert not start_from_weights(network, stored[1])
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_a_network_that_halves_large_boxes_first_takes_the_same_weights(stored):
    network = build("compact", 4, 64)
    assert start_from_weights(network, stored[1])
    ours, theirs = network.features[1].weight, stored[0].features[0].weight
    torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=1e-6)


def test_teacher_and_student_from_the_same_weights_are_not_identical(stored):
    pair = [build("compact", 4, 24) for _ in range(2)]
    assert all(start_from_weights(network, stored[1]) for network in pair)
    boxes = torch.randn(3, 1, 24, 24, 24)
    logits = [network.eval()(boxes)[0] for network in pair]
    assert (logits[0] - logits[1]).abs().max() > 1e-3


def test_a_network_without_shipped_weights_says_so():
    network = build("compact-thin", 3, 24)
    assert not has_weights("compact-thin")
    assert not start_from_weights(network)

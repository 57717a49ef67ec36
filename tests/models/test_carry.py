"""Weights of an earlier round go on under the classes' names."""

import torch

from cryoal.models.base import build
from cryoal.models.carry import carry


def a_network(n_classes, seed, **options):
    torch.manual_seed(seed)
    return build("compact-thin", n_classes, 16, **options).eval()


def test_a_class_keeps_its_logit_whatever_joins_or_leaves():
    earlier, network = a_network(3, 0), a_network(3, 1)
    assert carry(earlier, ("a", "b", "c"), network, ("a", "aa", "c"))
    boxes = torch.randn(4, 1, 16, 16, 16)
    was, now = earlier(boxes)[0], network(boxes)[0]
    torch.testing.assert_close(now[:, [0, 2]], was[:, [0, 2]])
    assert not torch.allclose(now[:, 1], was[:, 1])


def test_a_new_class_keeps_its_random_row():
    network, fresh = a_network(2, 1), a_network(2, 1)
    carry(a_network(2, 0), ("a", "b"), network, ("b", "new"))
    assert torch.equal(network.head.weight[1], fresh.head.weight[1])
    assert not torch.equal(network.head.weight[0], fresh.head.weight[0])


def test_a_network_built_otherwise_takes_nothing():
    network, fresh = a_network(2, 1, width=0.25), a_network(2, 1, width=0.25)
    assert not carry(a_network(2, 0), ("a", "b"), network, ("a", "b"))
    for one, other in zip(network.state_dict().values(), fresh.state_dict().values(), strict=True):
        assert torch.equal(one, other)

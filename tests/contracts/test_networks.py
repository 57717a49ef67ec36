"""Every network, registered today or later, keeps these promises."""

import numpy as np
import pytest
import torch

from cryoal.core.errors import CryoalError
from cryoal.learn.predict import predict
from cryoal.models import checkpoint
from cryoal.models.base import build, networks

NAMES = networks.names()


def a_network(name, box=16, n_classes=3, seed=0):
    torch.manual_seed(seed)
    network = build(name, n_classes, box)
    network.train()
    with torch.no_grad():  # so that the running statistics are no longer those of the start
        network(torch.randn(8, 1, box, box, box) * 2 + 1)
    return network.eval()


@pytest.mark.parametrize("box", [16, 22, 34, 50])
@pytest.mark.parametrize("name", NAMES)
def test_any_even_box_gives_logits_and_an_embedding(name, box):
    logits, embedding = a_network(name, box)(torch.zeros(2, 1, box, box, box))
    assert logits.shape == (2, 3)
    assert embedding.ndim == 2
    assert len(embedding) == 2


@pytest.mark.parametrize("name", NAMES)
def test_the_largest_box_passes(name):
    logits, _ = build(name, 2, 96).eval()(torch.zeros(1, 1, 96, 96, 96))
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_particles_score_does_not_depend_on_its_companions(name):
    network, rng = a_network(name), np.random.default_rng(0)
    boxes = rng.normal(size=(9, 16, 16, 16)).astype(np.float32)
    together, z = predict(network, boxes, device="cpu")
    alone, z_alone = predict(network, boxes, device="cpu", batch_size=1)
    others = np.concatenate([boxes[:1], 50 * rng.normal(size=boxes.shape).astype(np.float32)])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(z, z_alone, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(predict(network, others, device="cpu")[0][0], alone[0], atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_learns(name):
    network = build(name, 3, 16).train()
    logits, _ = network(torch.randn(8, 1, 16, 16, 16))
    torch.nn.functional.cross_entropy(logits, torch.arange(8) % 3).backward()
    for weight_name, weight in network.named_parameters():
        assert weight.grad is not None, weight_name
        assert torch.isfinite(weight.grad).all(), weight_name


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_rebuilds_it(name, tmp_path):
    network = a_network(name)
    checkpoint.save(network, tmp_path / "n.safetensors", classes=["a", "b", "c"], voxel_size=10.0)
    again = checkpoint.load(tmp_path / "n.safetensors")
    box = torch.randn(2, 1, 16, 16, 16)
    assert torch.equal(again.network(box)[0], network(box)[0])
    assert again.classes == ("a", "b", "c")
    assert again.network.recipe == network.recipe


@pytest.mark.parametrize("name", NAMES)
def test_it_has_something_to_drop_for_monte_carlo_dropout(name):
    assert any(isinstance(m, torch.nn.Dropout) for m in build(name, 2, 16).modules())


@pytest.mark.parametrize("name", NAMES)
def test_an_option_it_lacks_is_answered_with_those_it_has(name):
    with pytest.raises(CryoalError, match=r"no option 'depth'; it has: .*dropout"):
        build(name, 2, 16, depth=3)

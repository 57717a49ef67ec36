import numpy as np
import pytest
import torch
from scipy import ndimage

from cryoal.learn.self_supervision import learn_alike
from cryoal.models.base import Network, build

SHIFT = 2


@pytest.fixture(scope="module")
def boxes() -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((48, 20, 20, 20))
    smooth = np.stack([ndimage.gaussian_filter(box, 2.0) for box in noise])
    return (smooth / smooth.std()).astype(np.float32)


def network() -> Network:
    torch.manual_seed(0)
    return build("compact", 2, 16, width=0.25)


def recognised(some: Network, boxes: np.ndarray) -> float:
    """Share of particles that are the nearest to themselves, cut two voxels to the side."""
    centre, aside = boxes[:, 2:-2, 2:-2, 2:-2], boxes[:, 4:, 2:-2, :-4]
    with torch.no_grad():
        one, other = (some.eval()(torch.from_numpy(b.copy())[:, None])[1] for b in (centre, aside))
    every = torch.cat([one, other])
    one, other = ((part - every.mean(0)) / every.std(0).clamp(min=1e-6) for part in (one, other))
    return float((torch.cdist(one, other).argmin(1) == torch.arange(len(boxes))).float().mean())


@pytest.mark.slow
def test_a_network_comes_to_recognise_a_particle_that_was_shifted(boxes: np.ndarray) -> None:
    fresh, taught = network(), network()
    heard: list[tuple[int, int]] = []
    learn_alike(
        taught,
        boxes,
        steps=100,
        shift=SHIFT,
        device="cpu",
        progress=lambda step, of, _: heard.append((step, of)),
    )
    assert heard == [(50, 100), (100, 100)]
    assert recognised(taught, boxes) > recognised(fresh, boxes) + 0.2


def test_the_head_learns_nothing_and_the_seed_decides_the_rest(boxes: np.ndarray) -> None:
    one, again, fresh = network(), network(), network()
    distances = [learn_alike(n, boxes, steps=3, shift=SHIFT, device="cpu") for n in (one, again)]
    assert distances[0] == distances[1] > 0
    for name, value in one.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    assert torch.equal(one.head.weight, fresh.head.weight)  # type: ignore[union-attr, arg-type]
    assert not torch.equal(one.features[0].weight, fresh.features[0].weight)  # type: ignore[index, union-attr, arg-type]
    assert not one.training

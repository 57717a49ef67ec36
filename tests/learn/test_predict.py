import numpy as np
import pytest
import torch

from cryoal.data.augment import central
from cryoal.learn.predict import predict, predict_dropout
from cryoal.models.base import build


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build("compact-thin", 3, 16, dropout=0.3)


@pytest.fixture
def boxes(rng):
    return rng.normal(size=(10, 20, 20, 20)).astype(np.float32)


def test_blocks_and_one_array_give_the_same_answer(network, boxes):
    whole = predict(network, boxes, device="cpu")
    blocks = predict(network, iter([boxes[:3], boxes[3:9], boxes[9:]]), device="cpu")
    for one, other in zip(whole, blocks, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_allclose(whole[0].sum(1), 1, atol=1e-6)


def test_views_are_averaged_particle_by_particle(network, boxes):
    views = np.zeros((10, 4), dtype=bool)
    views[:, 0] = True
    views[4] = True
    p, _ = predict(network, boxes, views=views, device="cpu", batch_size=3)
    plain, _ = predict(network, boxes, device="cpu")
    np.testing.assert_allclose(np.delete(p, 4, 0), np.delete(plain, 4, 0), atol=1e-6)
    one = torch.from_numpy(boxes[4:5])
    with torch.no_grad():
        logits = torch.stack([network(central(one, 16, turn))[0][0] for turn in range(4)])
    np.testing.assert_allclose(p[4], logits.mean(0).softmax(-1).numpy(), atol=1e-6)


def test_nothing_to_predict_is_an_empty_answer(network):
    p, _ = predict(network, np.zeros((0, 16, 16, 16), dtype=np.float32), device="cpu")
    assert p.shape == (0, 3)


def test_progress_counts_particles(network, boxes):
    seen = []
    predict(network, boxes, device="cpu", batch_size=4, progress=seen.append)
    assert seen == [4, 8, 10]


def test_dropout_samples_differ_from_each_other_but_not_by_batch(network, boxes):
    one = predict_dropout(network, boxes, samples=3, device="cpu")
    two = predict_dropout(network, boxes, samples=3, device="cpu", batch_size=1)
    assert one.shape == (3, 10, 3)
    assert np.abs(one[0] - one[1]).max() > 1e-3
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_without_dropping_a_dropout_sample_is_the_prediction(network, boxes):
    sample = predict_dropout(network, boxes, samples=1, rate=0.0, device="cpu")[0]
    np.testing.assert_allclose(sample, predict(network, boxes, device="cpu")[0], atol=1e-6)

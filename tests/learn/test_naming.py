import numpy as np
import pytest
import torch
from noisy_particles import BOX, noisy_particles, three_shapes

from cryoal.learn.averaging import average
from cryoal.learn.naming import named, search_named, step
from cryoal.learn.orienting import Search
from cryoal.learn.weighing import Heard, shared_out
from cryoal.models.averages import TURNS, Averages, mean_answer, together
from cryoal.models.harmonics import COEFFICIENTS
from cryoal.models.pretrained import first_shapes


@pytest.fixture(scope="module")
def pool():
    """320 noisy particles of four shapes in any orientation, and where they lie by looks."""
    rng = np.random.default_rng(3)
    plate = np.zeros((1, BOX, BOX, BOX), dtype=np.float32)
    plate[0, 7:14, 7:14, 9:11] = 1
    shapes = np.concatenate([three_shapes(), plate])
    points, kinds = noisy_particles(shapes, 320, np.eye(COEFFICIENTS), rng)
    return points, kinds, 3 * np.eye(4)[kinds] + rng.normal(size=(320, 4))


def begun(points, heard):
    shares = heard.chances(heard.logits)
    wedge = torch.eye(COEFFICIENTS)
    return Search(torch.from_numpy(points), shares, wedge, first_shapes()[:20]), shares


def test_a_class_that_a_head_takes_for_another_is_named_by_its_labels(pool):
    """The head calls every particle of the last class, surely, the one before."""
    points, kinds, looks = pool
    logits = 4 * np.eye(4)[np.minimum(kinds, 2)] + np.random.default_rng(1).normal(size=(320, 4))
    heard = Heard(logits, kinds[:32], logits[:32])
    wedge = np.eye(COEFFICIENTS, dtype=np.float32)
    right = {}
    for way, embedded in (("classes alone", None), ("named too", looks)):
        found = average(points, heard, wedge, first_shapes()[:40], embedded=embedded)
        known = torch.from_numpy(logits), torch.from_numpy(points)
        called = together(found.averages, *known).numpy().argmax(1)
        right[way] = (called == kinds)[32:][kinds[32:] == 3].mean()
    assert 1 - right["named too"] < 0.6 * (1 - right["classes alone"])
    assert right["named too"] > 0.75


def test_a_label_does_not_testify_for_itself():
    """Of two averages one has a single label; without it, it is what the head says."""
    member = torch.tensor([[9.0, 0.0]] * 5 + [[0.0, 9.0]] * 5)
    order = [0, 1, 5, 2, 3, 4, 6, 7, 8, 9]  # three labelled: two of the first, one of the other
    logits = np.tile([2.0, 0.0], (10, 1)) + np.random.default_rng(0).normal(size=(10, 2)) / 9
    heard = Heard(logits, np.array([0, 0, 1]), logits[:3])
    now = named(member[order], torch.full((10, 2), 0.5), heard)
    assert now.names.argmax(1).tolist() == [0, 1]
    assert now.called[:3].argmax(1).tolist() == [0, 0, 1]
    assert now.aside.argmax(1).tolist() == [0, 0, 0]


def test_where_everything_has_a_label_names_are_made_of_labels_alone():
    likely = torch.tensor([[9.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    logits = np.zeros((3, 2))
    now = named(likely, torch.full((3, 2), 0.5), Heard(logits, np.array([0, 0, 1]), logits))
    assert now.names.argmax(1).tolist() == [0, 1]
    assert np.isfinite(now.aside).all()


def test_a_network_with_names_says_what_the_search_says(pool):
    points, kinds, logits = pool
    heard = Heard(logits, kinds[:40], logits[:40])
    search, shares = begun(points, heard)
    search = search.regrouped([0, 1, 2, 3, 3])
    parts = torch.cat([shares[:, :3], shares[:, 3:] / 2, shares[:, 3:] / 2], dim=1)
    references = search.averages.references.clone()
    now = step(search, parts, TURNS, heard)
    averages = search.averages
    averages.references.copy_(references)
    for name in ("head", "share", "names", "votes"):
        getattr(averages, name).copy_(torch.as_tensor(getattr(now, name)))
    said = together([averages], torch.from_numpy(logits), torch.from_numpy(points))
    torch.testing.assert_close(
        said.softmax(1), torch.from_numpy(now.called).softmax(1), rtol=0, atol=2e-3
    )


def test_siblings_of_one_name_are_one_again_and_the_search_before_stays(pool):
    points, kinds, logits = pool
    heard = Heard(logits, kinds[:80], logits[:80])
    search, shares = begun(points, heard)
    for _ in range(6):
        search.step(shares, 100)
    before = search.averages.references.clone()
    after, now = search_named(search, shares, logits, heard)
    torch.testing.assert_close(search.averages.references, before)
    assert 4 <= after.averages.named < 8
    assert (now.called.argmax(1) == kinds)[80:].mean() > 0.9


def test_two_sets_of_averages_answer_with_their_mean_probability():
    generator = torch.Generator().manual_seed(0)
    both = torch.randn(2, 5, 3, generator=generator)
    one, other = both.softmax(2)
    weights = torch.tensor([0.75, 0.25])
    torch.testing.assert_close(mean_answer(both, weights).exp(), 0.75 * one + 0.25 * other)


def test_a_head_answers_alone_for_what_averages_leave():
    averages, logits = Averages(3), torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    points = torch.zeros(5, COEFFICIENTS)
    averages.prior.copy_(torch.tensor([0.0, 2.0, 0.0]))
    averages.weight.fill_(0.25)
    with_averages = (logits + averages(points) + averages.prior).softmax(1)
    said = together([averages], logits, points).exp()
    torch.testing.assert_close(said, 0.25 * with_averages + 0.75 * logits.softmax(1))


def test_the_answer_is_shared_out_as_labels_are_told():
    sure, unsure = np.log(np.full(90, 0.9)), np.log(np.full(90, 0.4))
    often, seldom = shared_out(np.stack([sure, unsure]))
    assert often > 0.9
    assert often + seldom == pytest.approx(1)
    assert shared_out(np.stack([sure, sure])).tolist() == [0.5, 0.5]
    few = shared_out(np.stack([sure[:3], unsure[:3]]))
    assert 0.5 < few[0] < often


def test_averages_without_names_know_none():
    assert not hasattr(Averages(3), "names")
    assert Averages(3, 5).names.shape == (5, 3)

import threading

import pytest
import torch

from cryoal.core.errors import CryoalError
from cryoal.learn.device import (
    bfloat16_is_right,
    bfloat16_pays,
    one_thread,
    resolve_device,
    torch_threads,
)
from cryoal.models.base import Network, Recipe, build, networks

needs_bfloat16 = pytest.mark.skipif(
    not bfloat16_pays(torch.device("cpu")), reason="this processor trains in float32"
)


def test_auto_is_a_device_this_machine_has():
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(CryoalError, match="say cpu, cuda, mps or auto"):
        resolve_device(name)


@needs_bfloat16
@pytest.mark.parametrize("box", [16, 24, pytest.param(32, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", networks.names())
def test_every_network_trains_rightly_in_bfloat16(name, box):
    torch.manual_seed(0)
    assert bfloat16_is_right(build(name, 3, box).to(memory_format=torch.channels_last_3d))


class WrongInHalf(Network):
    """Its gradient is ten times too large outside float32."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(1, 2)
        self.recipe = Recipe("wrong", 2, 16)

    def forward(self, boxes):
        logits = self.head(boxes.mean((2, 3, 4)))
        if logits.dtype == torch.bfloat16:
            logits = logits * 10 - 9 * logits.detach()
        return logits, logits


def test_a_network_whose_gradient_is_wrong_in_bfloat16_is_found_out():
    torch.manual_seed(0)
    assert not bfloat16_is_right(WrongInHalf())


def test_a_block_of_one_thread_changes_no_other_threads_number() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    inside, left = threading.Event(), threading.Event()
    seen = []

    def other() -> None:
        with torch_threads():
            seen.append(torch.get_num_threads())
            with one_thread():
                inside.set()
                left.wait(10)
                seen.append(torch.get_num_threads())
            seen.append(torch.get_num_threads())

    try:
        thread = threading.Thread(target=other)
        with one_thread():
            thread.start()
            inside.wait(10)
        assert torch.get_num_threads() == 2, "the first to leave has its own number again"
        left.set()
        thread.join()
        assert seen == [2, 1, 2]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)

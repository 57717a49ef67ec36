"""Where to compute, and in what precision."""

import copy
import logging
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from cryoal.core.errors import CryoalError
from cryoal.models.base import Network

log = logging.getLogger(__name__)

_lock, _inside, _usual = threading.Lock(), 0, torch.get_num_threads()
_wanted: ContextVar[int | None] = ContextVar("_wanted", default=None)


def resolve_device(name: str = "auto") -> torch.device:
    """The device of this name; ``"auto"`` takes a CUDA card, else Apple's, else the processor.

    Raises
    ------
    CryoalError
        The machine has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as problem:
        reason = str(problem).splitlines()[0]
        raise CryoalError(
            f"device {name!r} cannot be used here ({reason}); say cpu, cuda, mps or auto"
        ) from problem
    return device


@contextmanager
def torch_threads(n: int | None = None) -> Iterator[None]:
    """So many threads for operations of the thread that is in the block, whatever others do.

    The order of sums depends on it, and so their last digits, from which a training may go
    elsewhere. torch keeps a number a thread, but one that begins takes the number that any thread
    set last; so it is said outright wherever something is computed.

    Parameters
    ----------
    n : int, optional
        Default that of the block around, else the program's: ``OMP_NUM_THREADS``, or what
        ``torch.set_num_threads`` said in the main thread.
    """
    global _inside, _usual
    with _lock:
        if not _inside and threading.current_thread() is threading.main_thread():
            _usual = torch.get_num_threads()
        _inside += 1
    around = _wanted.get()
    here = n or around or _usual
    _wanted.set(here)
    torch.set_num_threads(here)
    try:
        yield
    finally:
        _wanted.set(around)
        torch.set_num_threads(around or _usual)
        with _lock:
            _inside -= 1


def one_thread() -> AbstractContextManager[None]:
    """Operations that no second thread shares."""
    return torch_threads(1)


def bfloat16_pays(device: torch.device) -> bool:
    """Whether training in bfloat16 is faster here: the device multiplies in it natively.

    On an EPYC core with AVX512_BF16 the default network trains 1.4 times faster than in
    float32, both channels last; without such instructions it is emulated and slower.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        known = (
            getattr(torch.cpu, f"_is_{feature}_supported", None)
            for feature in ("avx512_bf16", "amx_tile")
        )
        return any(ask() for ask in known if ask)
    return False


def bfloat16_is_right(network: Network) -> bool:
    """Whether this network's gradients in bfloat16 are those of float32, to half their size.

    They need not be: see ``models.layers.Conv3d``. One small batch is tried at the start of
    every training, so that a network with such a layer trains slower instead of wrongly.
    """
    device = next(network.parameters()).device
    box = network.recipe.box
    boxes = torch.randn(8, 1, box, box, box, generator=torch.Generator().manual_seed(0))
    boxes = boxes.to(device).contiguous(memory_format=torch.channels_last_3d)
    single, half = (_gradients(network, boxes, enabled) for enabled in (False, True))
    for name, expected in single.items():
        difference, size = (half[name] - expected).norm(), expected.norm()
        # Where the gradient is nothing but rounding (a bias before a normalisation), so is this.
        if not torch.isfinite(difference) or difference > 0.5 * size + 1e-2:
            log.info("bfloat16 gives another gradient of %s: training in float32", name)
            return False
    return True


def _gradients(network: Network, boxes: Tensor, bfloat16: bool) -> dict[str, Tensor]:
    """Gradients of a fixed loss, the network itself left as it is."""
    # In evaluation mode, where normalising by a small batch does not magnify rounding.
    twin = copy.deepcopy(network).eval()
    with torch.autocast(boxes.device.type, dtype=torch.bfloat16, enabled=bfloat16):
        logits, _ = twin(boxes)
    targets = torch.arange(len(boxes), device=boxes.device) % network.recipe.n_classes
    loss = torch.nn.functional.cross_entropy(logits.float(), targets)
    loss.backward()  # type: ignore[no-untyped-call]
    return {name: p.grad for name, p in twin.named_parameters() if p.grad is not None}

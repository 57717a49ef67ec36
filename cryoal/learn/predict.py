"""What a trained network says of every particle, whatever batch it comes in."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from cryoal.data.augment import HALF_TURNS, central
from cryoal.learn.device import resolve_device, torch_threads
from cryoal.models.base import Network

Boxes = NDArray[np.floating]


@torch.no_grad()
@torch_threads()
def predict(
    network: Network,
    boxes: Boxes | Iterable[Boxes],
    *,
    views: NDArray[np.bool_] | None = None,
    device: str = "auto",
    batch_size: int = 128,
    progress: Callable[[int], None] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Class probabilities and embeddings of all particles.

    Computed in float32 with the network in evaluation mode, so that a particle's answer does
    not depend on its companions.

    Parameters
    ----------
    network : Network
    boxes : (N, S, S, S), or an iterable of such blocks
        S is at least the network's box; the centre is seen. A network that sees invariants takes
        those, (N, D), as well.
    views : (N, 4) bool, optional
        Average over these of ``HALF_TURNS``, chosen particle by particle; none sees each
        particle once, as it is. Invariants do not change in a half turn.
    device : str
    batch_size : int
    progress : callable (particles done), optional

    Returns
    -------
    probabilities : (N, C) float32
    embedding : (N, D) float32
    """
    where = _ready(network, device)
    probabilities, embeddings = [], []
    done = 0
    for block in _blocks(boxes, batch_size):
        allowed = None if views is None else views[done : done + len(block)]
        p, z = _see(network, torch.as_tensor(block).to(where), allowed)
        probabilities.append(p.cpu())
        embeddings.append(z.cpu())
        done += len(block)
        if progress is not None:
            progress(done)
    if not probabilities:
        empty = np.zeros((0, network.recipe.n_classes), dtype=np.float32)
        return empty, np.zeros((0, 0), dtype=np.float32)
    return torch.cat(probabilities).numpy(), torch.cat(embeddings).numpy()


@torch.no_grad()
@torch_threads()
def predict_dropout(
    network: Network,
    boxes: Boxes | Iterable[Boxes],
    *,
    samples: int = 10,
    rate: float | None = None,
    seed: int = 0,
    device: str = "auto",
    batch_size: int = 128,
) -> NDArray[np.float32]:
    """Monte Carlo dropout: probabilities with the dropout layers at work.

    Gal and Ghahramani, ICML 2016. All else stays in evaluation mode. Each sample drops the
    same units of every particle, so that a particle's answer does not depend on its batch.

    Parameters
    ----------
    samples : int
    rate : float, optional
        Share of units dropped, instead of the share in training.

    Returns
    -------
    (samples, N, C) float32
    """
    where = _ready(network, device)
    answers = []
    for block in _blocks(boxes, batch_size):
        seen = _plain(network, torch.as_tensor(block).to(where))
        drawn = []
        for sample in range(samples):
            with _Dropping(network, rate, seed + sample):
                drawn.append(network(seen)[0].softmax(-1).cpu())
        answers.append(torch.stack(drawn))
    return torch.cat(answers, dim=1).numpy()


def _ready(network: Network, device: str) -> torch.device:
    where = resolve_device(device)
    network.to(where, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    network.eval()
    return where


def _blocks(boxes: Boxes | Iterable[Boxes], size: int) -> Iterator[Boxes]:
    blocks: Iterable[Boxes] = [boxes] if isinstance(boxes, np.ndarray) else boxes
    for block in blocks:
        for start in range(0, len(block), size):
            yield np.asarray(block[start : start + size])


def _see(
    network: Network, boxes: torch.Tensor, allowed: NDArray[np.bool_] | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Softmax of the mean logits, and mean embedding, over the views each particle allows.

    Logits are averaged, not probabilities: under a linear head these are the logits of the mean
    embedding, on which a head settled in closed form was settled.
    """
    box = network.recipe.box
    if allowed is None or network.sees != "boxes":
        logits, embedding = _forward(network, _plain(network, boxes))
        return logits.softmax(-1), embedding
    total: list[torch.Tensor] = []
    counts = torch.as_tensor(allowed.sum(1), device=boxes.device, dtype=torch.float32)[:, None]
    for turn in range(len(HALF_TURNS)):
        seen = torch.from_numpy(np.flatnonzero(allowed[:, turn])).to(boxes.device)
        if not len(seen):
            continue
        logits, embedding = _forward(network, central(boxes[seen], box, turn))
        parts = (logits, embedding)
        if not total:
            total = [torch.zeros(len(boxes), part.shape[1], device=part.device) for part in parts]
        for sum_, part in zip(total, parts, strict=True):
            sum_.index_add_(0, seen, part)
    return (total[0] / counts).softmax(-1), total[1] / counts


def _plain(network: Network, boxes: torch.Tensor) -> torch.Tensor:
    """Particles as they are: the centre of boxes, or invariants."""
    return boxes if boxes.ndim == 2 else central(boxes, network.recipe.box)


def _forward(network: Network, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    if seen.ndim == 5:
        seen = seen.contiguous(memory_format=torch.channels_last_3d)
    logits, embedding = network(seen)
    return logits.float(), embedding.float()


class _Dropping:
    """Within the block, dropout layers drop: one draw, the same units for every particle."""

    def __init__(self, network: Network, rate: float | None, seed: int) -> None:
        self.layers = [m for m in network.modules() if isinstance(m, torch.nn.Dropout)]
        self.rate, self.seed = rate, seed
        self.hooks: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        for layer in self.layers:
            rate = layer.p if self.rate is None else self.rate

            def drop(
                _: torch.nn.Module, inputs: tuple[torch.Tensor], rate: float = rate
            ) -> tuple[torch.Tensor]:
                kept = torch.rand(inputs[0].shape[1:], generator=generator) >= rate
                return (inputs[0] * kept.to(inputs[0].device) / (1 - rate),)

            self.hooks.append(layer.register_forward_pre_hook(drop))

    def __exit__(self, *_: object) -> None:
        for hook in self.hooks:
            hook.remove()

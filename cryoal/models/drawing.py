"""Random draws of networks from a generator of their own, never from torch's global one."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

#: What draws and can be told from which generator: weights, and noise.
_DRAWING = frozenset(
    [
        *(torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.bernoulli_),
        *(nn.init.uniform_, nn.init.normal_, nn.init.trunc_normal_, nn.init.orthogonal_),
        *(nn.init.kaiming_uniform_, nn.init.kaiming_normal_),
        *(nn.init.xavier_uniform_, nn.init.xavier_normal_),
        *(torch.rand, torch.randn, torch.randperm, torch.randint, torch.bernoulli, torch.normal),
        torch.multinomial,
    ]
)


class DrawingFrom(TorchFunctionMode):
    """Within the block, and in this thread alone, layers draw weights and dropout from a generator.

    The draws are those of torch's global generator with the same seed, made on the processor
    wherever the network is; whatever else the process does changes none of them.

    Parameters
    ----------
    generator : torch.Generator
        Of the processor.
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.generator = generator

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Hand the generator to what draws; everything else is as it was."""
        kwargs = dict(kwargs or {})
        if func is functional.dropout:
            return self._dropout(*args, **kwargs)
        if func in _DRAWING and kwargs.get("generator") is None:
            kwargs["generator"] = self.generator
        return func(*args, **kwargs)

    def _dropout(
        self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        if not training or p == 0:
            return input
        kept = torch.empty_like(input, device="cpu").bernoulli_(1 - p, generator=self.generator)
        kept = kept.div_(1 - p) if p < 1 else kept
        return input.mul_(kept.to(input.device)) if inplace else input * kept.to(input.device)


def seeded(seed: int) -> DrawingFrom:
    """Draw from a generator of this seed: ``with seeded(3): build(...)``."""
    return DrawingFrom(torch.Generator().manual_seed(seed))

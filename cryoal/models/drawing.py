"""Random draws of networks from a generator of their own, never from torch's global one."""

import threading
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
        *(torch.multinomial, torch.Tensor.bernoulli, torch.Tensor.multinomial, torch.poisson),
        *(torch.Tensor.random_, torch.Tensor.exponential_, torch.Tensor.log_normal_),
        *(torch.Tensor.cauchy_, torch.Tensor.geometric_, torch.binomial),
    ]
)

#: What draws and takes no generator: it is lent the global one, in the state of its own.
_BORROWING = frozenset(
    [
        *(functional.dropout1d, functional.dropout2d, functional.dropout3d),
        *(functional.alpha_dropout, functional.feature_alpha_dropout, functional.rrelu),
        *(functional.scaled_dot_product_attention, functional.multi_head_attention_forward),
        *(functional.gumbel_softmax, functional.fractional_max_pool3d),
        *(torch.rand_like, torch.randn_like, torch.randint_like),
        *(torch.dropout, torch.feature_dropout, torch.alpha_dropout, torch.rrelu),
        *(torch.gru, torch.lstm, torch.rnn_tanh, torch.rnn_relu),
        *(torch._sample_dirichlet, torch._standard_gamma),
    ]
)
_lending = threading.Lock()


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
        if func in _BORROWING:
            return self._lent(func, args, kwargs)
        if func in _DRAWING and kwargs.get("generator") is None:
            kwargs["generator"] = self.generator
        return func(*args, **kwargs)

    def _lent(self, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Call with the global generator in the state of this one, and put it back."""
        with _lending:
            before = torch.get_rng_state()
            torch.set_rng_state(self.generator.get_state())
            try:
                return func(*args, **kwargs)
            finally:
                self.generator.set_state(torch.get_rng_state())
                torch.set_rng_state(before)

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

"""What a network must be, and how one is built by its name."""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from cryoal.core.errors import CryoalError
from cryoal.core.registry import Registry


@dataclass(frozen=True)
class Recipe:
    """What it takes to build a network again, without its weights.

    Attributes
    ----------
    name : str
        In the registry ``networks``.
    n_classes : int
    box : int, voxels
    options : dict
        JSON-serialisable keyword arguments of the network's builder.
    """

    name: str
    n_classes: int
    box: int
    options: dict[str, Any] = field(default_factory=dict)


class Network(nn.Module):
    """A classifier of boxes: forward((B, 1, b, b, b)) -> logits (B, C), embedding (B, D).

    In evaluation mode a particle's output depends on nothing but its box. What should be
    dropped at random for Monte Carlo dropout is an ``nn.Dropout``.

    Attributes
    ----------
    recipe : Recipe
        Set by ``build``.
    """

    recipe: Recipe

    @property
    def sees(self) -> Literal["boxes", "invariants", "places"]:
        """What ``forward`` takes beside boxes: "invariants", or "places" behind them, or nothing.

        Both are descriptions by ``models.invariants``: computed once, they serve every round.
        """
        return "boxes"

    def emphases(self) -> dict[str, Tensor]:
        """Ways to weigh the embedding's columns, (D,) each, of which labels may choose the best.

        The first is preferred where they cannot tell.
        """
        head = self.head
        assert isinstance(head, nn.Linear)
        return {"all": torch.ones(head.in_features)}

    def __call__(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and embedding (B, D) of boxes (B, 1, b, b, b)."""
        output: tuple[Tensor, Tensor] = super().__call__(boxes)
        return output


#: Each part is called as ``part(n_classes, box, **options)`` and answers a ``Network``.
networks: Registry[Callable[..., Network]] = Registry(
    "network", "cryoal.models", "--network or --student of train, predict and select"
)


def build(name: str, n_classes: int, box: int, **options: Any) -> Network:
    """Build a network, with random weights from torch's global generator.

    Parameters
    ----------
    name : str
        Of the registry, or ``package.module:attribute``.
    n_classes : int
    box : int, voxels
        Side of the box the network sees: even, 16 to 96.
    **options
        Those of the network, for example ``width``.

    Raises
    ------
    CryoalError
        Unknown name or option, private code that nobody named, impossible box, fewer than two
        classes.

    Examples
    --------
    >>> network = build("compact", n_classes=8, box=24)
    >>> network.recipe.name, sum(p.numel() for p in network.parameters()) < 300_000
    ('compact', True)
    """
    if box % 2 or not 16 <= box <= 96:
        raise CryoalError(
            f"network {name!r}: a box of {box} voxels; it must be even and from 16 to 96. "
            "Extract with another --box or --voxel-size"
        )
    if n_classes < 2:
        raise CryoalError(
            f"network {name!r}: {n_classes} class(es); a classifier needs particles of at least "
            "two classes ('junk' is one), so label some of another"
        )
    make = networks.get(name)
    allowed = inspect.signature(make).parameters
    for option in options:
        if option not in allowed or option in ("n_classes", "box"):
            known = ", ".join(p for p in allowed if p not in ("n_classes", "box"))
            raise CryoalError(f"network {name!r} has no option {option!r}; it has: {known}")
        _check_option(name, option, options[option], allowed[option].default)
    network = make(n_classes, box, **options)
    network.recipe = Recipe(name, n_classes, box, dict(options))
    return network


def _check_option(name: str, option: str, value: Any, default: Any) -> None:
    """Refuse what makes no network: settings are written by people."""
    if isinstance(default, bool) or not isinstance(default, int | float):
        return
    share, whole = option == "dropout", isinstance(default, int)
    number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not number or not (0 <= value < 1 if share else 0 < value < math.inf):
        kind = "a share below 1" if share else f"a {'whole ' if whole else ''}number above 0"
        raise CryoalError(
            f"network {name!r}: {option} = {value!r}; it must be {kind}, such as {default!r}"
        )

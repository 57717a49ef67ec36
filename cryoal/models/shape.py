"""Networks that see invariants instead of voxels: small, quick, and sure of a few labels."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn

from cryoal.models.averages import Averages, together
from cryoal.models.base import Network, networks
from cryoal.models.invariants import SIZE, Invariants

#: Neurons of the two hidden layers, and of the layer whose output is the learnt embedding.
HIDDEN, LEARNT = 384, 128
#: Deviations: standardised invariants are cut off here; gold and edges reach hundreds.
FARTHEST = 6.0
#: Deviation of what the layers make of the invariants against the invariants', when a head is
#: settled in closed form (docs/measured/main-job.md).
EMPHASIS = 1.5


class Standard(nn.Module):
    """Columns of a pool with mean 0 and deviation 1, as that pool once had them.

    ``settle`` says which pool; before that everything stays as it is. A column that does not
    vary becomes 0.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))

    def settle(self, points: Tensor) -> None:
        """Take mean and deviation from points (N, size); of none there is nothing to take."""
        if not len(points):
            return
        deviation = points.std(0, correction=0)
        self.mean.copy_(points.mean(0))
        self.scale.copy_(torch.where(deviation > 1e-6, 1 / deviation.clamp(min=1e-6), 0.0))

    def forward(self, points: Tensor) -> Tensor:
        """(B, size) -> (B, size)."""
        return ((points - self.mean) * self.scale).clamp(-FARTHEST, FARTHEST)


class SeesInvariants(Network):
    """What networks on invariants share: the way there from boxes, and the pool's scale.

    They take boxes, or what `Invariants.describe` makes of them once for all rounds.

    Parameters
    ----------
    box : int, voxels
    """

    def __init__(self, box: int) -> None:
        super().__init__()
        self._box = box
        self.standard = Standard(SIZE)

    @property
    def sees(self) -> Literal["boxes", "invariants", "places"]:
        """Descriptions about the centre."""
        return "invariants"

    @cached_property
    def invariants(self) -> Invariants:
        """Made when boxes are seen for the first time: with invariants kept it never is."""
        return Invariants(self._box)

    def standardised(self, boxes: Tensor) -> Tensor:
        """Standardised invariants (B, SIZE) of boxes, or of their descriptions."""
        standard: Tensor = self.standard(self.described(boxes)[:, :SIZE])
        return standard

    def described(self, boxes: Tensor) -> Tensor:
        """Descriptions of boxes; descriptions stay as they are: (B, SIZE + COEFFICIENTS).

        With those about all places behind them where the network sees places.
        """
        if boxes.ndim == 2:
            return boxes.float()
        return self.invariants.to(boxes.device).describe(boxes, placed=self.sees == "places")


class Shape(SeesInvariants):
    """Two hidden layers on invariants; the head sees their output, and the invariants as well.

    Parameters
    ----------
    n_classes : int
    box : int, voxels
    dropout : float
    bypass : bool
        Whether the head sees the invariants themselves beside what the layers make of them.
    averages : sequence of int
        Sets of averages whose likelihoods are added to the head's logits: of each, how many
        averages have names, 0 for an average a class.
    """

    def __init__(
        self,
        n_classes: int,
        box: int,
        dropout: float = 0.2,
        bypass: bool = True,
        averages: Sequence[int] = (),
    ) -> None:
        super().__init__(box)
        self.averages = nn.ModuleList(Averages(n_classes, named) for named in averages)
        layers: list[nn.Module] = []
        for before in (SIZE, HIDDEN):
            layers += [nn.Linear(before, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.GELU()]
            layers += [nn.Dropout(dropout)]
        self.features = nn.Sequential(
            *layers, nn.Linear(HIDDEN, LEARNT), nn.BatchNorm1d(LEARNT, affine=False)
        )
        self.bypass = bypass
        self.head = nn.Linear(LEARNT + SIZE * bypass, n_classes)

    @property
    def sees(self) -> Literal["boxes", "invariants", "places"]:
        """Descriptions about all places where the averages say that particles lie there."""
        return "places" if any(a.moves for a in self._heard()) else "invariants"

    def emphases(self) -> dict[str, Tensor]:
        """The pretrained layers' output above the invariants, or the invariants alone."""
        if not self.bypass:
            return super().emphases()
        invariants = torch.ones(SIZE)
        return {
            "pretrained": torch.cat([torch.full((LEARNT,), EMPHASIS), invariants]),
            "invariants": torch.cat([torch.zeros(LEARNT), invariants]),
        }

    def forward(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and embedding of boxes, or of their descriptions."""
        described = self.described(boxes)
        standard: Tensor = self.standard(described[:, :SIZE])
        embedding = self.features(standard)
        if self.bypass:
            embedding = torch.cat([embedding.float(), standard], dim=1)
        logits = self.head(embedding)
        if len(self.averages):
            logits = together(self._heard(), logits, described[:, SIZE:])
        return logits, embedding

    def take(self, averages: Sequence[Averages]) -> None:
        """Hear averages beside the head."""
        self.averages = nn.ModuleList(averages)
        options = {**self.recipe.options, "averages": [some.named for some in averages]}
        self.recipe = replace(self.recipe, options=options)

    def _heard(self) -> list[Averages]:
        return [some for some in self.averages if isinstance(some, Averages)]


networks.register("shape")(Shape)


@networks.register("shape-thin")
def shape_thin(n_classes: int, box: int, dropout: float = 0.2) -> Network:
    """``shape`` whose head sees only what the layers make of the invariants."""
    return Shape(n_classes, box, dropout, bypass=False)


@networks.register("shape-linear")
class ShapeLinear(SeesInvariants):
    """One linear layer on invariants: the student's size.

    Parameters
    ----------
    n_classes : int
    box : int, voxels
    dropout : float
    """

    def __init__(self, n_classes: int, box: int, dropout: float = 0.1) -> None:
        super().__init__(box)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(SIZE, n_classes)

    def forward(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and standardised invariants of boxes, or of their invariants (B, SIZE)."""
        standard = self.standardised(boxes)
        return self.head(self.dropout(standard)), standard

"""Networks that see what a rotation hardly changes: alone, or beside convolutions."""

import torch
from torch import Tensor, nn

from cryoal.models.base import Network, networks
from cryoal.models.compact import Compact
from cryoal.models.descriptors import Descriptors

#: Deviation of the maps' columns against the descriptors' when a head is settled in closed form.
#: Measured with the shipped weights (docs/measured/main-job.md): 0.1 to 0.3 do about as well, 1 and
#: none of the maps at all name up to a tenth fewer of the particles right.
MAPS = 0.15


@networks.register("shape")
class Shape(Network):
    """A linear layer on descriptors: a few hundred weights.

    Started in closed form (``learn.discriminant``), it needs no training at all.

    Parameters
    ----------
    n_classes : int
    box : int, voxels
    dropout : float
    """

    def __init__(self, n_classes: int, box: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.descriptors = Descriptors(box)
        self.standard = nn.BatchNorm1d(self.descriptors.size, affine=False)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.descriptors.size, n_classes)

    def forward(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and the descriptors."""
        embedding = self.standard(self.descriptors(boxes))
        return self.head(self.dropout(embedding)), embedding


@networks.register("hybrid")
class Hybrid(Network):
    """The convolutions of ``compact`` and the descriptors of ``shape`` under one linear head.

    Parameters
    ----------
    n_classes : int
    box : int, voxels
    width : float
        Of the convolutions, as in ``compact``.
    dropout : float

    Attributes
    ----------
    emphasis : (D,) Tensor
        Deviation that each column of the embedding is given before a head is settled.
    """

    emphasis: Tensor

    def __init__(self, n_classes: int, box: int, width: float = 1.0, dropout: float = 0.1) -> None:
        super().__init__()
        convolutions = Compact(n_classes, box, width=width)
        self.features = convolutions.features
        self.descriptors = Descriptors(box)
        self.standard = nn.BatchNorm1d(self.descriptors.size, affine=False)
        self.dropout = nn.Dropout(dropout)
        maps = convolutions.head.in_features
        emphasis = torch.cat([torch.full((maps,), MAPS), torch.ones(self.descriptors.size)])
        self.register_buffer("emphasis", emphasis, persistent=False)
        self.head = nn.Linear(convolutions.head.in_features + self.descriptors.size, n_classes)

    def forward(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits; mean and maximum of the last maps, then the descriptors."""
        maps = self.features(boxes)
        shape = self.standard(self.descriptors(boxes))
        parts = [maps.mean((2, 3, 4)), maps.amax((2, 3, 4)), shape]
        embedding = torch.cat([part.float() for part in parts], dim=1)
        return self.head(self.dropout(embedding)), embedding

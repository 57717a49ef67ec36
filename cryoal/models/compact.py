"""The default network: four convolutions, small enough for two processor cores."""

import torch
from torch import Tensor, nn

from cryoal.models.base import Network, networks
from cryoal.models.layers import Conv3d

#: Boxes larger than this are averaged over 2 x 2 x 2 voxels first: time grows with the cube of
#: the side, and a particle that fills such a box is told by its coarse shape.
LARGEST_FULL_BOX = 48


class Compact(Network):
    """Four convolutions of 16, 32, 64 and 128 channels, then mean and maximum over space.

    0.29 M parameters at width 1. The first convolution has stride 2, and the second and third
    are followed by maximum pooling. The maximum finds the particle wherever a shift puts it,
    the mean measures it against the noise.

    Parameters
    ----------
    n_classes : int
    box : int, voxels
    width : float
        Factor on the channels.
    dropout : float
        Fraction of the embedding dropped in training.
    """

    def __init__(self, n_classes: int, box: int, width: float = 1.0, dropout: float = 0.1) -> None:
        super().__init__()
        channels = [max(4, round(width * c)) for c in (16, 32, 64, 128)]
        layers: list[nn.Module] = [nn.AvgPool3d(2)] if box > LARGEST_FULL_BOX else []
        before = 1
        for level, after in enumerate(channels):
            layers += [
                Conv3d(before, after, 3, stride=2 if level == 0 else 1, padding=1, bias=False),
                nn.BatchNorm3d(after),
                nn.ReLU(inplace=True),
            ]
            if level in (1, 2):
                layers.append(nn.MaxPool3d(2))
            before = after
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * before, n_classes)

    def forward(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and the embedding they are linear in."""
        maps = self.features(boxes)  # (B, D / 2, b / 8, b / 8, b / 8)
        embedding = torch.cat([maps.mean((2, 3, 4)), maps.amax((2, 3, 4))], dim=1)  # (B, D)
        return self.head(self.dropout(embedding)), embedding


networks.register("compact")(Compact)


@networks.register("compact-thin")
def compact_thin(n_classes: int, box: int, width: float = 0.5, dropout: float = 0.1) -> Network:
    """Half the channels of ``compact``: the student's size."""
    return Compact(n_classes, box, width=width, dropout=dropout)

"""Ten convolutions without pooling, after YOPO ("you only pool once").

Zeng, Kahng, Xue, Mahamid, Chang and Xu, "High-throughput cryo-ET structural pattern mining by
unsupervised deep iterative subtomogram clustering", PNAS 120 (2023), e2213149120.
"""

import torch
from torch import Tensor, nn

from cryoal.models.base import Network, networks
from cryoal.models.layers import Conv3d, halved

#: Without pooling the cost grows with the box's volume; the published box is 24 to 32.
LARGEST_SIDE = 32
#: A convolution takes a voxel off every face, while at least this many stay across.
SMALLEST_SIDE = 4


@networks.register("yopo")
class YOPO(Network):
    """The maximum over space of every layer, side by side, then one wide layer.

    6.3 million parameters whatever the box. Nothing but those maxima leaves a map, so that where
    in the box a feature lies does not matter. Boxes above 32 voxels are averaged two by two
    first, and small ones padded, so that any size passes.

    Parameters
    ----------
    n_classes : int
    box : int, voxels
    width : int
        Channels of the first layer, 64 as published; each next has a quarter of it more.
    hidden : int
        Neurons of the wide layer, 1024 as published.
    dropout : float
    """

    def __init__(
        self, n_classes: int, box: int, width: int = 64, hidden: int = 1024, dropout: float = 0.1
    ) -> None:
        super().__init__()
        shrink, side = halved(box, LARGEST_SIDE)
        self.shrink = nn.Sequential(*shrink)
        channels = [width + width * layer // 4 for layer in range(10)]
        layers = []
        before = 1
        for after in channels:
            padding = int(side - 2 < SMALLEST_SIDE)
            side -= 2 - 2 * padding
            layers.append(
                nn.Sequential(
                    Conv3d(before, after, 3, padding=padding), nn.ELU(), nn.BatchNorm3d(after)
                )
            )
            before = after
        self.layers = nn.ModuleList(layers)
        self.wide = nn.Sequential(
            nn.Linear(sum(channels), hidden), nn.ELU(), nn.BatchNorm1d(hidden)
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, n_classes)

    def forward(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and the wide layer's output, in which they are linear."""
        maps, largest = self.shrink(boxes), []
        for layer in self.layers:
            maps = layer(maps)
            largest.append(maps.amax((2, 3, 4)))
        embedding = self.wide(torch.cat(largest, dim=1))
        return self.head(self.dropout(embedding)), embedding

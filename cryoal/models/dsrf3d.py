"""DSRF3D-v2: stacked 3 x 3 x 3 convolutions and two wide layers (Che et al. 2018).

Che, Lin, Zeng, Elmaaroufi, Galeotti and Xu, "Improved deep learning-based macromolecules structure
classification from electron cryo-tomograms", Machine Vision and Applications 29 (2018), 1227.
"""

from torch import Tensor, nn
from torch.nn import functional

from cryoal.models.base import Network, networks
from cryoal.models.layers import Conv3d, halved

#: The published box is 32; the first wide layer of one above this would outgrow the rest.
LARGEST_SIDE = 48


@networks.register("dsrf3d")
class DSRF3D(Network):
    """Three pairs of convolutions, each pair pooled, then two fully connected layers.

    The first of these grows with the box: 10.3 million parameters in all for a box of 32. Boxes
    above 48 voxels are averaged two by two first.

    Parameters
    ----------
    n_classes : int
    box : int, voxels
    width : int
        Channels of the first pair, doubled in each of the next; 32 is the published size.
    hidden : int
        Neurons of the two fully connected layers, 1024 as published.
    dropout : float
        After both.
    """

    def __init__(
        self, n_classes: int, box: int, width: int = 32, hidden: int = 1024, dropout: float = 0.5
    ) -> None:
        super().__init__()
        shrink, side = halved(box, LARGEST_SIDE)
        layers: list[nn.Module] = list(shrink)
        before = 1
        for after in (width, 2 * width, 4 * width):
            layers += [Conv3d(before, after, 3, padding=1), nn.ReLU(inplace=True)]
            layers += [Conv3d(after, after, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool3d(2)]
            before, side = after, side // 2
        self.features = nn.Sequential(*layers)
        self.first = nn.Linear(before * side**3, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, n_classes)

    def forward(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and the second wide layer's output, in which they are linear."""
        maps = self.features(boxes).flatten(1)
        hidden = self.dropout(functional.relu(self.first(maps)))
        embedding = functional.relu(self.second(hidden))
        return self.head(self.dropout(embedding)), embedding

"""Small students of DSRF3D: the same six convolutions with coarser pooling and one wide layer.

Guo, Zhou, Zeng, Freyberg and Xu, "Model compression for faster structural separation of
macromolecules captured by cellular electron cryo-tomography", ICIAR 2018 (arXiv:1801.10597), with
the layers of the code published with it. Named here by their parameters.
"""

from torch import Tensor, nn
from torch.nn import functional

from cryoal.models.base import Network, networks
from cryoal.models.layers import Conv3d, halved

#: Pooled by three, three times over, boxes up to this leave one voxel: their size costs no weight.
LARGEST_SIDE = 48


class Distilled(Network):
    """Three pairs of convolutions, each pair pooled by three, then one wide layer.

    Without normalisation, as published; boxes above 48 voxels are averaged two by two first.

    Parameters
    ----------
    n_classes : int
    box : int, voxels
    channels : (int, int, int)
        Of each pair.
    hidden : int
        Neurons of the wide layer, 1024 as published.
    dropout : float
    """

    def __init__(
        self, n_classes: int, box: int, channels: tuple[int, ...], hidden: int, dropout: float
    ) -> None:
        super().__init__()
        shrink, side = halved(box, LARGEST_SIDE)
        layers: list[nn.Module] = list(shrink)
        before = 1
        for after in channels:
            pool = min(3, side)  # what is left of a small box
            layers += [Conv3d(before, after, 3, padding=1), nn.ReLU(inplace=True)]
            layers += [Conv3d(after, after, 3, padding=1), nn.ReLU(inplace=True)]
            layers.append(nn.MaxPool3d(pool))
            before, side = after, side // pool
        self.features = nn.Sequential(*layers)
        self.wide = nn.Linear(before * side**3, hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, n_classes)

    def forward(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and the wide layer's output, in which they are linear."""
        embedding = functional.relu(self.wide(self.features(boxes).flatten(1)))
        return self.head(self.dropout(embedding)), embedding


@networks.register("distilled-1000k")
def distilled_1000k(n_classes: int, box: int, hidden: int = 1024, dropout: float = 0.1) -> Network:
    """1.00 M parameters: the channels of the teacher, ``dsrf3d``."""
    return Distilled(n_classes, box, (32, 64, 128), hidden, dropout)


@networks.register("distilled-490k")
def distilled_490k(n_classes: int, box: int, hidden: int = 1024, dropout: float = 0.1) -> Network:
    """0.49 M parameters: the last pair no wider than the second."""
    return Distilled(n_classes, box, (32, 64, 64), hidden, dropout)


@networks.register("distilled-148k")
def distilled_148k(n_classes: int, box: int, hidden: int = 1024, dropout: float = 0.1) -> Network:
    """0.148 M parameters: half the channels of the one above."""
    return Distilled(n_classes, box, (16, 32, 32), hidden, dropout)

"""Three-dimensional residual networks (He et al. 2016, with 3-D convolutions)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from cryoal.models.base import Network, networks
from cryoal.models.layers import Conv3d


class Block(nn.Module):
    """Two 3 x 3 x 3 convolutions around a shortcut (the "basic block" of He et al. 2016)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = Conv3d(before, after, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm3d(after)
        self.second = Conv3d(after, after, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm3d(after)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.shortcut = nn.Sequential(
                Conv3d(before, after, 1, stride=stride, bias=False), nn.BatchNorm3d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, ...) -> (B, after, .../stride)."""
        inner = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(self.second_norm(self.second(inner)) + self.shortcut(x))


class ResNet(Network):
    """A stem of stride 2 and four stages, each but the first halving the side.

    Parameters
    ----------
    n_classes : int
    box : int, voxels
        Any: the pooling at the end takes what is left.
    blocks : (int, int, int, int)
        Basic blocks in each stage.
    width : int
        Channels of the first stage, doubled in each of the next; 64 is the published size.
    dropout : float
    """

    def __init__(
        self, n_classes: int, box: int, blocks: tuple[int, ...], width: int, dropout: float
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            Conv3d(1, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
        ]
        before = width
        for stage, count in enumerate(blocks):
            after = width * 2**stage
            for number in range(count):
                layers.append(Block(before, after, 2 if stage and not number else 1))
                before = after
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * before, n_classes)

    def forward(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and the embedding they are linear in."""
        maps = self.features(boxes)
        embedding = torch.cat([maps.mean((2, 3, 4)), maps.amax((2, 3, 4))], dim=1)  # (B, D)
        return self.head(self.dropout(embedding)), embedding


@networks.register("resnet10")
def resnet10(n_classes: int, box: int, width: int = 16, dropout: float = 0.1) -> Network:
    """One block a stage; 0.9 M parameters at width 16, 14 M at the published 64."""
    return ResNet(n_classes, box, (1, 1, 1, 1), width, dropout)


@networks.register("resnet18")
def resnet18(n_classes: int, box: int, width: int = 16, dropout: float = 0.1) -> Network:
    """Two blocks a stage; 2.1 M parameters at width 16, 33 M at the published 64."""
    return ResNet(n_classes, box, (2, 2, 2, 2), width, dropout)

"""A network of flat images: other people's data, or a box seen along the beam."""

import math

import torch
from torch import Tensor, nn

from cryoal.core.errors import CryoalError
from cryoal.models.base import Network, networks
from cryoal.models.layers import Conv3d


@networks.register("image2d")
class Image2d(Network):
    """Three 3 x 3 convolutions, mean and maximum over space; any size of image.

    Takes images (B, 1, h, w), square ones also as rows (B, h * w), and boxes (B, 1, b, b, b),
    which it sums along z as a microscope does.

    Parameters
    ----------
    n_classes : int
    box : int, voxels
        Of the boxes, where there are any.
    width : int
        Channels of the first layer, doubled in each of the next.
    dropout : float
    """

    def __init__(self, n_classes: int, box: int, width: int = 16, dropout: float = 0.1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for step, after in ((1, width), (2, 2 * width), (2, 4 * width)):
            layers += [
                # Flat kernels of a 3-D layer: training and prediction lay weights out for those.
                Conv3d(before, after, (1, 3, 3), (1, step, step), padding=(0, 1, 1), bias=False),
                nn.BatchNorm3d(after),
                nn.ReLU(inplace=True),
            ]
            before = after
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * before, n_classes)

    def forward(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and the embedding they are linear in."""
        maps = self.features(as_images(boxes)[:, :, None])  # (B, C, 1, h / 4, w / 4)
        embedding = torch.cat([maps.mean((2, 3, 4)), maps.amax((2, 3, 4))], dim=1)  # (B, D)
        return self.head(self.dropout(embedding)), embedding


@networks.register("image2d-thin")
def image2d_thin(n_classes: int, box: int, width: int = 8, dropout: float = 0.1) -> Network:
    """Half the channels of ``image2d``: the student's size."""
    return Image2d(n_classes, box, width=width, dropout=dropout)


def as_images(given: Tensor) -> Tensor:
    """Images (B, 1, h, w) of boxes, of rows or of images themselves.

    A projection is divided by the square root of the box's side: noise of deviation 1 keeps it.

    Raises
    ------
    CryoalError
        Rows that are no square image.

    Examples
    --------
    >>> as_images(torch.ones(2, 9)).shape, as_images(torch.ones(2, 1, 4, 4, 4))[0, 0, 0, 0].item()
    (torch.Size([2, 1, 3, 3]), 2.0)
    """
    if given.ndim == 5:
        return given.sum(2) / math.sqrt(given.shape[2])
    if given.ndim == 2:
        side = math.isqrt(given.shape[1])
        if side**2 != given.shape[1]:
            raise CryoalError(
                f"network 'image2d': rows of {given.shape[1]} values are no square image; give "
                "images (B, 1, h, w)"
            )
        return given.reshape(len(given), 1, side, side)
    return given

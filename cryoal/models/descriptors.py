"""Numbers that a rotation hardly changes, computed inside a network beside its convolutions.

With few labels a network has to learn from noise that a particle's class does not depend on its
orientation; these averages over shells know it from the start.
"""

import torch
from torch import Tensor, nn

from cryoal.core.geometry import frequencies, radius_grid

#: Voxels: width of the Gaussian that smooths the density before it is described.
SMOOTHING = 1.5
#: Voxels: thickness of a shell.
SHELL = 1.5
#: Cycles per voxel: the power spectrum is described up to here.
HIGHEST_FREQUENCY = 0.4
#: Quantiles of the smoothed density within a third of the box.
QUANTILES = (0.5, 0.75, 0.9, 0.97)


class Descriptors(nn.Module):
    """Radial mean and spread, density quantiles, second moments and power spectrum of boxes.

    Nothing here is learnt. ``size`` is the number of descriptors.

    Parameters
    ----------
    box : int, voxels
    """

    inside: Tensor
    core: Tensor
    shells: Tensor
    seen: Tensor
    rings: Tensor
    places: Tensor
    taper: Tensor
    gaussian: Tensor
    levels: Tensor

    def __init__(self, box: int) -> None:
        super().__init__()
        radius = torch.from_numpy(radius_grid(box)).float()
        inside = (radius < box // 2).flatten()
        shells = _averages((radius.flatten()[inside] / SHELL).long())
        core = (radius.flatten()[inside] < box / 3).nonzero()[:, 0]
        k2 = sum(torch.from_numpy(k).float() ** 2 for k in frequencies((box, box, box)))
        assert isinstance(k2, Tensor)
        k = k2.sqrt()
        seen = ((k > 0) & (k < HIGHEST_FREQUENCY)).flatten()
        # Half the spectrum is computed; each frequency stands for its Friedel mate, but for kx = 0.
        twice = torch.full((box, box, box // 2 + 1), 2.0)
        twice[:, :, 0] = 1.0
        rings = _averages((k.flatten()[seen] * box / SHELL).long(), twice.flatten()[seen])
        at = torch.nonzero(inside.view(box, box, box)).float() - box // 2  # (V, 3)
        pairs = (at[:, :, None] * at[:, None, :]).flatten(1)  # (V, 9)
        edge = ((box / 2 - radius) / (box / 8)).clamp(0, 1)
        gaussian = torch.exp(-2 * (torch.pi * SMOOTHING) ** 2 * k2)
        for name, value in {
            "inside": inside.nonzero()[:, 0],
            "core": core,
            "shells": shells,
            "seen": seen.nonzero()[:, 0],
            "rings": rings,
            "places": torch.cat([at, pairs], dim=1),
            "taper": 0.5 - 0.5 * torch.cos(torch.pi * edge),
            "gaussian": gaussian,
            "levels": torch.tensor(QUANTILES),
        }.items():
            self.register_buffer(name, value, persistent=False)
        self.size = 2 * shells.shape[1] + rings.shape[1] + len(QUANTILES) + 3

    @torch.no_grad()
    def forward(self, boxes: Tensor) -> Tensor:
        """(B, 1, box, box, box) -> (B, size) float32."""
        with torch.autocast(boxes.device.type, enabled=False):
            x = boxes[:, 0].float().contiguous()
            smooth = torch.fft.irfftn(
                torch.fft.rfftn(x, dim=(1, 2, 3)) * self.gaussian, s=x.shape[1:], dim=(1, 2, 3)
            )
            density = smooth.flatten(1)[:, self.inside]  # (B, V)
            mean = density @ self.shells
            spread = (density.square() @ self.shells - mean.square()).clamp(min=0).sqrt()
            quantiles = torch.quantile(density[:, self.core], self.levels, dim=1).T
            spectrum = torch.fft.rfftn(x * self.taper, dim=(1, 2, 3)).abs().square()
            power = (spectrum.flatten(1)[:, self.seen] @ self.rings + 1e-6).log()
            return torch.cat([mean, spread, quantiles, self._moments(density), power], dim=1)

    def _moments(self, density: Tensor) -> Tensor:
        """Spread of what is bright along three axes, by size, however they lie: (B, 3)."""
        weight = (density - density.mean(1, keepdim=True)).abs().square()
        weight = weight / (weight.sum(1, keepdim=True) + 1e-12)
        moments = weight @ self.places  # (B, 3 + 9)
        centre = moments[:, :3]
        covariance = moments[:, 3:].view(-1, 3, 3) - centre[:, :, None] * centre[:, None, :]
        # Eigenvalues do not know the axes; the processor finds 3 x 3 ones fastest.
        values: Tensor = torch.linalg.eigvalsh(covariance.cpu()).to(density.device)
        return values.clamp(min=0).sqrt()


def _averages(group: Tensor, weight: Tensor | None = None) -> Tensor:
    """Matrix whose columns average over the members of each group: (V, G)."""
    _, number = torch.unique(group, return_inverse=True)
    member = nn.functional.one_hot(number).float()
    if weight is not None:
        member = member * weight[:, None]
    return member / member.sum(0)

"""Numbers that a rotation hardly changes, the same list whatever the size of the box.

With few labels a network has to learn from noise that a particle's class does not depend on its
orientation; these know it from the start.
"""

import torch
from torch import Tensor, nn

from cryoal.core.geometry import frequencies, radius_grid
from cryoal.models.harmonics import Harmonics
from cryoal.models.places import PLACES, REACH

#: Voxels: of a larger box the middle is described; a particle fills two thirds of its box, so up
#: to half as much again nothing of it is lost, and averaging would lose all that is fine.
LARGEST_FULL_BOX = 48
#: Boxes larger than this are averaged over 2 x 2 x 2 voxels first, and described at that scale.
LARGEST_SHARP_BOX = LARGEST_FULL_BOX * 3 // 2
#: Voxels: width of the Gaussian that smooths the density before its profile is taken.
SMOOTHING = 1.5
#: Voxels: thickness of a shell of the profile, and how many the largest box has.
SHELL = 1.5
SHELLS = int(LARGEST_FULL_BOX / 2 / SHELL)
#: Cycles per voxel: thickness of a ring of the power spectrum; it is described by this many.
RING = 0.04
RINGS = 10
#: Quantiles of the smoothed density within a third of the box.
QUANTILES = (0.5, 0.75, 0.9, 0.97)

#: How many invariants there are.
SIZE = Harmonics.SIZE + 2 * SHELLS + RINGS + len(QUANTILES) + 3


def described_side(box: int) -> int:
    """Side of what is described of a box, voxels; above `LARGEST_SHARP_BOX` each is two wide."""
    return min(box // 2 if box > LARGEST_SHARP_BOX else box, LARGEST_FULL_BOX)


class Invariants(nn.Module):
    """Spherical-harmonic spectra, radial profile, quantiles, second moments, power spectrum.

    Nothing here is learnt. What a box is too small to hold is 0.

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
        self.halved = box > LARGEST_SHARP_BOX
        self.whole, self.box = box, (box := described_side(box))
        self.harmonics = Harmonics(box)
        radius = torch.from_numpy(radius_grid(box)).float()
        inside = (radius < box // 2).flatten()
        k2 = sum(torch.from_numpy(k).float() ** 2 for k in frequencies((box, box, box)))
        assert isinstance(k2, Tensor)
        k = k2.sqrt()
        seen = ((k > 0) & (k < RING * RINGS)).flatten()
        # Half the spectrum is computed; each frequency stands for its Friedel mate, but for kx = 0.
        twice = torch.full((box, box, box // 2 + 1), 2.0)
        twice[:, :, 0] = 1.0
        at = torch.nonzero(inside.view(box, box, box)).float() - box // 2  # (V, 3)
        pairs = (at[:, :, None] * at[:, None, :]).flatten(1)  # (V, 9)
        edge = ((box / 2 - radius) / (box / 8)).clamp(0, 1)
        gaussian = torch.exp(-2 * (torch.pi * SMOOTHING) ** 2 * k2)
        within = radius.flatten()[inside]
        for name, value in {
            "inside": inside.nonzero()[:, 0],
            "core": (within < box / 3).nonzero()[:, 0],
            "shells": _averages((within / SHELL).long(), SHELLS),
            "seen": seen.nonzero()[:, 0],
            "rings": _averages((k.flatten()[seen] / RING).long(), RINGS, twice.flatten()[seen]),
            "places": torch.cat([at, pairs], dim=1),
            "taper": 0.5 - 0.5 * torch.cos(torch.pi * edge),
            "gaussian": gaussian,
            "levels": torch.tensor(QUANTILES),
        }.items():
            self.register_buffer(name, value, persistent=False)

    @torch.no_grad()
    def forward(self, boxes: Tensor) -> Tensor:
        """(B, 1, box, box, box) -> (B, SIZE) float32."""
        with torch.autocast(boxes.device.type, enabled=False):
            x = self._seen(boxes)
            smooth = torch.fft.irfftn(
                torch.fft.rfftn(x, dim=(1, 2, 3)) * self.gaussian, s=x.shape[1:], dim=(1, 2, 3)
            )
            density = smooth.flatten(1)[:, self.inside]  # (B, V)
            mean = density @ self.shells
            spread = (density.square() @ self.shells - mean.square()).clamp(min=0).sqrt()
            quantiles = torch.quantile(density[:, self.core], self.levels, dim=1).T
            spectrum = torch.fft.rfftn(x * self.taper, dim=(1, 2, 3)).abs().square()
            power = spectrum.flatten(1)[:, self.seen] @ self.rings
            power = torch.where(power > 0, (power + 1e-6).log(), 0.0)
            parts = [self.harmonics(x), mean, spread, quantiles, self._moments(density), power]
            return torch.cat(parts, dim=1)

    @torch.no_grad()
    def describe(self, boxes: Tensor, placed: bool = False) -> Tensor:
        """The invariants, and behind them the coefficients that turn with the particle.

        (B, 1, box, box, box) -> (B, SIZE + COEFFICIENTS) float32; see ``models.harmonics``. With
        ``placed`` the coefficients about all ``PLACES``: (B, SIZE + P * COEFFICIENTS).
        """
        turning = self.harmonics.coefficients(self._seen(boxes)).flatten(1)
        beside = [self.beside(boxes).flatten(1)] if placed else []
        return torch.cat([self(boxes), turning, *beside], dim=1)

    @torch.no_grad()
    def beside(self, boxes: Tensor) -> Tensor:
        """The coefficients about every place but the centre: (B, P - 1, SHELLS, ORDERS).

        Parameters
        ----------
        boxes : (B, 1, S, S, S)
            As stored, with the margin that ``describe`` does not see; where there is too little
            of it, what leaves at one face comes in at the other.
        """
        wide = self._seen(boxes, margin=REACH)
        return self.harmonics.coefficients_at(wide, PLACES[1:])

    def _seen(self, boxes: Tensor, margin: int = 0) -> Tensor:
        """What is described of boxes (B, 1, S, S, S), and a margin: (B, side, side, side)."""
        boxes = boxes.float()
        if self.halved:
            # In twos from the centre outwards, whatever margin the stored box has.
            extra = (boxes.shape[-1] - self.whole) // 2
            boxes = nn.functional.avg_pool3d(_middle(boxes, self.whole + extra // 2 * 4), 2)
        side = self.box + 2 * margin
        if (missing := side - boxes.shape[-1]) > 0:
            boxes = nn.functional.pad(boxes, (-(-missing // 2),) * 6, mode="circular")
        return _middle(boxes, side)[:, 0].contiguous()

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


def _middle(boxes: Tensor, side: int) -> Tensor:
    """The middle of boxes (B, 1, S, S, S), voxel S // 2 on voxel side // 2."""
    middle = slice(start := boxes.shape[-1] // 2 - side // 2, start + side)
    return boxes[:, :, middle, middle, middle]


def _averages(group: Tensor, n: int, weight: Tensor | None = None) -> Tensor:
    """Matrix whose columns average over the members of each of n groups: (V, n)."""
    member = nn.functional.one_hot(group, n).float()
    if weight is not None:
        member = member * weight[:, None]
    return member / member.sum(0).clamp(min=1e-12)

"""What networks are shown of a project's particles: boxes, or descriptions made of them."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cryoal.core.geometry import sampled_region
from cryoal.data.augment import views
from cryoal.data.store import Index, SubtomogramStore
from cryoal.learn.describe import describe, read_descriptions, write_descriptions
from cryoal.models.base import Network
from cryoal.models.invariants import SIZE, described_side
from cryoal.models.turning import transfer_operator

#: Beside the stacks it was made from.
DESCRIPTIONS = "descriptions.safetensors"


@dataclass(frozen=True)
class Sight:
    """Particles as networks see them, in the order of the store.

    Attributes
    ----------
    store : SubtomogramStore
    allowed : (N, 4) bool
        Half turns that each particle's missing wedge allows.
    described : (N, SIZE + COEFFICIENTS) float32
        See ``models.invariants``.
    measured : (b, b, b // 2 + 1) float32
        Share of the tomograms that have measured a spatial frequency, in the layout of ``rfftn``;
        b is the side of what is described of a box.
    """

    store: SubtomogramStore
    allowed: NDArray[np.bool_]
    described: NDArray[np.float32]
    measured: NDArray[np.float32]

    @cached_property
    def wedge(self) -> NDArray[np.float32]:
        """What the missing wedge does to coefficients: (COEFFICIENTS, COEFFICIENTS)."""
        return transfer_operator(self.measured)

    @property
    def invariants(self) -> NDArray[np.float32]:
        """What no turn changes of each particle: (N, SIZE)."""
        return self.described[:, :SIZE]

    def __len__(self) -> int:
        return len(self.store)

    def show(self, rows: NDArray[np.intp], *networks: Network) -> NDArray[np.float32]:
        """What all these networks take of these particles: descriptions if they can, or boxes."""
        if all(network.sees == "invariants" for network in networks):
            return self.described[rows]
        return self.store.read(rows)

    def blocks(self, network: Network) -> Iterator[NDArray[np.float32]]:
        """All particles as the network takes them best, a few hundred at a time."""
        if network.sees == "invariants":
            yield self.described
        else:
            yield from (boxes for _, boxes in self.store.batches())


def look(
    store: SubtomogramStore,
    device: str,
    progress: Callable[[int], None] | None = None,
    *,
    box: int | None = None,
) -> Sight:
    """Describe every particle, or read what was kept of an earlier look at the same boxes.

    Parameters
    ----------
    box : int, voxels, optional
        What is seen of each box; default: what this project's own networks see.
    """
    usual = store.geometry.network_box
    side = described_side(box or usual)
    path, digest = store.folder / DESCRIPTIONS, boxes_digest(store)
    own = side == described_side(usual)
    points = read_descriptions(path, digest) if own else None
    if points is None:
        blocks = (boxes for _, boxes in store.batches())
        points = describe(blocks, box or usual, device=device, progress=progress)
        if own:
            write_descriptions(path, points, digest)
    return Sight(
        store, views_of(store.index, store.tomogram), points, share_measured(store.index, side)
    )


def boxes_digest(store: SubtomogramStore) -> str:
    """Changes when any box does, or their order."""
    digests = sorted(store.index.digests().items())
    return hashlib.sha256(repr((digests, store.ids.tolist())).encode()).hexdigest()


def share_measured(index: Index, side: int) -> NDArray[np.float32]:
    """Share of the tomograms that have measured each frequency: (side, side, side // 2 + 1).

    Where they have missed it lies the missing wedge.
    """
    facts = index.tomograms[["cryoalTiltMin", "cryoalTiltMax", "cryoalTiltAxis"]].astype(str)
    counts = Counter(facts.itertuples(index=False, name=None))
    total = np.zeros((side, side, side // 2 + 1), dtype=np.float32)
    for (low, high, axis), count in counts.items():
        total += count * sampled_region((side,) * 3, (float(low), float(high)), axis)
    return total / np.float32(max(len(facts), 1))


def views_of(index: Index, tomogram: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Views that each particle's tomogram allows: (N, 4) bool."""
    facts = index.tomograms.astype(str).set_index("rlnTomoName").to_dict("index")
    allowed = {
        name: views(
            (float(row["cryoalTiltMin"]), float(row["cryoalTiltMax"])), row["cryoalTiltAxis"]
        )
        for name, row in facts.items()
    }
    if not len(tomogram):
        return np.zeros((0, 4), dtype=bool)
    return np.stack([allowed[name] for name in tomogram])

"""What networks are shown of a project's particles: boxes, or the invariants made of them."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryoal.data.augment import views
from cryoal.data.store import Index, SubtomogramStore
from cryoal.learn.describe import describe, read_invariants, write_invariants
from cryoal.models.base import Network

#: Beside the stacks it was made from.
INVARIANTS = "invariants.safetensors"


@dataclass(frozen=True)
class Sight:
    """Particles as networks see them, in the order of the store.

    Attributes
    ----------
    store : SubtomogramStore
    allowed : (N, 4) bool
        Half turns that each particle's missing wedge allows.
    invariants : (N, SIZE) float32
    """

    store: SubtomogramStore
    allowed: NDArray[np.bool_]
    invariants: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.store)

    def show(self, rows: NDArray[np.intp], *networks: Network) -> NDArray[np.float32]:
        """What all these networks take of these particles: invariants if they can, else boxes."""
        if all(network.sees == "invariants" for network in networks):
            return self.invariants[rows]
        return self.store.read(rows)

    def blocks(self, network: Network) -> Iterator[NDArray[np.float32]]:
        """All particles as the network takes them best, a few hundred at a time."""
        if network.sees == "invariants":
            yield self.invariants
        else:
            yield from (boxes for _, boxes in self.store.batches())


def look(
    store: SubtomogramStore, device: str, progress: Callable[[int], None] | None = None
) -> Sight:
    """Describe every particle, or read what was kept of an earlier look at the same boxes."""
    path, digest = store.folder / INVARIANTS, boxes_digest(store)
    points = read_invariants(path, digest)
    if points is None:
        blocks = (boxes for _, boxes in store.batches())
        points = describe(blocks, store.geometry.network_box, device=device, progress=progress)
        write_invariants(path, points, digest)
    return Sight(store, views_of(store.index, store.tomogram), points)


def boxes_digest(store: SubtomogramStore) -> str:
    """Changes when any box does, or their order."""
    digests = sorted(store.index.digests().items())
    return hashlib.sha256(repr((digests, store.ids.tolist())).encode()).hexdigest()


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

"""What networks are shown of a project's particles: boxes, or descriptions made of them."""

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cryoal.core.tilting import tiltings
from cryoal.data.augment import views
from cryoal.data.store import Index, SubtomogramStore
from cryoal.io.files import unwritable
from cryoal.learn.describe import (
    EDITION,
    describe,
    read_beside,
    read_descriptions,
    write_beside,
    write_descriptions,
)
from cryoal.models.base import Network
from cryoal.models.harmonics import COEFFICIENTS, ORDERS, SHELLS
from cryoal.models.invariants import SIZE, described_side
from cryoal.models.places import PLACES
from cryoal.models.turning import transfer_operator

log = logging.getLogger(__name__)

#: Particles shown at once: all boxes of a project, or all places, may be more than memory holds.
BLOCK = 512

#: Beside the stacks they were made from; the name of the second says what was described how.
DESCRIPTIONS = "descriptions.safetensors"
BESIDE = "beside-{box}-{edition}-{digest}.npy"
_BESIDE = re.compile(r"beside-\d+-[^-]+-[0-9a-f]{16}\.npy")


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
    box : int, voxels
        What networks see of each stored box.
    device : str
        What more has to be described is described there.
    """

    store: SubtomogramStore
    allowed: NDArray[np.bool_]
    described: NDArray[np.float32]
    measured: NDArray[np.float32]
    box: int
    device: str = "auto"

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

    @cached_property
    def beside(self) -> NDArray[np.float16]:
        """Coefficients about every place but the centre, mapped: see ``describe.write_beside``.

        Found for all particles when they are first asked for, and kept beside the stacks.
        """
        folder, digest = self.store.folder, boxes_digest(self.store)[:16]
        path = folder / BESIDE.format(box=self.box, edition=EDITION, digest=digest)
        values = read_beside(path, len(self))
        if values is None:
            today = {*folder.glob(BESIDE.format(box="*", edition=EDITION, digest=digest))}
            # Another process may be at the file of these very boxes.
            for outlived in {*folder.glob("beside-*.npy")} - today:
                if _BESIDE.fullmatch(outlived.name):
                    outlived.unlink(missing_ok=True)
            blocks = (boxes for _, boxes in self.store.batches())
            log.info("describing %d particles about %d places, once", len(self), len(PLACES))
            write_beside(path, blocks, len(self), self.box, device=self.device)
            values = read_beside(path, len(self))
            assert values is not None
        return values

    def placed(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Descriptions about all places: (n, SIZE + P * COEFFICIENTS)."""
        held, centre = self.beside[np.asarray(rows)], SIZE + COEFFICIENTS
        n, places, shells, _ = held.shape
        # 90 kB a particle: made once, and not in parts that are joined.
        seen = np.zeros((n, centre + places * COEFFICIENTS), dtype=np.float32)
        seen[:, :centre] = self.described[rows]
        # Of an array that is cut along its rows, this is a view.
        seen[:, centre:].reshape(n, places, SHELLS, ORDERS)[:, :, :shells] = held
        return seen

    def show(self, rows: NDArray[np.intp], *networks: Network) -> NDArray[np.float32]:
        """What all these networks take of these particles: descriptions if they can, or boxes."""
        seen = {network.sees for network in networks}
        if "boxes" in seen:
            return self.store.read(rows)
        return self.placed(rows) if "places" in seen else self.described[rows]

    def blocks(
        self, network: Network, rows: NDArray[np.intp] | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """These particles, or all, as the network takes them best, a few hundred at a time."""
        rows = np.arange(len(self)) if rows is None else rows
        for start in range(0, len(rows), BLOCK):
            yield self.show(rows[start : start + BLOCK], network)


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
    box = box or usual
    side = described_side(box)
    path, digest = store.folder / DESCRIPTIONS, boxes_digest(store)
    own = box == usual  # of 40 voxels, and of 80 in twos, as many are described
    points = read_descriptions(path, digest, len(store)) if own else None
    if points is None:
        blocks = (boxes for _, boxes in store.batches())
        points = describe(blocks, box, device=device, progress=progress)
        if own:
            _keep(path, points, digest)
    allowed = views_of(store.index, store.tomogram)
    return Sight(store, allowed, points, share_measured(store.index, side), box, device)


def _keep(path: Path, points: NDArray[np.float32], digest: str) -> None:
    """Write descriptions, unless the project can only be read: they can be made again."""
    try:
        write_descriptions(path, points, digest)
    except OSError as problem:
        if not unwritable(problem):
            raise
        log.info("%s: can only be read, so what was described is not kept", path.parent)


def boxes_digest(store: SubtomogramStore) -> str:
    """Changes when any box does, or their order."""
    digests = sorted(store.index.digests().items())
    return hashlib.sha256(repr((digests, store.ids.tolist())).encode()).hexdigest()


def share_measured(index: Index, side: int) -> NDArray[np.float32]:
    """Share of the tomograms that have measured each frequency: (side, side, side // 2 + 1).

    Where they have missed it lies the missing wedge.
    """
    counts = Counter(tiltings(index.tomograms).values())
    total = np.zeros((side, side, side // 2 + 1), dtype=np.float32)
    for tilting, count in counts.items():
        total += count * tilting.measured((side,) * 3)
    return total / np.float32(max(counts.total(), 1))


def views_of(index: Index, tomogram: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Views that each particle's tomogram allows: (N, 4) bool."""
    allowed = {
        name: views(tilting.tilt_range, tilting.tilt_axis, tilting.beam_axis)
        for name, tilting in tiltings(index.tomograms).items()
    }
    if not len(tomogram):
        return np.zeros((0, 4), dtype=bool)
    return np.stack([allowed[name] for name in tomogram])

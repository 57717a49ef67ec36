"""The description of every particle, computed once and kept beside the subtomograms."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from cryoal.data.augment import central
from cryoal.io.files import replacing
from cryoal.learn.device import one_thread, resolve_device
from cryoal.models.harmonics import COEFFICIENTS
from cryoal.models.invariants import SIZE, Invariants

#: Boxes described at once: their spectra fit in a processor's cache.
BATCH = 32

#: Changes whenever ``models.invariants`` answers something else, so that no file outlives it.
EDITION = "3"


def describe(
    blocks: Iterable[NDArray[np.floating]],
    box: int,
    *,
    device: str = "auto",
    progress: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Invariants of boxes, and behind them their coefficients.

    Parameters
    ----------
    blocks : iterable of (n, S, S, S)
        Normalised; S is at least ``box``, the centre is seen.
    box : int, voxels
    device : str
    progress : callable (particles done), optional

    Returns
    -------
    (N, SIZE + COEFFICIENTS) float32
        See ``models.invariants``.
    """
    where = resolve_device(device)
    invariants = Invariants(box).to(where)

    @torch.no_grad()
    def of(boxes: NDArray[np.floating]) -> NDArray[np.float32]:
        here = torch.as_tensor(np.asarray(boxes)).to(where)
        values: NDArray[np.float32] = invariants.describe(central(here, box)).cpu().numpy()
        return values

    # The steps of one batch are too short to be shared: two cores took as long together as one
    # alone, and several times as long beside other work. So each core takes batches of its own.
    cores = torch.get_num_threads() if where.type == "cpu" else 1
    parts, done = [], 0
    with one_thread(), ThreadPoolExecutor(cores) as pool:
        for block in blocks:
            batches = (block[start : start + BATCH] for start in range(0, len(block), BATCH))
            for values in pool.map(of, batches):
                parts.append(values)
                done += len(values)
                if progress is not None:
                    progress(done)
    return np.concatenate(parts) if parts else np.zeros((0, SIZE + COEFFICIENTS), dtype=np.float32)


def read_descriptions(path: Path, made_from: str) -> NDArray[np.float32] | None:
    """What ``write_descriptions`` kept of these very boxes; None where there is no such file."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            if (file.metadata() or {}).get("made_from") != f"{EDITION} {made_from}":
                return None
            points: NDArray[np.float32] = file.get_tensor("descriptions")
    except (SafetensorError, OSError):
        return None  # it is made again
    return points


def write_descriptions(path: Path, points: NDArray[np.float32], made_from: str) -> None:
    """Keep descriptions with the digest of the boxes they were made from."""
    with replacing(path, "wb") as file:
        file.write(to_bytes({"descriptions": points}, {"made_from": f"{EDITION} {made_from}"}))

"""The description of every particle, computed once and kept beside the subtomograms."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from cryoal.io.files import replacing
from cryoal.learn.device import one_thread, resolve_device, torch_threads
from cryoal.models.harmonics import COEFFICIENTS, ORDERS
from cryoal.models.invariants import SIZE, Invariants
from cryoal.models.places import PLACES

#: Boxes described at once: their spectra fit in a processor's cache.
BATCH = 32

#: Changes whenever ``models.invariants`` or ``models.places`` answers something else, so that no
#: file outlives it.
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
    invariants = Invariants(box)
    parts = list(_of_each(invariants, invariants.describe, blocks, device, progress))
    return np.concatenate(parts) if parts else np.zeros((0, SIZE + COEFFICIENTS), dtype=np.float32)


def write_beside(
    path: Path,
    blocks: Iterable[NDArray[np.floating]],
    n: int,
    box: int,
    *,
    device: str = "auto",
    progress: Callable[[int], None] | None = None,
) -> None:
    """Keep the coefficients of n boxes about every place but the centre, as half precision.

    One array (n, P - 1, shells held, ORDERS) in numpy's format, mapped when it is read: many
    times as large as the descriptions.
    """
    invariants = Invariants(box)
    held = invariants.harmonics.n_shells
    header = {"descr": "<f2", "fortran_order": False, "shape": (n, *_beside_shape(held))}
    with replacing(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for values in _of_each(invariants, invariants.beside, blocks, device, progress):
            file.write(values[:, :, :held].astype("<f2").tobytes())


def read_beside(path: Path, n: int) -> NDArray[np.float16] | None:
    """What ``write_beside`` kept of n boxes, mapped; None where there is no such file."""
    try:
        values: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None  # it is made again
    fits = values.dtype == np.float16 and values.ndim == 4 and len(values) == n
    return values if fits and values.shape[1:] == _beside_shape(values.shape[2]) else None


def _beside_shape(held: int) -> tuple[int, int, int]:
    return len(PLACES) - 1, held, ORDERS


def _of_each(
    network: torch.nn.Module,
    of: Callable[[torch.Tensor], torch.Tensor],
    blocks: Iterable[NDArray[np.floating]],
    device: str,
    progress: Callable[[int], None] | None,
) -> Iterator[NDArray[np.float32]]:
    """What a network's method makes of boxes, a few at a time, in their order."""
    where = resolve_device(device)
    network.to(where)

    @torch.no_grad()
    def answer(boxes: NDArray[np.floating]) -> NDArray[np.float32]:
        here = torch.as_tensor(np.asarray(boxes))[:, None].to(where)
        values: NDArray[np.float32] = of(here).cpu().numpy()
        return values

    # The steps of one batch are too short to be shared: two cores took as long together as one
    # alone, and several times as long beside other work. So each core takes batches of its own.
    with torch_threads():
        cores = torch.get_num_threads() if where.type == "cpu" else 1
    done, alone = 0, (torch.set_num_threads, (1,))
    with one_thread(), ThreadPoolExecutor(cores, "describe", *alone) as pool:
        for block in blocks:
            batches = (block[start : start + BATCH] for start in range(0, len(block), BATCH))
            for values in pool.map(answer, batches):
                yield values
                done += len(values)
                if progress is not None:
                    progress(done)


def read_descriptions(path: Path, made_from: str, n: int) -> NDArray[np.float32] | None:
    """What ``write_descriptions`` kept of these n boxes; None where there is no such file."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            if (file.metadata() or {}).get("made_from") != f"{EDITION} {made_from}":
                return None
            points: NDArray[np.float32] = file.get_tensor("descriptions")
    except (SafetensorError, OSError, ValueError, TypeError):
        return None  # it is made again
    fits = points.dtype == np.float32 and points.shape == (n, SIZE + COEFFICIENTS)
    return points if fits and np.isfinite(points).all() else None


def write_descriptions(path: Path, points: NDArray[np.float32], made_from: str) -> None:
    """Keep descriptions with the digest of the boxes they were made from."""
    with replacing(path, "wb") as file:
        file.write(to_bytes({"descriptions": points}, {"made_from": f"{EDITION} {made_from}"}))

"""Volumes in the formats that cryoal reads and does not write, for tests."""

import functools
import http.server
import struct
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import zarr


@contextmanager
def served(
    folder: Path, breaks: dict[str, int] | None = None, silent: Collection[str] = ()
) -> Iterator[str]:
    """Serve a folder on loopback: its address.

    Parameters
    ----------
    breaks : mapping of path to how often the connection ends without an answer, first of all
    silent : paths that are never answered, while the server runs
    """
    left, over = dict(breaks or {}), threading.Event()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path in silent:
                over.wait(20)
            elif left.get(self.path, 0) > 0:
                left[self.path] -= 1
            else:
                super().do_GET()
                return
            self.close_connection = True

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            over.set()
            server.shutdown()
        thread.join()


def write_ome_zarr(
    path: Path,
    levels: Sequence[np.ndarray],
    voxel_size: float,
    *,
    version: str = "0.4",
    unit: str | None = "angstrom",
    axes: str = "zyx",
    chunks: int = 8,
) -> Path:
    """Write a multiscale image; each level has twice the voxel size of the one before.

    Parameters
    ----------
    levels : (Z, Y, X) arrays, the finest first; stored in the order of ``axes``
    voxel_size : float, in ``unit``, of the first level
    """
    group = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    datasets = []
    for number, level in enumerate(levels):
        order = ["zyx".index(axis) for axis in axes if axis in "zyx"]
        stored = level.transpose(order)
        stored = stored.reshape([level.shape["zyx".index(a)] if a in "zyx" else 1 for a in axes])
        array = group.create_array(
            str(number), shape=stored.shape, dtype=stored.dtype, chunks=[chunks] * stored.ndim
        )
        array[...] = stored
        size = voxel_size * 2**number
        scale = [size if axis in "zyx" else 1.0 for axis in axes]
        datasets.append(
            {
                "path": str(number),
                "coordinateTransformations": [{"type": "scale", "scale": scale}],
            }
        )
    named = [
        {"name": a, "type": "space", **({"unit": unit} if unit else {})}
        if a in "zyx"
        else {"name": a, "type": "channel"}
        for a in axes
    ]
    multiscales = [{"axes": named, "datasets": datasets, "version": version}]
    if version == "0.5":
        group.attrs["ome"] = {"version": version, "multiscales": multiscales}
    else:
        group.attrs["multiscales"] = multiscales
    return path


def write_em(path: Path, array: np.ndarray, *, machine: int = 6) -> Path:
    """Write a (Z, Y, X) array as an EM file of a machine: 6 a PC, 5 a Macintosh."""
    kind = {"i1": 1, "i2": 2, "i4": 4, "f4": 5, "f8": 9}[array.dtype.str[1:]]
    order = "<" if machine == 6 else ">"
    head = struct.pack("4B", machine, 0, 0, kind) + struct.pack(f"{order}3i", *array.shape[::-1])
    data = array.astype(array.dtype.newbyteorder(order)).tobytes()  # type: ignore[arg-type]
    path.write_bytes(head.ljust(512, b"\0") + data)
    return path

"""What writing vector instructions outright is worth, for boxes that are read between voxels.

    OMP_NUM_THREADS=1 python benchmarks/between_voxels.py -o docs/measured/between_voxels.tsv

Three programs compute the same boxes from the same table of weights: ``cryoal/data/kernels.py``;
plain compiled loops, in which the compiler has to find the vectors itself, with one matrix product
along x; and batched matrix products of torch, which would also run on a GPU. Beside them a plain
write of the same bytes, the unit of the ratios, and normalising, which every program needs too.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from cryoal.data.compiling import compiled
from cryoal.data.kernels import _tile_weights, interpolate_boxes, mirrored, scratch_for
from cryoal.data.normalise import Shells, normalise_in_place
from cryoal.data.resample import LANE_TILE, ROW_TILE, Tiles, tiles
from cryoal.io.tsv import write_tsv

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

#: Rows that a plain loop adds up in one pass; more arrays at once are not made vectors of.
TOGETHER = 6

#: Boxes a batch of torch.
BATCH = 16


@compiled
def _weights(low: float, line: tuple[Ints, int, Floats], begins: Ints, weights: Floats) -> int:
    """Weights of each sample and the row it begins with; returns the row of the first."""
    first, before, table = line
    size, taps = table.shape[2], table.shape[1]
    made = np.empty(len(first) * taps * size, np.float32)
    tile_begins = np.empty(len(first), np.int64)
    corner = _tile_weights(low, 1.0, first, before, table, made, tile_begins)
    for tile in range(len(first)):
        for i in range(size):
            begins[first[tile] + i] = tile_begins[tile]
            for t in range(taps):
                weights[first[tile] + i, t] = made[(tile * taps + t) * size + i]
    return corner


@compiled
def _read(volume: Floats, corner: Ints, block: Floats) -> None:
    depth, height, width = volume.shape
    side = block.shape[2]
    left = corner[2]
    for z in range(side):
        for y in range(side):
            row = volume[mirrored(corner[0] + z, depth), mirrored(corner[1] + y, height)]
            if left >= 0 and left + side <= width:
                block[z, y, :] = row[left : left + side]
            else:
                for x in range(side):
                    block[z, y, x] = row[mirrored(left + x, width)]


@compiled
def _sum_of_rows(source: Floats, at: int, stride: int, weights: Floats, out: Floats) -> None:
    n = len(out)
    for t in range(0, len(weights), TOGETHER):
        a, b, c = weights[t], weights[t + 1], weights[t + 2]
        d, e, f = weights[t + 3], weights[t + 4], weights[t + 5]
        p = at + t * stride
        r0, r1 = source[p : p + n], source[p + stride : p + stride + n]
        p += 2 * stride
        r2, r3 = source[p : p + n], source[p + stride : p + stride + n]
        p += 2 * stride
        r4, r5 = source[p : p + n], source[p + stride : p + stride + n]
        if t == 0:
            for i in range(n):
                out[i] = a * r0[i] + b * r1[i] + c * r2[i] + d * r3[i] + e * r4[i] + f * r5[i]
        else:
            for i in range(n):
                out[i] += a * r0[i] + b * r1[i] + c * r2[i] + d * r3[i] + e * r4[i] + f * r5[i]


@compiled
def plain_loops(
    volume: Floats, low: NDArray[np.float64], line: tuple[Ints, int, Floats], side: int,
    boxes: Floats,
) -> None:  # fmt: skip
    """One pass an axis; z and y as sums of rows, x as a product with a matrix."""
    box, taps = boxes.shape[1], line[2].shape[1]
    padded = (taps + TOGETHER - 1) // TOGETHER * TOGETHER
    weights = np.zeros((3, box, padded), np.float32)
    begins = np.empty((3, box), np.int64)
    corner = np.empty(3, np.int64)
    block = np.zeros((side + TOGETHER, side, side), np.float32)
    planes = np.zeros((box, side + TOGETHER, side), np.float32)
    lines = np.empty((box * box, side), np.float32)
    along = np.empty((side, box), np.float32)
    source, between, target = block.reshape(-1), planes.reshape(-1), lines.reshape(-1)
    area, part = side * side, 1024  # columns that stay in the nearest cache
    for k in range(len(boxes)):
        for axis in range(3):
            corner[axis] = _weights(low[k, axis], line, begins[axis], weights[axis])
        _read(volume, corner, block[:side])
        for start in range(0, area, part):
            n = min(part, area - start)
            for z in range(box):
                at = z * (side + TOGETHER) * side + start
                _sum_of_rows(
                    source, begins[0, z] * area + start, area, weights[0, z], between[at : at + n]
                )
        for row in range(box * box):
            z, y = row // box, row % box
            at = (z * (side + TOGETHER) + begins[1, y]) * side
            _sum_of_rows(between, at, side, weights[1, y], target[row * side : (row + 1) * side])
        along[:] = 0
        for x in range(box):
            for t in range(taps):
                along[begins[2, x] + t, x] = weights[2, x, t]
        np.dot(lines, along, boxes[k].reshape(box * box, box))


@compiled
def _matrices(
    volume: Floats, low: NDArray[np.float64], line: tuple[Ints, int, Floats], blocks: Floats,
    matrices: Floats,
) -> None:  # fmt: skip
    box, taps = matrices.shape[2], line[2].shape[1]
    weights, begins = np.empty((box, taps), np.float32), np.empty(box, np.int64)
    corner = np.empty(3, np.int64)
    for k in range(len(low)):
        for axis in range(3):
            corner[axis] = _weights(low[k, axis], line, begins, weights)
            matrices[k, axis] = 0
            for x in range(box):
                matrices[k, axis, x, begins[x] : begins[x] + taps] = weights[x]
        _read(volume, corner, blocks[k])


def batched_torch(volume: Floats, low: NDArray[np.float64], line: Tiles, boxes: Floats) -> None:
    """Three products with matrices, a batch of boxes at a time."""
    box, side = line.box, line.source
    blocks = np.empty((BATCH, side, side, side), np.float32)
    matrices = np.empty((BATCH, 3, box, side), np.float32)
    parts = (line.first, line.before, line.table)
    for start in range(0, len(low), BATCH):
        some = slice(start, start + BATCH)
        n = len(low[some])
        _matrices(volume, low[some], parts, blocks, matrices)
        over_z, over_y, over_x = torch.from_numpy(matrices[:n]).unbind(1)
        made = torch.bmm(over_z, torch.from_numpy(blocks[:n]).view(n, side, side * side))
        made = made.view(n, box, side, side) @ over_x.transpose(1, 2)[:, None]
        boxes[some] = (over_y[:, None] @ made).numpy()


def main() -> None:
    """Time the programs in turns, check that they agree, print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    volume = rng.standard_normal((200, 464, 464)).astype(np.float32)
    volume.flags.writeable = False
    rows: list[dict[str, object]] = []
    for box in (32, 48, 64):
        rows += measured(volume, box, 12_800_000 // box**3, options.repeats, rng)
    table = pd.DataFrame(rows)
    ratios = table.pivot(index="box", columns="program", values="ratio")[table["program"].unique()]
    print("| box | " + " | ".join(ratios) + " |")
    print("|---" * (1 + len(ratios.columns)) + "|")
    for box, row in ratios.iterrows():
        print(f"| {box} | " + " | ".join(row) + " |")
    if options.output:
        write_tsv(options.output, table.astype(str))


def measured(
    volume: Floats, box: int, n: int, repeats: int, rng: np.random.Generator
) -> list[dict[str, object]]:
    """Milliseconds of processor time a box, the shortest of the repeats."""
    low = rng.uniform(50, np.array(volume.shape) - 50 - box, (n, 3))
    short, long = tiles(box, 1.0, ROW_TILE), tiles(box, 1.0, LANE_TILE)
    lines = [(line.first, line.before, line.table) for line in (short, long)]
    scratch = scratch_for(box, short.source, long.source)
    ours, loops, products = (np.empty((n, box, box, box), np.float32) for _ in range(3))
    suspects, shells = np.zeros(n, bool), Shells(box, box / 3)

    def kernels() -> None:
        interpolate_boxes(volume, low, 1.0, *lines, scratch, np.arange(n), ours, suspects)

    def write() -> None:
        with tempfile.TemporaryFile() as file:
            for one in ours:
                file.write(one.data)

    jobs: dict[str, Callable[[], object]] = {
        "plain write": write,
        "cryoal/data/kernels.py": kernels,
        "plain compiled loops": lambda: plain_loops(volume, low, lines[0], short.source, loops),
        "batched torch": lambda: batched_torch(volume, low, short, products),
    }
    jobs["normalise"] = lambda: normalise_in_place(ours.copy(), shells)
    times = {name: [] for name in jobs}
    for _ in range(repeats + 1):  # the first turn compiles
        for name, job in jobs.items():
            began = time.process_time()
            job()
            times[name].append(time.process_time() - began)
    np.testing.assert_allclose(loops, products, atol=1e-4)
    unit = min(times["plain write"][1:])
    return [
        {
            "box": box,
            "program": name,
            "ms a box": f"{min(found[1:]) / n * 1e3:.3f}",
            "ratio": f"{min(found[1:]) / unit:.1f}",
        }
        for name, found in times.items()
    ]


if __name__ == "__main__":
    main()

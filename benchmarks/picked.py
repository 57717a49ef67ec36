"""How well ``cryoal simulate --picks matched`` picked: found, off by, duplicates, junk.

    python benchmarks/picked.py OUT

OUT is what ``cryoal simulate`` wrote; distances are to the nearest particle of its ``placed.tsv``.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from cryoal.core.labels import JUNK
from cryoal.io import read_particles, read_tomograms, read_tsv


def main() -> None:
    """Hold every pick against what was placed, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    tomograms = read_tomograms([out / "tomograms.star"])
    picks = read_particles([out / "particles.star"], tomograms)
    truth = read_tsv(out / "truth.tsv", required=("id", "label")).set_index("id")["label"]
    placed = read_tsv(out / "placed.tsv", required=("tomogram", "what", "rot"))
    placed = placed[placed["rot"] != ""]  # what lies no way round is no particle
    hits = truth[list(picks.id)].to_numpy() != JUNK
    found, distances = set(), []
    for name, tomogram in tomograms.items():
        here = placed[placed["tomogram"] == name]
        tree = cKDTree(here[["z_angstrom", "y_angstrom", "x_angstrom"]].astype(float))
        at = picks.position[hits & (picks.tomogram == name)]
        distance, nearest = tree.query(at)
        distances.append(distance / tomogram.voxel_size)
        found |= {(name, int(row)) for row in nearest}
    off = np.concatenate(distances)
    print(f"{len(picks.id)} picks of {len(placed)} particles, {len(found) / len(placed):.2f} found")
    print(f"hits off by {off.mean():.1f} voxels, median {np.median(off):.1f}")
    print(
        f"duplicates {1 - len(found) / hits.sum():.2f} of hits, junk {1 - hits.mean():.2f} of picks"
    )


if __name__ == "__main__":
    main()

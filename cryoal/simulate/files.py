"""The files of a simulated data set, as RELION 5 would have written them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tomli_w
from numpy.typing import NDArray

from cryoal.core.geometry import relion_angles, reverse_axes
from cryoal.io.files import replacing
from cryoal.io.star import write_star
from cryoal.io.tsv import write_tsv
from cryoal.simulate.ctf import Ctf
from cryoal.simulate.picks import Picks
from cryoal.simulate.scene import Scene

#: The tilt series' pixels in a tomogram's voxel, so that readers meet a binning.
BINNING = 4

#: Angle between two views, degrees; only the ends matter here.
TILT_STEP = 3.0


def write_settings(out: Path, settings: dict[str, Any]) -> None:
    """Write every setting, and what came of it, to simulation.toml."""
    with replacing(out / "simulation.toml") as file:
        file.write(tomli_w.dumps(settings))


def write_tilts(path: Path, name: str, tilt_range: tuple[float, float], ctf: Ctf) -> None:
    """Write the views of one tilt series, which is where readers find the tilt range."""
    n = max(round((tilt_range[1] - tilt_range[0]) / TILT_STEP), 1) + 1
    angles = np.linspace(*tilt_range, n)
    table = pd.DataFrame(
        {
            "rlnTomoNominalStageTiltAngle": [f"{a:.3f}" for a in angles],
            "rlnDefocusU": f"{ctf.defocus:.1f}",
            "rlnDefocusV": f"{ctf.defocus:.1f}",
            "rlnDefocusAngle": "0.0",
        }
    )
    write_star(path, {name: table})


def write_tomograms(
    path: Path, names: list[str], shape: tuple[int, int, int], voxel_size: float
) -> None:
    """Write tomograms.star; paths are relative to its folder, the RELION project's."""
    z, y, x = shape
    table = pd.DataFrame({"rlnTomoName": names})
    same: dict[str, str | int] = {
        "rlnVoltage": "300.0",
        "rlnSphericalAberration": "2.7",
        "rlnAmplitudeContrast": "0.1",
        "rlnTomoHand": "-1.0",
        "rlnOpticsGroupName": "opticsGroup1",
        "rlnTomoTiltSeriesPixelSize": f"{voxel_size / BINNING:.6f}",
        "rlnTomoTomogramBinning": f"{BINNING:.6f}",
        "rlnTomoSizeX": x * BINNING,
        "rlnTomoSizeY": y * BINNING,
        "rlnTomoSizeZ": z * BINNING,
    }
    for column, value in same.items():
        table[column] = value
    table["rlnTomoTiltSeriesStarFile"] = [f"tilt_series/{name}.star" for name in names]
    table["rlnTomoReconstructedTomogram"] = [f"tomograms/{name}.mrc" for name in names]
    write_star(path, {"global": table}, "version 50001")


def write_particles(
    out: Path,
    names: list[str],
    lists: list[Picks],
    shape: tuple[int, int, int],
    voxel_size: float,
) -> NDArray[np.str_]:
    """Write particles.star and truth.tsv, and return the labels."""
    tables = []
    for name, picks in zip(names, lists, strict=True):
        # RELION 5 counts from the centre N / 2 (`core.geometry.relion_uncentred`).
        centred = reverse_axes((picks.positions - np.array(shape) / 2) * voxel_size)
        table = pd.DataFrame({"rlnTomoName": name}, index=range(len(centred)))
        table["rlnTomoParticleName"] = [f"{name}/{n}" for n in range(1, len(centred) + 1)]
        for axis, column in zip("XYZ", centred.T, strict=True):
            table[f"rlnCenteredCoordinate{axis}Angst"] = [f"{v:.3f}" for v in column]
        if picks.rotations is not None and len(centred):
            angles = relion_angles(picks.rotations).T
            for angle, column in zip(("Rot", "Tilt", "Psi"), angles, strict=True):
                table[f"rlnAngle{angle}"] = [f"{v:.3f}" for v in column]
        table["rlnAutopickFigureOfMerit"] = [f"{v:.4f}" for v in picks.scores]
        table["rlnOpticsGroup"] = "1"
        tables.append(table)
    particles = pd.concat(tables, ignore_index=True)
    optics = pd.DataFrame(
        {
            "rlnOpticsGroup": ["1"],
            "rlnOpticsGroupName": ["opticsGroup1"],
            "rlnSphericalAberration": ["2.7"],
            "rlnVoltage": ["300.0"],
            "rlnAmplitudeContrast": ["0.1"],
            "rlnTomoTiltSeriesPixelSize": [f"{voxel_size / BINNING:.6f}"],
        }
    )
    write_star(out / "particles.star", {"optics": optics, "particles": particles}, "version 50001")
    labels = np.concatenate([picks.labels for picks in lists])
    write_tsv(
        out / "truth.tsv", pd.DataFrame({"id": particles["rlnTomoParticleName"], "label": labels})
    )
    return labels


def placed_table(name: str, scene: Scene, voxel_size: float) -> pd.DataFrame:
    """Everything that lies in a tomogram, picked or not: class or kind of junk, place, angles.

    Positions are in Angstrom from the centre of the first voxel; angles are RELION's.
    """
    what = [scene.labels, *(np.full(len(p), kind) for kind, p in scene.junk.items())]
    where = np.concatenate([scene.positions, *scene.junk.values()]) * voxel_size
    angles = np.full((len(where), 3), "", dtype=object)
    for row, values in enumerate(relion_angles(scene.rotations)):
        angles[row] = [f"{v:.3f}" for v in values]
    table = pd.DataFrame({"tomogram": name, "what": np.concatenate(what)})
    for axis, column in zip("zyx", where.T, strict=True):
        table[f"{axis}_angstrom"] = [f"{v:.3f}" for v in column]
    table[["rot", "tilt", "psi"]] = angles
    return table

"""A simulated data set on disk: tomograms, picks and the truth, as RELION 5 would have them."""

import logging
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tomli_w
from numpy.typing import NDArray

from cryoal import __version__
from cryoal.core.errors import CryoalError
from cryoal.core.geometry import relion_angles, reverse_axes
from cryoal.core.labels import JUNK
from cryoal.io.files import replacing
from cryoal.io.mrc import write_volume
from cryoal.io.star import write_star
from cryoal.io.tsv import write_tsv
from cryoal.simulate.ctf import CTF_STATES, Ctf
from cryoal.simulate.density import Density, load_templates, phantoms
from cryoal.simulate.picks import JITTER, PICKERS, Picks, known_picks, matched_picks
from cryoal.simulate.scene import Scene, margin_for, shape_for
from cryoal.simulate.tomogram import SNR_DEFINITION, build_scene, image

log = logging.getLogger(__name__)

#: The tilt series' pixels in a tomogram's voxel, so that readers meet a binning.
BINNING = 4

#: Angle between two views, degrees; only the ends matter here.
TILT_STEP = 3.0

DEFOCUS_RANGE = (20_000.0, 50_000.0)  # Angstrom
AMPLITUDE_CONTRAST_RANGE = (0.07, 0.10)


@dataclass(frozen=True)
class SimulationResult:
    """Where a simulated data set lies, and what it holds.

    Attributes
    ----------
    tomograms, particles, truth : Path
        tomograms.star, particles.star, truth.tsv.
    classes : tuple of str
        Without junk, in the order of their abundance.
    counts : dict of class name to number of picks
    diameter : float, Angstrom
        Of the largest class; what to extract with.
    snr : tuple of float
        Realised, one a tomogram.
    shape : (Z, Y, X), voxels
    """

    tomograms: Path
    particles: Path
    truth: Path
    classes: tuple[str, ...]
    counts: dict[str, int]
    diameter: float
    snr: tuple[float, ...]
    shape: tuple[int, int, int]


def simulate(
    out: Path,
    *,
    templates: Path | None = None,
    tomograms: int = 4,
    per_tomogram: int = 150,
    snr: float = 0.1,
    imbalance: float = 1.0,
    junk: float = 0.0,
    picks: str = "perfect",
    voxel_size: float = 10.0,
    shape: tuple[int, int, int] | None = None,
    tilt_range: tuple[float, float] = (-60.0, 60.0),
    classes: int | Sequence[str] | None = None,
    largest: float | None = None,
    contrast: str = "dark",
    ctf_state: str = "phase-flipped",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> SimulationResult:
    """Write tomograms whose every particle is known.

    Parameters
    ----------
    out : Path
        New, empty, or written by this function before (then it is overwritten).
    templates : Path, optional
        A directory of MRC maps; default: phantoms of well-known complexes.
    tomograms, per_tomogram : int
        Picks a tomogram, junk included; matched picks come as they are found.
    snr : float
        Var(s) / Var(n), see `SNR_DEFINITION`.
    imbalance : float
        The most abundant class has so many times the particles of the rarest; those between
        follow a geometric series.
    junk : float
        Share of all picks that hold no particle.
    picks : "perfect", "jittered" or "matched"
        See `cryoal.simulate.picks`.
    voxel_size : float, Angstrom
    shape : (Z, Y, X), voxels, optional
        Default: chosen to hold the particles.
    tilt_range : (low, high), degrees; the tilt axis is y
    classes : int or sequence of str, optional
        Only the first so many, or these.
    largest : float, Angstrom, optional
        Leave out classes of a larger diameter.
    contrast : "dark" or "bright"
        Of protein.
    ctf_state : "phase-flipped" or "uncorrected"
    seed : int
        The same seed gives the same bytes.
    progress : callable (done, total), optional

    Raises
    ------
    CryoalError
        Settings that cannot be, templates that cannot be read or do not fit, more particles than
        fit, a folder that holds something else.
    """
    _check(tomograms, per_tomogram, snr, imbalance, junk, picks, voxel_size, tilt_range, contrast,
           ctf_state)  # fmt: skip
    densities = _densities(templates, voxel_size, classes, largest)
    n_junk = round(junk * per_tomogram)
    dealt, *seeds = np.random.SeedSequence(seed).spawn(tomograms + 1)
    plan = deal_classes(
        len(densities), tomograms, per_tomogram - n_junk, imbalance, np.random.default_rng(dealt)
    )
    if shape is None:
        fullest = np.max([np.bincount(row, minlength=len(densities)) for row in plan], axis=0)
        # The fullest tomogram of each class at once is more than any holds: scale to the true size.
        share = (per_tomogram - n_junk) / max(fullest.sum(), 1)
        shape = shape_for(densities, np.ceil(fullest * max(share, 0.75)).astype(int), n_junk)
    _check_shape(shape, densities)
    settings: dict[str, Any] = {
        "format": 1,
        "cryoal": __version__,
        "finished": False,
        "templates": "phantoms" if templates is None else str(templates),
        "tomograms": tomograms,
        "per_tomogram": per_tomogram,
        "snr": float(snr),
        "snr_definition": SNR_DEFINITION,
        "imbalance": float(imbalance),
        "junk": float(junk),
        "picks": picks,
        "voxel_size": float(voxel_size),
        "shape_zyx": [int(n) for n in shape],
        "tilt_range": [float(t) for t in tilt_range],
        "tilt_axis": "y",
        "contrast": contrast,
        "ctf_state": ctf_state,
        "seed": int(seed),
    }
    _claim(out, settings)

    names = [f"TS_{i:03d}" for i in range(1, tomograms + 1)]
    lists: list[Picks] = []
    scenes: list[Scene] = []
    optics: list[Ctf] = []
    realised: list[float] = []
    for i, (name, seed_of_one) in enumerate(zip(names, seeds, strict=True)):
        rng = np.random.default_rng(seed_of_one)
        ctf = Ctf(rng.uniform(*DEFOCUS_RANGE), rng.uniform(*AMPLITUDE_CONTRAST_RANGE), ctf_state)
        scene = build_scene(densities, plan[i], shape, rng, n_junk=n_junk)
        imaged = image(scene, voxel_size, ctf, snr, rng, tilt_range=tilt_range, contrast=contrast)
        if picks == "matched":
            bright = -imaged.volume if contrast == "dark" else imaged.volume
            found = matched_picks(bright, scene, densities, ctf, rng, tilt_range=tilt_range)
        else:
            found = known_picks(scene, rng, jitter=JITTER if picks == "jittered" else 0.0)
        write_volume(out / "tomograms" / f"{name}.mrc", imaged.volume, voxel_size)
        _write_tilts(out / "tilt_series" / f"{name}.star", name, tilt_range, ctf)
        lists.append(found)
        scenes.append(scene)
        optics.append(ctf)
        realised.append(imaged.snr)
        if progress is not None:
            progress(i + 1, tomograms)
    _write_tomograms(out / "tomograms.star", names, shape, voxel_size)
    labels = _write_particles(out, names, lists, shape, voxel_size)
    _write_placed(out / "placed.tsv", names, scenes, voxel_size)
    order = [d.name for d in densities]
    counts = {name: int((labels == name).sum()) for name in (*order, JUNK)}
    _write_settings(
        out,
        settings
        | {
            "finished": True,
            "counts": counts,
            "diameters": {d.name: round(d.diameter, 1) for d in densities},
            "sources": {d.name: d.source for d in densities},
            "tomogram": [
                {"name": n, "snr": s, "defocus": c.defocus, "ctf_state": c.state,
                 "amplitude_contrast": c.amplitude_contrast, "b_factor": c.b_factor,
                 "voltage": c.voltage, "spherical_aberration": c.spherical_aberration}
                for n, s, c in zip(names, realised, optics, strict=True)
            ],
        },
    )  # fmt: skip
    return SimulationResult(
        out / "tomograms.star",
        out / "particles.star",
        out / "truth.tsv",
        tuple(order),
        counts,
        max(d.diameter for d in densities),
        tuple(realised),
        shape,
    )


def deal_classes(
    n_classes: int, tomograms: int, each: int, imbalance: float, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Class numbers of the particles of every tomogram: (tomograms, each).

    Counts over the whole set follow ``imbalance ** (-c / (C - 1))``, rounded so that they add up,
    with one of each class at least where there are enough particles.
    """
    total = tomograms * each
    weights = float(imbalance) ** -(np.arange(n_classes) / max(n_classes - 1, 1))
    exact = weights / weights.sum() * total
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    if total >= n_classes:
        for poor in np.flatnonzero(counts == 0):
            counts[counts.argmax()] -= 1
            counts[poor] = 1
    everyone = rng.permutation(np.repeat(np.arange(n_classes), counts))
    return everyone.reshape(tomograms, each).astype(np.intp)


def _check(
    tomograms: int,
    per_tomogram: int,
    snr: float,
    imbalance: float,
    junk: float,
    picks: str,
    voxel_size: float,
    tilt_range: tuple[float, float],
    contrast: str,
    ctf_state: str,
) -> None:
    wrong = [
        (tomograms < 1 or per_tomogram < 1, "at least one tomogram and one pick are needed"),
        (not 0 < snr < np.inf, f"a signal-to-noise ratio of {snr:g} cannot be; try 0.1"),
        (not 1 <= imbalance < np.inf, f"an imbalance of {imbalance:g} cannot be; 1 is balanced"),
        (not 0 <= junk < 1, f"a junk share of {junk:g} cannot be; 0.3 is three picks in ten"),
        (round(junk * per_tomogram) >= per_tomogram, "every pick would be junk; ask for less"),
        (picks not in PICKERS, f"no picker is called {picks!r}; there are {', '.join(PICKERS)}"),
        (not 0 < voxel_size < np.inf, f"a voxel of {voxel_size:g} A cannot be; try 10"),
        (
            not -90 < tilt_range[0] < tilt_range[1] < 90,
            f"a tilt range of {tilt_range[0]:g} to {tilt_range[1]:g} degrees cannot be; "
            "the usual one is -60 60",
        ),
        (contrast not in ("dark", "bright"), f"contrast is dark or bright, not {contrast!r}"),
        (ctf_state not in CTF_STATES, f"the CTF is {' or '.join(CTF_STATES)}, not {ctf_state!r}"),
    ]
    for is_wrong, message in wrong:
        if is_wrong:
            raise CryoalError(message)


def _densities(
    templates: Path | None,
    voxel_size: float,
    classes: int | Sequence[str] | None,
    largest: float | None,
) -> list[Density]:
    names = None if classes is None or isinstance(classes, int) else list(classes)
    if templates is None:
        densities = phantoms(voxel_size, names)
    else:
        densities = load_templates(templates, voxel_size, names)
    if largest is not None:
        fitting = [d for d in densities if d.diameter <= largest]
        if not fitting:
            smallest = min(d.diameter for d in densities)
            raise CryoalError(
                f"no class is as small as {largest:g} A; the smallest measures {smallest:.0f} A"
            )
        densities = fitting
    if isinstance(classes, int):
        if not 1 <= classes <= len(densities):
            raise CryoalError(f"{classes} classes were asked for; there are {len(densities)}")
        densities = densities[:classes]
    return densities


def _check_shape(shape: tuple[int, int, int], densities: Sequence[Density]) -> None:
    big = max(densities, key=lambda d: d.diameter)
    needed = 2 * margin_for(densities) + 1
    if min(shape) < needed:
        z, y, x = shape
        raise CryoalError(
            f"a tomogram of {x} x {y} x {z} voxels (x, y, z) is too small for {big.name!r} of "
            f"{big.diameter:.0f} A and a box around it; every side needs {needed} voxels"
        )
    if any(n % 2 for n in shape):
        raise CryoalError(f"a tomogram has even sides; {shape} does not")


def _claim(out: Path, settings: dict[str, Any]) -> None:
    """Make the folder ours, or refuse it; remove the lists of an earlier simulation."""
    if out.exists() and not out.is_dir():
        raise CryoalError(f"{out}: is a file; name a new folder")
    if out.exists() and any(out.iterdir()):
        try:
            ours = tomllib.loads((out / "simulation.toml").read_text("utf-8"))
            known = "snr_definition" in ours
        except (OSError, ValueError):
            known = False
        if not known:
            raise CryoalError(
                f"{out}: holds something that is not a simulation; name a new or empty folder"
            )
        for name in ("particles.star", "tomograms.star", "truth.tsv", "placed.tsv"):
            (out / name).unlink(missing_ok=True)
        for i in range(settings["tomograms"] + 1, int(ours["tomograms"]) + 1):
            (out / "tomograms" / f"TS_{i:03d}.mrc").unlink(missing_ok=True)
            (out / "tilt_series" / f"TS_{i:03d}.star").unlink(missing_ok=True)
    _write_settings(out, settings)


def _write_settings(out: Path, settings: dict[str, Any]) -> None:
    with replacing(out / "simulation.toml") as file:
        file.write(tomli_w.dumps(settings))


def _write_tilts(path: Path, name: str, tilt_range: tuple[float, float], ctf: Ctf) -> None:
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


def _write_tomograms(
    path: Path, names: list[str], shape: tuple[int, int, int], voxel_size: float
) -> None:
    z, y, x = shape
    table = pd.DataFrame({"rlnTomoName": names})
    for column, value in {
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
    }.items():
        table[column] = value
    table["rlnTomoTiltSeriesStarFile"] = [f"tilt_series/{name}.star" for name in names]
    table["rlnTomoReconstructedTomogram"] = [f"tomograms/{name}.mrc" for name in names]
    write_star(path, {"global": table}, "version 50001")


def _write_particles(
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


def _write_placed(path: Path, names: list[str], scenes: list[Scene], voxel_size: float) -> None:
    """Write what truly lies in the tomograms, whether picked or not, and the kinds of junk."""
    tables = []
    for name, scene in zip(names, scenes, strict=True):
        what = [scene.labels, *(np.full(len(p), kind) for kind, p in scene.junk.items())]
        where = np.concatenate([scene.positions, *scene.junk.values()]) * voxel_size
        angles = np.full((len(where), 3), "", dtype=object)
        for row, values in enumerate(relion_angles(scene.rotations)):
            angles[row] = [f"{v:.3f}" for v in values]
        table = pd.DataFrame({"tomogram": name, "what": np.concatenate(what)})
        for axis, column in zip("zyx", where.T, strict=True):
            table[f"{axis}_angstrom"] = [f"{v:.3f}" for v in column]
        table[["rot", "tilt", "psi"]] = angles
        tables.append(table)
    write_tsv(path, pd.concat(tables, ignore_index=True))

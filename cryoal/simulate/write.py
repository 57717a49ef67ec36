"""A simulated data set on disk: tomograms, picks and the truth, as RELION 5 would have them."""

import logging
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.core.labels import JUNK
from cryoal.core.version import __version__
from cryoal.io.mrc import write_volume
from cryoal.io.tsv import write_tsv
from cryoal.simulate.backprojection import image_by_projections
from cryoal.simulate.ctf import Ctf
from cryoal.simulate.density import Density
from cryoal.simulate.files import (
    placed_table,
    write_particles,
    write_settings,
    write_tilts,
    write_tomograms,
)
from cryoal.simulate.picks import JITTER, Picks, known_picks, matched_picks
from cryoal.simulate.scene import shape_for
from cryoal.simulate.settings import check_settings, check_shape, choose_densities
from cryoal.simulate.tomogram import SNR_DEFINITION, build_scene, image

log = logging.getLogger(__name__)

DEFOCUS_RANGE = (20_000.0, 50_000.0)  # Angstrom
_MOST_TOMOGRAMS = 100_000  # a file that says more was damaged
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
    defocus_error: float = 0.0,
    method: str = "volume",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> SimulationResult:
    """Write tomograms whose every particle is known.

    Parameters
    ----------
    out : Path
        New, empty, or written by this function before (then it is overwritten).
    templates : Path, optional
        A directory of maps and structures; default: phantoms of well-known complexes.
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
    defocus_error : float, Angstrom
        Standard deviation of the defocus by which phases are flipped, about the true one: one
        error a tomogram, or one a tilt with ``method="projections"``.
    method : "volume" or "projections"
        Noise, CTF and wedge in three dimensions, or a tilt series reconstructed by weighted
        back-projection: see `cryoal.simulate.backprojection`.
    seed : int
        The same seed gives the same bytes.
    progress : callable (done, total), optional

    Raises
    ------
    CryoalError
        Settings that cannot be, templates that cannot be read or do not fit, more particles than
        fit, a folder that holds something else.
    """
    check_settings(
        tomograms=tomograms,
        per_tomogram=per_tomogram,
        snr=snr,
        imbalance=imbalance,
        junk=junk,
        picks=picks,
        voxel_size=voxel_size,
        tilt_range=tilt_range,
        contrast=contrast,
        ctf_state=ctf_state,
        defocus_error=defocus_error,
        method=method,
    )
    densities = choose_densities(templates, voxel_size, classes, largest)
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
    check_shape(shape, densities)
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
        "defocus_error": float(defocus_error),
        "method": method,
        "seed": int(seed),
    }
    _claim(out, settings)

    names = [f"TS_{i:03d}" for i in range(1, tomograms + 1)]
    made: list[_Made] = []
    try:
        for name, classes_of_one, seed_of_one in zip(names, plan, seeds, strict=True):
            rng = np.random.default_rng(seed_of_one)
            made.append(_make(out, name, densities, classes_of_one, n_junk, settings, rng))
            if progress is not None:
                progress(len(made), tomograms)
    except CryoalError:
        _withdraw(out, tomograms)
        raise
    write_tomograms(out / "tomograms.star", names, shape, voxel_size)
    labels = write_particles(out, names, [m.picks for m in made], shape, voxel_size)
    write_tsv(out / "placed.tsv", pd.concat([m.placed for m in made], ignore_index=True))
    order = [d.name for d in densities]
    counts = {name: int((labels == name).sum()) for name in (*order, JUNK)}
    write_settings(
        out,
        settings
        | {
            "finished": True,
            "counts": counts,
            "diameters": {d.name: round(d.diameter, 1) for d in densities},
            "sources": {d.name: d.source for d in densities},
            "tomogram": [
                {"name": name, "snr": m.snr, **asdict(m.ctf)}
                for name, m in zip(names, made, strict=True)
            ],
        },
    )
    return SimulationResult(
        out / "tomograms.star",
        out / "particles.star",
        out / "truth.tsv",
        tuple(order),
        counts,
        max(d.diameter for d in densities),
        tuple(m.snr for m in made),
        shape,
    )


@dataclass(frozen=True)
class _Made:
    """What is kept of a tomogram once its volume is written."""

    picks: Picks
    placed: pd.DataFrame
    ctf: Ctf
    snr: float


def _make(
    out: Path,
    name: str,
    densities: list[Density],
    classes: NDArray[np.intp],
    n_junk: int,
    settings: dict[str, Any],
    rng: np.random.Generator,
) -> _Made:
    """Simulate, pick and write one tomogram."""
    voxel_size, tilt_range = settings["voxel_size"], tuple(settings["tilt_range"])
    ctf = Ctf(
        rng.uniform(*DEFOCUS_RANGE), rng.uniform(*AMPLITUDE_CONTRAST_RANGE), settings["ctf_state"]
    )
    if settings["defocus_error"] and settings["method"] == "volume":
        ctf = replace(ctf, estimate_error=settings["defocus_error"] * rng.standard_normal())
    scene = build_scene(densities, classes, tuple(settings["shape_zyx"]), rng, n_junk=n_junk)
    dark = settings["contrast"] == "dark"
    asked = (scene, voxel_size, ctf, settings["snr"], rng)
    seen: dict[str, Any] = {"tilt_range": tilt_range, "contrast": settings["contrast"]}
    if settings["method"] == "projections":
        imaged = image_by_projections(*asked, **seen, defocus_error=settings["defocus_error"])
    else:
        imaged = image(*asked, **seen)
    if settings["picks"] == "matched":
        bright = -imaged.volume if dark else imaged.volume
        picks = matched_picks(bright, scene, densities, ctf, rng, tilt_range=tilt_range)
    else:
        picks = known_picks(scene, rng, jitter=JITTER if settings["picks"] == "jittered" else 0.0)
    write_volume(out / "tomograms" / f"{name}.mrc", imaged.volume, voxel_size)
    write_tilts(out / "tilt_series" / f"{name}.star", name, tilt_range, ctf)
    return _Made(picks, placed_table(name, scene, voxel_size), ctf, imaged.snr)


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


def _claim(out: Path, settings: dict[str, Any]) -> None:
    """Make the folder ours, or refuse it; remove the lists of an earlier simulation."""
    if out.exists() and not out.is_dir():
        raise CryoalError(f"{out}: is a file; name a new folder")
    before = 0
    if out.exists() and any(out.iterdir()):
        try:
            ours = tomllib.loads((out / "simulation.toml").read_text("utf-8"))
            known, before = "snr_definition" in ours, int(ours["tomograms"])
        except (OSError, ValueError, KeyError, TypeError):
            known = False
        if not known:
            raise CryoalError(
                f"{out}: holds something that is not a simulation; name a new or empty folder"
            )
        for name in _written(settings["tomograms"]) - _written(before):
            if (out / name).exists():
                raise CryoalError(
                    f"{out / name}: the simulation that was there did not write it; move it, or "
                    "name a new folder"
                )
        _withdraw(out, before)
    write_settings(out, settings)


def _written(tomograms: int) -> set[str]:
    """Names of what a simulation of so many tomograms writes into its folder."""
    names = {"particles.star", "tomograms.star", "truth.tsv", "placed.tsv", "simulation.toml"}
    for i in range(1, min(tomograms, _MOST_TOMOGRAMS) + 1):
        names |= {f"tomograms/TS_{i:03d}.mrc", f"tilt_series/TS_{i:03d}.star"}
    return names


def _withdraw(out: Path, tomograms: int) -> None:
    """Remove what a simulation of so many tomograms has written, and nothing else."""
    for name in _written(tomograms):
        (out / name).unlink(missing_ok=True)
    for folder in (out / "tomograms", out / "tilt_series", out):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

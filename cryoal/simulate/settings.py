"""What a simulation may be asked for, and what it takes over from a project."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cryoal.core.errors import CryoalError
from cryoal.io.star import read_star
from cryoal.simulate.ctf import CTF_STATES
from cryoal.simulate.density import Density, load_templates, phantoms
from cryoal.simulate.picks import PICKERS
from cryoal.simulate.scene import margin_for

#: See ``simulate.write.simulate``.
METHODS = ("volume", "projections")


def settings_like(project: Path) -> dict[str, Any]:
    """What a project was extracted with: voxel_size, diameter, tilt_range, contrast.

    The tilt range and the contrast are those of most of its tomograms.

    Raises
    ------
    CryoalError
        There is no such project, or nothing was extracted in it yet.
    """
    path = project / "subtomograms" / "index.star"
    if not path.exists():
        raise CryoalError(
            f"{path}: is not there; --like takes the folder of a project after cryoal extract"
        )
    blocks = read_star(path)
    facts, tomograms = blocks["extraction"].iloc[0], blocks["tomograms"]
    taken: dict[str, Any] = {
        "voxel_size": float(facts["cryoalVoxelSize"]),
        "diameter": float(facts["cryoalDiameter"]),
    }
    if len(tomograms):
        tilts = tomograms[["cryoalTiltMin", "cryoalTiltMax"]].astype(float)
        low, high = tilts.value_counts().index[0]
        taken["tilt_range"] = (float(low), float(high))
        taken["contrast"] = str(tomograms["cryoalContrast"].value_counts().index[0])
    return taken


def check_settings(
    *,
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
    defocus_error: float,
    method: str,
) -> None:
    """Refuse settings that cannot be, with a CryoalError that says what can."""
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
        (
            not 0 <= defocus_error < np.inf,
            f"a defocus error of {defocus_error:g} A cannot be; 300 is a common one",
        ),
        (method not in METHODS, f"the method is {' or '.join(METHODS)}, not {method!r}"),
        (ctf_state not in CTF_STATES, f"the CTF is {' or '.join(CTF_STATES)}, not {ctf_state!r}"),
    ]
    for is_wrong, message in wrong:
        if is_wrong:
            raise CryoalError(message)


def choose_densities(
    templates: Path | None,
    voxel_size: float,
    classes: int | Sequence[str] | None,
    largest: float | None,
) -> list[Density]:
    """Return the classes asked for, at the working voxel size.

    Parameters
    ----------
    templates : Path, optional
        Directory of maps; default: phantoms.
    voxel_size : float, Angstrom
    classes : int or sequence of str, optional
        Only the first so many, or these.
    largest : float, Angstrom, optional
        None of a larger diameter.
    """
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


def check_shape(shape: tuple[int, int, int], densities: Sequence[Density]) -> None:
    """Refuse a tomogram (z, y, x) that cannot hold the largest class and a box around it."""
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

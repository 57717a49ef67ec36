"""PyTom particle lists (XML): voxels from 0, of the tomogram at ``Binning``.

``PickPosition`` plus ``Shift`` is the position; ``Rotation`` Z1, X, Z2 is an extrinsic zxz rotation
that turns the reference into the particle, as TOM's phi, theta, psi (PyTom
``basic/structures.py``: Particle, PickPosition, Rotation). ``Origin`` names the tomogram.
"""

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError
from cryoal.io.base import Format, NotParticlesError, Picks, formats, numbers
from cryoal.io.content import Content

_PLACE = ["PickPositionX", "PickPositionY", "PickPositionZ"]
_SHIFT = ["ShiftX", "ShiftY", "ShiftZ"]
_ANGLES = ["RotationZ1", "RotationX", "RotationZ2"]
_LISTS = ("ParticleList", "MultiParticleList")
#: PyTom's other files: they name volumes and settings, never positions.
_OTHERS = ("JobDescription", "ExpectationJob", "MaximisationJob", "Reference", "AlignmentList",
           "FRMJob", "GLocalSamplingJob", "ExMaxJob", "MCOEXMXJob", "MCOACJob", "MultiRefAlignJob",
           "ResultList")  # fmt: skip
#: Element, attribute, column, and the value without the attribute; None: it must be there.
_FIELDS = [
    *[("PickPosition", axis, f"PickPosition{axis}", None) for axis in "XYZ"],
    ("PickPosition", "Origin", "Origin", ""),
    ("PickPosition", "Binning", "Binning", ""),
    *[("Shift", axis, f"Shift{axis}", "0") for axis in "XYZ"],
    *[("Rotation", angle, f"Rotation{angle}", "0") for angle in ("Z1", "X", "Z2")],
    ("Score", "Value", "score", ""),
    ("Class", "Name", "class", ""),
]


def _recognise(content: Content) -> int:
    return 3 if content.xml_root in (*_LISTS, *_OTHERS) else 0


def _read(content: Content, unit: str | None = None) -> Picks:
    path = content.path
    if content.xml_root in _OTHERS:
        raise NotParticlesError(
            f"{path}: a PyTom <{content.xml_root}>, which holds no positions; give the "
            "ParticleList that the job wrote"
        )
    particles = list(content.xml().iter("Particle"))
    if not particles:
        raise CryoalError(f"{path}: no <Particle> in this PyTom list")
    rows: list[dict[str, str]] = []
    for n, particle in enumerate(particles, 1):
        row = {"Filename": particle.get("Filename", "")}
        for element, attribute, column, default in _FIELDS:
            found = particle.find(element)
            value = None if found is None else found.get(attribute)
            if value is None and default is None:
                raise CryoalError(
                    f"{path}, particle {n}: no <{element}> with {attribute}; PyTom lists of "
                    "cut-out particles without it do not say where they were picked"
                )
            row[column] = (value if value is not None else default or "").strip()
        rows.append(row)
    table = pd.DataFrame(rows, dtype=str)
    xyz = numbers(table, _PLACE, path)
    binnings = sorted({b for b in table["Binning"] if b not in ("", "1", "1.0")})
    remarks = [f"picked at binning {', '.join(binnings)}: give tomograms of that binning"]
    if not xyz.any():
        remarks.append("all its pick positions are 0: this list does not say where particles lie")
    named = bool((table["Origin"] != "").any())
    score = numbers(table, ["score"], path, missing=True)[:, 0]
    known = bool(np.isfinite(score).any() and np.nan_to_num(score).any())
    return Picks(
        path=path,
        dialect="pytom_xml",
        unit=unit or "voxel",
        evidence="given by --unit" if unit else "PyTom counts voxels of the tomogram picked in",
        xyz=xyz,
        table=table,
        tomogram=np.asarray(table["Origin"], dtype=str) if named else None,
        origin_xyz=-numbers(table, _SHIFT, path),
        origin_pixel_size=np.full(len(table), np.nan),
        rotation=Rotation.from_euler("zxz", numbers(table, _ANGLES, path), degrees=True),
        score=score if known else None,
        score_name="score" if known else "",
        remarks=tuple(remarks if binnings else remarks[1:]),
    )


formats.register("pytom_xml")(
    Format("pytom_xml", _recognise, _read, placing=frozenset({*_PLACE, *_SHIFT, *_ANGLES}))
)

"""Files that describe a tilt series: told by content, so that nobody takes them for particles.

RELION 5's STAR files (one row a tilt, or one row a series), Warp's ``.tomostar`` and ``.xml``,
STOPGAP's wedge lists, SerialEM's ``.mdoc``, AreTomo's ``.aln``, IMOD's ``.tlt`` and ``.rawtlt`` (a
column of angles), ``.xf`` (six numbers a line, the first four nearly a rotation).
"""

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError
from cryoal.io.content import Content
from cryoal.io.names import file_stem
from cryoal.io.tomogram_star import TILT_COLUMNS

#: Columns of a tilt angle in degrees, in the order in which they are believed.
ANGLES = (*TILT_COLUMNS, "wrpAngleTilt", "tilt_angle")


def tilt_series(content: Content) -> dict[str, Any] | None:
    """What a file says of a tilt series, or None if it describes none.

    Returns
    -------
    dict with ``tomograms`` (names), ``n_tilts``, ``tilt_range`` (degrees) and what else is stated
    """
    if content.xml_root == "TiltSeries":
        return _warp_xml(content)
    if b"\0" in content.head:
        return None
    if content.blocks:
        return _star(content)
    return _mdoc(content) or _aln(content) or _numbers(content)


def _facts(angles: NDArray[np.float64], names: list[str], **more: Any) -> dict[str, Any]:
    known = angles[np.isfinite(angles)]
    facts: dict[str, Any] = {"tomograms": names, "n_tilts": len(angles)}
    if len(known):
        facts["tilt_range"] = [float(known.min()), float(known.max())]
    return {**facts, **more}


def _star(content: Content) -> dict[str, Any] | None:
    about = ("rlnTomoReconstructed", "rlnTomoSize", "rlnTomoTomogramBinning")
    listed = [b for b in content.blocks.values() if "rlnTomoName" in b]
    if any(str(c).startswith(about) for block in listed for c in block.columns):
        return None  # a set of tomograms, which may hold the tilts of each in further blocks
    for name, block in content.blocks.items():
        column = next((c for c in ANGLES if c in block), None)
        if column is not None and "rlnTomoName" not in block:
            angles = np.asarray(pd.to_numeric(block[column], errors="coerce"), dtype=np.float64)
            numbered = "tomo_num" in block
            series = sorted(set(block["tomo_num"])) if numbered else [_named(name, content)]
            more = {}
            for size in ("pixelsize", "rlnTomoTiltSeriesPixelSize"):
                if size in block and len(block):
                    stated = pd.to_numeric(block[size], errors="coerce").dropna()
                    more = {"pixel_size": float(stated.iloc[0])} if len(stated) else {}
            return _facts(angles, series, **more)
        if "rlnTomoTiltSeriesStarFile" in block and "rlnTomoName" in block:
            return {"tomograms": block["rlnTomoName"].tolist()}
    return None


def _named(block: str, content: Content) -> str:
    return block or file_stem(content.path.stem)


def _warp_xml(content: Content) -> dict[str, Any]:
    found = content.xml().find("Angles")
    words = (found.text or "").split() if found is not None else []
    angles = np.array([_number(word) for word in words], dtype=np.float64)
    if not len(angles):
        raise CryoalError(f"{content.path}: a Warp tilt series without <Angles>")
    return _facts(angles, [content.path.stem])


def _mdoc(content: Content) -> dict[str, Any] | None:
    if not re.search(r"^\[(ZValue|FrameSet)\s*=", content.text, re.MULTILINE):
        return None
    words = re.findall(r"^TiltAngle\s*=\s*(\S+)", content.text, re.MULTILINE)
    stated = re.search(r"^PixelSpacing\s*=\s*(\S+)", content.text, re.MULTILINE)
    pixel = _number(stated.group(1)) if stated else np.nan
    angles = np.array([_number(word) for word in words], dtype=np.float64)
    more = {"pixel_size": pixel} if np.isfinite(pixel) else {}
    return _facts(angles, [file_stem(content.path.stem)], **more)


def _aln(content: Content) -> dict[str, Any] | None:
    """AreTomo's alignment: a line a section, the tilt in the last column."""
    if not content.start.startswith(b"# AreTomo Alignment"):
        return None
    whole = content.text.partition("# Local Alignment")[0]
    lines = [line.split() for line in whole.split("\n") if line.strip() and line[0] != "#"]
    angles = np.array([_number(words[-1]) for words in lines], dtype=np.float64)
    return _facts(angles, [file_stem(content.path.stem)])


def _numbers(content: Content) -> dict[str, Any] | None:
    """IMOD's angles (one number a line, rising or falling) or transforms (six)."""
    lines = [line.split() for line in content.text.split("\n") if line.strip()]
    widths = {len(words) for words in lines}
    if len(lines) < 3 or widths not in ({1}, {6}):
        return None
    values = np.array([[_number(word) for word in words] for words in lines], dtype=np.float64)
    if not np.isfinite(values).all():
        return None
    names = [file_stem(content.path.stem)]
    if widths == {1}:
        angles = values[:, 0]
        steps = np.diff(angles)
        turned = np.abs(angles).max() <= 90 and (np.all(steps >= 0) or np.all(steps <= 0))
        return _facts(angles, names) if turned and angles.any() else None
    a, b, c, d = values[:, :4].T
    rotating = np.abs(a - d) + np.abs(b + c) < 0.05
    unit = np.abs(a * d - b * c - 1) < 0.1
    return {"tomograms": names, "n_tilts": len(lines)} if bool((rotating & unit).all()) else None


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float("nan")

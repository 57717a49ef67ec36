"""One tomogram, many spellings: which name in a particle file means which tomogram."""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cryoal.core.errors import CryoalError

_EXTENSION = re.compile(
    r"\.(tomostar|mrcs?|rec|map|st|ali|preali|mdoc|aln|star|em|tiff?|zarr|ome|vol|spi|gz|bz2|xz)"
    r"(:mrcs?)?$",
    re.IGNORECASE,
)
_PIXEL_SIZE = re.compile(r"_(\d+(?:\.\d+)?)Apx(?=$|[_.])", re.IGNORECASE)
_TREATMENT = re.compile(
    r"_(dn|denoised|deconv|deconvolved|corrected|filt|filtered|rec|full_rec|bin[-_]?\d+|tomo|"
    r"isonet2?|cryocare|ddw|dewedged|topaz|display|particles|picks|coords|vol|sirt|wbp|flipped|"
    r"rotated|trimmed|half[12]|even|odd|evn)$",
    re.IGNORECASE,
)


def safe_name(name: str) -> str:
    """Turn an id or a tomogram's name into a file name that every file system takes.

    Examples
    --------
    >>> safe_name("TS_01/rec: 1")
    'TS_01_rec_1'
    """
    safe = re.sub(r"[^\w.+-]+", "_", name).strip("._ ")
    if not safe:
        raise CryoalError(f"{name!r} cannot be made into a file name; rename it")
    return safe[:120]


def file_stem(path: str) -> str:
    """Last part of a path without the extension of a volume or tilt series.

    Examples
    --------
    >>> file_stem("Tomograms/job009/tomograms/rec_TS_01.mrc"), file_stem("TS_01_10.00Apx")
    ('rec_TS_01', 'TS_01_10.00Apx')
    """
    name = re.split(r"[/\\]", str(path).strip())[-1].strip()
    while True:
        shorter = _EXTENSION.sub("", name).strip()
        if shorter in (name, ""):
            return name
        name = shorter


def pixel_size_in_name(path: str) -> float | None:
    """Angstrom per voxel that Warp writes into file names as ``_10.00Apx``, or None."""
    found = _PIXEL_SIZE.search(re.split(r"[/\\]", str(path))[-1])
    return float(found.group(1)) if found and float(found.group(1)) > 0 else None


def without_pixel_size(name: str) -> str:
    """Take Warp's ``_10.00Apx`` out of a name."""
    return _PIXEL_SIZE.sub("", name)


def series_name(name: str) -> str:
    """Name of the tilt series behind a file name: extensions and marks of treatment taken off.

    Examples
    --------
    >>> [series_name(n) for n in ("TS_01.tomostar", "rec_TS_01", "/a/TS_01_10.00Apx_dn.mrc")]
    ['TS_01', 'TS_01', 'TS_01']
    """
    stem = file_stem(name)
    while True:
        shorter = _TREATMENT.sub("", file_stem(_PIXEL_SIZE.sub("", stem)))
        shorter = shorter.removeprefix("rec_")
        if shorter in (stem, ""):
            return stem
        stem = shorter


@dataclass(frozen=True)
class NameMatch:
    """Which wanted name is which known one, and which could not be told.

    Attributes
    ----------
    found : dict of wanted to known name
    ambiguous : dict of wanted name to all known names it could mean
    missing : dict of wanted name to the nearest known names
    """

    found: dict[str, str] = field(default_factory=dict)
    ambiguous: dict[str, list[str]] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)

    def complaint(self) -> str:
        """One clause about everything that could not be told, or nothing."""
        clauses = [
            f"{wanted!r} could be {' or '.join(map(repr, known))}"
            for wanted, known in self.ambiguous.items()
        ]
        for wanted, near in self.missing.items():
            like = f" (near: {', '.join(map(repr, near))})" if near else ""
            clauses.append(f"no tomogram is called {wanted!r}{like}")
        shown = "; ".join(clauses[:5])
        return shown + (f"; and {len(clauses) - 5} more" if len(clauses) > 5 else "")


def match_names(wanted: Iterable[str], known: Iterable[str]) -> NameMatch:
    """Find the tomogram that each name means: as written, else by file stem, else by series.

    A looser reading counts only where the stricter ones found nothing, so "TS_01_bin4" and
    "TS_01_bin8" stay apart as long as particles name them so.
    """
    names = list(known)
    readings: tuple[Callable[[str], str], ...] = (str, file_stem, series_name)
    levels: list[dict[str, list[str]]] = []
    for reading in readings:
        table: dict[str, list[str]] = {}
        for name in names:
            table.setdefault(reading(name), []).append(name)
        levels.append(table)
    match = NameMatch()
    for name in dict.fromkeys(wanted):
        for reading, table in zip(readings, levels, strict=True):
            hits = table.get(reading(name), [])
            if len(hits) == 1:
                match.found[name] = hits[0]
            elif hits:
                match.ambiguous[name] = hits
            if hits:
                break
        else:
            near = difflib.get_close_matches(series_name(name), levels[2], n=3)
            match.missing[name] = [levels[2][n][0] for n in near]
    return match


def match_file(stem: str, known: Iterable[str]) -> str | None:
    """Tomogram that a particle file without names belongs to, by the longest shared beginning.

    Examples
    --------
    >>> match_file("TS_01_ribosomes", ["TS_01", "TS_011"])
    'TS_01'
    """
    series = series_name(stem)
    fitting = {
        name: len(series_name(name))
        for name in known
        if re.match(re.escape(series_name(name)) + r"(?![A-Za-z0-9])", series)
    }
    longest = [n for n, length in fitting.items() if length == max(fitting.values())]
    return longest[0] if len(longest) == 1 else None

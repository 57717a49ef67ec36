"""One tomogram, many spellings: which name in a particle file means which tomogram."""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial

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


#: Bytes of a name that becomes a file's: others come before and behind, and 255 are the limit.
LONGEST_NAME = 120


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
    return safe[:LONGEST_NAME].encode()[:LONGEST_NAME].decode(errors="ignore")


@lru_cache(maxsize=10_000)
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


@lru_cache(maxsize=10_000)
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


def is_none(name: str) -> bool:
    """Whether a name says that there is none: empty, or "None" as Python writes it.

    Examples
    --------
    >>> [is_none(name) for name in ("", "None", " none", "<NA>", "Nonesuch_1")]
    [True, True, True, True, False]
    """
    return name.strip().lower() in ("", "none", "<na>")


@dataclass(frozen=True)
class NameMatch:
    """Which wanted name is which known one, and which could not be told.

    Attributes
    ----------
    found : dict of wanted to known name
    ambiguous : dict of wanted name to all known names it could mean
    missing : dict of wanted name to the nearest known names
    guessed : dict of wanted to known name
        Those of ``found`` that are not spelt alike: one holds the other, or zeros differ.
    """

    found: dict[str, str] = field(default_factory=dict)
    ambiguous: dict[str, list[str]] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)
    guessed: dict[str, str] = field(default_factory=dict)

    def complaint(self) -> str:
        """One clause about everything that could not be told, or nothing."""
        claims: dict[tuple[str, ...], list[str]] = {}
        for wanted, known in self.ambiguous.items():
            claims.setdefault(tuple(known), []).append(wanted)
        clauses = [
            f"{' and '.join(map(repr, wanted))} could {'each ' if len(wanted) > 1 else ''}be "
            f"{' or '.join(map(repr, known))}"
            for known, wanted in claims.items()
        ]
        for wanted, near in self.missing.items():
            like = f" (near: {', '.join(map(repr, near))})" if near else ""
            clauses.append(f"no tomogram is called {wanted!r}{like}")
        shown = "; ".join(clauses[:5])
        return shown + (f"; and {len(clauses) - 5} more" if len(clauses) > 5 else "")

    def guesses(self) -> str:
        """One clause about the names that were taken for each other without being spelt alike."""
        pairs = [f"{wanted!r} is {known!r}" for wanted, known in self.guessed.items()]
        more = f" and {len(pairs) - 5} more" if len(pairs) > 5 else ""
        return f"taken by what their names share: {', '.join(pairs[:5])}{more}" if pairs else ""


def match_names(wanted: Iterable[str], known: Iterable[str]) -> NameMatch:
    """Find the tomogram that each name means.

    As written, else by file stem, else by series; else by the numbers in it whatever zeros stand
    before them (TS_1, TS_001); else the one name that holds the other as a whole part
    (``_isonet2_TS_001``). A looser reading counts only where the stricter ones found nothing, so
    "TS_01_bin4" and "TS_01_bin8" stay apart as long as particles name them so; the last two count
    only for one name and one tomogram, and stand in ``guessed``.
    """
    names, wishes = list(known), list(dict.fromkeys(wanted))
    match = NameMatch()
    readings: tuple[Callable[[str], str], ...] = (str, file_stem, series_name)
    tables = [_by_reading(reading, names) for reading in readings]
    left = []
    for name in wishes:
        for reading, table in zip(readings, tables, strict=True):
            hits = table.get(reading(name), [])
            if len(hits) == 1:
                match.found[name] = hits[0]
            elif hits:
                match.ambiguous[name] = hits
            if hits:
                break
        else:
            left.append(name)
    if left:
        _guess(left, wishes, names, match)
    for name in left:
        if name not in match.found and name not in match.ambiguous:
            near = difflib.get_close_matches(series_name(name), tables[2], n=3)
            match.missing[name] = [tables[2][n][0] for n in near]
    return match


def _by_reading(reading: Callable[[str], str], names: Iterable[str]) -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    for name in names:
        table.setdefault(reading(name), []).append(name)
    return table


#: Which known names share something with each of those left: (left, wanted, known).
_Sharing = Callable[[list[str], list[str], list[str]], dict[str, list[str]]]


def _guess(left: list[str], wishes: list[str], names: list[str], match: NameMatch) -> None:
    """Add what names share to a match: those left, one tomogram each."""
    left = [name for name in left if not is_none(name)]
    levels: list[_Sharing] = [_same_numbers, *(partial(_held, way) for way in _READINGS)]
    for sharing in levels:
        hits = sharing(left, wishes, names)
        taken = set(match.found.values())
        claims: dict[str, set[str]] = {}
        for name, known in hits.items():
            for one in known:
                claims.setdefault(one, set()).add(series_name(name))
        for name, known in hits.items():
            if taken.issuperset(known):
                continue  # by names that fit better
            if len(known) == 1 and len(claims[known[0]]) == 1:
                match.found[name] = match.guessed[name] = known[0]
            else:
                match.ambiguous[name] = known
        left = [n for n in left if n not in match.found and n not in match.ambiguous]


@lru_cache(maxsize=10_000)
def _plain_numbers(name: str) -> str:
    """A series' name with the zeros before its numbers taken off."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", series_name(name))


_READINGS: tuple[Callable[[str], str], ...] = (file_stem, series_name, _plain_numbers)


def _same_numbers(left: list[str], wishes: list[str], names: list[str]) -> dict[str, list[str]]:
    """Known names that differ from each of these in zeros before numbers alone."""
    table = _by_reading(_plain_numbers, names)
    hits = {name: table.get(_plain_numbers(name), []) for name in left}
    return {name: known for name, known in hits.items() if known}


def _held(
    reading: Callable[[str], str], left: list[str], wishes: list[str], names: list[str]
) -> dict[str, list[str]]:
    """Known names that hold each of these, or are held by it, as a whole part."""
    hits = {name: _longest_held(name, names, reading) for name in left}
    for one in names if left else []:
        for name in _longest_held(one, wishes, reading):
            if name in hits and one not in hits[name]:
                hits[name].append(one)
    return {name: known for name, known in hits.items() if known}


def _longest_held(name: str, names: list[str], reading: Callable[[str], str]) -> list[str]:
    """Names that stand in this one as a whole part, and in no other of them."""
    whole = reading(name)
    held = [one for one in names if _is_part(reading(one), whole)]
    return [
        one for one in held if not any(_is_part(reading(one), reading(other)) for other in held)
    ]


def _is_part(part: str, whole: str) -> bool:
    """Whether a name stands in a longer one, no letter, digit or index beside it.

    Position_1_2 is not Position_1: microscopes count the positions of a session like that. A name
    that is but a number stands in too many.
    """
    if part not in whole or part == whole or not re.search(r"[^\W\d_]", part):
        return False
    index = r"[\W_]+\d+(?![^\W_])(?!\.\d)"
    return re.search(rf"(?<![^\W_]){re.escape(part)}(?![^\W_])(?!{index})", whole) is not None


def match_file(stem: str, known: Iterable[str]) -> str | None:
    """Tomogram that a particle file without names belongs to.

    By the longest shared beginning; where none shares it, as ``match_names`` guesses.

    Examples
    --------
    >>> match_file("TS_01_ribosomes", ["TS_01", "TS_011"])
    'TS_01'
    >>> match_file("_isonet2_TS_1_ribosomes", ["TS_01", "TS_011"])
    'TS_01'
    """
    known = list(known)
    series = series_name(stem)
    fitting = {
        name: len(series_name(name))
        for name in known
        if re.match(re.escape(series_name(name)) + r"(?![A-Za-z0-9])", series)
    }
    if not fitting:
        return match_names([stem], known).found.get(stem)
    longest = [n for n, length in fitting.items() if length == max(fitting.values())]
    return longest[0] if len(longest) == 1 else None

"""STAR files as tables of text, read and written back with nothing lost but comments."""

import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.io.files import replacing

log = logging.getLogger(__name__)

Blocks = dict[str, pd.DataFrame]

#: Values that need no quotes: no white space, and nothing a reader takes for syntax.
_PLAIN = re.compile(r"(?!data_|loop_|save_|global_|stop_)[^\s\"'#_;]\S*", re.IGNORECASE)
#: Anything in a column, one value a line, that could need quotes.
_SUSPECT = re.compile(
    r"[^\S\n]|[\"'#;]|^(?:_|$|data_|loop_|save_|global_|stop_)", re.IGNORECASE | re.MULTILINE
)
_QUOTED = re.compile(r"""\s*(?:"(.*?)"(?=\s|$)|'(.*?)'(?=\s|$)|(#.*)|([^\s"'#]\S*))""")


def read_star(path: str | Path) -> Blocks:
    """Read every block of a STAR file as text.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict of block name (without ``data_``) to DataFrame of str
        In the file's order. A value is exactly what stood there, so "001" is not 1. A block of
        name-value pairs is a table of one row with ``is_simple(table)`` true.

    Raises
    ------
    CryoalError
        Names the file and the line: not text, no block, a row with too few or too many values, a
        column or block that stands twice, a quote that never ends.
    """
    path = Path(path)
    return parse_star(read_text(path), path)


def read_text(path: Path) -> str:
    """Text of a file, whatever its byte order mark and line ends.

    Raises
    ------
    CryoalError
        It cannot be read, is empty, or is not text.
    """
    try:
        raw = path.read_bytes()
    except OSError as problem:
        raise CryoalError(f"{path}: cannot be read ({problem.strerror})") from problem
    if not raw.strip():
        raise CryoalError(f"{path}: the file is empty; was the program that wrote it cut off?")
    if b"\0" in raw:
        raise CryoalError(f"{path}: binary data where a text file was expected")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        log.warning("%s: not UTF-8, read as Latin-1", path)
        text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


class BrokenStarError(CryoalError):
    """A STAR file that is damaged somewhere.

    Attributes
    ----------
    blocks : mapping of name to DataFrame
        What stood before the damage, enough to say what kind of file it was.
    """

    def __init__(self, message: str, blocks: Blocks) -> None:
        super().__init__(message)
        self.blocks = blocks


def parse_star(text: str, path: Path) -> Blocks:
    """Split the text of a STAR file into its blocks; ``path`` is for messages.

    A value is quoted when it *starts* with a quote, and ends at the same quote followed by white
    space; ``#`` starts a comment only at the start of a value (as ``MetaDataTable`` in RELION
    and the STAR definition have it).
    """
    blocks: Blocks = {}
    lines = _Lines(text, path)
    for tokens, _ in lines:
        head = tokens[0]
        if not head.lower().startswith("data_") or len(tokens) > 1:
            raise lines.error(
                f"{head!r} where a line such as 'data_particles' was expected; is this a STAR file?"
            )
        name = head[len("data_") :]
        if name in blocks:
            twice = lines.error(f"block 'data_{name}' stands twice; give each its own name")
            raise BrokenStarError(str(twice), blocks)
        try:
            blocks[name] = _parse_block(lines)
        except CryoalError as problem:
            whole = {} if lines.unfinished is None else {name: lines.unfinished}
            raise BrokenStarError(str(problem), {**blocks, **whole}) from None
    if not blocks:
        raise CryoalError(f"{path}: no line starts with 'data_'; is this a STAR file?")
    return blocks


class _Lines:
    """Lines that hold something, as tokens, with one line of looking ahead."""

    def __init__(self, text: str, path: Path) -> None:
        self._lines = text.split("\n")
        self._path = path
        self._next = 0
        self.number = 0
        self.unfinished: pd.DataFrame | None = None

    def __iter__(self) -> Iterator[tuple[list[str], bool]]:
        while self._next < len(self._lines):
            line = self._lines[self._next]
            self._next += 1
            self.number = self._next
            quoted = False
            if '"' in line or "'" in line or "#" in line:
                tokens, quoted = self._split(line)
            else:
                tokens = line.split()
            if tokens:
                yield tokens, quoted

    def back(self) -> None:
        """Let the line just read be read again."""
        self._next = self.number - 1

    def error(self, what: str) -> CryoalError:
        return CryoalError(f"{self._path}, line {self.number}: {what}")

    def _split(self, line: str) -> tuple[list[str], bool]:
        """Tokens of a line with quotes or comments, and whether the first was quoted."""
        tokens: list[str] = []
        first_quoted = False
        at, end = 0, len(line.rstrip())
        while at < end:
            found = _QUOTED.match(line, at)
            if found is None:
                raise self.error("a quote is opened and never closed")
            double, single, comment, plain = found.groups()
            if comment is not None:
                break
            if not tokens:
                first_quoted = plain is None
            tokens.append(next(t for t in (double, single, plain) if t is not None))
            at = found.end()
        return tokens, first_quoted


def _starts_block(tokens: list[str], quoted: bool) -> bool:
    return len(tokens) == 1 and not quoted and tokens[0].lower().startswith("data_")


def _parse_block(lines: _Lines) -> pd.DataFrame:
    pairs: dict[str, str] = {}
    for tokens, quoted in lines:
        if _starts_block(tokens, quoted):
            lines.back()
            break
        if tokens[0].lower() == "loop_" and len(tokens) == 1 and not pairs:
            return _parse_loop(lines)
        if not tokens[0].startswith("_") or quoted or len(tokens) != 2:
            raise lines.error(
                f"'{' '.join(tokens)[:40]}' where '_name value' or 'loop_' was expected"
            )
        if tokens[0][1:] in pairs:
            raise lines.error(f"{tokens[0]} stands twice in one block")
        pairs[tokens[0][1:]] = tokens[1]
    table = pd.DataFrame({name: [value] for name, value in pairs.items()}, dtype=str)
    table.attrs["simple"] = True
    return table


def _parse_loop(lines: _Lines) -> pd.DataFrame:
    columns: list[str] = []
    rows: list[list[str]] = []
    for tokens, quoted in lines:
        if not rows and tokens[0].startswith("_") and not quoted and len(tokens) == 1:
            if tokens[0][1:] in columns:
                twice = lines.error(f"column {tokens[0]} stands twice in one loop")
                rest = [t[0][1:] for t, _ in lines if t[0].startswith("_") and len(t) == 1]
                lines.unfinished = _loop(list(dict.fromkeys([*columns, *rest])), rows)
                raise twice
            columns.append(tokens[0][1:])
        elif _starts_block(tokens, quoted):
            lines.back()
            break
        elif not columns:
            raise lines.error("no column names after 'loop_'")
        elif len(tokens) != len(columns):
            lines.unfinished = _loop(columns, rows)
            raise lines.error(
                f"{len(tokens)} values in a table of {len(columns)} columns; "
                "is the file cut off, or a value with a space not in quotes?"
            )
        else:
            rows.append(tokens)
    if not columns:
        raise lines.error("no column names after 'loop_'")
    return _loop(columns, rows)


def _loop(columns: list[str], rows: list[list[str]]) -> pd.DataFrame:
    values = zip(*rows, strict=True) if rows else ([] for _ in columns)
    return pd.DataFrame(
        {
            name: pd.Series(list(column), dtype=str)
            for name, column in zip(columns, values, strict=True)
        }
    )


def is_simple(table: pd.DataFrame) -> bool:
    """Whether this block was written as name-value pairs, not as a loop."""
    return bool(table.attrs.get("simple")) and len(table) == 1


def simple(**values: str) -> pd.DataFrame:
    """Make a block of name-value pairs."""
    table = pd.DataFrame({name: [value] for name, value in values.items()}, dtype=str)
    table.attrs["simple"] = True
    return table


def write_star(path: str | Path, blocks: Mapping[str, pd.DataFrame], comment: str = "") -> None:
    """Write blocks in their order; the file appears only when it is whole.

    Parameters
    ----------
    blocks : mapping of name to DataFrame
        Cells are written as ``str`` has them; format numbers first.
    comment : str
        One line on top, for example ``"version 50001"``.

    Raises
    ------
    CryoalError
        A value that STAR cannot hold (a line break, or both kinds of quotes at word ends).
    """
    text = star_text(blocks, comment, path)
    with replacing(Path(path)) as file:
        file.write(text)


def star_text(
    blocks: Mapping[str, pd.DataFrame], comment: str = "", path: str | Path = "STAR file"
) -> str:
    """Text of a STAR file with these blocks; ``path`` is for messages."""
    parts = [f"# {comment}\n"] if comment else []
    for name, table in blocks.items():
        columns = [_quoted_column([str(v) for v in table[c].tolist()], path) for c in table]
        parts.append(f"\ndata_{name}\n\n")
        if is_simple(table):
            width = max(len(str(c)) for c in table.columns) + 2
            for label, (value,) in zip(labels(table), columns, strict=True):
                parts.append(f"_{label:<{width}}{value}\n")
        elif len(table.columns):
            parts.append("loop_\n")
            parts += [f"_{label} #{i}\n" for i, label in enumerate(labels(table), 1)]
            parts += ["\t".join(row) + "\n" for row in zip(*columns, strict=True)]
        parts.append("\n")
    return "".join(parts)


def labels(table: pd.DataFrame) -> list[str]:
    """Names of columns as STAR can hold them: without white space, each its own.

    Examples
    --------
    >>> labels(pd.DataFrame(columns=["X [A]", "rlnTomoName"]))
    ['X_[A]', 'rlnTomoName']
    """
    found: list[str] = []
    for column in table.columns:
        label = re.sub(r"\s+", "_", str(column).strip()) or "column"
        count = 1
        while label in found:
            count += 1
            label = f"{label}_{count}"
        found.append(label)
    return found


def _quoted_column(values: list[str], path: str | Path) -> list[str]:
    """Values as they must stand; columns that need no quotes at all are seen at once."""
    together = "\n".join(values)
    if together.count("\n") == len(values) - 1 and not _SUSPECT.search(together):
        return values
    return [quoted(value, path) for value in values]


def quoted(value: str, path: str | Path = "STAR file") -> str:
    """Return the value as it must stand in a STAR file.

    Examples
    --------
    >>> print(quoted("TS_01"), quoted(""), quoted('a "b" c'))
    TS_01 "" "a "b" c"
    """
    if _PLAIN.fullmatch(value):
        return value
    for mark in "\"'":
        candidate = f"{mark}{value}{mark}"
        found = _QUOTED.fullmatch(candidate)
        if found and value in found.groups() and "\n" not in value and "\r" not in value:
            return candidate
    raise CryoalError(f"{path}: a STAR file cannot hold the value {value[:40]!r}")

"""The text of a STAR file, split into its blocks."""

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from cryoal.core.errors import CryoalError

Blocks = dict[str, pd.DataFrame]

#: A value: between quotes of one kind that end before white space, a comment, or a plain word.
QUOTED = re.compile(r"""\s*(?:"(.*?)"(?=\s|$)|'(.*?)'(?=\s|$)|(#.*)|([^\s"'#]\S*))""")


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
            found = QUOTED.match(line, at)
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

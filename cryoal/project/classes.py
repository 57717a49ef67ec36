"""The classes one may answer with: their order, which is that of the keys, and their colours."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import tomli_w

from cryoal.core.errors import CryoalError
from cryoal.core.labels import JUNK, NONE, UNSURE, spelled
from cryoal.io.files import replacing

#: Bytes of a class's name: files that are named after it have others before and behind.
LONGEST_CLASS = 200

#: Okabe and Ito (2008), "Color universal design": colour-blind readers can tell them apart; here on
#: black, so that yellow is in and black is out.
PALETTE = (
    *("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00", "#0072B2"),
    *("#B48CFF", "#A6D854"),
)
JUNK_COLOUR = "#8A8F98"
UNSURE_COLOUR = "#D0D4DA"


@dataclass(frozen=True)
class Alias:
    """What everybody called ``old`` is ``new``, since ``by`` said so; no ledger is changed."""

    old: str
    new: str
    by: str
    when: str


@dataclass(frozen=True)
class Classes:
    """Names in the order of the keys 1 to 9, without junk, which is key 0.

    Attributes
    ----------
    names : tuple of str
    colours : {name: "#rrggbb"}
    renamed : {former name: name}
        So that what a model learnt under a former name is shown under today's.
    aliases : tuple of Alias
        Classes that were renamed for all annotators, in the order in which that was said.
    """

    names: tuple[str, ...] = ()
    colours: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    aliases: tuple[Alias, ...] = ()

    @classmethod
    def read(cls, path: Path) -> "Classes":
        """Read ``labels/classes.toml``; without one there are no classes yet.

        Raises
        ------
        CryoalError
            The file is not what this class wrote.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return cls()
        except (OSError, UnicodeDecodeError) as problem:
            raise CryoalError(f"{path}: cannot be read ({problem})") from problem
        try:
            values = tomllib.loads(text)
            colours = {str(row["name"]): str(row["colour"]) for row in values.get("class", [])}
            renamed = {str(a): str(b) for a, b in values.get("renamed", {}).items()}
            aliases = tuple(
                Alias(*(str(row[key]) for key in ("old", "new", "by", "when")))
                for row in values.get("alias", [])
            )
            return cls(tuple(name for name in colours if name != JUNK), colours, renamed, aliases)
        except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as problem:
            raise CryoalError(
                f"{path}: not a list of classes ({problem}); correct it, or delete it: labels "
                "stay, under the names that each person gave"
            ) from problem

    def write(self, path: Path) -> None:
        """Write ``labels/classes.toml``, all or nothing."""
        rows = [{"name": name, "colour": self.colour(name)} for name in (*self.names, JUNK)]
        try:
            with replacing(path) as file:
                aliases = [asdict(alias) for alias in self.aliases]
                values = {"class": rows, "renamed": self.renamed, "alias": aliases}
                file.write(tomli_w.dumps(values))
        except OSError as problem:
            raise CryoalError(
                f"{path}: cannot be written ({problem.strerror}); the classes are as before"
            ) from problem

    def colour(self, word: str | None) -> str:
        """Colour of a class, of junk, or of "unsure"."""
        if word in self.colours:
            return self.colours[word]
        return {JUNK: JUNK_COLOUR, UNSURE: UNSURE_COLOUR}.get(word or "", JUNK_COLOUR)

    def at_key(self, number: int) -> str | None:
        """Class of a key: 0 is junk, 1 to 9 the first nine; None where there is none."""
        if number == 0:
            return JUNK
        return self.names[number - 1] if number <= len(self.names) else None

    def now(self, name: str) -> str:
        """Return today's name of a class that may have been renamed, perhaps more than once."""
        return _followed(name, self.renamed)

    def for_all(self, word: str) -> str:
        """What a person's word stands for, after renamings that were said for all annotators."""
        return _followed(spelled(word), {alias.old: alias.new for alias in self.aliases})

    def with_names(self, names: Iterable[str]) -> "Classes":
        """Add classes that are not there yet, each with the first colour that is free."""
        result = self
        for name in names:
            if name in result.names or name in (JUNK, UNSURE):
                continue
            taken = [result.colours.get(other) for other in result.names]
            number = len(result.names)
            free = [colour for colour in PALETTE if colour not in taken]
            colour = result.colours.get(name, (free or [PALETTE[number % len(PALETTE)]])[0])
            renamed = {old: new for old, new in result.renamed.items() if old != name}
            colours = {**result.colours, name: colour}
            result = replace(result, names=(*result.names, name), colours=colours, renamed=renamed)
        return result

    def recoloured(self, name: str, colour: str) -> "Classes":
        """Give a class another colour, ``#rrggbb``."""
        return replace(self, colours={**self.colours, name: colour})

    def with_renamed(self, old: str, new: str) -> "Classes":
        """Let ``new`` take the place of ``old``: its key and colour, unless ``new`` has its own."""
        renamed = {a: b for a, b in self.renamed.items() if a != new} | {old: new}
        if new in self.names or new == JUNK:
            names = tuple(name for name in self.names if name != old)
            return replace(self, names=names, renamed=renamed)
        names = tuple(new if name == old else name for name in self.names)
        colours = {**self.colours, new: self.colour(old)}
        return replace(self, names=names, colours=colours, renamed=renamed)

    def with_alias(self, alias: Alias) -> "Classes":
        """Rename a class for all annotators; saying the opposite takes back what was said."""
        kept = tuple(one for one in self.aliases if one.old not in (alias.old, alias.new))
        renamed = self.with_renamed(alias.old, alias.new)
        return replace(renamed, aliases=(*kept, alias))

    def without_alias(self, alias: Alias) -> "Classes":
        """Take back that a class was renamed for all."""
        kept = tuple(one for one in self.aliases if one != alias)
        return replace(self, aliases=kept).with_names([alias.old])


def _followed(name: str, names: Mapping[str, str]) -> str:
    seen = set()
    while name in names and name not in seen:
        seen.add(name)
        name = names[name]
    return name


def valid_name(name: str) -> str:
    """Name of a class as it may stand in a ledger.

    Raises
    ------
    CryoalError
        As ``valid_label``, or it is "unsure".
    """
    word = valid_label(name)
    if word == UNSURE:
        raise CryoalError(f"{UNSURE!r} is an answer of its own (key U) and cannot name a class")
    return word


def valid_label(label: str) -> str:
    """Name of a class, or "unsure", as it may stand in a ledger.

    Raises
    ------
    CryoalError
        It is empty, reserved, holds characters that nobody sees (control, or such as turn the
        direction of what follows), or is too long for the name of a file.
    """
    word = spelled(label)
    if not word or word == NONE or not word.isprintable():
        raise CryoalError(f"{label!r} cannot name a class; use printable characters")
    if len(word.encode("utf-8", errors="replace")) > LONGEST_CLASS:
        raise CryoalError(
            f"{label[:20]!r}... has over {LONGEST_CLASS} bytes and cannot name a class; shorten it"
        )
    return word

"""A file that is looked at to tell what it is, read at most once."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from cryoal.core.errors import CryoalError
from cryoal.io.paths import is_star
from cryoal.io.plain_text import first_bytes, head_in_utf8, read_text
from cryoal.io.star_parsing import Blocks, parse_star


@dataclass(frozen=True)
class Content:
    """A file that is looked at, read at most once."""

    path: Path

    @cached_property
    def blocks(self) -> Blocks:
        """Its tables if it is a STAR file, else none."""
        return parse_star(self.text, self.path) if is_star(self.path) else {}

    @cached_property
    def text(self) -> str:
        """Its text."""
        return read_text(self.path)

    @cached_property
    def head(self) -> bytes:
        """Its first bytes; those of a text in another encoding as UTF-8 has them."""
        return first_bytes(self.path)

    def has(self, mark: bytes) -> bool:
        """Whether these bytes stand in it, in UTF-8, wherever they stand."""
        return mark in self.head or mark in head_in_utf8(self.path.read_bytes())

    @property
    def start(self) -> bytes:
        """Its first bytes after white space."""
        return self.head.lstrip()

    @cached_property
    def xml_root(self) -> str:
        """Name of the outermost element of an XML file, else nothing."""
        if self.start[:1] != b"<":
            return ""
        plain = re.sub(rb"<!--.*?-->|<\?.*?\?>", b"", self.start, flags=re.DOTALL)
        found = re.match(rb"\s*<([A-Za-z_][\w.-]*)", plain)
        return found.group(1).decode() if found else ""

    def xml(self) -> ElementTree.Element:
        """Outermost element of an XML file.

        Raises
        ------
        CryoalError
            Not well-formed; names the line.
        """
        try:
            return ElementTree.fromstring(self.path.read_bytes())
        except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as problem:
            raise CryoalError(
                f"{self.path}: not whole XML ({problem}); was the program that wrote it cut off?"
            ) from None

    def json(self) -> Any:
        """Object of a JSON file.

        Raises
        ------
        CryoalError
            Not JSON; names the line.
        """
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError) as problem:
            raise CryoalError(
                f"{self.path}: not whole JSON ({problem}); was the program that wrote it cut off?"
            ) from None

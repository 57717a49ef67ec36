"""Text of a file, whatever its encoding and line ends."""

import codecs
import logging
from pathlib import Path

from cryoal.core.errors import CryoalError

log = logging.getLogger(__name__)

#: Byte order marks and the encoding that each stands for. Windows programs, PowerShell's ``>``
#: among them, write UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_text(path: Path) -> str:
    r"""Text of a file, without its byte order mark and with ``\n`` at line ends.

    Raises
    ------
    CryoalError
        It cannot be read, is empty, or is not text.
    """
    try:
        raw = path.read_bytes()
    except OSError as problem:
        raise CryoalError(f"{path}: cannot be read ({problem.strerror})") from problem
    encoding = encoding_of(raw)
    plain = without_mark(raw)
    if not plain.strip(b"\0 \t\r\n"):
        raise CryoalError(f"{path}: the file is empty; was the program that wrote it cut off?")
    try:
        text = plain.decode(encoding)
    except UnicodeDecodeError as problem:
        if encoding != "utf-8":
            raise CryoalError(
                f"{path}: its first bytes say {encoding}, which it is not"
            ) from problem
        log.warning("%s: not UTF-8, read as Latin-1", path)
        text = plain.decode("latin-1")
    if "\0" in text:
        raise CryoalError(f"{path}: binary data where a text file was expected")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def first_bytes(path: Path, count: int = 2048) -> bytes:
    """First bytes of a file, those of a text as UTF-8 has them.

    Raises
    ------
    CryoalError
        There is no such file, it is a folder, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return head_in_utf8(file.read(count))
    except FileNotFoundError:
        raise CryoalError(f"{path}: no such file; the current folder is {Path.cwd()}") from None
    except OSError as problem:
        raise CryoalError(f"{path}: cannot be read ({problem.strerror})") from problem


def encoding_of(raw: bytes) -> str:
    """Encoding that the byte order mark states; UTF-8 without one."""
    return next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")


def without_mark(raw: bytes) -> bytes:
    """These bytes without their byte order mark."""
    mark = next((mark for mark, _ in _MARKS if raw.startswith(mark)), b"")
    return raw[len(mark) :]


def head_in_utf8(raw: bytes) -> bytes:
    r"""First bytes of a file as UTF-8 has them, without a byte order mark.

    Those of a binary file stay what they are.

    Examples
    --------
    >>> head_in_utf8(b"\xff\xfed\0a\0t\0a\0"), head_in_utf8(b"\x06\0\0\x05")
    (b'data', b'\x06\x00\x00\x05')
    """
    encoding = encoding_of(raw)
    if encoding == "utf-8":
        return without_mark(raw)
    return without_mark(raw).decode(encoding, errors="ignore").encode()

"""Downloading the files of a public data set: resumed, checked, and never half there.

pooch keeps the registry, checks digests and moves a finished file to its name; the bytes come
through ``_Resuming``, because pooch's own downloader starts anew after every broken connection.
What a file's publisher states no digest for is written down when it is fetched first, so that
``verify`` can at least say whether it has changed since.
"""

import json
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryoal.core.errors import CryoalError, MachineError
from cryoal.data.manifest import DataFile, Manifest
from cryoal.io.files import megabytes, replacing

log = logging.getLogger(__name__)

#: Called with the bytes that are there and those expected (0 where nobody says).
Progress = Callable[[int, int], None]

#: In a data set's folder: sha256 and size of every file as it was fetched, and from where.
FETCHED = "fetched.json"

_CHUNK = 1 << 18
_CONNECT_SECONDS, _READ_SECONDS = 10, 60
_ATTEMPTS, _PAUSE_SECONDS = 3, 1.0


def silent(done: int, total: int) -> None:
    """Progress that nobody watches."""


def fetch(manifest: Manifest, file: DataFile, folder: Path, progress: Progress = silent) -> bool:
    """Download one file into a data set's folder, unless it is there and right.

    Parameters
    ----------
    folder : Path
        The file goes to ``folder / file.path``; while it grows, ``.part`` is added to its name,
        and the same call goes on from there.

    Returns
    -------
    bool
        Whether anything was downloaded.

    Raises
    ------
    CryoalError
        The server has no such file, or sends another one than the manifest says.
    MachineError
        No connection, one that broke again and again, or no room on the disk.
    """
    try:
        import pooch
    except ImportError as problem:
        raise CryoalError("fetching needs pooch: pip install 'cryoal[data]'") from problem
    pooch.get_logger().setLevel("ERROR")  # it would print lines of its own
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    there = target.exists()
    before = target.stat().st_mtime_ns if there else 0
    if there and file.path not in _fetched(folder) and verify(manifest, file, folder) == "wrong":
        raise CryoalError(
            f"{target}: is there, cryoal did not fetch it, and it has not the sha256 that "
            f"{manifest.name} states; move it, or choose another folder with --to"
        )
    _check_room(file, target)
    fetcher = pooch.create(
        path=folder,
        base_url="",
        registry={file.path: f"sha256:{file.sha256}" if file.sha256 else None},
        urls={file.path: file.url},
    )
    downloader = _Resuming(target, file, manifest.homepage, progress)
    try:
        fetcher.fetch(file.path, downloader=downloader)
    except ValueError as problem:  # what pooch raises for a wrong digest, in three lines
        raise CryoalError(
            f"{file.url}: what came ({downloader.received} bytes) has not the sha256 that "
            f"{manifest.name} states ({file.sha256}); nothing was kept. Fetch it again; if that "
            "does not help, the data were changed"
        ) from problem
    if there and target.stat().st_mtime_ns == before:
        return False
    _write_down(folder, file, target)
    return True


def verify(manifest: Manifest, file: DataFile, folder: Path) -> str:
    """Say in one word or two whether a file is what it should be.

    Returns
    -------
    "right" (the publisher's digest), "unchanged" (since it was fetched; no digest is published),
    "unknown" (there, but not fetched by cryoal), "missing", "incomplete" or "wrong"
    """
    target = folder / file.path
    if not target.exists():
        return "incomplete" if _part(target).exists() else "missing"
    digest = sha256_of(target)
    if file.sha256 is not None:
        return "right" if digest == file.sha256 else "wrong"
    known = _fetched(folder).get(file.path)
    if known is None:
        return "unknown"
    return "unchanged" if digest == known["sha256"] else "wrong"


def sha256_of(path: Path) -> str:
    """sha256 of a file of any size, hexadecimal."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_down(folder: Path, file: DataFile, target: Path) -> None:
    fetched = _fetched(folder)
    fetched[file.path] = {
        "url": file.url,
        "sha256": sha256_of(target),
        "bytes": target.stat().st_size,
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    with replacing(folder / FETCHED) as out:
        json.dump(fetched, out, indent=1, sort_keys=True)


def _fetched(folder: Path) -> dict[str, Any]:
    path = folder / FETCHED
    if not path.exists():
        return {}
    try:
        fetched: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {name: entry for name, entry in fetched.items() if "sha256" in entry}
    except (ValueError, AttributeError, TypeError) as problem:
        raise CryoalError(f"{path}: not as cryoal wrote it; delete it and fetch again") from problem


def _check_room(file: DataFile, target: Path) -> None:
    if file.bytes is None or target.exists():
        return
    part = _part(target)
    needed = file.bytes - (part.stat().st_size if part.exists() else 0)
    free = shutil.disk_usage(target.parent).free
    if needed > free:
        raise MachineError(
            f"{target}: {megabytes(needed)} are needed and {megabytes(free)} are free; make room, "
            "or choose another folder with --to"
        )


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


@dataclass
class _Resuming:
    """A downloader for pooch that goes on where a former one, or a broken connection, ended."""

    target: Path
    file: DataFile
    homepage: str
    progress: Progress
    received: int = 0

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Download all of it to where pooch wants it."""
        part = _part(self.target)
        for attempt in range(_ATTEMPTS):
            try:
                self._go_on(url, part)
                break
            except _BrokenError as problem:
                there = part.stat().st_size if part.exists() else 0
                if attempt + 1 == _ATTEMPTS:
                    advice = (
                        f"{megabytes(there)} are kept, and the same command goes on from there"
                        if there
                        else "check the network and run the same command again"
                    )
                    raise MachineError(f"{url}: {problem}; {advice}") from problem
                log.info("%s: %s; trying again", url, problem)
                time.sleep(_PAUSE_SECONDS)
        self.received = part.stat().st_size
        part.replace(output_file)
        self._tag(part).unlink(missing_ok=True)

    def _tag(self, part: Path) -> Path:
        """Where the version of the file on the server is kept, to go on only with the same."""
        return part.with_name(f"{part.name}.tag")

    def _go_on(self, url: str, part: Path) -> None:
        import requests

        start = self._start(part)
        headers = {"Accept-Encoding": "identity"}  # a range of what was compressed is no use
        if start:
            headers["Range"] = f"bytes={start}-"
            if self._tag(part).exists():
                headers["If-Range"] = self._tag(part).read_text(encoding="utf-8")
        try:
            with requests.get(
                url, headers=headers, stream=True, timeout=(_CONNECT_SECONDS, _READ_SECONDS)
            ) as answer:
                self._take(answer, start, part)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as problem:
            raise CryoalError(f"{url}: not an address that can be fetched") from problem
        except requests.exceptions.RequestException as problem:
            host = urlsplit(url).hostname
            begun = part.exists() and part.stat().st_size > start
            if begun or isinstance(problem, requests.exceptions.ChunkedEncodingError):
                raise _BrokenError(f"the connection to {host} broke") from problem
            raise _BrokenError(f"no connection to {host} ({_reason(problem)})") from problem

    def _start(self, part: Path) -> int:
        """Bytes that need not be fetched again."""
        if not part.exists():
            return 0
        # Without a version or a digest, two files could be glued together unnoticed.
        if not self._tag(part).exists() and self.file.sha256 is None:
            part.unlink()
            return 0
        return part.stat().st_size

    def _take(self, answer: Any, start: int, part: Path) -> None:
        if answer.status_code == 416 and start:  # no such range: all is there, or it changed
            total = answer.headers.get("Content-Range", "").rpartition("/")[2]
            if total == str(start):
                return
            part.unlink()
            raise _BrokenError("the file on the server has changed")
        if answer.status_code >= 500 or answer.status_code == 429:
            raise _BrokenError(f"the server answers {answer.status_code} {answer.reason}")
        if answer.status_code not in (200, 206):
            raise CryoalError(
                f"{self.file.url}: the server answers {answer.status_code} {answer.reason}; have "
                f"the data moved? See {self.homepage}"
            )
        going_on = answer.status_code == 206
        if going_on and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            part.unlink(missing_ok=True)
            raise _BrokenError("the server sends another range than was asked for")
        done = start if going_on else 0
        length = answer.headers.get("Content-Length", "")
        total = done + int(length) if length.isdigit() else self.file.bytes or 0
        tag = answer.headers.get("ETag", "")
        version = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")
        if version:
            self._tag(part).write_text(version, encoding="utf-8")
        else:
            self._tag(part).unlink(missing_ok=True)
        with part.open("ab" if going_on else "wb") as out:
            for chunk in answer.iter_content(_CHUNK):
                try:
                    out.write(chunk)
                except OSError as problem:
                    problem.filename = str(part)  # a full disk does not say for which file
                    raise
                done += len(chunk)
                self.progress(done, total)
        if length.isdigit() and done < total:
            raise _BrokenError("the connection ended before the file did")


class _BrokenError(Exception):
    """A connection that may hold the next time."""


def _reason(problem: Exception) -> str:
    """The innermost reason of a failed connection, in a few words."""
    import requests

    if isinstance(problem, requests.exceptions.Timeout):
        return "no answer in time"
    words = " ".join(str(problem).split()).lower()
    for sign, meaning in (
        ("refused", "refused"),
        ("name or service not known", "unknown name"),
        ("resolution", "unknown name"),
        ("resolve", "unknown name"),
        ("unreachable", "network unreachable"),
        ("certificate", "its certificate is not trusted"),
    ):
        if sign in words:
            return meaning
    return type(problem).__name__

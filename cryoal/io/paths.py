"""Which files a user or a STAR file means."""

import glob
import re
from collections.abc import Iterable
from pathlib import Path

from cryoal.core.errors import CryoalError
from cryoal.io.plain_text import first_bytes
from cryoal.io.star import read_star
from cryoal.io.star_parsing import Blocks
from cryoal.io.volumes import is_zarr

#: How a text begins that is no STAR file whatever it is called: JSON, XML, the header of a table
#: or a line of numbers.
_OTHER_TEXT = re.compile(rb"[{\[<]|(?!loop_)[A-Za-z]\w*[,;|\t]|(?:[-+.\deE]+[,;\s]+){2}[-+.\deE]+")


def expand(paths: Iterable[str | Path]) -> list[Path]:
    """Files and zarr folders that these paths and patterns stand for, each once, in their order.

    Raises
    ------
    CryoalError
        A path that does not exist or a pattern that fits nothing.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if Path(path).is_file() or is_zarr(path):
            found = [str(path)]
        elif Path(path).is_dir():
            raise CryoalError(f"{path}: a folder; write {str(path).rstrip('/')}/*.mrc in quotes")
        else:
            # Path.glob refuses absolute patterns.
            fitting = glob.glob(str(path), recursive=True)  # noqa: PTH207
            found = sorted(name for name in fitting if Path(name).is_file() or is_zarr(name))
        if not found:
            raise CryoalError(f"{path}: no such file; the current folder is {Path.cwd()}")
        for name in found:
            files[Path(name)] = None
    unique: dict[Path, Path] = {}
    for file in files:
        unique.setdefault(file.resolve(), file)
    return list(unique.values())


def is_star(path: Path) -> bool:
    """Whether this is a STAR file by its first lines; one that lost them, by its name."""
    head = first_bytes(path)
    if b"\0" in head:
        return path.suffix.lower() == ".star"
    lines = [line.strip() for line in head.splitlines() if line.strip()]
    if any(line.lower().startswith(b"data_") for line in lines):
        return True
    first = next((line for line in lines if not line.startswith(b"#")), b"")
    return path.suffix.lower() == ".star" and not _OTHER_TEXT.match(first)


def resolve(path: str, star: Path) -> Path | None:
    """Find a file that a STAR file names: from here, from the STAR's folder, or one above it.

    RELION's paths start at the project folder, which is not written down.
    """
    plain = path.split(":mrc")[0]
    for folder in (Path(), star.resolve().parent, *star.resolve().parent.parents):
        if (folder / plain).is_file() or is_zarr(folder / plain):
            return folder / plain
    return None


def follow(path: Path, blocks: Blocks, column: str) -> tuple[Path, Blocks]:
    """Go on to the file that an optimisation set names in ``column``; other files stay."""
    for block in blocks.values():
        if "rlnTomoParticlesFile" in block or "rlnTomoTomogramsFile" in block:
            if column not in block or len(block) != 1 or not block[column].iloc[0]:
                raise CryoalError(f"{path}: this optimisation set names no {column}")
            named = block[column].iloc[0]
            target = resolve(named, path)
            if target is None:
                raise CryoalError(
                    f"{path}: {column} names {named}, which is not there; paths count from the "
                    "RELION project folder, so run cryoal from it"
                )
            return target, read_star(target)
    return path, blocks

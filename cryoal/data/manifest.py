"""Public data sets, one TOML each: where the files are, what they are, and who has checked that.

The TOMLs lie in ``data_manifests/`` and come with the package. What is written there was read
somewhere, and every entry says where, or that it was not verified; a digest stands there only if
the data's publisher states it.
"""

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cryoal.core.errors import CryoalError

#: The version of the manifests' form; a newer one is refused.
FORMAT = 1

#: What is written where nobody has looked.
NOT_VERIFIED = "not verified"

#: Statements that must each say where they were verified.
STATEMENTS = ("licence", "citation", "voxel_size", "tilt_range", "classes", "to_project")


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or "\\" in path or ".." in parts or ":" in path:
        raise ValueError("a path below the data set's folder is needed")
    return path


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataFile(_Section):
    """One file that ``cryoal data fetch`` downloads.

    ``bytes`` is the size that the publisher states; ``verified`` says where the address was seen.
    """

    path: Annotated[str, AfterValidator(_inside)]
    url: str = Field(pattern=r"^https?://[^\s]+$")
    what: str
    verified: str = Field(min_length=1)
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    bytes: int | None = Field(None, gt=0)


class Folder(_Section):
    """What is too large, or too many files, to be fetched one by one; ``command`` fetches it."""

    url: str = Field(pattern=r"^(https?|s3)://[^\s]+$")
    what: str
    command: str
    verified: str = Field(min_length=1)


class Manifest(_Section):
    """A public data set.

    Attributes
    ----------
    kind : "tomograms", "tilt_series" or "templates"
    voxel_size : float, Angstrom, optional
        Of the tomograms or maps; None where it differs between them or is not known.
    tilt_range : (low, high), degrees, optional
    classes : list of str
        What is annotated or can be told apart.
    to_project : str
        How to make a project of it, as lines for a shell.
    verified : mapping
        For each of ``STATEMENTS`` where it was read, or ``not verified``.
    """

    format: int
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    kind: Literal["tomograms", "tilt_series", "templates"]
    description: str
    homepage: str = Field(pattern=r"^https?://[^\s]+$")
    licence: str
    citation: str
    voxel_size: float | None = Field(None, gt=0)
    tilt_range: tuple[float, float] | None = None
    classes: list[str]
    to_project: str
    verified: dict[str, str]
    files: list[DataFile] = []
    folders: list[Folder] = []

    @model_validator(mode="after")
    def _whole(self) -> "Manifest":
        missing = [name for name in STATEMENTS if not self.verified.get(name, "").strip()]
        unknown = [name for name in self.verified if name not in STATEMENTS]
        if missing or unknown:
            raise ValueError(
                f"[verified] must say of {', '.join(STATEMENTS)} where each was read, or "
                f"{NOT_VERIFIED!r}; wrong: {', '.join(missing + unknown)}"
            )
        if self.tilt_range is not None and self.tilt_range[0] >= self.tilt_range[1]:
            raise ValueError(f"tilt_range {self.tilt_range}: the lower angle comes first")
        paths = [file.path for file in self.files]
        twice = sorted({path for path in paths if paths.count(path) > 1})
        if twice:
            raise ValueError(f"two files are called {twice[0]!r}")
        if not self.files and not self.folders:
            raise ValueError("neither files nor folders, so there is nothing to fetch")
        return self

    @property
    def unverified(self) -> list[str]:
        """Statements that nobody has verified."""
        return [name for name in STATEMENTS if self.verified[name].startswith(NOT_VERIFIED)]


def read_manifest(path: Path) -> Manifest:
    """Read one manifest.

    Raises
    ------
    CryoalError
        Not TOML, of a newer form, or a statement is missing or impossible (named).
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise CryoalError(f"{path}: not valid TOML ({problem}); correct that line") from problem
    except OSError as problem:
        raise CryoalError(f"{path}: cannot be read ({problem.strerror})") from problem
    version = values.get("format")
    if version != FORMAT:
        raise CryoalError(
            f"{path}: format = {FORMAT} is expected, found {version!r}; is it a data manifest, and "
            "is cryoal new enough?"
        )
    try:
        return Manifest(**values)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = str(first["msg"]).removeprefix("Value error, ")
        raise CryoalError(f"{path}: {f'{where}: ' if where else ''}{message}") from problem


def manifest_paths() -> dict[str, Path]:
    """Every manifest that came with the package, by its name, sorted."""
    package = Path(__file__).resolve().parents[1]
    # Installed, they lie in the package; in a checkout, beside it.
    folders = [package / "data_manifests", package.parent / "data_manifests"]
    folder = next((f for f in folders if f.is_dir()), None)
    return {path.stem: path for path in sorted(folder.glob("*.toml"))} if folder else {}


def find_manifest(name: str) -> Manifest:
    """Read the manifest of this name, or the one in a file of one's own (``mine.toml``).

    Raises
    ------
    CryoalError
        With the list of names and the nearest guess.
    """
    if name.endswith(".toml"):
        return read_manifest(Path(name))
    known = manifest_paths()
    if name in known:
        return read_manifest(known[name])
    raise CryoalError(unknown_name(name, known))


def unknown_name(name: str, known: Iterable[str]) -> str:
    """Say what there is, and what may have been meant."""
    names = list(known)
    guess = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {guess[0]!r}?" if guess else "."
    return f"no data set is called {name!r}{hint} There are: {', '.join(names)}"

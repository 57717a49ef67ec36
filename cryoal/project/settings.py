"""What a project is set to: ``cryoal.toml``, read and explained, written once."""

import difflib
import logging
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cryoal.core.errors import CryoalError
from cryoal.core.labels import JUNK

#: The version of the folder's layout; a newer one is refused.
FORMAT = 1

#: Settings that earlier versions had: a project that states them is opened all the same.
GONE = {"train": {"class_weights"}}

log = logging.getLogger(__name__)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExtractSettings(_Section):
    """How subtomograms are cut."""

    diameter: float | None = Field(None, gt=0, allow_inf_nan=False)
    box: int | None = None
    voxel_size: float | None = Field(None, gt=0, allow_inf_nan=False)
    contrast: Literal["auto", "dark", "bright"] = "auto"
    edge: Literal["pad", "drop"] = "pad"
    float16: bool = False

    def overruled_by(self, options: Mapping[str, Any]) -> "ExtractSettings":
        """These settings with what the command line says instead.

        Raises
        ------
        CryoalError
            Names an option whose value cannot be.
        """
        try:
            return ExtractSettings(**{**self.model_dump(), **options})
        except ValidationError as problem:
            first = problem.errors()[0]
            option = str(first["loc"][0]).replace("_", "-")
            raise CryoalError(f"--{option} {first['input']}: {first['msg']}") from problem


class TrainSettings(_Section):
    """How teacher and student are trained; the options of ``docs/concepts.md``."""

    network: str = "shape"
    student: str = "shape-linear"
    start: Literal["pretrained", "scratch", "previous"] = "pretrained"
    max_steps: int | None = Field(None, ge=1)
    student_steps: int | None = Field(None, ge=0)
    device: str = "auto"
    seed: int = Field(0, ge=0)
    distance: str = "kl"
    student_ce: float = Field(0.0, ge=0, le=1)
    transfer_on: Literal["labelled", "unlabelled", "both"] = "labelled"
    temperature: float = Field(1.0, gt=0)
    mutual: bool = False
    student_is: Literal["pupil", "average"] = "pupil"
    ema_weight: float = Field(0.0, ge=0)
    ema_decay: float = Field(0.999, gt=0, lt=1)
    views: bool = True
    shifts: bool = True
    network_options: dict[str, Any] = Field(default_factory=dict)
    student_options: dict[str, Any] = Field(default_factory=dict)
    head: Literal["settled", "trained"] = "settled"
    ema_on: Literal["labelled", "unlabelled", "both"] = "labelled"
    rotations: float = Field(0.5, ge=0, le=1)
    noise: float = Field(0.0, ge=0, allow_inf_nan=False)
    ctf_filter: float = Field(0.0, ge=0, le=1)
    pool_steps: int = Field(0, ge=0)


class SelectSettings(_Section):
    """How particles to ask about are chosen."""

    acquisition: str = "default"
    batch: int = Field(50, ge=1)
    controls: float = Field(0.1, ge=0, le=1)
    subpool: int | None = Field(None, ge=1)


class ExportSettings(_Section):
    """What an export holds."""

    min_confidence: float = Field(0.0, ge=0, le=1)
    min_distance: float | None = Field(None, ge=0, allow_inf_nan=False)


class ClassSettings(_Section):
    """What is known of one class."""

    diameter: float = Field(gt=0, allow_inf_nan=False, strict=True)


class Settings(_Section):
    """Everything in ``cryoal.toml``."""

    format: int = FORMAT
    extract: ExtractSettings = ExtractSettings()
    train: TrainSettings = TrainSettings()
    select: SelectSettings = SelectSettings()
    export: ExportSettings = ExportSettings()
    classes: dict[str, ClassSettings] = Field(default_factory=dict)


TEMPLATE = """\
format = 1
# Settings of a cryoal project. Edit freely: an option on the command line wins over this file,
# this file over the defaults (shown behind #). Nothing ever rewrites it.

[extract]
{extract}
# diameter = 250.0       # Angstrom, the longest axis of the largest class
# box = 40               # voxels, even; default: 1.5 diameters and a margin for shifts
# voxel_size = 10.0      # Angstrom; default: 10, or the tomogram's own when that is coarser
# contrast = "auto"      # of protein in the tomograms: auto, dark (RELION, IMOD), bright (Warp)
# edge = "pad"           # pad: keep boxes at least 75 % inside; drop: only boxes wholly inside

[train]
{train}
# network = "shape"      # the teacher, the classifier you get
# student = "shape-linear"  # learns from the teacher; where they disagree, you are asked
# start = "pretrained"   # on simulated tomograms of other particles; or scratch; or previous:
#                        # from scratch first, then from the round before
# max_steps = 1800       # optimiser steps of a round from scratch at most, fewer when it converges
#                        # before; a pretrained round takes none unless told to here
# student_steps = 40     # more steps for the student alone (from scratch 300)
# network_options = {}   # of networks from scratch, such as {width = 0.5} for network = "compact"
# student_options = {}
# head = "settled"       # from scratch: in closed form, when training has ended; or trained
# rotations = 0.5        # from scratch, of boxes: share turned to any orientation,
# noise = 0.0            # noise added, in deviations of the box,
# ctf_filter = 0.0       # and filtering as by another defocus: see docs/concepts.md
# pool_steps = 0         # from scratch, of boxes: steps without labels before
# device = "auto"        # auto, cpu, cuda, mps
# seed = 0

[select]
# acquisition = "default"  # or discrepancy (the paper's), margin, entropy, random, ...
# batch = 50               # particles to ask about in a round
# controls = 0.1           # fraction of random control items among them
# subpool = 10000          # rank only this many random particles; default: all

[export]
# min_confidence = 0.0
# min_distance = 125.0     # Angstrom, between two of one class; default: half its diameter

[classes]
# ribosome.diameter = 290.0  # Angstrom, of a class that is not of the diameter above
"""


def read_settings(path: Path) -> Settings:
    """Read ``cryoal.toml``; absent values take their defaults.

    Raises
    ------
    CryoalError
        Not TOML, an unknown or impossible value (named), or a format newer than this program.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as problem:
        raise CryoalError(
            f"{path.parent}: not a cryoal project (no {path.name}); make one with cryoal extract"
        ) from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise CryoalError(f"{path}: not valid TOML ({problem}); correct that line") from problem
    except IsADirectoryError as problem:
        raise CryoalError(f"{path}: is a folder, a file was expected; move it away") from problem
    version = values.get("format")
    if type(version) is int and version > FORMAT:
        raise CryoalError(
            f"{path}: format {version}, but this cryoal knows formats up to {FORMAT}; "
            "install a newer cryoal"
        )
    if version != FORMAT or type(version) is not int:
        raise CryoalError(f"{path}: the first line must be format = {FORMAT}, found {version!r}")
    values = _without_gone(values, path)
    try:
        settings = Settings(**values)
    except ValidationError as problem:
        raise CryoalError(f"{path}: {complaint(problem, Settings)}") from problem
    if JUNK in settings.classes:
        raise CryoalError(
            f"{path}: [classes.{JUNK}]: junk is no particle and has no diameter; delete it"
        )
    return settings


def _without_gone(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """Leave out settings of earlier versions, and name them."""
    kept, gone = dict(values), []
    for section, names in GONE.items():
        stated = values.get(section)
        if isinstance(stated, dict):
            gone += [f"[{section}] {name}" for name in stated if name in names]
            kept[section] = {name: value for name, value in stated.items() if name not in names}
    if gone:
        log.warning(
            "%s: no longer a setting, and ignored: %s; delete the line", path, ", ".join(gone)
        )
    return kept


def complaint(problem: ValidationError, model: type[BaseModel]) -> str:
    """Say what is wrong with the first wrong setting, and which name was perhaps meant."""
    wrong = problem.errors()
    first = next((one for one in wrong if one["type"] == "extra_forbidden"), wrong[0])
    *sections, name = (str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"[{'.'.join(sections)}] has no {name}; add it or delete the table"
    if first["type"] != "extra_forbidden":
        where = ".".join((*sections, name))
        return f"{where} = {first['input']!r}: {first['msg']}; correct it or delete the line"
    for at, section in enumerate(sections):
        if sections[:at] == ["classes"]:
            model = ClassSettings
        elif section != "classes":
            model = cast("type[BaseModel]", model.model_fields[section].annotation)
    known = list(model.model_fields)
    guess = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {guess[0]!r}?" if guess else f"there are {', '.join(known)}."
    place = f"[{'.'.join(sections)}] has" if sections else "there is"
    return f"{place} no setting {name!r}; {hint} Correct it or delete the line"


def write_template(
    path: Path, extract: Mapping[str, Any], train: Mapping[str, Any] | None = None
) -> None:
    """Write a commented ``cryoal.toml`` that states what the first extraction was given."""
    import tomli_w

    from cryoal.io.files import replacing

    sections = {
        "extract": tomli_w.dumps({k: v for k, v in extract.items() if v is not None}),
        "train": tomli_w.dumps(train or {}),
    }
    text = TEMPLATE
    for name, lines in sections.items():
        text = text.replace(f"{{{name}}}\n", lines)
    with replacing(path) as file:
        file.write(text)

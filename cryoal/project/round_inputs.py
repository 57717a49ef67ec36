"""What a round learns from: the labels and settings of today, and those of rounds on disk."""

import hashlib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import tomli_w

from cryoal.core.errors import CryoalError
from cryoal.core.version import __version__
from cryoal.io.columns import Columns
from cryoal.io.files import replacing
from cryoal.io.tsv import read_tsv, write_tsv
from cryoal.project.layout import RoundLayout
from cryoal.project.settings import GONE, TrainSettings
from cryoal.project.weak import stand_in

if TYPE_CHECKING:
    from cryoal.project.project import Project


#: Settings that name a network; one named for a round alone is kept with it.
PARTS = ("network", "student")


def usable_labels(project: "Project") -> dict[str, str]:
    """Labels of particles that have a box: ``{id: class}``."""
    return _with_boxes(project, project.labels.current())


def usable_weak(project: "Project") -> dict[str, str]:
    """Weak labels of particles that have a box: ``{id: class}``."""
    return _with_boxes(project, project.labels.weak())


def _with_boxes(project: "Project", labels: dict[str, str]) -> dict[str, str]:
    boxes = set(project.subtomograms.ids)
    return {name: word for name, word in labels.items() if name in boxes}


def learnt_labels(here: RoundLayout) -> dict[str, str] | None:
    """Labels that a round was trained on; None where its networks are another project's.

    Raises
    ------
    CryoalError
        The file is damaged.
    """
    if not here.labels.exists():
        return None
    remedy = "delete it, and cryoal select trains another round"
    table = Columns(read_tsv(here.labels, required=("id", "label")), str(here.labels), remedy)
    return dict(zip(table.names("id"), table.text("label"), strict=True))


def _learnt_with(here: RoundLayout) -> dict[str, Any]:
    """What a round was trained with.

    Raises
    ------
    CryoalError
        The file is damaged.
    """
    try:
        facts = tomllib.loads(here.settings.read_text(encoding="utf-8"))["train"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, OSError) as problem:
        facts = problem
    if not isinstance(facts, dict):
        raise CryoalError(
            f"{here.settings}: not the settings of a round ({facts}); delete it, and cryoal select "
            "trains another round"
        )
    return facts


def own_weights(project: "Project") -> Path | None:
    """Weights that ``cryoal pretrain`` made for this project, if it did."""
    path = project.layout.pretrained
    return path if path.exists() else None


def with_networks(settings: TrainSettings, named: dict[str, str]) -> TrainSettings:
    """The settings with other networks: options are those of one network alone."""
    changed: dict[str, Any] = {}
    for part, name in named.items():
        if getattr(settings, part) != name:
            changed |= {part: name, f"{part}_options": {}}
    return settings.model_copy(update=changed)


def training_facts(
    project: "Project", settings: TrainSettings, labels: dict[str, str], weak: dict[str, str]
) -> dict[str, Any]:
    """What, beside the labels, the result of a training depends on."""
    # Both load torch, and `status`, which asks this module what a round has learnt, need not wait.
    from cryoal.project.lesson_plan import starts_pretrained
    from cryoal.project.sight import boxes_digest

    facts = settings.model_dump(exclude={"device"}, exclude_none=True)
    geometry = project.subtomograms.geometry
    facts |= {"box": geometry.box, "voxel_size": geometry.voxel_size}
    facts["boxes"] = boxes_digest(project.subtomograms)  # also those without a label teach
    if weak and (starts_pretrained(settings) or stand_in(labels, weak)):
        facts["weak"] = hashlib.sha256(repr(sorted(weak.items())).encode()).hexdigest()
    own = own_weights(project)
    if own is not None:
        facts["weights"] = hashlib.sha256(own.read_bytes()).hexdigest()
    return facts


def round_of(
    project: "Project",
    labels: dict[str, str],
    facts: dict[str, Any],
    from_scratch: bool,
    named: dict[str, str],
) -> RoundLayout:
    """The round of these labels and facts: the newest one if it is, else a new one.

    Networks that were named for the newest round alone are no reason for another one, where this
    call names none.
    """
    for newest in reversed(project.layout.existing_rounds()):
        learnt = learnt_labels(newest)
        if learnt is not None and newest.settings.exists():
            then = _learnt_with(newest)
            then = {name: value for name, value in then.items() if name not in GONE["train"]}
            scratch = then.pop("from_scratch", False) or then.get("start") == "scratch"
            kept = [part for part in then.pop("named", []) if part not in named]
            open_ = {key for part in kept for key in (part, f"{part}_options")}
            now = {name: value for name, value in facts.items() if name not in open_}
            then = {name: value for name, value in then.items() if name not in open_}
            if learnt == labels and then == now and (scratch or not from_scratch):
                return newest
            break
    return project.layout.next_round


def write_inputs(
    here: RoundLayout,
    labels: dict[str, str],
    facts: dict[str, Any],
    from_scratch: bool,
    named: dict[str, str],
) -> None:
    """Write what ``round_of`` reads."""
    training = {**facts, "from_scratch": True} if from_scratch else dict(facts)
    if named:
        training["named"] = sorted(named)
    with replacing(here.settings) as file:
        file.write(tomli_w.dumps({"cryoal": __version__, "train": training}))
    rows = sorted(labels.items())
    write_tsv(here.labels, pd.DataFrame(rows, columns=["id", "label"], dtype=str))

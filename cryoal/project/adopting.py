"""A round's networks, and another project's taken over."""

from pathlib import Path
from typing import TYPE_CHECKING

from cryoal.core.errors import CryoalError
from cryoal.data.store import SubtomogramStore
from cryoal.io.files import replacing
from cryoal.models import checkpoint
from cryoal.project.layout import RoundLayout
from cryoal.project.training import Pair, load_pair

if TYPE_CHECKING:
    from cryoal.project.project import Project

#: Relative difference of voxel sizes that changes no description noticeably.
SAME_SCALE = 0.02


def newest_trained(project: "Project") -> RoundLayout:
    """The newest round that has networks, whoever trained them."""
    if not project.rounds:
        raise CryoalError(f"{project.layout.root}: nothing trained yet; run cryoal train")
    return project.rounds[-1]


def adopted(project: "Project", model: Path) -> RoundLayout:
    """A new round of this project with another's networks in it."""
    from cryoal.project.project import Project

    if model.name.endswith(".safetensors"):
        source = RoundLayout(model.parent)
    elif (model / "teacher.safetensors").exists():
        source = RoundLayout(model)
    else:
        source = newest_trained(Project(model))
    fitting_pair(source, project.subtomograms)
    here = project.layout.next_round
    for theirs, ours in ((source.student, here.student), (source.teacher, here.teacher)):
        with replacing(ours, "wb") as file:
            file.write(theirs.read_bytes())
    return here


def fitting_pair(source: RoundLayout, store: SubtomogramStore) -> Pair:
    """Teacher and student of a round, if they can see these boxes.

    Raises
    ------
    CryoalError
        Voxels are of another size than in training, or boxes are smaller.
    """
    facts = checkpoint.load(source.teacher).facts
    pair = load_pair(source.teacher, source.student)
    missing = [name for name in ("classes", "voxel_size", "diameter") if name not in facts]
    if missing:
        raise CryoalError(f"{source.teacher}: does not say its {missing[0]}; train it again")
    geometry = store.geometry
    again = f"--voxel-size {facts['voxel_size']:g} --diameter {facts['diameter']:g}"
    if abs(geometry.voxel_size / facts["voxel_size"] - 1) > SAME_SCALE:
        raise CryoalError(
            f"{source.teacher}: trained at {facts['voxel_size']:g} A a voxel, but these boxes are "
            f"at {geometry.voxel_size:g} A; extract with {again}"
        )
    if pair.teacher.recipe.box > geometry.box:
        raise CryoalError(
            f"{source.teacher}: sees boxes of {pair.teacher.recipe.box} voxels, but these have "
            f"{geometry.box}; extract with {again}"
        )
    return pair

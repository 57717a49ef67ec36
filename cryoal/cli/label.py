"""``cryoal label``: take labels from a file or another project."""

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from cryoal.cli.common import annotator_option, project_argument, say

if TYPE_CHECKING:
    from cryoal.project.project import Project


@click.command()
@project_argument
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    help="TSV or CSV with columns id and label, a STAR file, a downloaded sheet, or a project.",
)
@click.option(
    "--weak",
    is_flag=True,
    help="Take them as hints, which never count as a person's word: classes of Class3D, a list.",
)
@click.option(
    "--as",
    "names",
    multiple=True,
    metavar="CLASS",
    help="With --weak: what all of the list is, or NUMBER=CLASS for each class of a Class3D.",
)
@annotator_option
def label(
    project: Path, source: Path, weak: bool, names: tuple[str, ...], annotator: str | None
) -> None:
    """Add labels; nothing that was said before is lost or overwritten."""
    from cryoal.core.errors import CryoalError, MachineError
    from cryoal.project.disputes import disputed, sentence
    from cryoal.project.doubts import doubts
    from cryoal.project.downloads import holds_statements
    from cryoal.project.label_files import is_project, numbered, read_labels
    from cryoal.project.project import Project

    opened = Project.open(project)
    if names and not weak:
        raise CryoalError("--as says what a whole list is, which is a hint: give --weak as well")
    if weak:
        _hint(opened, source, names)
        return
    if is_project(source):
        added = opened.labels.unite(source)
        what = f"{added} statements of {source}"
    elif source.is_dir():
        raise CryoalError(f"{source}: a folder, but no cryoal project; name a file or a project")
    elif holds_statements(source):
        added, there = opened.labels.take(source, annotator)
        what = f"{added} statements of {source}" + (f" ({there} were there)" if there else "")
    else:
        labels = read_labels(source)
        try:
            opened.labels.add(labels, annotator, round_number=opened.newest_queue_number)
        except MachineError:
            raise
        except CryoalError as problem:
            raise CryoalError(f"{source}: {problem}") from problem
        what = f"{len(labels)} label{'' if len(labels) == 1 else 's'}"
    counts: dict[str, int] = {}
    for word in opened.labels.current().values():
        counts[word] = counts.get(word, 0) + 1
    if numbered(opened.labels.current().values()):
        say(
            "Class numbers count as a person's words now. If a program gave them, delete that file "
            f"in {opened.layout.labels} and give --weak: then they are hints."
        )
    summary = ", ".join(f"{name} {n}" for name, n in sorted(counts.items())) or "none"
    differing = disputed(opened)
    for doubt in (*doubts(opened.labels.current()), sentence(differing, project)):
        if doubt:
            say(doubt)
    say(f"Added {what}; now {sum(counts.values())} ({summary}). Next: cryoal select {project}")


def _hint(project: "Project", source: Path, names: tuple[str, ...]) -> None:
    from cryoal.project.weak import found_right, read_weak

    said = read_weak(source, project.particles, names)
    fresh = project.labels.add_weak(said)
    for name, found in found_right(project.labels.weak(), project.labels.current()).items():
        say(found.sentence(name))
    say(
        f"Took {fresh} weak labels, hints that count as nobody's word "
        f"({len(said) - fresh} were there). Next: cryoal select {project.layout.root}"
    )

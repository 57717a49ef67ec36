"""``cryoal label``: take labels from a file or another project."""

from pathlib import Path

import rich_click as click

from cryoal.cli.common import annotator_option, project_argument, say


@click.command()
@project_argument
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    help="TSV or CSV with columns id and label, a STAR file, a downloaded sheet, or a project.",
)
@annotator_option
def label(project: Path, source: Path, annotator: str | None) -> None:
    """Add labels; nothing that was said before is lost or overwritten."""
    from cryoal.core.errors import CryoalError, MachineError
    from cryoal.project.doubts import doubts
    from cryoal.project.downloads import holds_statements
    from cryoal.project.label_files import is_project, read_labels
    from cryoal.project.project import Project

    opened = Project.open(project)
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
    summary = ", ".join(f"{name} {n}" for name, n in sorted(counts.items())) or "none"
    for doubt in doubts(opened.labels.current()):
        say(doubt)
    say(f"Added {what}; now {sum(counts.values())} ({summary}). Next: cryoal select {project}")

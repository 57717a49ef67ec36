"""Columns that a dialect has no place for, kept in a table beside its file."""

from pathlib import Path

import pandas as pd

from cryoal.core.particles import ParticleSet
from cryoal.io.axes import names_axis
from cryoal.io.base import Format, formats
from cryoal.io.classes import class_column
from cryoal.io.tsv import write_tsv

#: What the table of a list has behind the list's name.
ENDING = ".columns.tsv"


def side_table_of(path: Path) -> Path:
    """Where the columns that ``path`` cannot carry are kept.

    Examples
    --------
    >>> side_table_of(Path("out/picks.em")).as_posix()
    'out/picks.em.columns.tsv'
    """
    return path.with_name(f"{path.name}{ENDING}")


def columns_left(particles: ParticleSet, form: Format, *, rewritten: bool = False) -> list[str]:
    """Columns of the particles that a file of this dialect does not hold, in their order.

    Parameters
    ----------
    rewritten : bool
        Written back as it came: only columns that were added since can be left.
    """
    if form.carries is None:
        return []
    came = formats.get(particles.dialect) if particles.dialect in formats.names() else None
    kept = form.carries | form.placing | (came.placing if came else frozenset())
    kept |= {particles.score_name} if "score" in form.carries else frozenset()
    kept |= {class_column(particles)} if "class" in form.carries else frozenset()
    kept |= form.own if rewritten else frozenset()
    if particles.dialect == "csv":
        # Positions, counted anew in the file; a table with them would be taken for another list.
        kept |= {str(c) for c in particles.table if names_axis(str(c))}
    return [str(c) for c in particles.table if str(c) not in kept]


def write_side_table(
    particles: ParticleSet, path: Path, form: Format, *, rewritten: bool = False
) -> Path | None:
    """Write those columns with each particle's id and tomogram, row by row as in ``path``.

    Returns
    -------
    Path of the table, None if nothing is left
    """
    columns = columns_left(particles, form, rewritten=rewritten)
    if not columns:
        return None
    target = side_table_of(path)
    front = pd.DataFrame({"id": particles.id, "tomogram": particles.tomogram}, dtype=str)
    rest = particles.table[[c for c in columns if c not in front]].reset_index(drop=True)
    write_tsv(target, pd.concat([front, rest], axis=1))
    return target

"""The particle table: where every pick is, and all that came with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError


@dataclass(frozen=True)
class ParticleSet:
    """Particles of one or many tomograms, one row each.

    Attributes
    ----------
    id : (N,) str
        Unique; see ``docs/concepts.md`` for how it is given.
    tomogram : (N,) str
    position : (N, 3) float64, zyx, Angstrom
        0 is the centre of the tomogram's first voxel.
    rotation : (N,) scipy Rotation, optional
        Active, reference to tomogram, acting on xyz.
    score : (N,) float64, optional
        The picker's score, larger is better; NaN where a row has none.
    score_name : str
        The column it came from, for example ``rlnLCCmax``.
    source : (N,) str
        The list each row came from, so that lists stay apart in stratified choices.
    table : DataFrame, N rows
        Every column as it arrived, as text: what is written back.
    blocks : mapping of name to DataFrame
        The other tables of its file (optics groups, general), for writing back.
    dialect : str
        Of the file it came from; the one it is written back in.
    """

    id: NDArray[np.str_]
    tomogram: NDArray[np.str_]
    position: NDArray[np.float64]
    rotation: Rotation | None = None
    score: NDArray[np.float64] | None = None
    score_name: str = ""
    source: NDArray[np.str_] | None = None
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    blocks: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    dialect: str = ""

    def __post_init__(self) -> None:
        n = len(self.id)
        if self.position.shape != (n, 3) or len(self.tomogram) != n:
            raise ValueError(
                f"{n} ids, {len(self.tomogram)} tomograms, {self.position.shape} positions"
            )
        if len(self.table) not in (0, n):
            raise ValueError(f"{n} ids but {len(self.table)} table rows")
        names, counts = np.unique(self.id, return_counts=True)
        if n and counts.max() > 1:
            raise CryoalError(
                f"particle id {str(names[counts.argmax()])!r} stands {counts.max()} times; "
                "ids must be unique"
            )

    def __len__(self) -> int:
        return len(self.id)

    def __getitem__(self, rows: ArrayLike) -> "ParticleSet":
        """Select the particles of a boolean mask or of row numbers, in that order."""
        at = np.atleast_1d(np.asarray(rows))
        at = np.flatnonzero(at) if at.dtype == bool else at.astype(np.intp)
        return replace(
            self,
            id=self.id[at],
            tomogram=self.tomogram[at],
            position=self.position[at],
            rotation=None if self.rotation is None or not len(at) else self.rotation[at],
            score=None if self.score is None else self.score[at],
            source=None if self.source is None else self.source[at],
            table=self.table.iloc[at].reset_index(drop=True) if len(self.table) else self.table,
        )

    def rows(self, ids: ArrayLike) -> NDArray[np.intp]:
        """Row numbers of these ids, in their order.

        Raises
        ------
        CryoalError
            Names the first id that is not there.
        """
        index = pd.Index(self.id)
        wanted = np.asarray(ids, dtype=str)
        found = index.get_indexer(pd.Index(wanted))
        if (found < 0).any():
            missing = wanted[found < 0]
            raise CryoalError(
                f"{len(missing)} unknown particle id{'s' if len(missing) > 1 else ''}, "
                f"the first is {str(missing[0])!r}; ids look like {str(self.id[0])!r}"
                if len(self)
                else "there are no particles"
            )
        return found.astype(np.intp)


def concatenate(parts: list[ParticleSet]) -> ParticleSet:
    """One set from several: columns are united, text is empty where a part has no such column.

    The first part's dialect and the union of blocks (the first of each name) are kept.
    """
    parts = [part for part in parts if len(part)] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    blocks: dict[str, pd.DataFrame] = {}
    for part in parts:
        for name, block in part.blocks.items():
            blocks.setdefault(name, block)
    scores = [np.full(len(p), np.nan) if p.score is None else p.score for p in parts]
    rotations = [p.rotation for p in parts]
    known = [r for r in rotations if r is not None]
    return ParticleSet(
        id=np.concatenate([p.id for p in parts]),
        tomogram=np.concatenate([p.tomogram for p in parts]),
        position=np.concatenate([p.position for p in parts]),
        rotation=Rotation.concatenate(known) if len(known) == len(parts) else None,
        score=np.concatenate(scores) if any(p.score is not None for p in parts) else None,
        score_name=next((p.score_name for p in parts if p.score_name), ""),
        source=np.concatenate(
            [np.full(len(p), "", dtype=str) if p.source is None else p.source for p in parts]
        ),
        table=pd.concat(
            [p.table if len(p.table) else pd.DataFrame(index=range(len(p))) for p in parts],
            ignore_index=True,
        ).fillna(""),
        blocks=blocks,
        dialect=parts[0].dialect,
    )

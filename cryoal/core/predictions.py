"""All that leaves a network: probabilities, embedding, named extras, by particle id."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Predictions:
    """What networks think of N particles.

    Attributes
    ----------
    ids : (N,) str
    classes : tuple of C str
        Names of the columns of every probability array.
    probabilities : mapping of name to array
        (N, C) float32 for ``"teacher"``, ``"student"``, ``"previous"``; (T, N, C) for
        ``"dropout"`` or ``"committee"``. Rows sum to 1.
    embedding : (N, D) float32, optional
        The teacher's penultimate features.
    extra : mapping of name to (N,) float
    """

    ids: NDArray[np.str_]
    classes: tuple[str, ...]
    probabilities: Mapping[str, NDArray[np.float32]]
    embedding: NDArray[np.float32] | None = None
    extra: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, p in self.probabilities.items():
            if p.shape[-2:] != (len(self.ids), len(self.classes)):
                raise ValueError(
                    f"{name}: {p.shape} for {len(self.ids)} ids, {len(self.classes)} classes"
                )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def teacher(self) -> NDArray[np.float32]:
        """The classifier's probabilities: (N, C)."""
        return self.probabilities["teacher"]

    def rows(self, ids: ArrayLike) -> NDArray[np.intp]:
        """Row of each id, -1 where there is no prediction."""
        found = pd.Index(self.ids).get_indexer(pd.Index(np.asarray(ids, dtype=str)))
        return found.astype(np.intp)

    def called(self, today: Callable[[str], str]) -> "Predictions":
        """Return the predictions under today's names of the classes; those now one are added up."""
        names = [today(name) for name in self.classes]
        classes = tuple(dict.fromkeys(names))
        if classes == self.classes:
            return self
        into = np.equal.outer(names, classes).astype(np.float32)
        together = {name: p @ into for name, p in self.probabilities.items()}
        return replace(self, classes=classes, probabilities=together)

    def select(self, rows: ArrayLike) -> "Predictions":
        """Return the predictions of these rows, in their order."""
        at = np.asarray(rows)
        return Predictions(
            self.ids[at],
            self.classes,
            {name: p[..., at, :] for name, p in self.probabilities.items()},
            None if self.embedding is None else self.embedding[at],
            {name: values[at] for name, values in self.extra.items()},
        )

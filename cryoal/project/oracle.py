"""Who answers: a file, the known truth, or the truth with the errors that people make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from cryoal.core.errors import CryoalError
from cryoal.core.labels import UNSURE
from cryoal.project.label_files import read_labels


class Oracle(Protocol):
    """Anything that can be asked for labels."""

    def ask(self, ids: Sequence[str]) -> dict[str, str]:
        """Answer for these particles; one that is left out was skipped."""
        ...


@dataclass(frozen=True)
class Truth:
    """Answers from a known truth.

    Attributes
    ----------
    labels : mapping of id to label
    source : str
        Where they are from, for messages.
    """

    labels: Mapping[str, str]
    source: str = "the truth"

    @classmethod
    def read(cls, path: Path) -> "Truth":
        """Read the truth from a file with columns id, label."""
        return cls(read_labels(path), str(path))

    def ask(self, ids: Sequence[str]) -> dict[str, str]:
        """The true label of each particle.

        Raises
        ------
        CryoalError
            The truth does not know a particle.
        """
        unknown = [name for name in ids if name not in self.labels]
        if unknown:
            raise CryoalError(
                f"{self.source}: no label for {len(unknown)} of the particles, the first is "
                f"{str(unknown[0])!r}"
            )
        return {name: self.labels[name] for name in ids}


@dataclass(frozen=True)
class HumanLike:
    """The truth as people tell it: wrong, or unsure, mostly where it is hard.

    Attributes
    ----------
    truth : Truth
    error : float
        Mean fraction of wrong answers; they fall on the particles of smallest margin.
    unsure : float
        Mean fraction of "unsure" answers, on the same particles.
    margin : mapping of id to float
        How clear each particle is to the model, 0 to 1; particles without one count as 0.5.
    seed : int
        A particle is always answered alike: errors depend on the seed and its id alone.
    """

    truth: Truth
    error: float = 0.1
    unsure: float = 0.0
    margin: Mapping[str, float] | None = None
    seed: int = 0

    def ask(self, ids: Sequence[str]) -> dict[str, str]:
        """Answer as a person might."""
        answers = self.truth.ask(ids)
        classes = sorted(set(self.truth.labels.values()))
        for name in ids:
            rng = np.random.default_rng([self.seed, *name.encode()])
            margin = 0.5 if self.margin is None else self.margin.get(name, 0.5)
            # Twice the mean rate where the margin is 0, none where it is 1.
            difficulty = 2 * (1 - margin)
            draw = rng.random()
            if draw < self.error * difficulty:
                others = [word for word in classes if word != answers[name]]
                answers[name] = str(rng.choice(others)) if others else answers[name]
            elif draw < (self.error + self.unsure) * difficulty:
                answers[name] = UNSURE
        return answers

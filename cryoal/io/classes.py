"""The class of a particle, by whatever name a dialect keeps it."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.core.particles import ParticleSet

#: rlnClassNumber of RELION, row 20 of motive lists and STOPGAP's, column 22 of Dynamo's tables.
CLASS_COLUMNS = ("rlnClassNumber", "class", "column22", "class_label")


#: Named by cryoal's own export, and by copick.
NAME_COLUMNS = ("cryoalLabel", "pickable_object_name")


def class_column(particles: ParticleSet) -> str:
    """Column that holds the class as a number; empty if none does."""
    for column in CLASS_COLUMNS:
        if column in particles.table and len(particles):
            values = pd.to_numeric(particles.table[column], errors="coerce")
            if np.isfinite(values).any():
                return column
    return ""


def class_names(particles: ParticleSet, *, numbered: bool = False) -> NDArray[np.str_] | None:
    """Class of every particle by name: (N,) str; None where no column names classes.

    Parameters
    ----------
    numbered : bool
        Take numbers for names, where there are several and no column names them.
    """
    for column in NAME_COLUMNS:
        if column in particles.table and len(particles.table) == len(particles):
            return np.asarray(particles.table[column], dtype=str)
    column = class_column(particles) if numbered else ""
    if not column or particles.table[column].nunique() < 2:
        return None
    return np.asarray(particles.table[column], dtype=str)


def class_numbers(particles: ParticleSet) -> NDArray[np.float64]:
    """Class of every particle as a number, 0 where it has none: (N,)."""
    column = class_column(particles)
    if not column:
        return np.zeros(len(particles))
    values = pd.to_numeric(particles.table[column], errors="coerce")
    return np.nan_to_num(np.asarray(values, dtype=np.float64))

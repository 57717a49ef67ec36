"""What napari saves: the labels of a Points layer, or its positions."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cryoal.core.errors import CryoalError
from cryoal.io.star import write_star
from cryoal.io.tsv import write_tsv


def write_points(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save a Points layer: ids and labels where its features have them, else positions.

    Labels go to TSV (id, label) or STAR (cryoalId, cryoalLabel), both of which
    ``cryoal label --from`` takes; particles without a label are left out. Positions go to a TSV
    of x, y, z, in the unit of the layer (Angstrom where it is one of this plugin).

    Parameters
    ----------
    path : str
    data : (n, 3) float, zyx, for positions
    attributes : dict, as napari has them

    Returns
    -------
    list of str, the files written

    Raises
    ------
    CryoalError
        The layer has neither labels nor three dimensions, or the file cannot be written.
    """
    place, features = Path(path), pd.DataFrame(attributes.get("features", {}))
    star = place.suffix.lower() == ".star"
    try:
        if {"id", "label"} <= set(features.columns):
            _write_labels(place, features, star)
        elif star:
            raise CryoalError(
                f"{place}: a STAR file needs the features 'id' and 'label'; save positions as .tsv"
            )
        else:
            _write_positions(place, np.asarray(data, dtype=float), attributes, features)
    except OSError as problem:
        raise CryoalError(f"{place}: cannot be written ({problem.strerror})") from problem
    return [path]


def _write_labels(path: Path, features: pd.DataFrame, star: bool) -> None:
    table = features[["id", "label"]].fillna("").astype(str)
    table = table[table["label"].str.strip() != ""].reset_index(drop=True)
    if not len(table):
        raise CryoalError(f"{path}: no particle of this layer has a label")
    if star:
        write_star(path, {"labels": table.set_axis(["cryoalId", "cryoalLabel"], axis=1)})
    else:
        write_tsv(path, table)


def _write_positions(
    path: Path, data: Any, attributes: dict[str, Any], features: pd.DataFrame
) -> None:
    if data.ndim != 2 or data.shape[1] != 3:
        raise CryoalError(
            f"{path}: points in {data.shape[-1]} dimensions without the features 'id' and 'label'; "
            "positions in a tomogram (z, y, x) or labels can be saved"
        )
    scale, shift = attributes.get("scale", 1.0), attributes.get("translate", 0.0)
    zyx = data * np.asarray(scale) + np.asarray(shift)
    table = pd.DataFrame(np.round(zyx[:, ::-1], 3), columns=["x", "y", "z"])
    if "label" in features:
        table["label"] = features["label"].astype(str)
    write_tsv(path, table)

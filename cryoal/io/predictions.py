"""Predictions to one safetensors file and back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from cryoal.core.errors import CryoalError
from cryoal.core.predictions import Predictions
from cryoal.io.files import replacing


def write_predictions(path: Path, predictions: Predictions, inputs: str = "") -> None:
    """Write predictions, all or nothing.

    Parameters
    ----------
    inputs : str
        A digest of what they were computed from.
    """
    arrays: dict[str, NDArray[np.generic]] = {
        f"probabilities.{name}": np.ascontiguousarray(p)
        for name, p in predictions.probabilities.items()
    }
    arrays |= {f"extra.{name}": np.ascontiguousarray(v) for name, v in predictions.extra.items()}
    if predictions.embedding is not None:
        arrays["embedding"] = np.ascontiguousarray(predictions.embedding)
    # Text has no tensor type: ids are UTF-8 bytes, one a line; no id can hold a line break.
    arrays["ids"] = np.frombuffer("\n".join(predictions.ids).encode(), dtype=np.uint8)
    facts = {"cryoal": json.dumps({"classes": list(predictions.classes), "inputs": inputs})}
    with replacing(path, "wb") as file:
        file.write(save(arrays, facts))


def read_predictions(path: Path) -> tuple[Predictions, str]:
    """Read predictions and the digest of their inputs.

    Raises
    ------
    CryoalError
        The file is damaged or not cryoal's.
    """
    try:
        with safe_open(path, framework="np") as file:
            facts = json.loads((file.metadata() or {})["cryoal"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError) as problem:
        raise CryoalError(
            f"{path}: not a whole file of predictions ({problem}); delete it and run cryoal predict"
        ) from problem
    text = arrays.pop("ids").tobytes().decode()
    embedding = arrays.pop("embedding", None)

    def named(prefix: str) -> dict[str, Any]:
        return {n.removeprefix(prefix): v for n, v in arrays.items() if n.startswith(prefix)}

    predictions = Predictions(
        np.array(text.split("\n") if text else [], dtype=str),
        tuple(facts["classes"]),
        named("probabilities."),
        embedding,
        named("extra."),
    )
    return predictions, facts["inputs"]

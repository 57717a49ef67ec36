"""Predictions to one safetensors file and back."""

import json
from collections.abc import Container
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


def read_predictions(path: Path, known: Container[str] | None = None) -> tuple[Predictions, str]:
    """Read predictions and the digest of their inputs.

    Parameters
    ----------
    known : container of id, optional
        Every particle there is.

    Raises
    ------
    CryoalError
        The file is damaged or not cryoal's, or about a particle that is not known.
    """
    try:
        with safe_open(path, framework="np") as file:
            facts = json.loads((file.metadata() or {})["cryoal"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        found, inputs = _predictions(facts, arrays), str(facts["inputs"])
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as problem:
        raise CryoalError(
            f"{path}: not a whole file of predictions ({problem}); delete it and run cryoal predict"
        ) from problem
    strange = next((str(i) for i in found.ids if known is not None and str(i) not in known), None)
    if strange is not None:
        raise CryoalError(
            f"{path}: about {strange[:80]!r}, and there is no such particle; delete it and run "
            "cryoal predict"
        )
    return found, inputs


def _predictions(facts: Any, arrays: dict[str, NDArray[Any]]) -> Predictions:
    """The predictions in a file; KeyError, TypeError or ValueError where they make no sense."""
    classes, ids = facts["classes"], arrays.pop("ids")
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ValueError("its classes are no list of names")
    if len(set(classes)) < len(classes) or ids.dtype != np.uint8:
        raise ValueError("a class stands twice, or its ids are no text")
    text = ids.tobytes().decode()
    names = text.split("\n") if text else []
    if len(set(names)) < len(names) or "" in names:
        raise ValueError("a particle stands twice, or has no id")
    embedding = arrays.pop("embedding", None)

    def named(prefix: str) -> dict[str, Any]:
        return {n.removeprefix(prefix): v for n, v in arrays.items() if n.startswith(prefix)}

    found = Predictions(
        np.array(names, dtype=str),
        tuple(classes),
        named("probabilities."),
        embedding,
        named("extra."),
    )
    if classes and "teacher" not in found.probabilities:
        raise ValueError("no probabilities of a teacher")
    for name, p in found.probabilities.items():
        # Also false for what is not finite.
        if p.ndim not in (2, 3) or not (np.abs(p.sum(-1, dtype=np.float64) - 1) < 0.01).all():
            raise ValueError(f"probabilities of {name} that do not sum to 1")
        if (p < 0).any():
            raise ValueError(f"probabilities of {name} below 0")
    if embedding is not None and (
        embedding.dtype.kind != "f"
        or embedding.ndim != 2
        or len(embedding) != len(names)
        or not np.isfinite(embedding).all()
    ):
        raise ValueError("an embedding of another shape, or with values that are not finite")
    for name, values in found.extra.items():
        if len(values) != len(names):
            raise ValueError(f"{len(values)} values of {name} for {len(names)} particles")
    return found

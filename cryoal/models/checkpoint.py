"""Networks on disk: weights in safetensors, and in its header what rebuilds the network."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from cryoal.core.errors import CryoalError
from cryoal.core.version import __version__
from cryoal.io.files import replacing
from cryoal.models.base import Network, build, networks
from cryoal.models.drawing import seeded

#: Raised when an older program could no longer read what is written.
FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A network as it was saved.

    Attributes
    ----------
    network : Network
        In evaluation mode.
    facts : dict
        Everything handed to ``save``, for example ``classes``, ``voxel_size``, and the
        ``version`` of cryoal that wrote it.
    """

    network: Network
    facts: dict[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the logits."""
        return tuple(self.facts["classes"])


def save(network: Network, path: Path, **facts: Any) -> None:
    """Write a network that ``load`` rebuilds by itself.

    Parameters
    ----------
    network : Network
        Made by ``build``.
    path : Path
        The file appears whole or not at all.
    **facts
        Whatever else its users must know, JSON-serialisable: ``classes`` (list of str, in the
        order of the logits), ``voxel_size`` (Angstrom), ``temperature``, ...
    """
    recipe = network.recipe
    header = {
        "format": FORMAT,
        "version": __version__,
        "network": recipe.name,
        "n_classes": recipe.n_classes,
        "box": recipe.box,
        "options": recipe.options,
        "facts": facts,
    }
    weights = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    with replacing(path, "wb") as file:
        file.write(to_bytes(weights, {"cryoal": json.dumps(header)}))


def load(path: Path, device: str | torch.device = "cpu") -> Checkpoint:
    """Rebuild a saved network.

    Raises
    ------
    CryoalError
        The file is missing, damaged, not cryoal's, of a newer program, or names private code
        that no person named (``core.registry.named_by_person``).
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as problem:
        raise CryoalError(f"{path}: no such checkpoint; has this round been trained?") from problem
    except (SafetensorError, OSError) as problem:
        raise CryoalError(
            f"{path}: not a whole safetensors file ({problem}); delete it and train again"
        ) from problem
    if "cryoal" not in metadata:
        raise CryoalError(
            f"{path}: a safetensors file, but cryoal did not write it; expected a "
            "teacher.safetensors or student.safetensors of a round"
        )
    header = _header(metadata["cryoal"], path)
    networks.refuse_private(header["network"], path)
    try:
        with seeded(0):  # and then overwritten
            network = build(
                header["network"], header["n_classes"], header["box"], **header["options"]
            )
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, ValueError, OverflowError) as problem:
        raise CryoalError(
            f"{path}: its weights do not fit network {header['network']!r} as this version "
            "builds it; train again"
        ) from problem
    if not all(torch.isfinite(value).all() for value in weights.values()):
        raise CryoalError(f"{path}: has weights that are not finite; delete it and train again")
    facts = {**header["facts"], "version": header["version"]}
    return Checkpoint(network.to(device).eval(), facts)


#: What ``save`` puts into the header, and of what kind each part is.
_HEADER = {
    "format": int,
    "version": str,
    "network": str,
    "n_classes": int,
    "box": int,
    "options": dict,
    "facts": dict,
}


def _header(text: str, path: Path) -> dict[str, Any]:
    """What ``save`` put into the header.

    Raises
    ------
    CryoalError
        It is of a newer program, or damaged: a part is missing or of another kind, or the facts
        contradict it.
    """
    try:
        header = json.loads(text)
        written = header["format"]
        if type(written) is int and written > FORMAT:
            raise CryoalError(
                f"{path}: checkpoint format {written}, written by cryoal {header['version']}; "
                f"this is {__version__} and reads up to format {FORMAT}. Update cryoal"
            )
        wrong = [name for name, kind in _HEADER.items() if type(header[name]) is not kind]
        facts, n = header["facts"], header["n_classes"]
        classes = facts.get("classes", [str(number) for number in range(n)])
        if len(set(classes)) != n or not all(type(name) is str for name in classes):
            wrong.append("classes")
        for name in ("voxel_size", "diameter"):
            if not 0 < facts.get(name, 1.0) < 1e9:
                wrong.append(name)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise CryoalError(
            f"{path}: its header is damaged ({problem}); delete it and train again"
        ) from problem
    if wrong:
        raise CryoalError(
            f"{path}: its header is damaged (in {', '.join(wrong)}); delete it and train again"
        )
    return dict(header)

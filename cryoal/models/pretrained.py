"""Weights to start from, shipped with the package: what a network has learnt elsewhere."""

import logging
from contextlib import nullcontext
from functools import cache
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from cryoal.core.errors import CryoalError
from cryoal.io.files import replacing
from cryoal.models.base import Network

log = logging.getLogger(__name__)

#: The layers that any network of a family shares; the head names classes, which every project
#: names anew.
BODY = "features."

#: Networks whose layers are those of another, or that have none below the head.
BODIES = {"shape-thin": "shape", "shape-linear": "shape"}


def has_weights(name: str) -> bool:
    """Whether weights for the network of this name are shipped."""
    return shipped(name).is_file()


def start_from_weights(network: Network, weights: Path | None = None) -> bool:
    """Give a network what its like has learnt from simulated tomograms, in place.

    All but the head is taken, which keeps its random start: two networks that start from the
    same weights still differ in it, and so learn differently.

    Parameters
    ----------
    network : Network
        Made by ``build``.
    weights : Path, optional
        Written by ``save_weights``; default: those shipped for the network's name.

    Returns
    -------
    bool
        False, and nothing is changed, where none are shipped or they are of other shapes (a
        network of another width).

    Raises
    ------
    CryoalError
        The file is damaged.
    """
    name = network.recipe.name
    if weights is None and not has_weights(name):
        return False
    with nullcontext(weights) if weights is not None else as_file(shipped(name)) as path:
        try:
            stored = load_file(path)
        except (SafetensorError, OSError) as problem:
            raise CryoalError(
                f"{path}: not whole weights ({problem}); delete it, or run cryoal pretrain again"
            ) from problem
    if not all(torch.isfinite(value).all() for value in stored.values()):
        raise CryoalError(
            f"{weights or name}: has weights that are not finite; delete it, or run cryoal "
            "pretrain again"
        )
    own = {k: v for k, v in network.state_dict().items() if k.startswith(BODY)}
    if not own:
        return True
    if own.keys() != stored.keys() or any(own[k].shape != stored[k].shape for k in own):
        log.info("no weights to start from fit network %r as built", name)
        return False
    with torch.no_grad():
        for key, value in own.items():
            value.copy_(stored[key])
    return True


def save_weights(network: Network, path: Path) -> None:
    """Write all weights but the head's, numbers with a fraction in half precision."""
    kept = {
        name: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in network.state_dict().items()
        if name.startswith(BODY)
    }
    with replacing(path, "wb") as file:
        file.write(to_bytes(kept))


@cache
def first_shapes() -> Tensor:
    """Shapes that averages of classes begin with: (n, SHELLS, ORDERS), see ``models.harmonics``."""
    with as_file(files("cryoal.models").joinpath("weights", "first_shapes.safetensors")) as path:
        return load_file(path)["shapes"].float()


def shipped(name: str) -> Traversable:
    """Where the weights for a network lie in the package, if there are any."""
    return files("cryoal.models").joinpath("weights", f"{BODIES.get(name, name)}.safetensors")

"""What a network takes over from one of an earlier round, whose classes may have been others."""

import logging
from collections.abc import Sequence

import torch

from cryoal.models.base import Network

log = logging.getLogger(__name__)

#: The layers whose rows are classes.
HEAD = "head."


def carry(earlier: Network, known: Sequence[str], network: Network, classes: Sequence[str]) -> bool:
    """Give a network the weights of an earlier one, those of its head by the classes' names.

    A class that is new keeps its random row; one that is gone is forgotten.

    Parameters
    ----------
    earlier : Network
    known : sequence of str
        Its classes.
    network : Network
        Changed in place.
    classes : sequence of str
        Its own.

    Returns
    -------
    bool
        False, and nothing is changed, where the two are not built alike.
    """
    one, other = earlier.recipe, network.recipe
    if (one.name, one.box, one.options) != (other.name, other.box, other.options):
        log.info("a network %r as built now takes nothing from the round before", other.name)
        return False
    stored = earlier.state_dict()
    rows = [(classes.index(name), known.index(name)) for name in classes if name in known]
    with torch.no_grad():
        for key, value in network.state_dict().items():
            if key.startswith(HEAD):
                for row, before in rows:
                    value[row] = stored[key][before]
            elif key in stored and stored[key].shape == value.shape:
                value.copy_(stored[key])
    return True

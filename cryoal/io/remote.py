"""Reading over a network: tried again where a connection breaks, not awaited where it is silent."""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from cryoal.core.errors import MachineError
from cryoal.io.volumes import is_remote

T = TypeVar("T")
log = logging.getLogger(__name__)

#: Of a server: how long it may be silent, and how often a connection may break.
CONNECT_SECONDS, READ_SECONDS, PAUSE_SECONDS, ATTEMPTS = 10.0, 60.0, 1.0, 3


def network_options(address: str) -> dict[str, Any] | None:
    """What keeps a server that falls silent from holding us for ever."""
    if not address.lower().startswith(("http://", "https://")):
        return None
    import aiohttp

    silence = aiohttp.ClientTimeout(
        total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS
    )
    return {"client_kwargs": {"timeout": silence}}


def patiently(action: Callable[[], T], place: str) -> T:
    """Try again where a connection broke; a local file is read once.

    Raises
    ------
    MachineError
        It broke again and again.
    """
    for attempt in range(ATTEMPTS):
        try:
            return action()
        except Exception as problem:
            if not is_remote(place) or not _of_the_network(problem):
                raise
            if attempt + 1 == ATTEMPTS:
                raise MachineError(
                    f"{place}: the connection failed {ATTEMPTS} times ({brief(problem)}); check "
                    "the network and run the same command again"
                ) from problem
            log.info("%s: %s; trying again", place, brief(problem))
            time.sleep(PAUSE_SECONDS)
    raise AssertionError("no attempt was made")


def _of_the_network(problem: BaseException) -> bool:
    if isinstance(problem, FileNotFoundError):
        return False
    module = type(problem).__module__.partition(".")[0]
    return isinstance(problem, OSError | TimeoutError) or module in ("aiohttp", "botocore")


def brief(problem: Exception) -> str:
    """An error's kind and what it says, in one line."""
    words = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {words[:200]}" if words else type(problem).__name__

"""Functions that are compiled to machine code, once a machine and not once a process."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function when it is first called; the machine code is kept for other processes.

    It lies beside the source, or in the user's cache folder. Where neither can be written, every
    process compiles for itself, which takes seconds.

    Arithmetic stays as it is written (no ``fastmath``): what the compiler may rearrange came out
    differently from one compilation to the next, and the same picks must give the same bytes.
    """
    try:
        return _compiled(function, keep=True)
    except RuntimeError:  # numba found no folder to write to
        return _compiled(function, keep=False)


def _compiled(function: Callable[P, R], *, keep: bool) -> Callable[P, R]:
    make = numba.njit(cache=keep, nogil=True, error_model="numpy")
    made: Callable[P, R] = make(function)
    return made

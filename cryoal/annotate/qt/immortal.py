"""Keeping Python 3.11 alive under PySide6 6.12.

PySide6 6.12.0 gives ``None`` and booleans back without counting the reference, which Python 3.12
made needless (PEP 683) and Python 3.11 does not forgive: after some tens of thousands of calls it
aborts with "deallocating None". Measured: ``QLabel.setText`` takes one reference from ``None`` a
call with 6.12.0, none with 6.11.3.
"""

import ctypes
import sys

#: More references than any session drops.
MANY = 1 << 40


def keep_constants() -> None:
    """Give the constants as many references as they will ever need, as PEP 683 does."""
    if sys.version_info >= (3, 12) or sys.implementation.name != "cpython":
        return
    for constant in (None, True, False, NotImplemented, Ellipsis):
        if sys.getrefcount(constant) < MANY:
            # The count is the first field of every object of a release build.
            ctypes.c_ssize_t.from_address(id(constant)).value += MANY

"""Header of EM files (TOM toolbox, PyTom, Dynamo, Artiatomi): 512 bytes, then the numbers.

Byte 0 names the machine and with it the byte order, byte 3 the type of the numbers; three integers
of 32 bits from byte 4 are the size along x, y and z (emfile ``specs.py``, TOM ``tom_emread``).
Writers copy the machine's byte from each other, so where its byte order makes no sense of the sizes
the other one is tried. The pixel size that a header may hold is that of the microscope, before any
binning, and is not used.
"""

from typing import NamedTuple

import numpy as np

HEADER_BYTES = 512
DTYPES = {1: "i1", 2: "i2", 4: "i4", 5: "f4", 9: "f8"}
#: Types of complex numbers.
COMPLEX = (8, 10)
#: Machines that write the largest byte first: OS-9, SGI, Sun, Macintosh.
_BIG_ENDIAN = (0, 3, 4, 5)
_MACHINES = range(7)


class EmHeader(NamedTuple):
    """Sizes along x, y and z, type of the numbers, and their byte order."""

    sizes: tuple[int, int, int]
    kind: int
    order: str


def readings(head: bytes) -> list[EmHeader]:
    """Both readings of a header, that of its machine first; none if it is no EM file's."""
    known = len(head) >= 16 and head[0] in _MACHINES and head[3] in (*DTYPES, *COMPLEX)
    if not known:
        return []
    orders = "><" if head[0] in _BIG_ENDIAN else "<>"
    found = []
    for order in orders:
        x, y, z = (int(n) for n in np.frombuffer(head, f"{order}i4", count=3, offset=4))
        found.append(EmHeader((x, y, z), head[3], order))
    return found

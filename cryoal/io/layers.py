"""A volume that is read a layer at a time, where a format cannot be mapped into memory."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.core.errors import CryoalError

#: Layers kept though the last request did not touch them.
SPARE = 2


class LayeredVolume:
    """Looks like a (Z, Y, X) array; sections are read when they are indexed, a layer at a time.

    Layers that the last request needed are kept, so that whoever goes through a volume along z
    (boxes sorted by z, slabs, sections) reads every layer once.

    Parameters
    ----------
    shape : (Z, Y, X), voxels
    dtype : numpy dtype
    depth : int
        Sections of a layer: the depth of the chunks on disk.
    read : (first, last) -> (last - first, Y, X) array
        Reads the sections from ``first`` up to, not including, ``last``.
    path : str
        For messages.

    Examples
    --------
    >>> whole = np.arange(60).reshape(5, 4, 3)
    >>> volume = LayeredVolume(whole.shape, whole.dtype, 2, lambda a, b: whole[a:b], "a.zarr")
    >>> bool((volume[1:4, ::2] == whole[1:4, ::2]).all()), volume[-1, 0, 0]
    (True, np.int64(48))
    """

    ndim = 3

    def __init__(
        self,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        depth: int,
        read: Callable[[int, int], NDArray[Any]],
        path: str,
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self._depth = max(1, min(depth, shape[0]))
        self._read = read
        self._path = path
        self._layers: OrderedDict[int, NDArray[Any]] = OrderedDict()

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        if any(part is None or part is Ellipsis for part in parts):
            return np.asarray(self)[index]
        if not parts:
            return np.asarray(self)
        first, rest = parts[0], parts[1:]
        if isinstance(first, int | np.integer):
            at = range(self.shape[0])[int(first)]
            return self._sections(at, at + 1)[(0, *rest)]
        if isinstance(first, slice):
            chosen = range(self.shape[0])[first]
            if not chosen:
                return np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *rest)]
            low, high = min(chosen), max(chosen) + 1
            if chosen.step == 1 and all(isinstance(part, slice) for part in rest):
                return self._sections(low, high, rest)
            stop = chosen.stop - low
            inner = slice(chosen.start - low, stop if stop >= 0 else None, chosen.step)
            return self._sections(low, high)[(inner, *rest)]
        return self._scattered(np.asarray(first), rest)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read the whole volume, keeping no layer."""
        return np.asarray(self._sure(0, self.shape[0]), dtype=dtype)

    def astype(self, dtype: Any, **options: Any) -> NDArray[Any]:
        """Read the whole volume, as another type."""
        return np.asarray(self).astype(dtype, **options)

    def _scattered(self, first: NDArray[Any], rest: tuple[Any, ...]) -> Any:
        """Sections by an array of numbers, as ``np.ix_`` makes it."""
        if first.dtype == bool:
            first = np.flatnonzero(first)
        if first.size == 0:
            return np.empty((0, *self.shape[1:]), self.dtype)[(first.astype(int), *rest)]
        at = np.where(first < 0, first + self.shape[0], first)
        if at.min() < 0 or at.max() >= self.shape[0]:
            raise IndexError(f"sections {first.min()} to {first.max()} of {self.shape[0]}")
        low = int(at.min())
        return self._sections(low, int(at.max()) + 1)[(at - low, *rest)]

    def _sections(self, low: int, high: int, window: tuple[slice, ...] = ()) -> NDArray[Any]:
        """Sections from low up to high, cut to a window (y, x)."""
        needed = range(low // self._depth, (high - 1) // self._depth + 1)
        pieces = []
        for number in needed:
            layer = self._layer(number)
            start = number * self._depth
            rows = slice(max(low - start, 0), high - start)
            pieces.append(layer[(rows, *window)])
        while len(self._layers) > max(len(needed), SPARE):
            self._layers.popitem(last=False)
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _layer(self, number: int) -> NDArray[Any]:
        if number not in self._layers:
            start = number * self._depth
            self._layers[number] = self._sure(start, min(start + self._depth, self.shape[0]))
        self._layers.move_to_end(number)
        return self._layers[number]

    def _sure(self, low: int, high: int) -> NDArray[Any]:
        try:
            sections = np.asarray(self._read(low, high))
        except (MemoryError, CryoalError):
            raise
        # A decoder raises whatever it meets (RuntimeError, ValueError, KeyError, its own): all of
        # it means that this part of the file cannot be decoded.
        except Exception as problem:
            raise CryoalError(
                f"{self._path}: sections {low} to {high - 1} cannot be read "
                f"({type(problem).__name__}: {problem}); is it whole?"
            ) from problem
        if sections.shape != (high - low, *self.shape[1:]):
            raise CryoalError(f"{self._path}: sections {low} to {high - 1} are not all there")
        return sections

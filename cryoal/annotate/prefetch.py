"""What is likely to be looked at next, read before it is asked for."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Prefetch(Generic[Key, Value]):
    """A bounded cache in front of a slow function, filled by threads.

    Parameters
    ----------
    load : callable (key) -> value
        Called from several threads at once; what it raises is raised by ``get``, and the next
        ``get`` tries again.
    ahead : int
        How many keys ``look_ahead`` takes up. The cache keeps twice as many and what was asked
        for last, so that going back is as quick as going on.
    workers : int
        Threads.

    Examples
    --------
    >>> squares = Prefetch(lambda n: n * n, ahead=2)
    >>> squares.look_ahead([3, 4, 5])
    >>> squares.get(3)
    9
    >>> squares.close()
    """

    def __init__(self, load: Callable[[Key], Value], ahead: int = 8, workers: int = 2) -> None:
        self._load = load
        self._ahead = ahead
        self._room = 2 * ahead + 1
        self._kept: OrderedDict[Key, Future[Value]] = OrderedDict()
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = ThreadPoolExecutor(workers, "cryoal-prefetch")

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: Key) -> bool:
        """Whether the value is there without waiting."""
        with self._lock:
            return _there(self._kept.get(key))

    def get(self, key: Key) -> Value:
        """Value of this key; waits where it is not there yet."""
        with self._lock:
            future = self._kept.get(key)
            # What stands in the queue behind others, or failed when nobody asked, is loaded here.
            mine = future is None or future.cancel() or (future.done() and not _there(future))
            if mine or future is None:
                future = self._kept[key] = Future()
                future.set_running_or_notify_cancel()
            self._kept.move_to_end(key)
            self._shrink()
        if mine:
            self._fill(key, future)
        try:
            return future.result()
        except BaseException:
            self._forget(key, future)
            raise

    def look_ahead(self, keys: Iterable[Key]) -> None:
        """Begin to load these keys, the next one first; give up what waits and is not among them.

        Parameters
        ----------
        keys : in the order in which they will be asked for; the first ``ahead`` count
        """
        wanted = list(dict.fromkeys(islice(keys, self._ahead)))
        with self._lock:
            if self._pool is None:
                return
            for key in [k for k in self._kept if k not in wanted]:
                if self._kept[key].cancel():
                    del self._kept[key]
            for key in wanted:
                if key not in self._kept:
                    self._kept[key] = self._pool.submit(self._load, key)
            for key in reversed(wanted):
                self._kept.move_to_end(key)
            self._shrink()

    def forget(self) -> None:
        """Drop every value: what they were made from has changed."""
        with self._lock:
            for future in self._kept.values():
                future.cancel()
            self._kept.clear()

    def close(self) -> None:
        """Stop the threads, waiting for what they are at; ``get`` goes on without them."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
        self.forget()

    def _fill(self, key: Key, future: "Future[Value]") -> None:
        try:
            future.set_result(self._load(key))
        except BaseException as problem:
            future.set_exception(problem)

    def _forget(self, key: Key, future: "Future[Value]") -> None:
        with self._lock:
            if self._kept.get(key) is future:
                del self._kept[key]

    def _shrink(self) -> None:
        while len(self._kept) > self._room:
            _, oldest = self._kept.popitem(last=False)
            oldest.cancel()


def _there(future: "Future[Value] | None") -> bool:
    """Whether this future has its value."""
    if future is None or future.cancelled() or not future.done():
        return False
    return future.exception() is None

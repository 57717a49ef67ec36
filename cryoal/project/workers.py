"""Where tasks run: processes of this machine, or a Dask cluster's."""

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor

from cryoal.core.errors import CryoalError


@contextlib.contextmanager
def executor(workers: int | None, tasks: int, scheduler: str | None = None) -> Iterator[Executor]:
    """Open an executor for so many tasks; anything unstarted is dropped on an error.

    Parameters
    ----------
    workers : int, optional
        Processes; default all cores, never more than tasks.
    scheduler : str, optional
        Address of a Dask scheduler.
    """
    if scheduler is not None:
        try:
            from distributed import Client
        except ImportError as problem:
            raise CryoalError("--scheduler needs Dask: pip install 'cryoal[cluster]'") from problem
        with Client(scheduler) as client:
            yield client.get_executor()
        return
    count = max(1, min(workers or multiprocessing.cpu_count(), tasks))
    # Spawned: a forked process inherits threads' locks (BLAS, torch) in whatever state they are.
    pool = ProcessPoolExecutor(
        count, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """End this worker when the process that started it is killed: it would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

"""Where tasks run: processes of this machine, or a Dask cluster's."""

import ast
import contextlib
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

from cryoal.core.errors import CryoalError


@contextlib.contextmanager
def executor(workers: int | None, tasks: int, scheduler: str | None = None) -> Iterator[Executor]:
    """Open an executor for so many tasks; anything unstarted is dropped on an error.

    Parameters
    ----------
    workers : int, optional
        Processes; default all cores, never more than tasks. 1 is this process.
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
    if workers == 1:
        with ThreadPoolExecutor(1) as here:
            try:
                yield here
            finally:
                here.shutdown(cancel_futures=True)
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


def refuse_unguarded_script(workers: int) -> None:
    """Refuse to start processes from a script that each of them would run again from its top.

    Raises
    ------
    CryoalError
        The running script has no ``if __name__ == "__main__":``.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(1)  # a worker that came here by running the script again; its parent says so
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is None or getattr(main, "__spec__", None) is not None or not file.endswith(".py"):
        return
    guarded = any(
        isinstance(node, ast.If)
        and any(isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(node.test))
        for node in ast.parse(Path(file).read_bytes()).body
    )
    if not guarded:
        raise CryoalError(
            f"{file}: workers={workers} starts processes that run this script again from its top; "
            'put its commands below a line if __name__ == "__main__":, or leave workers out'
        )


def _end_with_parent() -> None:
    """End this worker when the process that started it is killed: it would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

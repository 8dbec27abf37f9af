"""Processes that work for this one, and end with it whatever ends it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from typing import Any


@contextmanager
def worker_processes(
    count: int, module: str, start: Callable[..., None] | None = None, *arguments: object
) -> Iterator[ProcessPoolExecutor]:
    """For `with`: so many processes that take work.

    Where an error or an interruption leaves the block, work that waits is not begun. Ctrl-C, which reaches all
    processes, ends the workers in silence, but where the first process ignores it. A worker whose first process was
    killed ends too: it would go on for ever otherwise, and write into files that the same command given again writes
    at the same time.

    Args:
        count: of the processes.
        module: that the work needs; imported once for all of them where the machine can.
        start: called in each process before its first work.
        *arguments: of `start`.
    """
    with ProcessPoolExecutor(count, _start_method(module), _start_worker, (start, arguments)) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def _start_method(module: str) -> BaseContext:
    """Forks of a process that has imported the module and computed nothing, as torch's threads survive no fork.

    Where a machine has no such server, each process imports the module anew.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])
    return context


def _start_worker(start: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in the background of a script
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the first process speaks for them
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    if start is not None:
        start(*arguments)


def _end_with_the_first() -> None:
    first = multiprocessing.parent_process()
    if first is not None:
        first.join()
        os._exit(1)


__all__ = ["worker_processes"]

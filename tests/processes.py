"""Runs functions in processes of their own, alone or in a group as a launcher makes it.

They are forked from one process that has imported everything (`tests/preloaded.py`), once for all tests: a process
that imports by itself spends ten seconds on it, and the launcher of torch imports too. A function must be importable
by its name.
"""

import os
import sys
import time
from multiprocessing import connection, forkserver, get_context
from pathlib import Path

import pytest
import torch

SECONDS = 280
_CONTEXT = get_context("forkserver")
# Not the server of the standard library, which the package uses too: whoever is first would say what it imports.
_SERVER = forkserver.ForkServer()
_SERVER.set_forkserver_preload(["tests.preloaded"])


def run_alone(work, *arguments, log):
    """Calls `work(*arguments)` in a process; gives its exit code, the negative signal if it was killed.

    What the process writes is added to the file `log`.
    """
    return _run(work, arguments, log, [{}])[0]


def run_together(work, *arguments, log, processes=2):
    """Calls `work(*arguments)` in each process of a group; gives their exit codes.

    The environment is that of `torchrun`, with one store for the group. When one process fails, the others are ended.
    """
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    group = {
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RESTART_COUNT": "0",
    }
    ranks = [{**group, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    return _run(work, arguments, log, ranks)


def fork_what_is_started(patch):
    """Gives a context of processes that are forked from the one that imported everything, while `patch` lasts."""
    patch.setattr(forkserver, "connect_to_new_process", _SERVER.connect_to_new_process)
    patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    patch.setenv("DS_ACCELERATOR", "cpu")
    return _CONTEXT


def check_ended_well(codes, log):
    """Raises what the processes wrote last, if one of them failed."""
    if any(codes):
        lines = Path(log).read_text(encoding="utf-8").splitlines()
        raise RuntimeError("\n".join([f"expected processes that end well, got exit codes {codes}", *lines[-60:]]))


def _run(work, arguments, log, environments):
    started = [
        _CONTEXT.Process(target=_enter, args=(work, arguments, str(log), environment)) for environment in environments
    ]
    try:
        with pytest.MonkeyPatch.context() as patch:
            fork_what_is_started(patch)
            for process in started:
                process.start()
        _wait(started, log)
    finally:
        for process in started:
            if process.pid:
                process.kill()
                process.join()
    return [process.exitcode for process in started]


def _wait(started, log):
    """Until all have ended, or one has failed."""
    end = time.monotonic() + SECONDS
    running = started
    while running and not any(process.exitcode for process in started):
        if not connection.wait([process.sentinel for process in running], end - time.monotonic()):
            raise TimeoutError(f"expected the processes to end in {SECONDS} s; {log} is what they wrote")
        running = [process for process in running if process.exitcode is None]


def _enter(work, arguments, log, environment):
    """The first that a process does."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.update(environment)
    work(*arguments)

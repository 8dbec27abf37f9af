"""Tests of processes that work for another."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hf_tinybert import worker_processes

_AT_WORK = """
import os
import signal
import sys
import time
from concurrent.futures import wait
from worker_processes import worker_processes

if __name__ == "__main__":
    signal.signal(signal.SIGINT, getattr(signal, sys.argv[1]))
    with worker_processes(1, "time") as workers:
        print(workers.submit(os.getpid).result(), flush=True)
        wait([workers.submit(time.sleep, 60) for _ in range(5)])
"""


_FAILING = """
import time
from pathlib import Path
from worker_processes import worker_processes

def work(number):
    time.sleep(0.1)
    Path(f"done-{number}").touch()

if __name__ == "__main__":
    with worker_processes(1, "time") as workers:
        first, *_ = [workers.submit(work, number) for number in range(20)]
        first.result()
        raise ValueError("failed")
"""


@pytest.fixture
def run_script(tmp_path):
    """Starts a script in a group of its own; neither it nor its workers import more than the standard library."""

    def run(text, *arguments):
        script = tmp_path / "script.py"
        script.write_text(text)
        return subprocess.Popen(
            [sys.executable, str(script), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(worker_processes.__file__).parent)},
            cwd=tmp_path,
            text=True,
            start_new_session=True,
        )

    return run


@pytest.fixture
def at_work(run_script, request):
    """A process with a worker that sleeps and work that waits, and the id of the worker."""
    # as in a shell, or as the parameter says: the tests themselves may run where Ctrl-C is ignored
    with run_script(_AT_WORK, getattr(request, "param", "default_int_handler")) as first:
        yield first, int(first.stdout.readline())
        first.kill()


def _is_alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _ends(process, within=20.0):
    end = time.monotonic() + within
    while _is_alive(process) and time.monotonic() < end:
        time.sleep(0.02)
    return not _is_alive(process)


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="looks at processes as Linux shows them")
def test_a_worker_ends_with_the_process_it_works_for(at_work):
    """Prevents workers that outlive a kill and write what the same command given again is writing."""
    first, worker = at_work
    assert _is_alive(worker)
    first.kill()
    first.wait()
    assert _ends(worker)


def test_ctrl_c_ends_all_at_once_with_one_traceback(at_work):
    """Prevents an end that waits for all work begun or waiting, and a traceback of every worker."""
    first, worker = at_work
    os.killpg(first.pid, signal.SIGINT)
    said = first.communicate(timeout=20)[1]
    assert said.count("Traceback") == 1 and said.rstrip().endswith("KeyboardInterrupt")
    assert _ends(worker)


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="looks at processes as Linux shows them")
@pytest.mark.parametrize("at_work", ["SIG_IGN"], indirect=True)
def test_ctrl_c_that_the_first_process_ignores_ends_no_worker(at_work):
    """Prevents a command in the background of a script from losing its workers to a Ctrl-C meant for another."""
    first, worker = at_work
    os.killpg(first.pid, signal.SIGINT)
    assert not _ends(worker, within=0.3) and first.poll() is None


def test_what_waits_is_not_begun_after_an_error(run_script, tmp_path):
    """Prevents a run that has failed from tokenising for minutes before it says so."""
    with run_script(_FAILING) as failing:
        assert failing.communicate(timeout=60)[1].rstrip().endswith("ValueError: failed")
    assert 0 < len(list(tmp_path.glob("done-*"))) < 10

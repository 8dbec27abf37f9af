"""Tests of an end by SIGTERM."""

import signal
import subprocess
import sys

import pytest

from hf_tinybert.cli.termination import Terminated, raise_on_sigterm

_STOPPED = """
import os, signal, sys, time
import typer
from hf_tinybert.cli.termination import raise_on_sigterm
from hf_tinybert.cli.verb import Verb

def finetune() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"ready")  # what arrives before Python's own work after a fork is forgotten
        time.sleep(60)
        os._exit(0)  # never on to the line below, where 0 would be the group of processes
    os.read(reading, 5)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    time.sleep(60)

raise_on_sigterm()
app = typer.Typer()
app.command("finetune", cls=Verb)(finetune)
app()
"""


def test_a_terminated_run_says_how_to_go_on_and_its_children_end_in_silence():
    """Prevents a batch system's end that says nothing, a traceback, and one from every worker of a data loader."""
    with subprocess.Popen(
        [sys.executable, "-c", _STOPPED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout.readline().strip() == str(-signal.SIGTERM)  # of the child
        run.send_signal(signal.SIGTERM)
        said = run.communicate(timeout=120)[1]
    assert run.returncode == 143
    assert said.strip() == "terminated; the same command goes on where it stopped"


def test_only_what_stops_everything_stops_at_it():
    """Prevents a page or a picture that may fail from taking the end of the process for its own failure."""
    assert not issubclass(Terminated, Exception)
    before = signal.getsignal(signal.SIGTERM)
    try:
        raise_on_sigterm()
        with pytest.raises(Terminated):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)

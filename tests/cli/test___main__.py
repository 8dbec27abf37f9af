"""Tests of `python -m hf_tinybert.cli`."""

import subprocess
import sys


def test_the_module_is_the_command():
    """Prevents a module that is imported and does nothing."""
    command = [sys.executable, "-m", "hf_tinybert.cli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and "distill" in done.stdout

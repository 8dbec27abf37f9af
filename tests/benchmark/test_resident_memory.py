"""Tests of the memory that a process has resident at most."""

import json
import subprocess
import sys

import pytest

_HELD = 64 * 2**20
# in a process of its own, as every measurement is: what other tests left running here moves the figures too
_PROGRAM = f"""
import json
from mmap import mmap
from hf_tinybert.benchmark.resident_memory import forget_peak, peak_resident_bytes

forget_peak()
peaks = [peak_resident_bytes()]
held = mmap(-1, {_HELD})  # goes back to the system when it is closed
held.write(b"x" * {_HELD})
held.close()
peaks.append(peak_resident_bytes())
forget_peak()
print(json.dumps([*peaks, peak_resident_bytes()]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is that of the whole process")
def test_a_peak_is_seen_after_it_is_over_and_can_be_forgotten():
    """Prevents a model's memory from being what was loaded before it, and a peak between two looks from being lost."""
    run = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    before, peak, after = json.loads(run.stdout)
    assert peak > before + _HELD * 0.9
    assert after < before + _HELD / 2

"""Tests of the memory that a process has resident at most."""

import sys

import pytest

from hf_tinybert.benchmark.resident_memory import forget_peak, peak_resident_bytes

_HELD = 64 * 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is that of the whole process")
def test_a_peak_is_seen_after_it_is_over_and_can_be_forgotten():
    """Prevents a model's memory from being what was loaded before it, and a peak between two looks from being lost."""
    forget_peak()
    before = peak_resident_bytes()
    held = bytearray(b"x") * _HELD
    del held
    assert peak_resident_bytes() > before + _HELD * 0.9
    forget_peak()
    assert peak_resident_bytes() < before + _HELD / 2

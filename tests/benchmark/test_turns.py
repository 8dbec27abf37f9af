"""Tests of loops that take turns."""

import threading
import time

import pytest
import torch

from hf_tinybert.benchmark.turns import LoopTurns


def _counting(log, name, steps=10, seconds=0.0):
    def loop(after_step):
        for step in range(steps):
            time.sleep(seconds)
            log.append((name, step))
            after_step()

    return loop


def test_loops_advance_in_turn_and_never_together():
    """Prevents two arms that compete for the processor while one of them is timed."""
    log = []
    with LoopTurns(_counting(log, "a")) as a, LoopTurns(_counting(log, "b")) as b:
        for _ in range(2):
            a.take(1)
            b.take(2)
    assert log == [("a", 0), ("b", 0), ("b", 1), ("a", 1), ("b", 2), ("b", 3)]


def test_a_turn_says_its_own_seconds_only():
    """Prevents the time in which a loop was held from being counted as its own."""
    with LoopTurns(_counting([], "a", seconds=0.02)) as turns:
        turns.take(1)
        time.sleep(0.3)
        assert 0.06 <= turns.take(3) < 0.2


def test_an_error_in_the_loop_reaches_the_caller():
    """Prevents a measurement that waits for ever on an arm that fell over."""

    def loop(after_step):
        after_step()
        raise OSError("disk full")

    with LoopTurns(loop) as turns:
        turns.take(1)
        with pytest.raises(OSError, match="disk full"):
            turns.take(1)


def test_a_loop_that_ends_early_is_an_error():
    """Prevents the rate of steps that were never made."""
    with LoopTurns(_counting([], "a", steps=2)) as turns:
        with pytest.raises(ValueError, match="3 more steps"):
            turns.take(3)
        with pytest.raises(ValueError, match="ended"):
            turns.take(1)


def test_closing_ends_the_loop_where_it_is_held():
    """Prevents models that stay in memory after their measurement."""
    log = []

    def loop(after_step):
        try:
            _counting(log, "a")(after_step)
        finally:
            log.append("ended")

    with LoopTurns(loop) as turns:
        turns.take(3)
        assert "ended" not in log
    with LoopTurns(_counting(log, "never")):
        pass
    assert log == [("a", 0), ("a", 1), ("a", 2), "ended"]


def test_loops_compute_in_the_callers_thread():
    """Prevents OpenMP workers per arm, which slow the short operations of a small student."""
    seen = []

    def loop(after_step):
        seen.append((threading.get_ident(), torch.get_num_threads()))
        after_step()

    with LoopTurns(loop) as turns:
        turns.take(1)
    assert seen == [(threading.get_ident(), torch.get_num_threads())]

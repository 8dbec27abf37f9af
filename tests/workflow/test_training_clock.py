"""Tests of the seconds that earlier calls of a run were trained."""

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from hf_tinybert.workflow import training_clock
from hf_tinybert.workflow.training_clock import TrainingClock


@pytest.fixture
def call(tmp_path, monkeypatch):
    """One call of a run: the steps at which it saves, a second each, from the step where it goes on."""

    def run(start, saves, *, phase="joint", ends=False, process_zero=True):
        clock = TrainingClock(tmp_path, lambda: phase)
        arguments, state = TrainingArguments(str(tmp_path), use_cpu=True), TrainerState(global_step=start)
        state.is_world_process_zero = process_zero
        monkeypatch.setattr(training_clock.time, "perf_counter", lambda: 100.0 + state.global_step)
        clock.on_train_begin(arguments, state, TrainerControl())
        for step in saves:
            state.global_step = step
            clock.on_save(arguments, state, TrainerControl())
        if ends:
            clock.on_train_end(arguments, state, TrainerControl())
        return clock.earlier

    return run


def test_seconds_of_all_earlier_calls_count_up_to_the_step_where_one_goes_on(call):
    """Prevents a cost of the last call alone, and steps that were trained twice from being counted twice."""
    assert call(0, [3, 6]) == {}
    assert call(3, [6, 9]) == {"joint": 3.0}
    assert call(9, []) == {"joint": 9.0}
    assert call(0, [3]) == {}  # no whole checkpoint: all is trained again


def test_a_phase_that_an_earlier_call_finished_counts_whole(call):
    """Prevents the first phase from being free of cost after an interruption in the second."""
    call(0, [4, 8], phase="intermediate-layer", ends=True)
    assert call(0, [2], phase="prediction-layer") == {"intermediate-layer": 8.0}
    assert call(2, [], phase="prediction-layer") == {"intermediate-layer": 8.0, "prediction-layer": 2.0}


def test_one_process_writes(call):
    """Prevents several processes that replace each other's file."""
    call(0, [3], process_zero=False)
    assert call(3, []) == {}

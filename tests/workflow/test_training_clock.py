"""Tests of the seconds that earlier calls of a run were trained."""

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from hf_tinybert.workflow import training_clock
from hf_tinybert.workflow.training_clock import TrainingClock


@pytest.fixture
def call(tmp_path, monkeypatch):
    """One call of a run: the steps at which it saves, a second each, from the step where it goes on."""

    def run(start, saves, *, process_zero=True):
        clock = TrainingClock(tmp_path)
        arguments, state = TrainingArguments(str(tmp_path), use_cpu=True), TrainerState(global_step=start)
        state.is_world_process_zero = process_zero
        monkeypatch.setattr(training_clock.time, "perf_counter", lambda: 100.0 + state.global_step)
        clock.on_train_begin(arguments, state, TrainerControl())
        for step in saves:
            state.global_step = step
            clock.on_save(arguments, state, TrainerControl())
        return clock.earlier

    return run


def test_seconds_of_all_earlier_calls_count_up_to_the_step_where_one_goes_on(call):
    """Prevents a cost of the last call alone, and steps that were trained twice from being counted twice."""
    assert call(0, [3, 6]) == 0.0
    assert call(3, [6, 9]) == 3.0
    assert call(9, []) == 9.0
    assert call(0, [3]) == 0.0  # no whole checkpoint: all is trained again


def test_one_process_writes(call):
    """Prevents several processes that replace each other's file."""
    call(0, [3], process_zero=False)
    assert call(3, []) == 0.0

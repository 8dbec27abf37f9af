"""Tests of the times that are shown."""

import pytest
import torch
from torch import nn

from hf_tinybert.demo import model_clock
from hf_tinybert.demo.model_clock import RUNS, ModelClock, TimedModel, answer_in_turns
from hf_tinybert.workflow import load_model_folder, predict

ROW = {"text": "the film is good"}


class _Worker(nn.Module):
    """A model that takes as many seconds of a clock as it is told."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def forward(self, seconds):
        self.clock["now"] += seconds
        return torch.zeros(1)


@pytest.fixture(scope="module")
def timed(student_of):
    """A student that is timed."""
    return TimedModel(load_model_folder(student_of("text-classification")))


def test_the_time_is_that_of_the_model_alone(monkeypatch):
    """Prevents tokenising and decoding, which are alike for both, from hiding how much faster the student is."""
    time = {"now": 0.0}
    monkeypatch.setattr(model_clock, "synchronized_seconds", lambda: time["now"])
    model = _Worker(time)
    clock = ModelClock(model)
    model(2.0)
    time["now"] += 50.0
    model(1.0)
    assert clock.seconds == 3.0


def test_models_take_turns_after_a_first_run(timed, monkeypatch):
    """Prevents the first, slow run from being counted, and a load of the machine from falling on one model alone."""
    order = []
    original = TimedModel.run

    def run(self, encoded):
        logits, _ = original(self, encoded)
        order.append("student" if self is timed else "teacher")
        return logits, 100.0 if len(order) <= 2 else 0.001 * len(order)

    other = TimedModel(timed.folder)
    monkeypatch.setattr(TimedModel, "run", run)
    first, second = answer_in_turns([timed, other], [ROW, ROW])
    assert order == ["student", "teacher"] * (RUNS + 1)
    assert first.milliseconds == pytest.approx(7.0) and second.milliseconds == pytest.approx(8.0)
    assert first.runs == second.runs == RUNS


def test_a_slow_model_is_timed_less_often(timed, monkeypatch):
    """Prevents a long text from keeping its reader waiting for six passes."""
    original = TimedModel.run
    monkeypatch.setattr(TimedModel, "run", lambda self, encoded: (original(self, encoded)[0], 3.0))
    (answer,) = answer_in_turns([timed], [ROW])
    assert answer.runs == 1 and answer.milliseconds == 3000 and model_clock.RUNS == 5


def test_the_answer_is_that_of_predict(timed):
    """Prevents a page that answers otherwise than the command line."""
    (answer,) = answer_in_turns([timed], [ROW])
    assert [answer.prediction] == list(predict(timed.folder, ROW["text"]))
    assert answer.milliseconds > 0

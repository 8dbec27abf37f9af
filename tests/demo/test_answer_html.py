"""Tests of the HTML over an answer."""

from dataclasses import replace

import pytest

from hf_tinybert.demo.answer_html import answer_html, message_html, time_text
from hf_tinybert.demo.comparison import ModelAnswer
from hf_tinybert.demo.model_clock import RUNS
from hf_tinybert.demo.shown_answers import ShownAnswer

SCRIPT = "<script>alert(1)</script>"
ANSWER = ModelAnswer(ShownAnswer(SCRIPT), 10.0, 5, (82, 32))


def test_no_text_becomes_html():
    """Prevents a label, a folder's name or a typed text from running in the reader's browser."""
    html = answer_html(SCRIPT, SCRIPT, ANSWER) + message_html(SCRIPT)
    assert "<script" not in html and html.count("&lt;script&gt;") == 4


def test_nothing_is_told_before_there_is_an_answer():
    """Prevents the time and the message of an earlier text from standing beside a new one."""
    assert "ms" not in answer_html("Student", "small", None) and message_html("") == ""


@pytest.mark.parametrize(
    ("teacher", "text"),
    [(25.0, "10.0 ms · 2.5 times as fast as the teacher"), (5.0, "10.0 ms · slower than the teacher")],
)
def test_times_are_compared(teacher, text):
    """Prevents a slower student from being praised."""
    assert time_text(ANSWER, replace(ANSWER, milliseconds=teacher)) == text


def test_a_time_alone_is_compared_with_nothing():
    """Prevents a model from being as fast as itself."""
    assert time_text(ANSWER) == time_text(ANSWER, ANSWER) == "10.0 ms"


@pytest.mark.parametrize(("runs", "text"), [(1, "10.0 ms (1 run)"), (3, "10.0 ms (3 runs)"), (RUNS, "10.0 ms")])
def test_fewer_runs_are_told(runs, text):
    """Prevents a single run from being taken for a median of five."""
    assert time_text(replace(ANSWER, runs=runs)) == text


def test_what_was_not_read_is_told():
    """Prevents an answer to a part from being taken for one to the whole."""
    assert "82 tokens; the model read 32 of them" in answer_html("Student", "small", ANSWER)

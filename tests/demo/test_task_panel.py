"""Tests of what the page puts into its parts."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from hf_tinybert.demo.page import import_gradio
from hf_tinybert.demo.task_panel import TaskPanel
from tests.demo.conftest import TYPED


@pytest.fixture(scope="module")
def panel_of(comparison_of):
    """Gives the panel of a kind on a page of its own."""
    gradio = import_gradio()
    with ThreadPoolExecutor(max_workers=1) as worker:

        def make(kind: str) -> TaskPanel:
            with gradio.Blocks(analytics_enabled=False):
                return TaskPanel(gradio, comparison_of(kind), worker)

        yield make


def test_bad_input_is_a_message_and_takes_old_answers_away(panel_of):
    """Prevents the answer to an earlier text from standing under the message about this one."""
    message, student, bars, teacher, _ = panel_of("text-classification")._answered("  ")
    assert "got an empty one" in message.value and 'role="alert"' in message.value and message.visible is True
    assert "headline" not in student and "headline" not in teacher
    assert bars.visible == "hidden" and not bars.value


def test_an_answer_takes_the_message_away(panel_of):
    """Prevents a complaint from standing over a good answer."""
    message, student, bars, *_ = panel_of("text-classification")._answered(*TYPED["text-classification"])
    assert message.visible == "hidden" and message.value == ""
    assert "headline" in student and bars.visible is True


def test_a_mark_has_one_colour_in_both_columns(panel_of):
    """Prevents a person who is red beside a person who is green, because another mark came first."""
    assert panel_of("token-classification")._colours() == {"thing": "red"}
    assert set(panel_of("question-answering")._colours()) >= {"answer"}


def test_an_error_of_the_program_is_no_message(panel_of, monkeypatch):
    """Prevents a defect from being shown as a mistake of whoever typed."""
    panel = panel_of("regression")
    monkeypatch.setattr(panel._comparison, "answer", lambda typed: {}["missing"])
    with pytest.raises(KeyError):
        panel._answered(*TYPED["regression"])

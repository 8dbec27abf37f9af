"""Tests of the figures of a general distillation."""

import pytest

from hf_tinybert.workflow.general_figures import general_figures, held_out_terms
from hf_tinybert.workflow.training_cost import training_operations

STEPS = 5


@pytest.fixture(scope="module")
def trained(build_parts):
    """Parts, and a trainer that says it has made its steps."""
    parts = build_parts()
    trainer = parts.trainer(parts.initialize())
    trainer.state.global_step = STEPS
    return parts, trainer


def test_held_out_terms_are_losses_alone(trained):
    """Prevents seconds and rates of an evaluation from being told as terms."""
    _, trainer = trained
    terms = held_out_terms(trainer, {})
    assert set(terms) == {"loss", "embedding_loss", "hidden_states_loss", "attention_scores_loss"}
    assert terms["loss"] == pytest.approx(sum(value for name, value in terms.items() if name != "loss"), rel=1e-4)


def test_speed_and_cost_are_those_of_the_tokens_that_were_trained_on(trained, monkeypatch):
    """Prevents a forecast from blocks instead of tokens, or from the seconds of one call."""
    parts, trainer = trained
    monkeypatch.setitem(trainer.phase_seconds, trainer.phase, 20.0)
    figures = general_figures(parts, trainer, {"loss": 2.0}, curves={})
    length, tokens = parts.settings.block_length, STEPS * parts.settings.batch_size * parts.settings.block_length
    assert (figures["steps"], figures["tokens_seen"], figures["seconds"]) == (STEPS, tokens, 20.0)
    assert figures["tokens_per_second"] == tokens / 20
    assert figures["hours_per_billion_tokens"] == pytest.approx(1e9 / (tokens / 20) / 3600, abs=0.05)
    operations = training_operations(parts.student.config, parts.teacher.config, length)
    assert figures["operations_per_token"] == operations
    assert figures["operations_per_second"] == round(operations * tokens / 20)
    assert figures["held_out"] == {"before": {"loss": 2.0}, "after": held_out_terms(trainer, {})}
    assert (figures["documents"], figures["tokens"]) == (parts.blocks.documents, parts.blocks.tokens)
    assert (figures["blocks"], figures["processes"]) == (len(parts.train_rows), 1)
    assert figures["teacher"] == "public/teacher" and figures["settings"] == parts.settings.to_json()


def test_a_run_that_went_on_after_its_last_step_has_figures(trained):
    """Prevents a division by no second at all, when hours of training are done."""
    parts, trainer = trained
    assert general_figures(parts, trainer, {}, curves={})["seconds"] == 0.0

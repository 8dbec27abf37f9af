"""Tests of the tables of cards."""

from hf_tinybert.hub.card_tables import (
    held_out_table,
    losses_table,
    mapping_table,
    markdown_table,
    scores_table,
    size_table,
    speed_note,
    training_cost,
)
from hf_tinybert.hub.model_facts import Score, read_facts
from tests.hub.conftest import RECORD


def test_a_cell_cannot_end_its_row():
    """Prevents label names that break a table."""
    assert markdown_table(["a", "b"], [["x|y", "1\n2"]]) == "| a | b |\n| --- | ---: |\n| x\\|y | 1 2 |"


def test_columns_without_a_figure_are_left_out():
    """Prevents empty columns that look like scores of zero."""
    alone = Score(None, "regression", None, "test", "pearson", 0.5)
    assert scores_table([alone]).splitlines()[0] == "| split | metric | this model |"
    full = Score("news", "regression", None, "test", "pearson", 0.5, 0.6, 0.1, 0.8333)
    header, _, row = scores_table([full]).splitlines()
    assert header == "| task | split | metric | teacher | same shape, undistilled | this model | kept |"
    assert row == "| news | test | pearson | 0.6 | 0.1 | 0.5 | 83.3% |"


def test_speed_is_shown_with_its_machine_or_said_to_be_not_measured(student_folder):
    """Prevents speeds of nowhere."""
    facts = read_facts(student_folder)
    assert speed_note(facts) == "Speed and latency were not measured."
    facts.figures["sentences_per_second"] = {"1": {"teacher": 50.0, "student": 100.0}}
    assert "| sentences per second, batch 1 | 50.0 (20.0 ms each) | 100.0 (10.0 ms each) |" in size_table(facts)
    assert "2 cores of AMD EPYC" in speed_note(facts)


def test_terms_mapping_and_cost_are_those_of_the_record(student_folder):
    """Prevents a card that describes another run."""
    assert "| `prediction_loss` | 1.0 | 0.25 | 0.5 |" in losses_table(RECORD)
    assert "| `label_loss` | 0.0 to 1.0 |" in losses_table(RECORD)
    assert mapping_table(RECORD).splitlines()[2:] == ["| embeddings | embeddings |", "| 1 | 2 |", "| 2 | 4 |"]
    assert training_cost(read_facts(student_folder)).startswith("joint 0.8 s; 2.3 s in all, on 2 cores")


def test_held_out_terms_stand_side_by_side():
    """Prevents a general student's only figures lost."""
    figures = {"held_out": {"before": {"loss": 2.0}, "after": {"loss": 1.0}}}
    assert "| `loss` | 2 | 1 |" in held_out_table(figures)
    assert held_out_table({}) == ""

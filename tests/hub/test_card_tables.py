"""Tests of the tables in markdown and the sentences beside them."""

from hf_tinybert.hub.card_tables import markdown_table, speed_note, training_cost
from hf_tinybert.hub.fact_tables import Table
from hf_tinybert.hub.model_facts import read_facts


def test_a_cell_cannot_end_its_row():
    """Prevents label names that break a table."""
    table = Table(["a", "b"], [["x|y", "1\n2"]])
    assert markdown_table(table) == "| a | b |\n| --- | ---: |\n| x\\|y | 1 2 |"


def test_a_table_without_rows_is_left_out():
    """Prevents a header over nothing."""
    assert markdown_table(Table(["a"], [])) == ""


def test_speed_is_said_with_its_machine_or_to_be_not_measured(student_folder):
    """Prevents speeds of nowhere."""
    facts = read_facts(student_folder)
    assert speed_note(facts) == "Speed and latency were not measured."
    facts.figures["sentences_per_second"] = {"1": {"teacher": 50.0, "student": 100.0}}
    assert "2 cores of AMD EPYC" in speed_note(facts)


def test_the_cost_is_that_of_the_run(student_folder):
    """Prevents a card that tells the cost of another run."""
    assert training_cost(read_facts(student_folder)).startswith("joint 0.8 s; 2.3 s in all, on 2 cores")

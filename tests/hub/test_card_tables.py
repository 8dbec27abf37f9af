"""Tests of the tables in markdown and the sentences beside them."""

from hf_tinybert.hub.card_tables import (
    markdown_table,
    method_words,
    shape_words,
    speed_note,
    training_cost,
    without_model_note,
)
from hf_tinybert.hub.fact_tables import Table
from hf_tinybert.hub.model_facts import read_facts


def test_a_cell_cannot_end_its_row():
    """Prevents names of labels, or of tasks in the header, that break a table."""
    table = Table(["a|c", "b"], [["x|y", "1\n2"]])
    assert markdown_table(table) == "| a\\|c | b |\n| --- | ---: |\n| x\\|y | 1 2 |"


def test_only_what_is_known_is_explained():
    """Prevents a traceback over the figures of a later version, and a sentence about nothing."""
    assert without_model_note(["lead", "coin"]) == (
        'No model is needed for these: "lead" takes the first sentences of each document.'
    )
    assert without_model_note(["coin"]) == without_model_note([]) == ""


def test_a_table_without_rows_is_left_out():
    """Prevents a header over nothing."""
    assert markdown_table(Table(["a"], [])) == ""


def test_one_layer_is_no_plural():
    """Prevents cards of `1 layers`."""
    assert shape_words({"num_hidden_layers": 1, "hidden_size": 192}) == "1 layer of width 192"
    assert shape_words({"num_hidden_layers": 4, "hidden_size": 312}) == "4 layers of width 312"
    assert shape_words({"hidden_size": 312}) == ""


def test_speed_is_said_with_its_machine_or_to_be_not_measured(student_folder):
    """Prevents speeds of nowhere."""
    facts = read_facts(student_folder)
    assert speed_note(facts) == "Speed and latency were not measured."
    facts.figures["sentences_per_second"] = {"1": {"teacher": 50.0, "student": 100.0}}
    assert "2 cores of AMD EPYC (AVX2), 1 thread, torch 2.13.0" in speed_note(facts)


def test_the_cost_is_that_of_the_run(student_folder):
    """Prevents a card that tells the cost of another run."""
    facts = read_facts(student_folder)
    assert training_cost(facts).startswith("joint 0.8 s; 2.3 s in all, on 2 cores")
    facts.figures["to"] = "bert"  # an export took so long, on that machine
    assert training_cost(facts) == "0.8 s in all."


def test_the_method_tells_variants_start_and_sampling(student_folder):
    """Prevents a card that is silent on what a run was asked for besides, or that prints a dictionary of Python."""
    facts = read_facts(student_folder)
    facts.figures["settings"] |= {"augment": "join", "start": "/home/somebody/runs/general", "learn_from": "teacher"}
    facts.record["task_sampling"] = {"strategy": "temperature", "temperature": 2.0}
    told = method_words(facts)
    assert (
        "(`augment: join`)" in told and "6 optimizer steps" in told and told.endswith("tasks sampled by temperature.")
    )
    assert "temperature 1.0;" in told and "probability_shift" not in told
    facts.record.update(temperature={"start": 8.0, "end": 1.0, "kind": "linear"}, probability_shift=True)
    facts.record.update(frozen=["embeddings", "layer.0"], learning_rate_factors={"classifier": 10.0})
    corrected = method_words(facts)
    assert "learning rate times 10 in `classifier`; frozen: `embeddings`, `layer.0`;" in corrected
    assert "temperature from 8.0 to 1.0 (linear)" in corrected and "corrected by the labels" in corrected
    assert "started as the trained `general`" in told and "somebody" not in told
    facts.figures["settings"] = {"tasks": {}, "shared": {"augment": "replace", "start": "projection"}}
    assert "started as a projection of its teacher; other variants" in method_words(facts)

"""Tests of the tables of a model."""

from dataclasses import replace

from hf_tinybert.hub.card_tables import speed_note
from hf_tinybert.hub.fact_tables import held_out_table, losses_table, mapping_table, scores_table, size_table
from hf_tinybert.hub.kept_comparisons import KeptComparisons
from hf_tinybert.hub.model_facts import Score, read_facts
from tests.hub.conftest import RECORD


def test_columns_without_a_figure_are_left_out():
    """Prevents empty columns that look like scores of zero."""
    alone = Score(None, "regression", None, "test", "pearson", 0.5)
    assert scores_table([alone]).header == ["split", "metric", "this model"]
    full = Score("news", "regression", None, "test", "pearson", 0.5, 0.6, 0.1, 0.8333)
    table = scores_table([full])
    assert table.header == ["task", "split", "metric", "teacher", "same shape, undistilled", "this model", "kept"]
    assert table.rows == [["news", "test", "pearson", "0.6", "0.1", "0.5", "83.3%"]]
    assert table.numbers_from == 3
    beside = replace(alone, metric="rougeL", without_model={"lead": 0.25, "oracle": 0.75})
    table = scores_table([alone, beside])
    assert table.header == ["split", "metric", "this model", "lead", "oracle"]
    assert table.rows == [["test", "pearson", "0.5", "", ""], ["test", "rougeL", "0.5", "0.25", "0.75"]]


def test_speeds_stand_beside_the_teachers(student_folder):
    """Prevents a speed without what it is measured against."""
    facts = read_facts(student_folder)
    facts.figures["sentences_per_second"] = {"1": {"teacher": 50.0, "student": 100.0}}
    row = ["sentences per second, batch 1", "50.0 (20.0 ms each)", "100.0 (10.0 ms each)"]
    assert row in size_table(facts).rows


def test_of_several_teachers_it_is_told_who_is_meant(student_folder):
    """Prevents the parameters of five teachers from passing for those of one, and one's speed for that of all."""
    facts = read_facts(student_folder)
    facts.figures["tasks"] = {name: {"teacher": name} for name in ("news", "things")}
    found = {"things": {"sentences_per_second": {"1": {"teacher": 50.0, "student": 100.0}}}}
    facts = replace(facts, comparisons=KeptComparisons(found))
    table = size_table(facts)
    assert table.header == ["", "teachers together", "this model"]
    assert table.rows[-1][0] == "sentences per second, batch 1 (teacher of things alone)"
    assert speed_note(facts).endswith("The teacher that was timed is that of things.")


def test_terms_and_mapping_are_those_of_the_record():
    """Prevents a card that describes another run."""
    rows = losses_table(RECORD).rows
    assert ["`prediction_loss`", "1.0", "0.25", "0.5"] in rows
    assert [row[1] for row in rows] == ["1.0", "0.0 to 1.0"]
    assert mapping_table(RECORD).rows == [["embeddings", "embeddings"], ["1", "2"], ["2", "4"]]


def test_terms_of_several_tasks_have_their_last_values():
    """Prevents an empty column: training logs name a term with a slash, evaluation with an underscore."""
    record = {
        "loss_weights": {"news/prediction_loss": 1.0},
        "metrics": {"news/prediction_loss": 0.25, "eval_news_prediction_loss": 0.5},
    }
    assert losses_table(record).rows == [["`news/prediction_loss`", "1.0", "0.25", "0.5"]]


def test_held_out_terms_stand_side_by_side():
    """Prevents a general student's only figures lost."""
    figures = {"held_out": {"before": {"loss": 2.0}, "after": {"loss": 1.0}}}
    assert held_out_table(figures).rows == [["`loss`", "2", "1"]]
    assert held_out_table({}).rows == []

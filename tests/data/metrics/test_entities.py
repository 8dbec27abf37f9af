"""Scores of entities against numbers counted by hand."""

import pytest

from hf_tinybert.data.metrics.entities import Seqeval, find_entities, is_iob2


def _scores(predictions, references):
    return Seqeval(keep_in_memory=True).compute(predictions=predictions, references=references)


def test_an_entity_counts_where_limits_and_type_are_right():
    """Prevents a score of words sold as one of entities: half an entity is none."""
    references = [["B-person", "I-person", "O", "B-work"], ["O", "B-person"]]
    predictions = [["B-person", "O", "O", "B-work"], ["B-work", "B-person"]]
    scores = _scores(predictions, references)
    # Found: person 0-1 (wrong end), work 3 (right), work 0 (wrong), person 1 (right); true: three.
    assert scores["overall_precision"] == pytest.approx(2 / 4)
    assert scores["overall_recall"] == pytest.approx(2 / 3)
    assert scores["overall_f1"] == pytest.approx(4 / 7)
    assert scores["overall_accuracy"] == pytest.approx(4 / 6)
    assert scores["person"] == pytest.approx({"precision": 0.5, "recall": 0.5, "f1": 0.5, "number": 2})
    assert scores["work"] == pytest.approx({"precision": 0.5, "recall": 1.0, "f1": 2 / 3, "number": 1})


def test_a_run_without_its_beginning_is_no_entity():
    """Prevents lenient scores that repair what the model did not say."""
    assert _scores([["I-person", "I-person"]], [["B-person", "I-person"]])["overall_f1"] == 0.0


def test_rows_without_any_entity_have_a_score():
    """Prevents a crash, or a warning on every step, before a model has found its first entity."""
    scores = _scores([["O", "O"]], [["O", "O"]])
    assert (scores["overall_f1"], scores["overall_accuracy"]) == (0.0, 1.0)


def test_another_number_of_tags_is_refused_with_its_row():
    """Prevents entities compared at shifted positions."""
    with pytest.raises(ValueError, match="each of 2 tags in row 2, got 1"):
        _scores([["O"], ["O"]], [["O"], ["O", "O"]])


@pytest.mark.parametrize(
    "tags",
    [
        ["B-a", "I-a", "B-a", "O", "I-a", "B-b", "I-a", "I-b"],
        ["I-b", "B-creative-work", "I-creative-work", "I-creative-work", "B-creative-work"],
        ["O"],
        [],
    ],
)
def test_entities_shown_are_the_entities_scored(tags):
    """Prevents predictions that list entities which the score does not know, and the other way round."""
    from seqeval.scheme import IOB2, Entities

    scored = [(entity.tag, entity.start, entity.end) for entity in Entities([tags], IOB2).entities[0]]
    assert find_entities(tags) == scored


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["O", "B-person", "I-person", "B-work", "I-work"], True),
        (["B-work", "O"], True),
        (["NOUN", "VERB", "O"], False),
        (["O"], False),
        (["B-person", "I-person"], False),
        (["O", "I-person"], False),
        (["O", "B-person", "I-person", "E-person"], False),
        ([], False),
    ],
)
def test_iob2_is_known_by_its_names(labels, expected):
    """Prevents parts of speech scored as entities, or another scheme scored as IOB2."""
    assert is_iob2(labels) is expected

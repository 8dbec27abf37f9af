"""Scores of answers against numbers counted by hand."""

import pytest

from hf_tinybert.data.metrics.answers import Squad, answer_f1, answer_words


def _scores(*pairs):
    predictions = [{"id": str(number), "prediction_text": predicted} for number, (predicted, _) in enumerate(pairs)]
    references = [
        {"id": str(number), "answers": {"text": true, "answer_start": [0] * len(true)}}
        for number, (_, true) in enumerate(pairs)
    ]
    return Squad(keep_in_memory=True).compute(predictions=predictions, references=references)


def test_case_articles_and_punctuation_do_not_count():
    """Prevents right answers scored wrong for a full stop or an article."""
    assert answer_words("  The U.S. Army's (an) A-1!") == ["us", "armys", "a1"]
    assert answer_words("theory of another day") == ["theory", "of", "another", "day"]
    assert _scores(("The Bank.", ["bank"])) == {"exact_match": 100.0, "f1": 100.0}


def test_f1_counts_shared_words_with_their_number():
    """Prevents words counted as sets, where a repeated word would be free."""
    assert answer_f1(["new", "new", "york"], ["new", "york", "city"]) == pytest.approx(2 / 3)
    assert answer_f1(["new"], ["york"]) == 0.0


def test_the_best_true_answer_counts_and_rows_are_averaged():
    """Prevents the first of several true answers from being the only one."""
    scores = _scores(("old bank", ["new bank street", "old bank"]), ("bank", ["new bank"]), ("x", ["y"]))
    assert scores["exact_match"] == pytest.approx(100 / 3)
    assert scores["f1"] == pytest.approx((100 + 200 / 3 + 0) / 3)


def test_a_question_without_answer_wants_an_empty_prediction():
    """Prevents SQuAD 2.0 from being scored as if every question had an answer."""
    assert _scores(("", []), ("bank", [])) == {"exact_match": 50.0, "f1": 50.0}
    assert _scores(("", ["bank"]))["f1"] == 0.0


def test_predictions_of_another_row_are_refused():
    """Prevents answers compared with those of the next question."""
    with pytest.raises(ValueError, match="prediction for `2` in row 1, got the one for `1`"):
        Squad(keep_in_memory=True).compute(
            predictions=[{"id": "1", "prediction_text": "a"}],
            references=[{"id": "2", "answers": {"text": ["a"], "answer_start": [0]}}],
        )

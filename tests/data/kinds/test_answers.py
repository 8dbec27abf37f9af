"""Answers: what the model says of tokens comes back as the exact characters of the context."""

from dataclasses import replace

import numpy as np
import pytest
from datasets import Dataset, Features, List, Value

from hf_tinybert.data.kinds.answer_windows import encode_questions
from hf_tinybert.data.kinds.answers import decode_answers, holds_unanswerable, score_answers
from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings

CONTEXT = "the film is bad . the game was slow today .  The OLD Banks loses share of the market ."
QUESTION = "is the bank old"
SETTINGS = TaskSettings(TaskKind.QUESTION_ANSWERING, max_length=16, stride=6)
FEATURES = Features(
    {
        "id": Value("string"),
        "question": Value("string"),
        "context": Value("string"),
        "answers": {"text": List(Value("string")), "answer_start": List(Value("int32"))},
    }
)


def _rows(*answers):
    return Dataset.from_dict(
        {
            "id": [f"row-{number}" for number in range(len(answers))],
            "question": [QUESTION] * len(answers),
            "context": [CONTEXT] * len(answers),
            "answers": [
                {"text": [each] if each else [], "answer_start": [CONTEXT.index(each)] if each else []}
                for each in answers
            ],
        },
        features=FEATURES,
    )


def _perfect_logits(encoded, padding=0):
    longest = max(len(ids) for ids in encoded["input_ids"]) + padding
    logits = np.full((2, len(encoded), longest), -100.0, dtype=np.float32)
    for row, window in enumerate(encoded):
        logits[:, row, : len(window["input_ids"])] = np.random.uniform(-1, 1, (2, len(window["input_ids"])))
        logits[0, row, window["start_positions"]] = 9.0
        logits[1, row, window["end_positions"]] = 9.0
    return tuple(logits)


@pytest.mark.parametrize("padding", [0, 9])
def test_perfect_logits_give_the_gold_answers_and_the_score_100(tokenizer, padding):
    """Prevents answers of another window, of lower case, with a character too many, or out of the padding."""
    answers = ["film is bad", "OLD Banks", "market", "slow", "the film", "."]
    rows = _rows(*answers)
    encoded = encode_questions(rows, tokenizer, SETTINGS)
    assert len(encoded) > len(rows)
    predictions = decode_answers(_perfect_logits(encoded, padding), encoded, rows, SETTINGS)
    assert [prediction["answer"] for prediction in predictions] == answers
    for prediction, row in zip(predictions, rows, strict=True):
        assert prediction["id"] == row["id"]
        assert CONTEXT[prediction["start"] : prediction["end"]] == prediction["answer"]
        assert prediction["score"] > 0.99
    assert score_answers(predictions, rows, SETTINGS) == {"f1": 100.0, "exact_match": 100.0}


def test_questions_without_answer_are_answered_by_nothing(tokenizer):
    """Prevents SQuAD 2.0 from being answered with some words of every context."""
    rows = _rows("OLD Banks", "", "film")
    assert holds_unanswerable(rows)
    encoded = encode_questions(rows, tokenizer, SETTINGS)
    predictions = decode_answers(_perfect_logits(encoded), encoded, rows, SETTINGS)
    assert [prediction["answer"] for prediction in predictions] == ["OLD Banks", "", "film"]
    assert (predictions[1]["start"], predictions[1]["end"]) == (-1, -1)
    assert predictions[1]["score"] > 0.99
    assert score_answers(predictions, rows, SETTINGS) == {"f1": 100.0, "exact_match": 100.0}


def test_without_unanswerable_questions_there_is_always_an_answer(tokenizer):
    """Prevents empty answers on SQuAD 1.1, where each is a mistake, and full ones for a task that knows them."""
    rows = _rows("film")
    encoded = encode_questions(rows, tokenizer, SETTINGS)
    start, end = _perfect_logits(encoded)
    start[:, 0] = end[:, 0] = 50.0
    assert not holds_unanswerable(rows)
    assert decode_answers((start, end), encoded, rows, SETTINGS)[0]["answer"] == "film"
    new = rows.remove_columns("answers")
    assert decode_answers((start, end), encoded, new, SETTINGS)[0]["answer"] == "film"
    assert decode_answers((start, end), encoded, new, replace(SETTINGS, unanswerable=True))[0]["answer"] == ""


def test_one_window_that_sees_an_answer_is_enough(tokenizer):
    """Prevents a long context from having no answer because most of its windows rightly have none."""
    rows = _rows("market")
    encoded = encode_questions(rows, tokenizer, SETTINGS)
    start, end = _perfect_logits(encoded)
    start[:, 0] += 20
    held = np.array(encoded["start_positions"]) > 0
    start[held, 0] = end[held, 0] = 0.0
    settings = replace(SETTINGS, unanswerable=True)
    assert decode_answers((start, end), encoded, rows, settings)[0]["answer"] == "market"


def test_the_score_is_a_share_of_the_best_answers(tokenizer):
    """Prevents scores that are no probability."""
    rows = _rows("film").remove_columns("answers")
    encoded = encode_questions(rows, tokenizer, SETTINGS)
    shape = (len(encoded), 16)
    (prediction,) = decode_answers((np.zeros(shape), np.zeros(shape)), encoded, rows, SETTINGS)
    assert prediction["score"] == pytest.approx(1 / 20)


def test_logits_of_another_head_are_refused(tokenizer):
    """Prevents the classes of another head from being read as places."""
    rows = _rows("film")
    encoded = encode_questions(rows, tokenizer, SETTINGS)
    with pytest.raises(ValueError, match="expected start and end logits, got ndarray"):
        decode_answers(np.zeros((len(encoded), 16)), encoded, rows, SETTINGS)


def test_scoring_needs_true_answers(tokenizer):
    """Prevents new rows from being scored as unanswerable ones."""
    with pytest.raises(ValueError, match="`answers`"):
        score_answers([], _rows("film").remove_columns("answers"), SETTINGS)

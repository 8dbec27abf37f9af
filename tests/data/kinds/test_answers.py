"""Answers: what the model says of tokens comes back as the exact characters of the context."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, List, Value
from transformers import BertConfig, BertForQuestionAnswering, Trainer, TrainingArguments

from hf_tinybert.data.kinds.answer_windows import encode_questions
from hf_tinybert.data.kinds.answers import QUESTION_ANSWERING, decode_answers, holds_unanswerable, score_answers
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


@pytest.mark.parametrize("family", ["byte_level_tokenizer", "sentence_piece_tokenizer"])
def test_other_families_of_tokenizers_give_the_exact_characters(request, family):
    """Prevents answers with the space before them, which some tokenizers count to a word."""
    answers = ["film is bad", "OLD Banks", "market", "the film", ".", "The OLD"]
    rows = _rows(*answers)
    settings = replace(SETTINGS, max_length=64, stride=30)
    encoded = encode_questions(rows, request.getfixturevalue(family), settings)
    assert len(encoded) > len(rows)
    predictions = decode_answers(_perfect_logits(encoded), encoded, rows, settings)
    assert [prediction["answer"] for prediction in predictions] == answers


def test_answers_from_the_trainer_are_those_of_single_rows(tokenizer, tmp_path):
    """Prevents logits read as the Trainer does not gather them: a tuple, padded at the end batch by batch."""
    rows = _rows("film is bad", "OLD Banks", "market")
    settings = replace(SETTINGS, stride=4)  # the last window of a row is shorter
    encoded = encode_questions(rows, tokenizer, settings)
    model = BertForQuestionAnswering(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            initializer_range=1.0,
        )
    ).eval()
    collator = QUESTION_ANSWERING.collator(tokenizer, settings, 0)
    arguments = TrainingArguments(str(tmp_path), per_device_eval_batch_size=1, use_cpu=True, report_to="none")
    gathered = Trainer(model, arguments, data_collator=collator).predict(encoded).predictions
    assert (gathered[0] == -100).any()
    single = np.full((2, *gathered[0].shape), -100.0)
    for number, row in enumerate(encoded):
        with torch.no_grad():
            output = model(**collator([row]))
        for part, logits in enumerate((output.start_logits, output.end_logits)):
            single[part, number, : logits.shape[1]] = logits[0].numpy()
    predictions = decode_answers(gathered, encoded, rows, settings)
    for one, other in zip(predictions, decode_answers(tuple(single), encoded, rows, settings), strict=True):
        assert one.pop("score") == pytest.approx(other.pop("score"), abs=1e-5)
        assert one == other


def test_questions_without_answer_are_answered_by_nothing(tokenizer):
    """Prevents SQuAD 2.0 from being answered with some words of every context."""
    rows = _rows("OLD Banks", "", "film")
    assert holds_unanswerable(rows)
    encoded = encode_questions(rows, tokenizer, SETTINGS)
    settings = replace(SETTINGS, unanswerable=True)
    predictions = decode_answers(_perfect_logits(encoded), encoded, rows, settings)
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


def test_whether_a_question_may_stay_unanswered_is_no_matter_of_the_rows_at_hand(tokenizer):
    """Prevents the answer to a question from changing with those that are decoded beside it."""
    rows = _rows("film", "")
    encoded = encode_questions(rows, tokenizer, SETTINGS)
    start, end = _perfect_logits(encoded)
    start[:, 0] = end[:, 0] = 50.0
    assert decode_answers((start, end), encoded, rows, SETTINGS)[0]["answer"] == "film"


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

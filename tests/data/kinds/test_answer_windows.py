"""Questions as windows: the answer is where the labels say, or the window says that it has none."""

import logging

import pytest
from datasets import Dataset, Features, List, Value

from hf_tinybert.data.kinds.answer_windows import encode_questions
from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.kinds.windows import NOT_READ

CONTEXT = "the film is bad . the game was slow today .  The old banks loses share of the market ."
FEATURES = Features(
    {
        "id": Value("string"),
        "question": Value("string"),
        "context": Value("string"),
        "answers": {"text": List(Value("string")), "answer_start": List(Value("int32"))},
    }
)


def _rows(*rows):
    """Rows of question, context and the answers' texts and places."""
    columns = {"id": [], "question": [], "context": [], "answers": []}
    for number, (question, context, texts, starts) in enumerate(rows):
        columns["id"].append(str(number))
        columns["question"].append(question)
        columns["context"].append(context)
        columns["answers"].append({"text": texts, "answer_start": starts})
    return Dataset.from_dict(columns, features=FEATURES)


def _row(answer, question="is the bank old", context=CONTEXT):
    return question, context, [answer], [context.index(answer)]


def _settings(max_length=64, stride=0):
    return TaskSettings(TaskKind.QUESTION_ANSWERING, max_length=max_length, stride=stride)


@pytest.mark.parametrize(
    "answer", ["the film", "film is bad .", "bad", "old banks", "banks", "bank", "The old", "market .", "."]
)
@pytest.mark.parametrize(("max_length", "stride"), [(64, 0), (16, 6), (14, 5)])
def test_start_and_end_hold_the_answer(tokenizer, answer, max_length, stride):
    """Prevents a model that learns places beside the answer, or in a window that does not hold it."""
    rows = _rows(_row(answer))
    encoded = encode_questions(rows, tokenizer, _settings(max_length, stride))
    found = [row for row in encoded if row["start_positions"] != row["no_answer_position"]]
    assert found
    begin = CONTEXT.index(answer)
    for row in found:
        start, end = row["context_starts"][row["start_positions"]], row["context_ends"][row["end_positions"]]
        assert start <= begin
        assert begin + len(answer) <= end
        # No more than the rest of the word at whose piece the answer stops.
        assert CONTEXT[start:end].replace(answer, "", 1).strip() in ("", "s")
    for row in encoded:
        assert len(row["input_ids"]) <= max_length
        if row not in found:
            assert row["start_positions"] == row["end_positions"] == 0
            inside = [place for place in row["context_starts"] if place != NOT_READ]
            ends = [place for place in row["context_ends"] if place != NOT_READ]
            assert inside[0] > begin or ends[-1] < begin + len(answer)


def test_windows_cover_the_whole_context_and_each_holds_the_question(tokenizer):
    """Prevents the end of a long context from being cut off."""
    encoded = encode_questions(_rows(_row("bad"), _row("old")), tokenizer, _settings(16, 4))
    question = tokenizer("is the bank old", add_special_tokens=False)["input_ids"]
    whole = tokenizer(CONTEXT, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    for number in (0, 1):
        windows = [row for row in encoded if row["row_number"] == number]
        assert len(windows) > 1
        assert all(row["input_ids"][1:5] == question for row in windows)
        spans = {
            span
            for row in windows
            for span in zip(row["context_starts"], row["context_ends"], strict=True)
            if span[0] != NOT_READ
        }
        assert spans == {tuple(span) for span in whole}


def test_a_row_without_answer_points_at_the_first_token(tokenizer):
    """Prevents unanswerable questions from teaching a place."""
    encoded = encode_questions(_rows(("is it", CONTEXT, [], [])), tokenizer, _settings())
    assert (encoded[0]["start_positions"], encoded[0]["end_positions"]) == (0, 0)


def test_answers_that_no_window_holds_are_counted(tokenizer, caplog):
    """Prevents answers that silently train as `no answer`."""
    with caplog.at_level(logging.WARNING):
        encode_questions(_rows(_row("bad"), _row("film is bad . the game was")), tokenizer, _settings(10, 2))
    assert "1 of 2 answers are in no window as a whole (first: row 1)" in caplog.text


def test_rows_without_answers_are_encoded_without_positions(tokenizer):
    """Prevents prediction on new questions from failing for want of answers."""
    rows = _rows(_row("bad")).remove_columns("answers")
    assert "start_positions" not in encode_questions(rows, tokenizer, _settings()).column_names


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("is it", CONTEXT, ["film"], [5]), "expected the answer 'film' at character 5 of the context in row 2, got"),
        (("is it", CONTEXT, ["film"], [-1]), "at character -1 of the context in row 2"),
        (("is it", CONTEXT, ["film"], [999]), "at character 999 of the context in row 2, got ''"),
        (("is it", CONTEXT, [" "], [3]), "expected the answer ' ' at character 3"),
        (("is it", CONTEXT, ["film"], []), "`answer_start` for each of 1 answers in row 2, got 0"),
        (("is " * 12, CONTEXT, ["film"], [4]), "question of at most 10 tokens in row 2, got 12: 'is is"),
        ((" ", CONTEXT, ["film"], [4]), "expected text in `question` of every row, got ' ' in row 2"),
        (("is it", "\n", [], []), "expected text in `context` of every row, got '\\\\n' in row 2"),
    ],
)
def test_bad_rows_are_refused_with_their_number(tokenizer, row, message):
    """Prevents answers learnt at a wrong place, and a search for the row among thousands."""
    with pytest.raises(ValueError, match=message):
        encode_questions(_rows(_row("bad"), row), tokenizer, _settings(16, 2))

"""Rows that are refused, each with its split, number and value."""

import logging

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from hf_tinybert.data import row_checks
from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.data.row_checks import check_rows, warn_of_broken_entities

TAGS = ["O", "B-person", "I-person", "B-place", "I-place"]
STRINGS = List(Value("string"))


def check(kind, *rows, features=None):
    check_rows(Dataset.from_list(list(rows), features=features), "train", kind)


def question(context="Ada wrote it, Ada", text="Ada", start=0, name="1"):
    answers = {"text": [text], "answer_start": [start]}
    return {"id": name, "question": "who ?", "context": context, "answers": answers}


def choice(choices=("yes", "no"), label=0):
    return {"text": "", "choices": list(choices), "label": label}


GOOD = {
    TaskKind.TEXT_CLASSIFICATION: {"text": "NA", "label": 0},
    TaskKind.PAIR_CLASSIFICATION: {"text": "a", "text_pair": "b", "label": 0},
    TaskKind.MULTI_LABEL_CLASSIFICATION: {"text": "a", "labels": []},
    TaskKind.REGRESSION: {"text": "a", "score": 1.0},
    TaskKind.SENTENCE_EMBEDDING: {"text": "a"},
    TaskKind.MASKED_LM: {"text": "a"},
    TaskKind.TOKEN_CLASSIFICATION: {"tokens": ["a", "b"], "tags": [0, 1]},
    TaskKind.QUESTION_ANSWERING: question(),
    TaskKind.MULTIPLE_CHOICE: choice(),
    TaskKind.EXTRACTIVE_SUMMARIZATION: {"document": "One. Two.", "summaries": ["One."]},
}
PAIR = {"text": "a", "text_pair": "b"}
WRONG = [
    (
        TaskKind.TEXT_CLASSIFICATION,
        {"text": " \u2003\n"},
        r"a text in every row, got ' \\u2003\\n' in `text` in row 2",
    ),
    (TaskKind.TEXT_CLASSIFICATION, {"text": None}, r"got None in `text` in row 2 of `train` \(rows count from 1\);"),
    (TaskKind.PAIR_CLASSIFICATION, PAIR | {"text_pair": ""}, r"got '' in `text_pair` in row 2"),
    (TaskKind.MULTI_LABEL_CLASSIFICATION, {"text": ""}, r"a text in every row, got '' in `text` in row 2"),
    (TaskKind.SENTENCE_EMBEDDING, {"text": ""}, r"a text in every row, got '' in `text` in row 2"),
    (TaskKind.MASKED_LM, {"text": ""}, r"a text in every row, got '' in `text` in row 2"),
    (TaskKind.REGRESSION, {"score": float("nan")}, r"a finite score, got nan in `score` in row 2"),
    (TaskKind.REGRESSION, {"score": float("-inf")}, r"a finite score, got -inf in `score` in row 2"),
    (TaskKind.TOKEN_CLASSIFICATION, {"tokens": [], "tags": []}, r"at least one token, got \[\] in `tokens` in row 2"),
    (TaskKind.TOKEN_CLASSIFICATION, {"tokens": ["a", None]}, r"strings only, got \['a', None\] in `tokens` in row 2"),
    (
        TaskKind.TOKEN_CLASSIFICATION,
        {"tags": [0, 1, 0]},
        r"a tag for each token, got 2 tokens and 3 tags, \['a', 'b'\] in row 2",
    ),
    (TaskKind.QUESTION_ANSWERING, question(name="1"), r"an id of its own .*, got `1`, as in row 1, in row 2"),
    (TaskKind.QUESTION_ANSWERING, {"id": None}, r"an id of its own for every question, got none in row 2"),
    (TaskKind.QUESTION_ANSWERING, {"question": " "}, r"got ' ' in `question` in row 2"),
    (
        TaskKind.QUESTION_ANSWERING,
        question(start=4),
        r"'Ada' at character 4, where 'wro' is \(it is at 0, 14; characters, not bytes, count from 0\) in row 2",
    ),
    (TaskKind.QUESTION_ANSWERING, question(start=-3), r"'Ada' at character -3, where nothing is \(it is at 0, 14"),
    (TaskKind.QUESTION_ANSWERING, question(text="Bob"), r"got 'Bob', which is nowhere in it, in row 2"),
    (
        TaskKind.QUESTION_ANSWERING,
        question(text=""),
        r"got an empty one \(a question without an answer has empty lists",
    ),
    (
        TaskKind.QUESTION_ANSWERING,
        {"answers": {"text": ["Ada"], "answer_start": []}},
        r"got 1 texts and 0 starts in row 2",
    ),
    (TaskKind.MULTIPLE_CHOICE, choice(["yes", "no", "or"]), r"2 choices, as in row 1, got \['yes', .* in row 2"),
    (TaskKind.MULTIPLE_CHOICE, choice(["yes"]), r"at least two choices, got \['yes'\] in `choices` in row 2"),
    (
        TaskKind.MULTIPLE_CHOICE,
        choice(["yes", ""]),
        r"a text in every choice, got \['yes', ''\] in `choices` in row 2",
    ),
    (TaskKind.MULTIPLE_CHOICE, choice(label=2), r"a label from 0 to one less .*, got 2 in `label` in row 2"),
    (TaskKind.MULTIPLE_CHOICE, choice(label=-1), r"got -1 in `label` in row 2"),
    (
        TaskKind.EXTRACTIVE_SUMMARIZATION,
        {"document": " - . "},
        r"a document with a sentence, got ' - . ' in `document`",
    ),
    (TaskKind.EXTRACTIVE_SUMMARIZATION, {"summaries": ["One.", " "]}, r"got \['One.', ' '\] in `summaries` in row 2"),
    (TaskKind.EXTRACTIVE_SUMMARIZATION, {"summaries": []}, r"summaries with text, got \[\] in `summaries` in row 2"),
]


@pytest.mark.parametrize(("kind", "wrong", "message"), WRONG)
def test_a_wrong_row_is_refused_with_split_number_and_value(kind, wrong, message):
    """Prevents a run that ends in an index error, or one that learns from a wrong place without a word."""
    names = {"name": "2", "id": "2"} if kind is TaskKind.QUESTION_ANSWERING and wrong.get("id") != "1" else {}
    row = GOOD[kind] | {name: value for name, value in names.items() if name in GOOD[kind]} | wrong
    if kind is TaskKind.QUESTION_ANSWERING and "of its own" not in message:
        row["id"] = "2"
    with pytest.raises(ValueError, match=message) as refusal:
        check(kind, GOOD[kind], row)
    assert "row 2 of `train` (rows count from 1)" in str(refusal.value)


@pytest.mark.parametrize("kind", TaskKind)
def test_sound_rows_pass(kind):
    """Prevents a check that refuses everything."""
    check(kind, GOOD[kind])


@pytest.mark.parametrize(
    "lists", [[[0, 1, 0], [1, 1, 0]], [[1, 0], [1, 1]], [[True, False], [False, False]], [[0, 0, 0, 0], None]]
)
def test_a_zero_or_one_for_every_label_is_refused(lists):
    """Prevents marks of labels from being learned as two labels called 0 and 1, of which every row has both."""
    rows = [{"text": "a", "labels": own} for own in lists]
    with pytest.raises(ValueError, match=rf"got {len(lists[0])} numbers of 0 and 1 in every row of `train`, such as"):
        check(TaskKind.MULTI_LABEL_CLASSIFICATION, *rows)


@pytest.mark.parametrize("lists", [[[0], [1], []], [[0, 1], [1, 0]], [[0, 1, 2], [0, 1, 3]], [["0", "1"], ["1", "1"]]])
def test_labels_by_their_numbers_pass(lists):
    """Prevents lists of label numbers from being taken for marks."""
    check(TaskKind.MULTI_LABEL_CLASSIFICATION, *({"text": "a", "labels": own} for own in lists))


def test_rows_without_gold_answers_pass():
    """Prevents rows to predict from being refused for answers that nobody expects."""
    check(TaskKind.TOKEN_CLASSIFICATION, {"tokens": ["a"]})
    check(TaskKind.QUESTION_ANSWERING, {"id": "1", "question": "q", "context": "c"})
    check(TaskKind.MULTIPLE_CHOICE, {"text": "", "choices": ["a", "b"]})
    check(TaskKind.EXTRACTIVE_SUMMARIZATION, {"document": "One."})


def test_questions_without_an_answer_and_several_answers_pass():
    """Prevents SQuAD 2 from being refused, and only the first of several answers from being checked."""
    several = question() | {"id": "2", "answers": {"text": ["Ada", "it, Ada"], "answer_start": [14, 10]}}
    none = question() | {"id": "3", "answers": {"text": [], "answer_start": []}}
    check(TaskKind.QUESTION_ANSWERING, question(), several, none)
    several["answers"] = {"text": ["Ada", "it, Ada"], "answer_start": [14, 11]}
    with pytest.raises(ValueError, match=r"'it, Ada' at character 11"):
        check(TaskKind.QUESTION_ANSWERING, question(), several)


def test_all_rows_that_are_wrong_in_one_way_are_counted():
    """Prevents mending a file row by row."""
    with pytest.raises(ValueError, match=r"row 2 of `train` \(rows count from 1\) \(2 of 3 rows are so\)"):
        check(TaskKind.TEXT_CLASSIFICATION, {"text": "a"}, {"text": ""}, {"text": None})


def test_long_values_are_cut_in_the_message():
    """Prevents an error of a thousand lines for one wrong document."""
    with pytest.raises(ValueError) as refusal:
        check(TaskKind.EXTRACTIVE_SUMMARIZATION, {"document": ". " * 5000, "summaries": ["a"]})
    assert len(str(refusal.value)) < 400


def tagged(*rows, names=TAGS):
    features = Features({"tokens": STRINGS, "tags": List(ClassLabel(names=names))})
    return DatasetDict(
        test=Dataset.from_list([{"tokens": ["w"] * len(row), "tags": row} for row in rows], features=features)
    )


def test_entities_that_go_on_without_a_beginning_are_counted(caplog):
    """Prevents a score that is low because the data is written in another scheme."""
    with caplog.at_level(logging.WARNING):
        # I after O, I of another type, I at the start of a row whose neighbour ends in that type
        warn_of_broken_entities(tagged([0, 2, 2], [1, 2, 4], [3], [4, 0]))
    assert "3 tags in 3 of 4 rows of `test`" in caplog.text
    assert "the first in row 1 (rows count from 1): ['O', 'I-person', 'I-person']" in caplog.text


def test_whole_entities_and_other_schemes_give_no_warning(caplog):
    """Prevents a warning that everybody learns to ignore."""
    with caplog.at_level(logging.WARNING):
        warn_of_broken_entities(tagged([1, 2, 2, 1, 2, 0, 3, 4], [0], []))
        warn_of_broken_entities(tagged([0, 1, 2], names=["ADJ", "NOUN", "I-X"]))
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [
        (TaskKind.QUESTION_ANSWERING, question(text="Bob", name="7"), "nowhere in it.* in row 8 of"),
        (TaskKind.QUESTION_ANSWERING, question(name="2"), "as in row 3, in row 8 of"),
        (TaskKind.MULTIPLE_CHOICE, choice(("yes", " ")), "a text in every choice.* in row 8 of"),
        (TaskKind.EXTRACTIVE_SUMMARIZATION, {"document": "One.", "summaries": [""]}, "summaries with text.* row 8 of"),
    ],
)
def test_rows_are_numbered_from_the_first_of_all_parts(kind, wrong, message, monkeypatch):
    """Prevents a wrong row told by its number in a part, where not all rows are made Python's objects at once."""
    monkeypatch.setattr(row_checks, "_AT_ONCE", 3)
    good = [{**GOOD[kind], **({"id": str(row)} if "id" in GOOD[kind] else {})} for row in range(7)]
    check(kind, *good)
    with pytest.raises(ValueError, match=message):
        check(kind, *good, wrong)

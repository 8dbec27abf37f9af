"""Splits that are cut out of train."""

import logging

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from datasets.arrow_dataset import Column

from hf_tinybert.data.held_out import cut_missing_splits, warn_of_repeated_rows
from hf_tinybert.data.kinds.definition import TaskKind

QUESTION_ANSWERING = TaskKind.QUESTION_ANSWERING


def classes(rows):
    features = Features({"text": Value("string"), "label": ClassLabel(3)})
    return DatasetDict(train=Dataset.from_list([{"text": text, "label": label} for text, label in rows], features))


def sizes(dataset):
    return {name: split.num_rows for name, split in dataset.items()}


def test_classes_keep_their_shares():
    """Prevents a test split of one class."""
    rows = [(f"text {i}", i % 3) for i in range(60)]
    cut, stayed = cut_missing_splits(classes(rows), TaskKind.TEXT_CLASSIFICATION, seed=5)
    assert cut["train"]["text"][:] == [rows[row][0] for row in stayed]
    assert sizes(cut) == {"train": 48, "validation": 6, "test": 6}
    assert sorted(cut["test"]["label"]) == [0, 0, 1, 1, 2, 2]
    assert sorted(text for split in cut.values() for text in split["text"]) == sorted(text for text, _ in rows)


def test_texts_in_the_place_of_labels_are_told():
    """Prevents the advice to bring more rows where texts and labels are swapped."""
    features = Features({"text": Value("string"), "label": ClassLabel(names=[f"text {i}" for i in range(60)])})
    rows = Dataset.from_list([{"text": "good" if i % 2 else "bad", "label": i} for i in range(60)], features)
    with pytest.raises(ValueError, match="60 different ones in 60 rows, such as `text 0`.* swapped"):
        cut_missing_splits(DatasetDict(train=rows), TaskKind.TEXT_CLASSIFICATION, seed=0)


def test_nothing_is_cut_where_nothing_is_missing():
    """Prevents published splits from changing."""
    train = classes([("a", 0), ("b", 1)])["train"]
    dataset = DatasetDict(train=train, validation=train, test=train)
    assert cut_missing_splits(dataset, TaskKind.TEXT_CLASSIFICATION, seed=0)[0] is dataset


def test_all_questions_on_a_paragraph_lie_in_one_split():
    """Prevents questions about a paragraph that was learnt, whatever its letters' case."""
    rows = [{"context": f"{'About' if i % 2 else 'about'} {i // 4}", "question": f"q {i}"} for i in range(80)]
    cut, _ = cut_missing_splits(DatasetDict(train=Dataset.from_list(rows)), QUESTION_ANSWERING, seed=0)
    contexts = [{context.lower() for context in split["context"]} for split in cut.values()]
    assert sum(map(len, contexts)) == len(set.union(*contexts)) == 20
    assert sizes(cut) == {"train": 64, "validation": 8, "test": 8}


ROWS = {
    TaskKind.TOKEN_CLASSIFICATION: lambda i: {"tokens": ["word", str(i)]},
    TaskKind.EXTRACTIVE_SUMMARIZATION: lambda i: {"document": f"document {i}"},
    TaskKind.MULTIPLE_CHOICE: lambda i: {"text": "", "choices": [f"choice {i}", "other"]},
    TaskKind.REGRESSION: lambda i: {"text": "same", "text_pair": f"text {i}"},
    TaskKind.MASKED_LM: lambda i: {"text": f"text {i}"},
    TaskKind.MULTI_LABEL_CLASSIFICATION: lambda i: {"text": f"text {i}"},
}


@pytest.mark.parametrize("kind", ROWS)
def test_rows_of_one_content_stay_together_for_every_kind(kind):
    """Prevents a leak through duplicates: every row stands in the data twice."""
    rows = [ROWS[kind](i // 2) for i in range(80)]
    cut, _ = cut_missing_splits(DatasetDict(train=Dataset.from_list(rows)), kind, seed=1)
    contents = [{str(row) for row in split} for split in cut.values()]
    assert sum(map(len, contents)) == len(set.union(*contents)) == 40
    assert sizes(cut) == {"train": 64, "validation": 8, "test": 8}


@pytest.mark.parametrize("kind", [*ROWS, QUESTION_ANSWERING])
def test_rows_that_are_learnt_and_scored_are_counted(kind, caplog):
    """Prevents a score that is too high because test rows stand in train."""
    row = ROWS.get(kind, lambda i: {"context": f"about {i}", "question": f"q {i}"})
    train = Dataset.from_list([row(i) for i in range(5)])
    dataset = DatasetDict(train=train, test=Dataset.from_list([row(i) for i in range(3, 9)]))
    with caplog.at_level(logging.WARNING):
        warn_of_repeated_rows(dataset, kind)
    assert "2 of 6 texts in `test` stand in `train` too" in caplog.text
    assert "`train` stand" not in caplog.text


@pytest.mark.parametrize("kind", [*ROWS, TaskKind.TEXT_CLASSIFICATION, QUESTION_ANSWERING])
def test_texts_are_not_read_row_by_row(kind, monkeypatch):
    """Prevents a minute for a million rows before the first step: the library makes a dictionary of each."""
    made = ROWS.get(kind, lambda i: {"text": f"text {i}", "context": f"context {i}", "label": i % 2})
    rows = Dataset.from_list([made(i) for i in range(40)])
    monkeypatch.setattr(Column, "__iter__", lambda self: pytest.fail("rows are read one by one"))
    cut, _ = cut_missing_splits(DatasetDict(train=rows), kind, seed=0)
    warn_of_repeated_rows(cut, kind)
    assert sizes(cut) == {"train": 32, "validation": 4, "test": 4}

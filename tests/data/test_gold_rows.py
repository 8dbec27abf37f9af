"""Splits whose answers are hidden."""

import logging

import pytest
from datasets import Dataset, DatasetDict, Features, Value

from hf_tinybert.data.gold_rows import without_hidden_splits


def splits(**scores):
    features = Features({"score": Value("float64")})
    return DatasetDict({name: Dataset.from_dict({"score": values}, features) for name, values in scores.items()})


@pytest.mark.parametrize("hidden", [[None, None], [-1.0, -1.0]])
def test_a_split_with_hidden_answers_is_left_out_and_said(hidden, caplog):
    """Prevents a correlation with the -1 of a hidden test set."""
    with caplog.at_level(logging.WARNING):
        assert list(without_hidden_splits(splits(train=[0.5, -1.0], test=hidden), "score")) == ["train"]
    assert "['test'] have no labels" in caplog.text


def test_rows_without_an_answer_are_refused():
    """Prevents training on rows that say nothing; a -1 among other scores is a score."""
    with pytest.raises(ValueError, match=r"expected gold answers in `train`, got none in `score`"):
        without_hidden_splits(splits(train=[None, None]), "score")
    message = r"a `score` in every row of split `test`, got 2 of 3 rows without one, the first in row 2"
    with pytest.raises(ValueError, match=message):
        without_hidden_splits(splits(train=[1.0], test=[-1.0, None, None]), "score")

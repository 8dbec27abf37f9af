"""A number per text or pair."""

import json

import numpy as np
import pytest
from datasets import Dataset
from scipy import stats
from transformers import BertForSequenceClassification

from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.tasks import Task

NUMBERS = [0.5, 3.0, 5.0, 1.0]


@pytest.fixture
def task():
    return Task(TaskSettings(TaskKind.REGRESSION, max_length=32))


@pytest.fixture
def rows():
    return Dataset.from_dict({"text": ["a", "the", "film", "bank"], "score": NUMBERS})


def test_labels_are_the_numbers_themselves(task, tokenizer, rows):
    """Prevents numbers that are cut to class ids, of whole numbers among them."""
    encoded = task.encode(rows, tokenizer)
    assert encoded["labels"][:] == NUMBERS
    whole = Dataset.from_dict({"text": ["a", "the"], "score": [1, 2]})
    batch = task.collator(tokenizer)(list(task.encode(whole, tokenizer)))
    assert batch["labels"].dtype.is_floating_point
    assert task.model_settings() == {"problem_type": "regression", "num_labels": 1}


@pytest.mark.parametrize("shape", [(4, 1), (4,)])
def test_a_prediction_is_the_number_of_its_row(task, tokenizer, rows, shape):
    """Prevents numbers in the order of another pass, and an axis too many."""
    encoded = task.encode(rows, tokenizer)
    logits = np.array([3.25, 1.0, -2.0, 0.0]).reshape(shape)
    predictions = task.decode(logits, encoded, rows)
    assert predictions == [{"score": 3.25}, {"score": 1.0}, {"score": -2.0}, {"score": 0.0}]
    assert task.decode(logits[::-1], encoded.select([3, 2, 1, 0]), rows) == predictions
    assert json.loads(json.dumps(predictions)) == predictions


def test_scores_are_those_of_scipy(task, rows):
    """Prevents correlations with the scores of other rows."""
    found = [0.0, 2.0, 2.5, 3.0]
    expected = {
        "spearmanr": stats.spearmanr(found, NUMBERS).statistic,
        "pearsonr": stats.pearsonr(found, NUMBERS).statistic,
    }
    assert task.score([{"score": number} for number in found], rows) == pytest.approx(expected)
    assert tuple(expected) == task.metrics


def test_rows_without_gold_are_predicted_and_not_scored(task, tokenizer, rows):
    """Prevents a prediction that needs its answer."""
    blind = rows.remove_columns("score")
    encoded = task.encode(blind, tokenizer)
    assert "labels" not in encoded.column_names
    predictions = task.decode(np.zeros((4, 1)), encoded, blind)
    with pytest.raises(ValueError, match="expected the column `score`"):
        task.score(predictions, blind)


def test_the_stock_trainer_learns_and_scores_it(task, sentences, small_config, trained):
    """Prevents numbers that a stock head cannot take: the number of a pair is the length of its first text."""
    numbers = [float(len(text.split())) for text in sentences]
    rows = Dataset.from_dict({"text": sentences, "text_pair": ["the film"] * 24, "score": numbers})
    model = BertForSequenceClassification(small_config(**task.model_settings()))
    scores = trained(task, model, rows)
    assert scores["eval_pearsonr"] >= 0.7
    assert scores["eval_spearmanr"] >= 0.7

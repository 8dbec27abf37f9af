"""Any number of labels per text."""

import json

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value
from scipy.special import expit
from sklearn.metrics import f1_score
from transformers import BertForSequenceClassification

from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.tasks import Task

NAMES = ("money", "art", "play")
LOGITS = np.array([[2.0, -1.0, 3.0], [-1.0, -2.0, -0.5], [0.0, 1.0, -1.0]])


@pytest.fixture
def task():
    return Task(TaskSettings(TaskKind.MULTI_LABEL_CLASSIFICATION, labels=NAMES, max_length=16))


@pytest.fixture
def rows():
    features = Features({"text": Value("string"), "labels": List(ClassLabel(names=["art", "money", "play"]))})
    return Dataset.from_dict({"text": ["a", "the", "bank"], "labels": [[2, 1], [], [1]]}, features=features)


def test_labels_are_zeros_and_ones_as_floats(task, tokenizer, rows):
    """Prevents a row without labels that is dropped, and ids where the loss wants marks."""
    encoded = task.encode(rows, tokenizer)
    assert encoded["labels"][:] == [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    assert encoded.features["labels"] == List(Value("float32"))
    assert task.collator(tokenizer)([encoded[0], encoded[1]])["labels"].dtype.is_floating_point


def test_every_label_of_half_or_more_is_given(task, tokenizer, rows):
    """Prevents a softmax, with which two labels could never both be likely; a logit of 0 is one half."""
    encoded = task.encode(rows, tokenizer)
    predictions = task.decode(LOGITS, encoded, rows)
    assert [prediction["labels"] for prediction in predictions] == [["money", "play"], [], ["money", "art"]]
    assert list(predictions[0]["scores"].values()) == pytest.approx(expit(LOGITS[0]), abs=1e-6)
    assert json.loads(json.dumps(predictions)) == predictions
    padded = np.pad(LOGITS[::-1], ((0, 0), (0, 1)), constant_values=-100)
    assert task.decode(padded, encoded.select([2, 1, 0]), rows) == predictions


def test_scores_are_those_of_scikit_learn(task, tokenizer, rows):
    """Prevents F1 of whole rows, and a row without labels that counts as wrong."""
    predictions = task.decode(LOGITS, task.encode(rows, tokenizer), rows)
    true, predicted = [[1, 0, 1], [0, 0, 0], [1, 0, 0]], [[1, 0, 1], [0, 0, 0], [1, 1, 0]]
    expected = {
        "f1": 2 * 3 / (4 + 3),
        "f1_macro": f1_score(true, predicted, average="macro", zero_division=0),
        "accuracy": 2 / 3,
    }
    assert task.score(predictions, rows) == pytest.approx(expected)
    assert tuple(expected) == task.metrics


def test_rows_without_gold_are_predicted_and_not_scored(task, tokenizer, rows):
    """Prevents a prediction that needs its answer."""
    blind = rows.remove_columns("labels")
    predictions = task.decode(LOGITS, task.encode(blind, tokenizer), blind)
    assert len(predictions) == 3
    with pytest.raises(ValueError, match="expected the column `labels`"):
        task.score(predictions, blind)


def test_the_stock_trainer_learns_and_scores_it(task, sentences, small_config, trained):
    """Prevents labels that a stock head cannot take: words of a text decide about its labels."""
    labels = [[index for index, word in enumerate(("bank", "film", "goal")) if word in text] for text in sentences]
    features = Features({"text": Value("string"), "labels": List(ClassLabel(names=list(NAMES)))})
    rows = Dataset.from_dict({"text": sentences, "labels": labels}, features=features)
    model = BertForSequenceClassification(small_config(**task.model_settings()))
    assert trained(task, model, rows)["eval_f1"] >= 0.9

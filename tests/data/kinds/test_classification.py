"""One class per text or pair."""

import json

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Value
from scipy.special import softmax
from sklearn.metrics import f1_score, matthews_corrcoef
from transformers import BertForSequenceClassification

from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.tasks import Task

NAMES = ("business", "culture", "sport")
LOGITS = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 0.5], [0.0, 0.1, 0.2]])


@pytest.fixture
def task():
    return Task(TaskSettings(TaskKind.TEXT_CLASSIFICATION, labels=NAMES, max_length=16))


@pytest.fixture
def rows(text_dataset):
    return text_dataset.select(range(4))


def test_labels_are_ids_in_the_order_of_the_task(task, tokenizer, rows):
    """Prevents swapped classes where the data has them in another order than the model."""
    features = Features({"text": Value("string"), "label": ClassLabel(names=["sport", "culture", "business"])})
    turned = Dataset.from_dict({"text": ["a", "the", "."], "label": [0, 2, 1]}, features=features)
    encoded = task.encode(turned, tokenizer)
    assert encoded["labels"][:] == [2, 0, 1]
    assert encoded.features["labels"].names == list(NAMES)
    assert "labels" not in task.encode(turned.remove_columns("label"), tokenizer).column_names


def test_a_prediction_names_the_likeliest_class_and_all_probabilities(task, tokenizer, rows):
    """Prevents probabilities under the names of other classes."""
    predictions = task.decode(LOGITS, task.encode(rows, tokenizer), rows)
    assert [prediction["label"] for prediction in predictions] == ["business", "culture", "business", "sport"]
    shares = softmax(LOGITS, axis=1)
    assert list(predictions[1]["scores"].values()) == pytest.approx(shares[1], abs=1e-6)
    assert list(predictions[1]["scores"]) == list(NAMES)
    assert predictions[1]["score"] == predictions[1]["scores"]["culture"]
    assert json.loads(json.dumps(predictions)) == predictions


def test_padding_and_the_order_of_encoded_rows_change_nothing(task, tokenizer, rows):
    """Prevents predictions of another row, and -100 that is read as a class."""
    encoded = task.encode(rows, tokenizer)
    expected = task.decode(LOGITS, encoded, rows)
    padded = np.pad(LOGITS, ((0, 0), (0, 2)), constant_values=-100)
    assert task.decode(padded, encoded, rows) == expected
    order = [2, 0, 3, 1]
    assert task.decode(LOGITS[order], encoded.select(order), rows) == expected


def test_scores_are_those_of_scikit_learn(task, tokenizer, text_dataset):
    """Prevents predictions that are compared with the answers of other rows."""
    rows = text_dataset.select([0, 4, 8, 11])
    predictions = task.decode(LOGITS, task.encode(rows, tokenizer), rows)
    true, predicted = [0, 1, 2, 2], [0, 1, 0, 2]
    expected = {
        "accuracy": 0.75,
        "f1": f1_score(true, predicted, average="macro"),
        "matthews_correlation": matthews_corrcoef(true, predicted),
    }
    assert task.score(predictions, rows) == pytest.approx(expected)
    assert tuple(expected) == task.metrics


def test_rows_without_gold_are_predicted_and_not_scored(task, tokenizer, rows):
    """Prevents a prediction that needs its answer, and a score against nothing."""
    blind = rows.remove_columns("label")
    predictions = task.decode(LOGITS, task.encode(blind, tokenizer), blind)
    assert predictions == task.decode(LOGITS, task.encode(rows, tokenizer), rows)
    with pytest.raises(ValueError, match="expected the column `label`"):
        task.score(predictions, blind)


def test_the_stock_trainer_learns_and_scores_it(task, text_dataset, small_config, trained):
    """Prevents rows that a stock head cannot take, and scores that do not follow what it learns."""
    model = BertForSequenceClassification(small_config(**task.model_settings()))
    assert model.config.id2label == dict(enumerate(NAMES))
    assert trained(task, model, text_dataset)["eval_accuracy"] >= 0.9


def test_pairs_are_read_together(tokenizer, text_dataset, small_config, gathered):
    """Prevents a second text that the model never sees."""
    task = Task(TaskSettings(TaskKind.PAIR_CLASSIFICATION, labels=NAMES, max_length=32))
    pairs = text_dataset.select(range(7)).add_column("text_pair", ["bad"] * 7)
    others = text_dataset.select(range(7)).add_column("text_pair", ["good"] * 7)
    model = BertForSequenceClassification(small_config(**task.model_settings())).eval()
    found = [gathered(task, model, task.encode(each, tokenizer)) for each in (pairs, others)]
    assert not np.allclose(*found)
    assert len(task.decode(found[0], task.encode(pairs, tokenizer), pairs)) == 7
    with pytest.raises(ValueError, match="text_pair"):
        task.encode(text_dataset, tokenizer)

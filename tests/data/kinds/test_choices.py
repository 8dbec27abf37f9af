"""The right one of several endings."""

import json

import numpy as np
import pytest
from datasets import Dataset
from scipy.special import softmax
from transformers import BertForMultipleChoice

from hf_tinybert.data.kinds.choices import ChoiceCollator
from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.tasks import Task

CHOICES = [["a film", "the bank rises", "."], ["good", "bad", "slow ."]]
LOGITS = np.array([[0.0, 2.0, 1.0], [3.0, 0.0, 0.5]])


@pytest.fixture
def task():
    return Task(TaskSettings(TaskKind.MULTIPLE_CHOICE, max_length=16))


@pytest.fixture
def rows():
    return Dataset.from_dict({"text": ["the team", ""], "choices": CHOICES, "label": [1, 2]})


def test_every_choice_is_read_after_the_text(task, tokenizer, rows):
    """Prevents choices without their context; an empty text is no empty first segment."""
    encoded = task.encode(rows, tokenizer)
    assert encoded[0]["input_ids"] == [tokenizer("the team", choice)["input_ids"] for choice in CHOICES[0]]
    assert encoded[1]["input_ids"] == [tokenizer(choice)["input_ids"] for choice in CHOICES[1]]
    assert encoded["labels"][:] == [1, 2]


def test_batches_have_an_axis_of_choices(task, tokenizer, rows):
    """Prevents the choices of one row in the batch of another."""
    encoded = task.encode(rows, tokenizer)
    batch = ChoiceCollator(tokenizer)([encoded[0], encoded[1]])
    assert set(batch) == {"input_ids", "token_type_ids", "attention_mask", "labels"}
    assert batch["input_ids"].shape == (2, 3, 8)
    assert tokenizer.decode(batch["input_ids"][1, 2], skip_special_tokens=True) == "slow."
    assert batch["attention_mask"][1].sum(1).tolist() == [3, 3, 4]
    assert batch["labels"].tolist() == [1, 2]


def test_a_prediction_is_the_likeliest_choice_of_its_row(task, tokenizer, rows):
    """Prevents positions that belong to another row, and text of another choice."""
    encoded = task.encode(rows, tokenizer)
    predictions = task.decode(LOGITS, encoded, rows)
    assert [(each["choice"], each["text"]) for each in predictions] == [(1, "the bank rises"), (0, "good")]
    assert predictions[1]["scores"] == pytest.approx(softmax(LOGITS[1]), abs=1e-6)
    assert task.decode(LOGITS[::-1], encoded.select([1, 0]), rows) == predictions
    assert json.loads(json.dumps(predictions)) == predictions
    assert task.score(predictions, rows) == {"accuracy": 0.5}


def test_rows_without_gold_are_predicted_and_not_scored(task, tokenizer, rows):
    """Prevents a prediction that needs its answer."""
    blind = rows.remove_columns("label")
    predictions = task.decode(LOGITS, task.encode(blind, tokenizer), blind)
    assert len(predictions) == 2
    with pytest.raises(ValueError, match="expected the column `label`"):
        task.score(predictions, blind)


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ([["a", "the"], ["a", "the", "."]], "equally many choices in every row, got 2 in row 1 and 3 in row 2"),
        ([["a"], ["a"]], "at least two choices, got 1 in row 1"),
        ([["a", "the"], None], "at least two choices, got 0 in row 2"),
    ],
)
def test_rows_with_other_numbers_of_choices_are_refused(task, tokenizer, choices, told):
    """Prevents an error inside a reshape that names no row."""
    rows = Dataset.from_dict({"text": ["", ""], "choices": choices})
    with pytest.raises(ValueError, match=f"expected {told}"):
        task.encode(rows, tokenizer)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_choice_that_is_not_there_is_refused(task, tokenizer, rows, label):
    """Prevents -1 that is taken for the last choice."""
    wrong = rows.remove_columns("label").add_column("label", [0, label])
    with pytest.raises(ValueError, match=f"from 0 to 2, in `label`, got {label} in row 2"):
        task.encode(wrong, tokenizer)


def test_the_stock_trainer_learns_and_scores_it(task, sentences, small_config, trained):
    """Prevents rows that a stock head cannot take: the choice with the bank is right."""
    orders = [["a bank", "a film", "a goal"], ["a film", "a bank", "a goal"], ["a goal", "a film", "a bank"]]
    columns = {"text": sentences, "choices": orders * 8, "label": [0, 1, 2] * 8}
    model = BertForMultipleChoice(small_config(**task.model_settings()))
    assert trained(task, model, Dataset.from_dict(columns))["eval_accuracy"] >= 0.9

"""Tests of running a model over encoded rows."""

import numpy as np
import pytest
import torch
from datasets import Dataset

from hf_tinybert.workflow import load_model_folder
from hf_tinybert.workflow.inference import Inference

TEXTS = ["the film is slow and old", "a goal", "the team wins the match today .", "bad", "the music was good"]


@pytest.fixture
def classifier(student_of):
    """A student, its tokenizer and its task."""
    folder = load_model_folder(student_of("text-classification")[0])
    return folder.model, folder.tokenizer, folder.task


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_logits_are_those_of_each_row_alone(classifier, batch_size):
    """Prevents rows in the order of their lengths, or padding that changes a prediction."""
    model, tokenizer, task = classifier
    encoded = task.encode(Dataset.from_dict({"text": TEXTS}), tokenizer)
    found = Inference(model, tokenizer, task, batch_size=batch_size).logits(encoded)
    with torch.inference_mode():
        alone = [model(**tokenizer(text, return_tensors="pt")).logits[0].numpy() for text in TEXTS]
    assert np.allclose(found, np.stack(alone), atol=1e-5)


def test_rows_of_tokens_are_padded_as_the_trainer_pads_them(student_of):
    """Prevents predictions of padding from being read as those of words."""
    folder = load_model_folder(student_of("token-classification")[0])
    rows = Dataset.from_dict({"tokens": [text.split() for text in TEXTS]})
    encoded = folder.task.encode(rows, folder.tokenizer)
    found, tags = Inference(folder.model, folder.tokenizer, folder.task, batch_size=1).logits(encoded)
    assert tags.tolist() == [len(folder.task.settings.labels)] * len(TEXTS)
    for row, ids in zip(found, encoded["input_ids"], strict=True):
        assert (row[len(ids) :] == -100).all() and not (row[: len(ids)] == -100).any()


def test_every_batch_is_reported_in_raw_rows(classifier):
    """Prevents a bar that ends before or after its rows."""
    model, tokenizer, task = classifier
    shares: list[float] = []
    inference = Inference(model, tokenizer, task, batch_size=2, on_batch=shares.append)
    assert len(inference.predict(Dataset.from_dict({"text": TEXTS}))) == 5
    assert shares == [2, 2, 1]


def test_dropout_is_off(classifier):
    """Prevents answers that change from call to call."""
    model, tokenizer, task = classifier
    rows = Dataset.from_dict({"text": TEXTS})
    inference = Inference(model.train(), tokenizer, task)
    assert inference.predict(rows) == inference.predict(rows)

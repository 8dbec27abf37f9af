"""Tests of the stages of a quickstart that measure."""

import json

import pytest
from transformers import pipeline

from hf_tinybert.data.sources import load_task_data
from hf_tinybert.quickstart.measuring import SPEED_RUNS


@pytest.mark.parametrize("name", ["teacher", "student", "undistilled"])
def test_accuracy_is_what_the_saved_model_answers(settings, straight, name):
    """Prevents a table of models other than those in the folders, or of another split."""
    folder, summary = straight
    test = load_task_data(settings.dataset).splits["test"]
    answers = pipeline("text-classification", model=str(folder / name))(list(test["text"]), max_length=16)
    names = test.features["label"].names
    right = [answer["label"] == names[label] for answer, label in zip(answers, test["label"], strict=True)]
    assert sum(right) / len(right) == pytest.approx(summary[f"{name}_test_accuracy"])


def test_speed_is_told_of_every_batch_size(straight):
    """Prevents figures in the card under a batch size that was not measured."""
    folder, summary = straight
    told = json.loads((folder / "student" / "figures.json").read_text())["sentences_per_second"]
    assert list(told) == [str(size) for size, _ in SPEED_RUNS]
    assert told["1"]["student"] == summary["student_sentences_per_second_batch_1"]

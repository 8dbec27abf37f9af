"""Tests of what an augmentation depends on."""

import json

import pytest

from hf_tinybert.workflow.augment_settings import AugmentSettings


def test_defaults_are_those_of_the_paper():
    """Prevents another method under its name."""
    replacement = AugmentSettings(data="rows.csv", seed=3).replacement
    assert (replacement.probability, replacement.candidates, replacement.copies, replacement.seed) == (0.4, 15, 20, 3)


def test_they_are_json_values():
    """Prevents settings that a finished run cannot be told apart by."""
    values = AugmentSettings(data="rows.csv", columns={"text": "body"}).to_json()
    assert json.loads(json.dumps(values)) == values and values["columns"] == {"text": "body"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"copies": 0},
        {"probability": 2.0},
        {"candidates": 0},
        {"batch_size": 0},
        {"train_rows": 0},
        {"vectors": "none"},
        {"seed": -1},
    ],
    ids=str,
)
def test_wrong_values_are_refused(wrong):
    """Prevents a mistake from being found after hours."""
    with pytest.raises(ValueError, match="expected"):
        AugmentSettings(data="rows.csv", **wrong)

"""What the kinds with windows share: a token keeps its position from the rows to the gathered logits."""

import numpy as np
import pytest
from datasets import Dataset

from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.kinds.windows import (
    IGNORED,
    WindowCollator,
    check_window_settings,
    token_logits,
    window_tokenizer,
)


def _settings(**changes):
    return TaskSettings(**{"kind": TaskKind.TOKEN_CLASSIFICATION, "max_length": 8, "stride": 2, **changes})


@pytest.mark.parametrize("side", ["left", "right"])
def test_rows_are_padded_at_their_end_whatever_the_side_of_the_tokenizer(tokenizer, side):
    """Prevents tags read one padding too early, because a tokenizer that pads at the front moved the tokens."""
    tokenizer.padding_side = side
    rows = [
        {"input_ids": [2, 5, 3], "attention_mask": [1, 1, 1], "labels": [-100, 1, -100], "row_number": 0, "own": [1]},
        {
            "input_ids": [2, 5, 6, 3],
            "attention_mask": [1] * 4,
            "labels": [-100, 1, 0, -100],
            "row_number": 1,
            "own": [],
        },
    ]
    batch = WindowCollator(tokenizer, ["own"])(rows)
    assert sorted(batch) == ["attention_mask", "input_ids", "labels"]
    assert batch["input_ids"][0].tolist() == [2, 5, 3, tokenizer.pad_token_id]
    assert batch["labels"][0].tolist() == [-100, 1, -100, IGNORED]
    assert tokenizer.padding_side == side


def test_rows_without_labels_make_a_batch_too(tokenizer):
    """Prevents prediction on new rows from failing for want of a gold column."""
    batch = WindowCollator(tokenizer, [])([{"input_ids": [2, 3], "attention_mask": [1, 1], "row_number": 4}])
    assert sorted(batch) == ["attention_mask", "input_ids"]


def test_the_copy_cuts_at_the_end_and_the_original_stays(tokenizer):
    """Prevents windows counted from the wrong end, or a tokenizer that is changed for its owner."""
    tokenizer.truncation_side = "left"
    assert window_tokenizer(tokenizer).truncation_side == "right"
    assert tokenizer.truncation_side == "left"


@pytest.mark.parametrize("changes", [{"max_length": 2}, {"max_length": 65}, {"stride": 6}, {"stride": -1}])
def test_lengths_out_of_range_are_refused(tokenizer, changes):
    """Prevents a tokenizer that never comes to the end of a text, or windows longer than the model reads."""
    with pytest.raises(ValueError, match=f"got {next(iter(changes.values()))};"):
        check_window_settings(tokenizer, _settings(**changes))


def test_a_slow_tokenizer_is_refused(tokenizer, monkeypatch):
    """Prevents an error from deep inside, for a tokenizer that cannot tell words."""
    monkeypatch.setattr(type(tokenizer), "is_fast", False)
    with pytest.raises(ValueError, match="expected a fast tokenizer"):
        check_window_settings(tokenizer, _settings())


def test_logits_of_other_rows_are_refused():
    """Prevents answers read from the predictions of another data set."""
    encoded = Dataset.from_dict({"row_number": [0, 1]})
    assert token_logits(np.zeros((2, 5, 3)), encoded, [4, 5]).shape == (2, 5, 3)
    for wrong in (np.zeros((3, 5, 3)), np.zeros((2, 4, 3)), np.zeros(2)):
        with pytest.raises(ValueError, match="at least 5 tokens for 2 encoded rows"):
            token_logits(wrong, encoded, [4, 5])
    with pytest.raises(ValueError, match="NaN"):
        token_logits(np.full((2, 5), np.nan), encoded, [4, 5])

"""Tests of the rows of a training run."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from datasets import Dataset
from transformers.trainer_pt_utils import AcceleratorConfig

from hf_tinybert.data.augmentation import FreshVariants
from hf_tinybert.distillation.training_rows import (
    MasksWherePadded,
    column_names,
    data_seed,
    encoded_rows,
    grouped_rows,
    paired_collator,
    rows_per_step,
)

LENGTHS = [3, 9, 3, 8, 4, 9, 4, 8]


@pytest.fixture
def rows() -> Dataset:
    """Eight rows of known lengths."""
    return Dataset.from_dict({"input_ids": [[1] * length for length in LENGTHS]})


def test_a_step_has_the_same_rows_for_any_number_of_processes():
    """Prevents two processes from taking steps of twice as many rows than one takes, or none in a plain process."""

    def arguments(batch_size, world_size, split_batches=False):
        accelerator_config = AcceleratorConfig(split_batches=split_batches)
        return SimpleNamespace(
            train_batch_size=batch_size,
            gradient_accumulation_steps=2,
            world_size=world_size,
            accelerator_config=accelerator_config,
        )

    assert rows_per_step(arguments(8, 0)) == rows_per_step(arguments(4, 2)) == 16
    assert rows_per_step(arguments(8, 2, split_batches=True)) == 16
    assert rows_per_step(arguments(8, 0), 4) == 8


def test_the_order_has_a_seed_of_its_own_where_one_is_given():
    """Prevents `data_seed` without effect, and seed 0 from being taken for none."""
    assert data_seed(SimpleNamespace(seed=3, data_seed=None)) == 3
    assert data_seed(SimpleNamespace(seed=3, data_seed=0)) == 0


def test_batches_without_padding_have_no_mask(collator, build_rows):
    """Prevents masks that mask nothing from keeping attention from its fastest kernels, and padding without one."""
    collate = MasksWherePadded(lambda rows: {**collator(rows), "teacher_attention_mask": torch.ones(len(rows), 3)})
    rows = list(build_rows(4, lengths=(5, 5, 5, 9)))
    whole, padded = collate(rows[:3]), collate(rows)
    assert sorted(whole) == ["input_ids", "labels", "token_type_ids"]
    assert torch.equal(padded["attention_mask"].sum(1), torch.tensor([5, 5, 5, 9]))


def test_steps_are_of_rows_of_like_length(rows, build_arguments):
    """Prevents short rows from being padded to long ones in the same step."""
    order = list(grouped_rows(rows, build_arguments()))
    assert sorted(order) == list(range(8))
    assert sorted(sorted(LENGTHS[row] for row in order[step : step + 4]) for step in (0, 4)) == [
        [3, 3, 4, 4],
        [8, 8, 9, 9],
    ]


def test_rows_of_a_list_are_grouped_as_those_of_a_data_set(rows, build_arguments):
    """Prevents more padding where the same rows come as the stock Trainer takes them too."""
    assert list(grouped_rows(list(rows), build_arguments())) == list(grouped_rows(rows, build_arguments()))
    assert grouped_rows([], build_arguments()) is grouped_rows([{"text": "a"}], build_arguments()) is None


def test_lengths_may_have_a_column_of_their_own(build_arguments):
    """Prevents `length_column_name` without effect."""
    rows = Dataset.from_dict({"input_ids": [[1]] * 8, "length": LENGTHS})
    order = list(grouped_rows(rows, build_arguments(), 2))
    assert all(abs(LENGTHS[order[step]] - LENGTHS[order[step + 1]]) <= 1 for step in range(0, 8, 2))


def test_rows_of_unknown_length_have_no_order(build_arguments, caplog):
    """Prevents a run that groups by something else, or that says nothing of it."""
    caplog.set_level("INFO", logger="hf_tinybert")
    assert grouped_rows(Dataset.from_dict({"values": [1.0, 2.0]}), build_arguments()) is None
    assert "rows are drawn at random" in caplog.text


def test_variants_are_checked_as_the_rows_that_they_stand_for(rows):
    """Prevents checks that pass over rows because they change from epoch to epoch."""
    variants = Mock(spec=FreshVariants, encoded=rows, column_names=["input_ids", "labels"])
    assert encoded_rows(variants) is rows and encoded_rows(rows) is rows
    assert column_names(rows) == ["input_ids"] and column_names(variants) == ["input_ids", "labels"]
    assert column_names([{"input_ids": [1]}]) == []


@pytest.mark.parametrize("missing", ["student", "teacher"])
def test_two_encodings_need_two_tokenizers(missing):
    """Prevents one encoding from being padded with the other's token."""
    given = {"student": object(), "teacher": object(), missing: None}
    with pytest.raises(ValueError, match=f"none of the {missing}"):
        paired_collator(**given)

"""The rows of a training run: what is encoded in them, and in which order they are trained on."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

from datasets import Dataset
from transformers import PreTrainedTokenizerBase, TrainingArguments
from transformers.trainer_pt_utils import AcceleratorConfig

from hf_tinybert.data.augmentation import FreshVariants
from hf_tinybert.data.length_grouping import LengthGroupedRows, row_lengths
from hf_tinybert.distillation.encodings import TEACHER_PREFIX, PairedCollator

logger = logging.getLogger(__name__)

_TOKENS = "input_ids"
_MASKS = ("attention_mask", f"{TEACHER_PREFIX}attention_mask")


class MasksWherePadded:
    """A collator whose batches have attention masks only where there is padding.

    Without a mask attention has its fastest kernels. Here, where the batch is made, that is seen for nothing; of an
    accelerator it could not be asked without waiting for it, see `attention.padding_mask`.

    Args:
        collator: makes the batch.
    """

    def __init__(self, collator: Callable[[list[dict[str, Any]]], Any]) -> None:
        self._collator = collator

    def __call__(self, features: list[dict[str, Any]]) -> Any:  # noqa: ANN401 (whatever the collator makes)
        """The collator's batch without masks that mask nothing."""
        batch = self._collator(features)
        for name in _MASKS:
            if name in batch and bool(batch[name].all()):
                del batch[name]
        return batch


def encoded_rows(dataset: object) -> object:
    """What checks look at: the data set itself, or the rows that variants stand for."""
    return dataset.encoded if isinstance(dataset, FreshVariants) else dataset


def column_names(dataset: object) -> list[str]:
    """Of a data set that has columns; none of any other."""
    return list(dataset.column_names) if isinstance(dataset, Dataset | FreshVariants) else []


def paired_collator(
    student: PreTrainedTokenizerBase | None, teacher: PreTrainedTokenizerBase | None
) -> PairedCollator:
    """The collator of rows with an encoding of the teacher's own.

    Args:
        student: its tokenizer, if it is known.
        teacher: its tokenizer, if it is known.

    Raises:
        ValueError: one of them is not.
    """
    if student is None or teacher is None:
        raise ValueError(
            "expected both tokenizers, or a `data_collator`, for rows with an encoding of the teacher's own, got "
            f"{'none of the teacher' if student else 'none of the student'}; because each encoding is padded by its "
            "own tokenizer; pass `processing_class` and `teacher_processing_class`"
        )
    return PairedCollator(student, teacher)


def grouped_rows(dataset: object, args: TrainingArguments, batch_size: int | None = None) -> LengthGroupedRows | None:
    """The order in which steps are of rows of like length; None where lengths are not known.

    Args:
        dataset: with a length; its column `length_column_name`, if it has one, holds that of every row.
        args: of the run.
        batch_size: as of `rows_per_step`.
    """
    lengths = known_lengths(dataset, args.length_column_name)
    if lengths is None:
        logger.info("rows are drawn at random: there is no `input_ids` column whose lengths could be grouped")
        return None
    return LengthGroupedRows(lengths, rows_per_step(args, batch_size), data_seed(args))


def rows_per_step(args: TrainingArguments, batch_size: int | None = None) -> int:
    """Of all processes together: however many there are, a step has the same rows.

    Args:
        args: of the run.
        batch_size: rows of a batch of one process, if not as the arguments say: `auto_find_batch_size` finds others.
            Of all processes with `split_batches`.
    """
    size = args.train_batch_size if batch_size is None else batch_size
    config = cast("AcceleratorConfig", args.accelerator_config)  # whatever it was given as
    batches = 1 if config.split_batches else max(1, args.world_size)
    return int(size * args.gradient_accumulation_steps * batches)


def data_seed(args: TrainingArguments) -> int:
    """Of the order of rows."""
    return args.seed if args.data_seed is None else args.data_seed


def known_lengths(dataset: object, column: str) -> list[int] | None:
    """The length of every row, tokens; None where it is not known.

    Args:
        dataset: of the training.
        column: that holds the lengths, if there is one of that name; else those of `input_ids` are taken.
    """
    if isinstance(dataset, FreshVariants):
        return dataset.lengths
    if isinstance(dataset, Dataset) and column in dataset.column_names:
        lengths: list[int] = dataset.select_columns([column]).with_format(None)[:][column]
        return lengths
    if isinstance(dataset, list) and dataset and all(isinstance(row, Mapping) and _TOKENS in row for row in dataset):
        return [len(row[_TOKENS]) for row in dataset]  # others may be made when asked for
    return row_lengths(dataset)


__all__ = [
    "MasksWherePadded",
    "column_names",
    "data_seed",
    "encoded_rows",
    "grouped_rows",
    "known_lengths",
    "paired_collator",
    "rows_per_step",
]

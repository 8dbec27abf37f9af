"""The rows of a training run: what is encoded in them, and in which order they are trained on."""

import logging

from datasets import Dataset
from transformers import PreTrainedTokenizerBase, TrainingArguments

from hf_tinybert.data.augmentation import FreshVariants
from hf_tinybert.data.length_grouping import LengthGroupedRows, row_lengths
from hf_tinybert.distillation.encodings import PairedCollator

logger = logging.getLogger(__name__)


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


def grouped_rows(dataset: object, args: TrainingArguments) -> LengthGroupedRows | None:
    """The order in which steps are of rows of like length; None where lengths are not known.

    Args:
        dataset: with a length.
        args: of the run.
    """
    lengths = dataset.lengths if isinstance(dataset, FreshVariants) else row_lengths(dataset)
    if lengths is None:
        logger.info("rows are drawn at random: there is no `input_ids` column whose lengths could be grouped")
        return None
    return LengthGroupedRows(lengths, rows_per_step(args), data_seed(args))


def rows_per_step(args: TrainingArguments) -> int:
    """Of all processes together: however many there are, a step has the same rows."""
    return int(args.train_batch_size * args.gradient_accumulation_steps * max(1, args.world_size))


def data_seed(args: TrainingArguments) -> int:
    """Of the order of rows."""
    return args.seed if args.data_seed is None else args.data_seed


__all__ = ["column_names", "data_seed", "encoded_rows", "grouped_rows", "paired_collator", "rows_per_step"]

"""Splits whose gold answers are hidden, and rows that lack theirs."""

import logging

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, DatasetDict

__all__ = ["is_answered", "without_hidden_splits"]

logger = logging.getLogger(__name__)

_HIDDEN_SCORE = -1.0


def is_answered(split: Dataset, column: str) -> bool:
    """Whether a row of a split has a gold answer.

    Args:
        split: Rows with the gold column.
        column: As for `without_hidden_splits`.
    """
    return not _absent(split.with_format("arrow")[:][column]).all()


def without_hidden_splits(dataset: DatasetDict, column: str) -> DatasetDict:
    """Leaves out splits without a single gold answer, with a warning: they can neither train nor score.

    Args:
        dataset: Splits with the gold column.
        column: `score` (all -1 means hidden too, as the hub publishes them), `answers`, `summaries` or the `label` of
            multiple choice.

    Returns:
        The splits in which every row has an answer.

    Raises:
        ValueError: If `train`, or the only split, has no answers, or only some rows of a split have one.
    """
    absent = {name: _absent(split.with_format("arrow")[:][column]) for name, split in dataset.items()}
    hidden = [name for name, rows in absent.items() if rows.all()]
    first = "train" if "train" in dataset else next(iter(dataset))
    if first in hidden:
        raise ValueError(
            f"expected gold answers in `{first}`, got none in `{column}`; because a model learns from them, or is "
            "compared with them; name another column."
        )
    if hidden:
        logger.warning("The splits %s have no labels and are left out; they can neither train nor score.", hidden)
    for name, rows in absent.items():
        if name not in hidden and rows.any():
            raise ValueError(
                f"expected a `{column}` in every row of split `{name}`, got {rows.sum():,} of {len(rows):,} rows "
                f"without one, the first in row {int(rows.argmax()) + 1:,} (rows count from 1); because a row without "
                "can neither train nor score; complete or remove these rows."
            )
    return DatasetDict({name: split for name, split in dataset.items() if name not in hidden})


def _absent(column: pa.ChunkedArray) -> np.ndarray:
    missing: np.ndarray = pc.is_null(column).to_numpy()
    if pa.types.is_floating(column.type) and not missing.any():
        hidden: np.ndarray = column.to_numpy() == _HIDDEN_SCORE
        return hidden if hidden.all() else missing
    return missing

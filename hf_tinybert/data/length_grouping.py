"""Batches of rows of like length: what is not padded need not be computed."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from datasets import Dataset
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices

# Rows are sorted by length within pools of so many steps: 50 pad 3 % of the tokens of short reviews, 100 pad 2 %.
_STEPS_PER_POOL = 100


class LengthGroupedRows(Sampler[int]):
    """Rows in an order that puts like lengths into one batch and is else random, anew in every epoch.

    The order depends on seed and epoch alone: a resumed run, and every process of several, sees the same. The longest
    rows come first, so that what does not fit in memory fails at once.

    Args:
        lengths: of every row, tokens.
        rows_per_step: batch size times accumulated batches times processes.
        seed: of the order.
    """

    def __init__(self, lengths: list[int], rows_per_step: int, seed: int) -> None:
        self._lengths, self._rows_per_step, self._seed = lengths, rows_per_step, seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the data loader before every epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        size = self._rows_per_step
        pool = max(1, min(len(self._lengths) // size, _STEPS_PER_POOL))
        order = get_length_grouped_indices(self._lengths, size, mega_batch_mult=pool, generator=generator)
        steps = [order[start : start + size] for start in range(0, len(order), size)]
        tail = [steps.pop()] if len(steps) > 1 and len(steps[-1]) < size else []  # a partial step stays last
        # within a pool steps go from long to short: a trend that training should not follow
        shuffled = [steps[1 + step] for step in torch.randperm(len(steps) - 1, generator=generator).tolist()]
        return iter([row for step in [*steps[:1], *shuffled, *tail] for row in step])


def row_lengths(dataset: object, column: str = "input_ids") -> list[int] | None:
    """The length of every row's list, read off the Arrow offsets; None where there is no such column of lists.

    Args:
        dataset: a `datasets.Dataset`, else None is returned: looking at every row of anything else could take long.
        column: a list per row.
    """
    if not isinstance(dataset, Dataset) or column not in dataset.column_names:
        return None
    table = dataset.select_columns([column]).with_format("arrow")[:]
    values = table.column(column)
    if not (pa.types.is_list(values.type) or pa.types.is_large_list(values.type)):
        return None
    lengths: list[int] = np.asarray(pc.list_value_length(values)).tolist()
    return lengths


__all__ = ["LengthGroupedRows", "row_lengths"]

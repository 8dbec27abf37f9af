"""The rows of a tokenised data set as the teacher cache knows them: numbers, lengths, a hash, a checksum of each."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset
from numpy.typing import NDArray

ROW_COLUMN = "distillation_row"

_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class RowTable:
    """What the rows of a data set are.

    Attributes:
        lengths: valid tokens of every sequence, int64 `(rows * sequences,)`, row by row.
        sequences: sequences per row: 1, or the choices of multiple choice.
        sha256: of the contents of the columns that were asked for, in row order.
    """

    lengths: NDArray[np.int64]
    sequences: int
    sha256: str

    @property
    def rows(self) -> int:
        """Rows of the data set."""
        return len(self.lengths) // self.sequences

    @property
    def tokens(self) -> int:
        """Valid tokens of all rows."""
        return int(self.lengths.sum())

    def longest(self) -> NDArray[np.int64]:
        """The length of every row's longest sequence, int64 `(rows,)`."""
        longest: NDArray[np.int64] = self.lengths.reshape(-1, self.sequences).max(axis=1)
        return longest


def with_row_ids(dataset: object) -> Dataset:
    """The data set with a column `distillation_row` of row numbers, which tells the cache which rows a batch holds.

    Raises:
        ValueError: not a `datasets.Dataset`, or one with a column of that name and other contents.
    """
    if not isinstance(dataset, Dataset):
        raise ValueError(
            f"expected a `datasets.Dataset` for the teacher cache, got `{type(dataset).__name__}`; because rows "
            "without a number and an end cannot be looked up; load the data as a `Dataset`, or set "
            "`teacher_cache_dir` to None"
        )
    numbers = np.arange(len(dataset))
    if ROW_COLUMN not in dataset.column_names:
        return dataset.add_column(ROW_COLUMN, numbers)
    if not np.array_equal(np.asarray(dataset.with_format("numpy")[ROW_COLUMN][:]), numbers):
        raise ValueError(
            f"expected `{ROW_COLUMN}` to count the rows from 0, got other numbers; because the data was shuffled or "
            f"selected after they were given; remove the column: `dataset.remove_columns('{ROW_COLUMN}')`"
        )
    return dataset


def read_rows(
    dataset: Dataset, columns: Sequence[str], *, token_column: str = "input_ids", mask_column: str = "attention_mask"
) -> RowTable:
    """Lengths and hash of all rows, in one pass over the Arrow buffers.

    Args:
        dataset: tokenised; formats are ignored, an indices mapping is honoured.
        columns: that the teacher reads; those that the data set has are hashed.
        token_column: token ids, a list per row, or a list of lists in multiple choice.
        mask_column: non-zero at valid tokens; all are where the data set has no such column.

    Raises:
        ValueError: no rows, no token ids, columns that are not numbers, or rows with different numbers of sequences.
    """
    names = sorted(set(columns) & set(dataset.column_names))
    if token_column not in names or len(dataset) == 0:
        raise ValueError(
            f"expected rows with a column `{token_column}` for the teacher cache, got {len(dataset)} rows of "
            f"{dataset.column_names}; because the outputs are kept per tokenised row; tokenise with `dataset.map`"
        )
    digest = hashlib.sha256(f"{len(dataset)} {names}".encode())
    lengths: list[NDArray[np.int64]] = []
    counts = set[int]()
    for table in dataset.select_columns(names).with_format("arrow").iter(_ROWS_AT_ONCE):
        read = {name: _levels(table.column(name), name) for name in names}
        for name in names:
            levels, values = read[name]
            digest.update(f"{name} {values.dtype} {len(levels)}".encode())
            for array in (*levels, values):
                digest.update(np.ascontiguousarray(array).data)
        levels, values = read[token_column]
        valid = read[mask_column][1] if mask_column in read else np.ones(len(values), bool)
        lengths.append(_sums(valid != 0, levels[-1]))
        counts |= set(levels[0].tolist()) if len(levels) == 2 else {1}
    if len(counts) != 1:
        raise ValueError(
            f"expected the same number of choices in every row, got {sorted(counts)}; because the cache keeps them "
            "together; set `teacher_cache_dir` to None"
        )
    return RowTable(np.concatenate(lengths), counts.pop(), digest.hexdigest())


def token_checksums(token_ids: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A 64-bit checksum of the valid tokens of every sequence, whatever the padding.

    Args:
        token_ids: integers `(rows, seq_len)`.
        valid: `(rows, seq_len)`.

    Returns:
        int64 `(rows,)`: the sum of `(id + 1) * random[position among the valid]`, modulo 2^64.
    """
    places = np.maximum(np.cumsum(valid, axis=1) - 1, 0)
    factors = _random_factors(token_ids.shape[1])[places]
    terms = (token_ids.astype(np.uint64) + np.uint64(1)) * factors * valid
    checksums: NDArray[np.int64] = terms.sum(axis=1, dtype=np.uint64).view(np.int64)
    return checksums


def _random_factors(count: int) -> NDArray[np.uint64]:
    """The first odd numbers of SplitMix64, the same everywhere."""
    state = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (state ^ (state >> np.uint64(31))) | np.uint64(1)


def _levels(column: pa.ChunkedArray, name: str) -> tuple[list[NDArray[np.int64]], NDArray[Any]]:
    """The list lengths of every level, outermost first, and the innermost values; wherever the buffers begin."""
    array = column.combine_chunks()
    lengths = []
    while True:
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks)
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        if array.null_count:
            raise ValueError(f"expected a value in every row of `{name}`, got {array.null_count} empty ones")
        if not isinstance(array, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
            break
        lengths.append(array.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64))
        array = array.flatten()
    values = array.to_numpy(zero_copy_only=False)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"expected numbers in `{name}`, got `{array.type}`; because the teacher reads that column")
    return lengths, values


def _sums(valid: NDArray[np.bool_], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many are valid in each run of the given lengths."""
    totals = np.concatenate([[0], np.cumsum(valid, dtype=np.int64)])
    ends = np.cumsum(lengths)
    counted: NDArray[np.int64] = totals[ends] - totals[ends - lengths]
    return counted


__all__ = ["ROW_COLUMN", "RowTable", "read_rows", "token_checksums", "with_row_ids"]

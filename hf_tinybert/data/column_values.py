"""The values of a column of many rows, one after the other."""

from collections.abc import Iterator
from typing import Any

from datasets import Dataset

__all__ = ["column_values"]

_ROWS = 1000  # read at once


def column_values(rows: Dataset, column: str) -> Iterator[Any]:
    """Gives every value of a column in order, read a thousand at a time.

    Iterating over `rows[column]` makes a row of each value, which takes a hundred times as long; `rows[column][:]`
    holds them all.

    Args:
        rows: any.
        column: one of theirs.
    """
    values = rows[column]
    for start in range(0, len(rows), _ROWS):
        yield from values[start : start + _ROWS]

"""Raw rows to encoded rows by a function of a kind: many with `datasets`, a training batch at once."""

from collections.abc import Callable
from typing import Any

from datasets import Dataset

__all__ = ["AT_ONCE", "encode_rows"]

AT_ONCE = 256
"""Rows up to which `Dataset.map` is left out: it hashes the tokenizer, which takes longer than they do."""


def encode_rows(rows: Dataset, encode_batch: Callable[..., Any], description: str, **arguments: Any) -> Dataset:  # noqa: ANN401
    """Gives the columns that a function makes of the rows; those of the rows go.

    Args:
        rows: raw.
        encode_batch: of columns and row numbers, and the arguments, to columns.
        description: of the work, in words.
        **arguments: for the function.
    """
    if 0 < len(rows) <= AT_ONCE:
        return Dataset.from_dict(dict(encode_batch(rows[:], list(range(len(rows))), **arguments)))
    return rows.map(
        encode_batch,
        batched=True,
        with_indices=True,
        fn_kwargs=arguments,
        remove_columns=rows.column_names,
        desc=description,
    )

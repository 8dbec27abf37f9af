"""Types of the columns of a table of text cells, as CSV has them: told by all cells, where nothing is lost."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, DatasetInfo, Features, Value, concatenate_datasets
from datasets.table import InMemoryTable

from hf_tinybert.data.list_cells import list_values

__all__ = ["with_cell_types"]

_TRUTH = pa.array(["True", "TRUE", "true", "False", "FALSE", "false"])
# `01` and `+1` are names: as numbers they would be written otherwise, and `01` would be one class with `1`.
_WHOLE = r"^-?(0|[1-9][0-9]*)$"
_NUMBER = r"^-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$|^-?(?i:nan|inf|infinity)$"


def with_cell_types(rows: Dataset) -> Dataset:
    """Gives the rows with numbers, truth values and lists in the columns that hold nothing else; others stay texts.

    Blank cells of such a column are missing values. Unlike a reader that looks at some thousand rows at a time, all
    rows of a column are read alike.

    Args:
        rows: whose columns are texts.

    Raises:
        ValueError: If a column that is named like one of lists has a cell in brackets that is none.
    """
    table = rows.with_format("arrow")[:]
    found = {name: _typed(table[name]) or list_values(table[name], name) for name in rows.column_names}
    typed = {name: one for name, one in found.items() if one is not None}
    if not typed:
        return rows
    features = Features({name: feature for name, (feature, _) in typed.items()})
    own = pa.table({name: values for name, (_, values) in typed.items()}, schema=features.arrow_schema)
    texts = rows.remove_columns([*typed])  # stay on disk
    parts = [part for part in (texts, Dataset(InMemoryTable(own), DatasetInfo(features=features))) if part.features]
    return concatenate_datasets(parts, axis=1).select_columns(rows.column_names)


def _typed(column: pa.ChunkedArray) -> tuple[Value, pa.Array] | None:
    """The values of a column and their type; None for texts."""
    for dtype, fits in (("bool", _are_truth), ("int64", _are_whole), ("float64", _are_numbers)):
        if not all(_only(fits, chunk) for chunk in column.chunks):
            continue
        cells = _cells(column.combine_chunks())
        if cells.null_count == len(cells) or (dtype == "float64" and not pc.any(_have_digits(cells)).as_py()):
            return None  # nothing at all, or words such as `nan` alone
        try:
            return Value(dtype), pc.cast(cells, dtype)
        except pa.ArrowInvalid:  # more digits than such a number has
            return None
    return None


def _only(fits: Callable[[pa.Array], Any], chunk: pa.Array) -> bool:
    return bool(pc.all(pc.fill_null(fits(_cells(chunk)), True), min_count=0).as_py())


def _cells(chunk: pa.Array) -> pa.Array:
    """Without white space around them; blank ones are missing."""
    trimmed = pc.utf8_trim_whitespace(chunk)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, trimmed.type), trimmed)


def _are_truth(cells: pa.Array) -> Any:  # noqa: ANN401 (pyarrow has no types)
    return pc.or_(pc.is_in(cells, _TRUTH), pc.is_null(cells))


def _are_whole(cells: pa.Array) -> Any:  # noqa: ANN401
    return pc.match_substring_regex(cells, _WHOLE)


def _are_numbers(cells: pa.Array) -> Any:  # noqa: ANN401
    return pc.match_substring_regex(cells, _NUMBER)


def _have_digits(cells: pa.Array) -> Any:  # noqa: ANN401
    return pc.match_substring_regex(cells, "[0-9]")

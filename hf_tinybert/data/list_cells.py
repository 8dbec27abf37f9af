"""Lists and objects in the cells of a table, as JSON or as Python writes them."""

import ast
import io
import json
import tokenize
from bisect import bisect_left
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Features

from hf_tinybert.data.column_roles import PAIR_NAMES, ROLES

__all__ = ["NEVER_LISTS", "list_values", "parsed_cell"]

# Of several lines too, as numpy writes long lists.
_BRACKETED = r"(?s)^\s*(\[.*\]|\{.*\})\s*$"
_AT_ONCE = 10_000  # rows that are Python's objects
_SHOWN = 60  # characters
# Standard columns of lists and objects alone; a document may be one of sentences, but texts stand in brackets too.
_LISTS = frozenset({"answers", "choices", "labels", "tags", "tokens"})
_LIST_NAMES = frozenset(
    name for roles in ROLES.values() for role, found in roles.items() if role in _LISTS for name in found.names
)

NEVER_LISTS = frozenset(
    {name for names in PAIR_NAMES for name in names}
    | {
        name
        for roles in ROLES.values()
        for role in ("text", "text_pair", "question", "context")
        for name in (roles[role].names if role in roles else ())
    }
) - {"document", "article"}
"""Names of columns of texts, which stay texts whatever is in them; documents and articles come as sentences too."""


def parsed_cell(cell: str) -> list[Any] | dict[str, Any] | None:
    """Gives the list that a cell holds, or the object of answers or choices; None where it holds text.

    Args:
        cell: such as `["a", "b"]`, as JSON has it, or `['a', 'b']`, as pandas writes it.
    """
    if not cell.lstrip().startswith(("[", "{")):
        return None
    try:
        value = json.loads(cell)
    except RecursionError:
        return None
    except ValueError:
        value = _literal(cell)
    return value if isinstance(value, list) or (isinstance(value, dict) and "text" in value) else None


def list_values(column: pa.ChunkedArray, name: str) -> tuple[Any, pa.ChunkedArray] | None:
    """Gives the feature and the values of a column of texts all of which are lists, or all objects of one form.

    Args:
        column: of texts; blank ones are missing values.
        name: of the column.

    Returns:
        None for texts.

    Raises:
        ValueError: If the column is named like one of lists, begins with one or has brackets alone, and a cell is no
            list or has values of another type; its row is named.
    """
    cells = pc.utf8_trim_whitespace(column)
    there = cells.filter(pc.not_equal(cells, ""))
    if name in NEVER_LISTS or len(there) == 0:
        return None
    must_be = name in _LIST_NAMES and parsed_cell(there[0].as_py()) is not None
    if not must_be and not pc.all(pc.match_substring_regex(there, _BRACKETED)).as_py():
        return None
    parts: list[pa.Table] = []
    known: Any = None  # a value of the rows before
    for start in range(0, len(cells), _AT_ONCE):
        texts = cells.slice(start, _AT_ONCE).to_pylist()
        found = [parsed_cell(text) for text in texts]
        wrong = next((row for row, text in enumerate(texts) if text and found[row] is None), None)
        wrong = _of_another_type(known, found) if wrong is None else wrong
        if wrong is not None:
            if name in _LIST_NAMES:
                raise _refusal(name, texts[wrong], start + wrong)
            return None
        parts.append(pa.table({name: pa.array(found)}))
        known = next(filter(None, found), known)
    values = pa.concat_tables(parts, promote_options="permissive")[name]
    features = Features.from_arrow_schema(pa.schema([(name, values.type)]))
    return features[name], values.cast(features.arrow_schema.field(name).type)


def _of_another_type(known: Any, values: list[Any]) -> int | None:  # noqa: ANN401 (a list or an object)
    """The place of the first value that cannot stand in one column with those before it, and with a known one."""

    def fit(count: int) -> bool:
        try:
            pa.array([known, *values[:count]])
        except pa.ArrowException:
            return False
        return True

    return None if fit(len(values)) else bisect_left(range(len(values)), True, key=lambda place: not fit(place + 1))


def _refusal(name: str, cell: str, row: int) -> ValueError:
    shown = " ".join(cell.split())
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return ValueError(
        f"expected a list, or an object with `text`, in the column `{name}`, with values of one type in all rows, got "
        f"{shown} in row {row + 1:,} (rows count from 1); because lists in a table are read as JSON or as Python "
        "writes them, and numpy leaves the commas out; write the column by `json.dumps`, or save JSON lines or Parquet"
    )


def _literal(cell: str) -> Any:  # noqa: ANN401 (a value of Python)
    """The value that Python writes so; None where it is none, or two texts stand together without a comma."""
    try:
        value = ast.literal_eval(cell.strip())
        marks = [token.type for token in tokenize.generate_tokens(io.StringIO(cell).readline)]
    except (ValueError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError):
        return None
    # numpy's ['a' 'b'] is the list ['ab'] to Python
    texts = [mark for mark in marks if mark not in (tokenize.NL, tokenize.NEWLINE)]
    joined = any(pair == (tokenize.STRING, tokenize.STRING) for pair in pairwise(texts))
    return None if joined else value

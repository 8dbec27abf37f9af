"""From the columns of a data set to the standard columns of a kind of task, in one form whatever they came in."""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, DatasetInfo, Features, List, Value
from datasets.table import InMemoryTable

from hf_tinybert.data.columns import Columns
from hf_tinybert.data.kinds.definition import TaskKind

__all__ = ["replace_column", "standardise"]

STRINGS = List(Value("string"))
# Of a split all of whose rows lack them, the type is unknown.
_LISTS = frozenset({"tokens", "tags", "labels", "choices", "summaries"})
_ROWS = 10_000  # made Python's at once
ANSWERS = {"text": List(Value("string")), "answer_start": List(Value("int32"))}


def standardise(split: Dataset, split_name: str, kind: TaskKind, columns: Columns) -> Dataset:
    """Gives the rows with the standard columns of a kind; classes stay as they are, ids or names.

    Args:
        split: Rows as they were read.
        split_name: Named in errors.
        kind: Of the task.
        columns: Of `choose_columns`.

    Returns:
        The same rows in the same order, less the columns that are not among the chosen ones.

    Raises:
        ValueError: If the split lacks one of the columns, or a cell has no such form.
    """
    missing = [name for own in columns.values() for name in own if name not in split.column_names]
    if missing:
        raise ValueError(
            f"expected the columns {[name for own in columns.values() for name in own]} in split `{split_name}`, got "
            f"{split.column_names}; because every split is read like `train` and {missing} is missing here; correct "
            "or leave out that split."
        )
    table = split.with_format("arrow")[:]
    made: dict[str, tuple[Any, pa.ChunkedArray]] = {}
    for name, own in columns.items():
        made[name] = _standard_column(split, table, kind, name, own)
    if kind is TaskKind.QUESTION_ANSWERING and "id" not in made:
        made["id"] = Value("string"), pa.chunked_array([[f"{split_name}-{row + 1}" for row in range(len(split))]])
    if kind is TaskKind.MULTIPLE_CHOICE:
        made = _with_choices(split, made, columns)
    return _dataset(made)


def replace_column(split: Dataset, name: str, feature: Any, values: Any) -> Dataset:  # noqa: ANN401 (of datasets and pyarrow)
    """Gives the rows with another content of one column, in its place.

    Args:
        split: Rows.
        name: Of the column.
        feature: Its new type.
        values: An Arrow array with a value per row.
    """
    table = split.with_format("arrow")[:]
    made = {own: (split.features[own], table[own]) for own in split.column_names}
    made[name] = feature, pa.chunked_array([values])
    return _dataset(made)


def _dataset(made: dict[str, tuple[Any, pa.ChunkedArray]]) -> Dataset:
    features = Features({name: feature for name, (feature, _) in made.items()})
    table = pa.table({name: column for name, (_, column) in made.items()}).cast(features.arrow_schema)
    return Dataset(InMemoryTable(table), info=DatasetInfo(features=features))


def _standard_column(
    split: Dataset, table: pa.Table, kind: TaskKind, name: str, own: Sequence[str]
) -> tuple[Any, pa.ChunkedArray]:
    columns = [table[column] for column in own]
    feature = split.features[own[0]]
    if name in _LISTS and pa.types.is_null(columns[0].type):
        return STRINGS, columns[0].cast(pa.list_(pa.string()))
    match name:
        case "text" if len(own) > 1:
            texts = [pc.fill_null(column.cast(pa.string()), "") for column in columns]
            return Value("string"), pc.binary_join_element_wise(*texts, " ")
        case "text" | "text_pair" | "question" | "context" | "id":
            return Value("string"), columns[0].cast(pa.string())
        case "document":
            return Value("string"), _joined(columns[0])
        case "tokens":
            return STRINGS, columns[0]
        case "summaries":
            return STRINGS, _in_lists(columns[0])
        case "score":
            return Value("float64"), columns[0].cast(pa.float64())
        case "answers":
            return ANSWERS, _by_row(
                columns[0], _answers, pa.struct({"text": pa.list_(pa.string()), "answer_start": pa.list_(pa.int32())})
            )
        case "labels" if len(own) > 1:
            return List(ClassLabel(names=list(own))), _marked(columns, own)
        case "choices" if len(own) > 1:
            return STRINGS, _side_by_side(columns)
        case "choices" if pa.types.is_struct(columns[0].type):
            return STRINGS, pc.struct_field(columns[0], "text")
        case "choices":
            return STRINGS, columns[0]
    return feature, columns[0]


def _joined(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Documents as texts, where they come as lists of sentences."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column.cast(pa.string())
    return _by_row(column, lambda sentences: " ".join(one for one in sentences if one), pa.string())


def _in_lists(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _by_row(column, lambda text: [text], pa.list_(pa.string()))
    return column


def _by_row(column: pa.ChunkedArray, change: Callable[[Any], Any], to: pa.DataType) -> pa.ChunkedArray:
    """Part by part: an Arrow array of texts holds no more than 2 GiB, and Python's objects take several times that."""
    parts = (chunk.slice(start, _ROWS) for chunk in column.chunks for start in range(0, len(chunk), _ROWS))
    changed = ([None if value is None else change(value) for value in part.to_pylist()] for part in parts)
    return pa.chunked_array([pa.array(values, to) for values in changed], to)


def _side_by_side(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    """Lists of the texts of several columns, part by part."""
    to = pa.list_(pa.string())
    parts = pa.table({str(place): column for place, column in enumerate(columns)}).to_batches(max_chunksize=_ROWS)
    rows = ([list(row) for row in zip(*(column.to_pylist() for column in part), strict=True)] for part in parts)
    return pa.chunked_array([pa.array(values, to) for values in rows], to)


def _answers(value: Any) -> dict[str, list[Any]]:  # noqa: ANN401 (a cell of JSON)
    """Answers as SQuAD on the hub has them, from that form, from one answer, or from a list of answers."""
    if isinstance(value, list):
        known = [answer for answer in value if answer is not None]
        return {name: [answer[name] for answer in known] for name in ("text", "answer_start")}
    own = {name: value[name] for name in ("text", "answer_start")}
    return {
        name: list(each) if isinstance(each, list) else [] if each is None else [each] for name, each in own.items()
    }


def _marked(columns: Sequence[pa.ChunkedArray], names: Sequence[str]) -> pa.ChunkedArray:
    """Lists of positions from columns of 0 and 1."""
    rows: list[list[int] | None] = []
    for number, marks in enumerate(zip(*(column.to_pylist() for column in columns), strict=True), start=1):
        for name, mark in zip(names, marks, strict=True):
            if mark not in (0, 1, None):
                raise ValueError(
                    f"expected 0 or 1 in the column `{name}`, got `{mark}` in row {number:,} (rows count from 1); "
                    "because it says whether the row has this label; correct the row, or name one column of lists."
                )
        rows.append(None if None in marks else [position for position, mark in enumerate(marks) if mark])
    return pa.chunked_array([pa.array(rows, pa.list_(pa.int64()))])


def _with_choices(
    split: Dataset, made: dict[str, tuple[Any, pa.ChunkedArray]], columns: Columns
) -> dict[str, tuple[Any, pa.ChunkedArray]]:
    """Adds empty texts where there are none, and makes the right choice a position."""
    if "text" not in made:
        made = {"text": (Value("string"), pa.chunked_array([[""] * len(split)])), **made}
    if "label" not in made:
        return made
    labels = made["label"][1].to_pylist()
    feature = made["label"][0]
    if isinstance(feature, ClassLabel):
        labels = [None if label is None or label < 0 else label for label in labels]
    elif not all(isinstance(label, int) for label in labels if label is not None):
        labels = _positions(split, labels, made["choices"][1].to_pylist(), columns["choices"])
    hidden = bool(labels) and all(label in (None, -1) for label in labels)
    # yes and no as positions, which Arrow does not take for numbers
    values = pa.array([None if hidden or label is None else int(label) for label in labels], pa.int64())
    return made | {"label": (Value("int64"), pa.chunked_array([values]))}


def _positions(
    split: Dataset, labels: Sequence[str | None], choices: Sequence[Sequence[str] | None], own: Sequence[str]
) -> list[int | None]:
    """Positions of choices that are told by their keys (A, 1), by their numbers, or by their texts."""
    feature = split.features[own[0]]
    has_keys = isinstance(feature, dict) and "label" in feature
    keys_of_row = [cell["label"] for cell in split[own[0]][:]] if has_keys else None
    first = int("".join(filter(str.isdigit, own[0])) or 0) if len(own) > 1 else 0
    found: list[int | None] = []
    for row, (label, texts) in enumerate(zip(labels, choices, strict=True)):
        name = (label or "").strip()
        keys = list(keys_of_row[row] or []) if keys_of_row else _usual_keys(name, len(texts or []), first)
        if not name:
            found.append(None)
        elif name in keys:
            found.append(keys.index(name))
        elif name in (texts or []):
            found.append(list(texts or []).index(name))
        else:
            raise ValueError(
                f"expected the right choice by its position, its key or its text, got `{name}` in row {row + 1:,} "
                f"(rows count from 1), whose choices are {texts}; because one of them must be right; correct the row."
            )
    return found


def _usual_keys(name: str, choices: int, first: int) -> list[str]:
    if name.isalpha():
        return [chr((ord("A") if name.isupper() else ord("a")) + position) for position in range(choices)]
    return [str(first + position) for position in range(choices)]

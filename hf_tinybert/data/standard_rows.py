"""Rows of any data set under the standard columns and types of their kind."""

import string
from collections.abc import Mapping
from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from hf_tinybert.data.columns import ENDINGS
from hf_tinybert.data.kinds.definition import TaskKind

__all__ = ["standard_rows"]

_TEXT = Value("string")
_ANSWERS = {"text": List(Value("string")), "answer_start": List(Value("int64"))}
# standard columns whose type is the same for all data
_TYPES: Mapping[str, Any] = {
    "id": _TEXT,
    "text": _TEXT,
    "text_pair": _TEXT,
    "question": _TEXT,
    "context": _TEXT,
    "document": _TEXT,
    "tokens": List(_TEXT),
    "choices": List(_TEXT),
    "summaries": List(_TEXT),
    "answers": _ANSWERS,
    "score": Value("float64"),
}
_READ_ANEW = frozenset({TaskKind.QUESTION_ANSWERING, TaskKind.MULTIPLE_CHOICE, TaskKind.EXTRACTIVE_SUMMARIZATION})


def standard_rows(dataset: DatasetDict, kind: TaskKind, columns: Mapping[str, str]) -> DatasetDict:
    """Keeps the chosen columns of every split, under their standard names and types; labels as they are.

    Args:
        dataset: Splits as they were read.
        kind: Of the task.
        columns: Of `choose_columns`: standard column -> its name in the data.

    Returns:
        The same rows in the same order. A missing `id` is the number of the row, a missing `text` of choices empty.

    Raises:
        ValueError: If a split lacks one of the columns, or holds something else in it.
    """
    return DatasetDict({name: _standard_split(name, split, kind, columns) for name, split in dataset.items()})


def _standard_split(name: str, split: Dataset, kind: TaskKind, columns: Mapping[str, str]) -> Dataset:
    endings = [column for column in split.column_names if column.startswith("ending")]
    wanted = [column for standard in columns.values() for column in (endings if standard == ENDINGS else [standard])]
    missing = [column for column in wanted if column not in split.column_names]
    if missing:
        raise ValueError(
            f"expected the columns {wanted} in split `{name}`, got {split.column_names}; because every split is read "
            f"like `train` and {missing} is missing here; correct or leave out that split."
        )
    chosen = split.select_columns(wanted)
    if kind in _READ_ANEW:
        return _read_anew(name, chosen, kind, columns, endings)
    # By way of names no column has, because the label column of one data set may be called `text` in another's terms.
    chosen = chosen.rename_columns({column: f"chosen {standard}" for standard, column in columns.items()})
    chosen = chosen.rename_columns({f"chosen {standard}": standard for standard in columns}).select_columns(
        list(columns)
    )
    types = {column: _TYPES.get(column, feature) for column, feature in chosen.features.items()}
    return chosen.cast(Features(types)) if types != dict(chosen.features) else chosen


def _read_anew(name: str, split: Dataset, kind: TaskKind, columns: Mapping[str, str], endings: list[str]) -> Dataset:
    """Rows whose standard form is another one than that of the data."""
    read = {
        TaskKind.QUESTION_ANSWERING: _question,
        TaskKind.MULTIPLE_CHOICE: _choice,
        TaskKind.EXTRACTIVE_SUMMARIZATION: _document,
    }[kind]
    named = [
        {
            standard: [row[e] for e in endings] if column == ENDINGS else row[column]
            for standard, column in columns.items()
        }
        for row in split
    ]
    rows = []
    for number, row in enumerate(named, start=1):
        try:
            rows.append(read(row, number, split.features.get(columns.get("label", ""))))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"expected {kind} in row {number} of split `{name}`, got {_shown(row)} ({error}); because its columns "
                "hold another form than the kind's; correct the row, or name other columns."
            ) from error
    types = {column: _TYPES.get(column, Value("int64")) for column in rows[0]}
    return Dataset.from_list(rows, features=Features(types))


def _question(row: dict[str, Any], number: int, label: Any) -> dict[str, Any]:  # noqa: ANN401 (a feature)
    answers = row["answers"] or {"text": [], "answer_start": []}
    if isinstance(answers, list):
        answers = {"text": [a["text"] for a in answers], "answer_start": [a["answer_start"] for a in answers]}
    if len(answers["text"]) != len(answers["answer_start"]):
        raise ValueError("as many answers as their places")
    name = row.get("id")
    return {
        "id": str(number if name is None else name),
        "question": row["question"],
        "context": row["context"],
        "answers": {"text": list(answers["text"]), "answer_start": list(answers["answer_start"])},
    }


def _choice(row: dict[str, Any], number: int, label: Any) -> dict[str, Any]:  # noqa: ANN401 (a feature)
    choices, keys = row["choices"], None
    if isinstance(choices, Mapping):
        choices, keys = choices["text"], choices.get("label")
    return {
        "text": row.get("text") or "",
        "choices": list(choices),
        "label": _position(row["label"], keys, label, len(choices)),
    }


def _position(answer: Any, keys: list[str] | None, feature: Any, count: int) -> int:  # noqa: ANN401 (a cell)
    """The position of the right choice: given by its key, its letter or its number from 0."""
    if isinstance(feature, ClassLabel) and isinstance(answer, int):
        answer = feature.int2str(answer)
    if keys is not None and answer in keys:
        return keys.index(answer)
    if isinstance(answer, str) and answer.strip() in string.ascii_uppercase[:count] and answer.strip():
        return string.ascii_uppercase.index(answer.strip())
    return int(answer)


def _document(row: dict[str, Any], number: int, label: Any) -> dict[str, Any]:  # noqa: ANN401 (a feature)
    summaries = row["summaries"]
    return {
        "document": row["document"],
        "summaries": [summaries] if isinstance(summaries, str) else list(summaries or []),
    }


def _shown(row: Mapping[str, Any]) -> str:
    text = str(dict(row))
    return text if len(text) <= 120 else f"{text[:120]}..."

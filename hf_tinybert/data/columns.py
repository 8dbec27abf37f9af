"""Which columns of a data set are its text and its label."""

from collections.abc import Sequence
from typing import NamedTuple

from datasets import Dataset, DatasetDict, Features, Value

__all__ = ["Columns", "choose_columns", "select_columns"]

_TEXT_NAMES = (
    "text",
    "sentence",
    "content",
    "document",
    "article",
    "review",
    "comment",
    "utterance",
    "query",
    "headline",
)
_LABEL_NAMES = ("label", "labels", "label_text", "category", "class", "target", "intent", "topic", "sentiment")


class Columns(NamedTuple):
    """The columns a classifier learns from.

    Attributes:
        text: Name of the text column.
        text_pair: Name of the second text column of a pair task, else None.
        label: Name of the label column.
    """

    text: str
    text_pair: str | None
    label: str


def choose_columns(features: Features, text_column: str | Sequence[str] | None, label_column: str | None) -> Columns:
    """Takes the columns asked for, and finds the others by their names where there is exactly one candidate.

    Args:
        features: Columns of the training split and their types.
        text_column: Text column, two of them for a task on pairs, or None to find one.
        label_column: Label column, or None to find it.

    Returns:
        The chosen columns.

    Raises:
        ValueError: If a column is not there, is not text, or cannot be told from others.
    """
    if text_column is None:
        strings = [name for name in _TEXT_NAMES if name in features and _is_text(features, name)]
        texts = [_only_candidate("text", strings, features)]
    else:
        texts = [text_column] if isinstance(text_column, str) else list(text_column)
    if label_column is None:
        label_column = _only_candidate("label", [name for name in _LABEL_NAMES if name in features], features)
    for name in (*texts, label_column):
        if name not in features:
            raise ValueError(
                f"expected the column `{name}`, got only {list(features)}; because it was asked for by name; "
                "correct the name."
            )
    if not 1 <= len(texts) <= 2 or len({*texts, label_column}) != len(texts) + 1:
        raise ValueError(
            f"expected one or two text columns and a label column, all different, got {texts} and `{label_column}`; "
            "because a model reads a text or a pair of texts; name other columns."
        )
    for name in texts:
        if not _is_text(features, name):
            raise ValueError(
                f"expected text in the column `{name}`, got {features[name]}; because only strings can be tokenised; "
                "name the column that holds the text."
            )
    return Columns(texts[0], texts[1] if len(texts) == 2 else None, label_column)


def select_columns(dataset: DatasetDict, columns: Columns) -> DatasetDict:
    """Keeps the chosen columns of every split under the names `text`, `text_pair` and `label`.

    Args:
        dataset: Splits as they were read.
        columns: The chosen columns.

    Returns:
        The same rows with the columns `text`, `text_pair` (pair tasks only) and `label`.

    Raises:
        ValueError: If a split lacks one of the columns.
    """
    renamed = {name: standard for standard, name in columns._asdict().items() if name is not None}
    for split_name, split in dataset.items():
        missing = [name for name in renamed if name not in split.column_names]
        if missing:
            raise ValueError(
                f"expected the columns {list(renamed)} in split `{split_name}`, got {split.column_names}; because "
                f"every split is read like `train` and {missing} is missing here; correct or leave out that split."
            )
    return DatasetDict({name: _rename(split, renamed) for name, split in dataset.items()})


def _rename(split: Dataset, renamed: dict[str, str]) -> Dataset:
    # By way of names no column has, because the label column of one data set may be called `text` in another's terms.
    chosen = split.select_columns(list(renamed))
    parked = {name: f"chosen {standard}" for name, standard in renamed.items()}
    return chosen.rename_columns(parked).rename_columns({f"chosen {name}": name for name in renamed.values()})


def _is_text(features: Features, name: str) -> bool:
    feature = features[name]
    return isinstance(feature, Value) and feature.dtype in ("string", "large_string")


def _only_candidate(role: str, candidates: list[str], features: Features) -> str:
    if len(candidates) != 1:
        found = f"{len(candidates)} candidates {candidates}" if candidates else "none"
        raise ValueError(
            f"expected exactly one column that can be the {role}, got {found} among {list(features)}; because a wrong "
            f"guess would train on the wrong column; name it with `{role}_column`"
            + (", or name two of them for a task on pairs." if role == "text" else ".")
        )
    return candidates[0]

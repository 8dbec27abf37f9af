"""One label space for all splits: class names in a fixed order, ids from 0."""

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict, List, Value

from hf_tinybert.data.metrics.entities import OUTSIDE, is_iob2

__all__ = ["encode_label_lists", "encode_labels"]

logger = logging.getLogger(__name__)

_SHOWN = 5


def encode_labels(dataset: DatasetDict, names_by_id: Mapping[int, str] | None = None) -> DatasetDict:
    """Makes the column `label` of every split a ClassLabel with the names and the order of `train`.

    Names come from the ClassLabel that `train` already has, else from `names_by_id`, else from the labels themselves:
    strings sorted, numbers in ascending order. A split without any label (all missing or -1, as the hub publishes
    hidden test sets) is left out with a warning, because it can neither train nor score.

    Args:
        dataset: Splits with a column `label` of strings, integers, booleans or ClassLabel.
        names_by_id: Class name of each integer label, where the data comes with such a list.

    Returns:
        The same splits, less those without labels.

    Raises:
        ValueError: If labels are missing, unknown to `train`, of another type, or all the same.
    """
    labels = {name: _named_labels(split, name, names_by_id or {}) for name, split in dataset.items()}
    unlabelled = [name for name, values in labels.items() if values and not any(values)]
    if "train" in unlabelled:
        raise ValueError(
            "expected labels in `train`, got none; because a classifier learns from labelled rows; name another "
            "column as `label`."
        )
    if unlabelled:
        logger.warning("The splits %s have no labels and are left out; they can neither train nor score.", unlabelled)
    names = _class_names(dataset["train"], labels["train"], names_by_id or {})
    feature = ClassLabel(names=names)
    id_of = {name: position for position, name in enumerate(names)}
    encoded = {}
    for name, split in dataset.items():
        if name not in unlabelled:
            _check_labels(name, labels[name], id_of)
            ids = [id_of[str(label)] for label in labels[name]]
            encoded[name] = split.remove_columns("label").add_column("label", ids, feature=feature)
    return DatasetDict(encoded)


def encode_label_lists(dataset: DatasetDict, column: str, names_by_id: Mapping[int, str] | None = None) -> DatasetDict:
    """Makes a column of lists, such as tags of words or several labels of a text, a list of ClassLabel.

    Names come from the ClassLabel that `train` already has, else from `names_by_id`, else from the values themselves:
    strings sorted, numbers in ascending order; of IOB2 tags `O` first, then by type, `B-` before `I-`. A split without
    any list is left out with a warning.

    Args:
        dataset: Splits with the column.
        column: Its name.
        names_by_id: Name of each integer label, where the data comes with such a list.

    Returns:
        The same splits, less those without labels.

    Raises:
        ValueError: If a row has no list, a label is unknown to `train`, or there are fewer than two.
    """
    lists = {name: _named_lists(split, column, names_by_id or {}) for name, split in dataset.items()}
    unlabelled = [name for name, rows in lists.items() if all(row is None for row in rows)]
    if "train" in unlabelled:
        raise ValueError(
            f"expected lists in the column `{column}` of `train`, got none; because a model learns from labelled "
            "rows; name another column."
        )
    if unlabelled:
        logger.warning("The splits %s have no labels and are left out; they can neither train nor score.", unlabelled)
    names = _list_names(dataset["train"], column, lists["train"], names_by_id or {})
    if len(names) < 2:
        raise ValueError(
            f"expected at least two labels in the column `{column}` of `train`, got {_shown(names)}; because there is "
            "nothing to tell apart; name another column or bring rows with other labels."
        )
    id_of = {name: position for position, name in enumerate(names)}
    encoded = {}
    for name, split in dataset.items():
        if name not in unlabelled:
            ids = _list_ids(name, column, lists[name], id_of)
            encoded[name] = split.remove_columns(column).add_column(column, ids, feature=List(ClassLabel(names=names)))
    return DatasetDict(encoded)


def _named_lists(split: Dataset, column: str, names_by_id: Mapping[int, str]) -> list[list[str] | None]:
    """Gives every row's names; None where the list is missing."""
    element = split.features[column].feature
    rows = split[column][:]
    if isinstance(element, ClassLabel):
        return [None if row is None else [element.int2str(value) for value in row] for row in rows]
    if isinstance(element, Value) and element.dtype.startswith(("int", "uint")):
        return [None if row is None else [_name_of_id(value, names_by_id) for value in row] for row in rows]
    return [None if row is None else [str(value).strip() for value in row] for row in rows]


def _list_names(
    train: Dataset, column: str, lists: list[list[str] | None], names_by_id: Mapping[int, str]
) -> list[str]:
    element = train.features[column].feature
    if isinstance(element, ClassLabel):
        return list(element.names)
    if names_by_id:
        return [names_by_id[key] for key in sorted(names_by_id)]
    seen = {name for row in lists if row is not None for name in row}
    if isinstance(element, Value) and element.dtype.startswith(("int", "uint")):
        return sorted(seen, key=int)
    if is_iob2(sorted(seen)):
        return [OUTSIDE, *sorted(seen - {OUTSIDE}, key=lambda tag: (tag[2:], tag))]
    return sorted(seen)


def _list_ids(
    split_name: str, column: str, lists: list[list[str] | None], id_of: Mapping[str, int]
) -> list[list[int]]:
    for number, row in enumerate(lists, start=1):
        unknown = [name for name in row or () if name not in id_of]
        if row is None or unknown:
            raise ValueError(
                f"expected labels out of {_shown(list(id_of))} in the column `{column}`, got "
                f"{'none' if row is None else _shown(unknown)} in row {number} of split `{split_name}`; because the "
                "model has an output only for the labels of `train` (or of `labels.json`); correct the row."
            )
    return [[id_of[name] for name in row or ()] for row in lists]


def _named_labels(split: Dataset, split_name: str, names_by_id: Mapping[int, str]) -> list[str | None]:
    """Gives every row's class name; None where the label is missing."""
    feature = split.features["label"]
    values = split["label"][:]
    if isinstance(feature, ClassLabel):
        return [None if value is None or value < 0 else feature.int2str(value) for value in values]
    dtype = feature.dtype if isinstance(feature, Value) else str(feature)
    if dtype in ("string", "large_string"):
        return [value.strip() or None if value is not None else None for value in values]
    if dtype == "null":
        return [None] * len(values)
    if dtype == "bool":
        return [None if value is None else str(value) for value in values]
    if dtype.startswith(("int", "uint")):
        missing = None if any(value is not None and value >= 0 for value in values) else -1
        return [None if value is None or value == missing else _name_of_id(value, names_by_id) for value in values]
    raise ValueError(
        f"expected class names or class ids in the column `label` of split `{split_name}`, got {feature}; because "
        "a text has one class; name another column for `label`, or make labels strings or integers."
    )


def _name_of_id(value: int, names_by_id: Mapping[int, str]) -> str:
    if not names_by_id:
        return str(value)
    # The bare number could be the name of another class, as in a list of star ratings.
    return names_by_id.get(value, f"{value} (not in the list of names)")


def _class_names(train: Dataset, labels: list[str | None], names_by_id: Mapping[int, str]) -> list[str]:
    feature = train.features["label"]
    if isinstance(feature, ClassLabel):
        return list(feature.names)
    if names_by_id:
        return [names_by_id[key] for key in sorted(names_by_id)]
    seen: set[str] = {label for label in labels if label is not None}
    is_number = isinstance(feature, Value) and feature.dtype.startswith(("int", "uint"))
    return sorted(seen, key=int) if is_number else sorted(seen)


def _check_labels(split_name: str, labels: list[str | None], id_of: Mapping[str, Any]) -> None:
    missing = labels.count(None)
    if missing:
        raise ValueError(
            f"expected a label in every row of split `{split_name}`, got {missing} of {len(labels)} rows without one, "
            f"the first is row {labels.index(None) + 1}; "
            "because a row without a label can neither train nor score; label or remove these rows."
        )
    unknown = Counter(label for label in labels if label not in id_of)
    if unknown:
        raise ValueError(
            f"expected only the labels {_shown(list(id_of))} in split `{split_name}`, got {_shown(list(unknown))} in "
            f"{unknown.total()} of {len(labels)} rows, first in row {_first(labels, unknown)}; because the "
            "student has outputs for the labels of `train` (or of `labels.json`) only; correct labels or split."
        )
    if split_name == "train" and len(set(labels)) < 2:
        raise ValueError(
            f"expected at least two classes in `train`, got only {_shown(list(set(labels)))} in all {len(labels)} "
            "rows; because there is nothing to tell apart; name another column for `label`, or bring other rows."
        )


def _first(labels: list[str | None], unknown: Mapping[str | None, int]) -> int:
    return next(number for number, label in enumerate(labels, start=1) if label in unknown)


def _shown(names: list[Any]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"`{name}`" for name in names[:_SHOWN]) + more

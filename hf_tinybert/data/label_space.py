"""One label space for all splits: class names in a fixed order, ids from 0."""

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict, Value

__all__ = ["encode_labels"]

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
            "`label_column`."
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
        "only one class per text is supported here; name another `label_column`, or make labels strings or integers."
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
            f"expected a label in every row of split `{split_name}`, got {missing} of {len(labels)} rows without one; "
            "because a row without a label can neither train nor score; label or remove these rows."
        )
    unknown = Counter(label for label in labels if label not in id_of)
    if unknown:
        raise ValueError(
            f"expected only the labels {_shown(list(id_of))} in split `{split_name}`, got {_shown(list(unknown))} in "
            f"{unknown.total()} of {len(labels)} rows; because the student has an output only for the labels of "
            "`train` (or of `labels.json`); correct the labels or the split."
        )
    if split_name == "train" and len(set(labels)) < 2:
        raise ValueError(
            f"expected at least two classes in `train`, got only {_shown(list(set(labels)))} in all {len(labels)} "
            "rows; because there is nothing to tell apart; name another `label_column` or bring rows of other classes."
        )


def _shown(names: list[Any]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"`{name}`" for name in names[:_SHOWN]) + more

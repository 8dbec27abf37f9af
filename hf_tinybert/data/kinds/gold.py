"""Gold answers of raw rows, as ids in the order of the model's outputs."""

from collections.abc import Sequence
from typing import Any

from datasets import ClassLabel, Dataset

__all__ = ["class_ids", "gold_class_ids", "gold_values", "required"]


def gold_values(rows: Dataset, column: str) -> list[Any] | None:
    """Gives the gold answers of all rows; None where the rows have none, as rows to predict.

    Args:
        rows: Raw rows.
        column: Their gold column.

    Raises:
        ValueError: If some rows have an answer and others do not.
    """
    values = rows[column][:] if column in rows.column_names else []
    missing = [row for row, value in enumerate(values) if value is None]
    if len(missing) == len(values):
        return None
    if missing:
        raise ValueError(
            f"expected a `{column}` in every row or in none, got none in row {missing[0] + 1:,} and {len(missing)} "
            "rows in all; because a row without an answer can neither train nor score; complete or remove these rows."
        )
    return values


def required(values: list[Any] | None, rows: Dataset, column: str) -> list[Any]:
    """Gives gold answers that must be there, because predictions are compared with them.

    Args:
        values: What was found in the rows.
        rows: Raw rows.
        column: Their gold column.

    Raises:
        ValueError: If there are none.
    """
    if values is None:
        raise ValueError(
            f"expected the column `{column}` with an answer in every row to score, got {rows.num_rows} rows of "
            f"{rows.column_names} without; because predictions are scored against it; bring the answers, or predict "
            "only."
        )
    return values


def gold_class_ids(rows: Dataset, column: str, labels: Sequence[str]) -> list[int] | None:
    """Gives the class of every row by its position in `labels`; None where the rows have none.

    Args:
        rows: Raw rows with a column of ClassLabel, class names or class ids.
        column: The column.
        labels: Class names in the order of the model's outputs.

    Raises:
        ValueError: If a row's class is missing or is none of the labels.
    """
    values = gold_values(rows, column)
    if values is None:
        return None
    ids = class_ids([[value] for value in values], rows.features[column], labels, column)
    return [row[0] for row in ids]


def class_ids(values: Sequence[Sequence[Any]], feature: Any, labels: Sequence[str], column: str) -> list[list[int]]:  # noqa: ANN401 (a feature of datasets has no type)
    """Gives classes by their positions in `labels`, by name where the data has names.

    Args:
        values: The classes of each row.
        feature: Of one value: ClassLabel, or a string or integer Value.
        labels: Class names in the order of the model's outputs.
        column: Named in errors.

    Raises:
        ValueError: If a class is none of the labels.
    """
    ids: dict[Any, int] = {name: position for position, name in enumerate(labels)}
    if isinstance(feature, ClassLabel):
        ids = {own: ids[name] for own, name in enumerate(feature.names) if name in ids}
    elif feature.dtype.startswith(("int", "uint")):
        ids = {position: position for position in range(len(labels))}
    for row, classes in enumerate(values):
        for value in classes:
            if value not in ids:
                raise ValueError(
                    f"expected one of the {len(labels)} labels {_shown(labels)} in `{column}`, got "
                    f"`{_name(value, feature)}` in row {row + 1:,}; because the model has an output only for these; "
                    "correct the row, or use the labels of these rows for the task."
                )
    return [[ids[value] for value in classes] for classes in values]


def _name(value: Any, feature: Any) -> Any:  # noqa: ANN401 (cells of a table)
    known = isinstance(feature, ClassLabel) and value is not None and 0 <= value < feature.num_classes
    return feature.int2str(value) if known else value


def _shown(labels: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in labels[:5]) + (", ..." if len(labels) > 5 else "")

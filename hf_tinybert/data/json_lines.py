"""Where a file of JSON lines is broken."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["check_json_lines"]

_SHOWN = 60
_TYPES: dict[type, str] = {str: "text", bool: "true/false", int: "a number", float: "a number", list: "a list"}

_Shape = tuple[str, ...]


def check_json_lines(file: Path) -> int:
    """Reads a file line by line and names the first line that is no row.

    Slower than the reader of the `datasets` library, so that it is asked only after that one has failed, or found
    another number of rows than lines.

    Args:
        file: UTF-8 text.

    Returns:
        The number of rows.

    Raises:
        ValueError: A line is no JSON object, is empty, or has another type in a column than the lines before it.
    """
    rows = 0
    shapes: dict[str, tuple[_Shape, int]] = {}
    for number, line in _lines(file):
        row = _parse(file, number, line)
        for column, value in row.items():
            shape = _shape(value)
            known, first = shapes.setdefault(column, (shape, number))
            if not known:
                shapes[column] = (shape, number)
            elif shape and not _agree(known, shape):
                raise ValueError(
                    f"expected {' of '.join(known)} in `{column}` in line {number:,} of `{file}`, as in line "
                    f"{first:,}, got {' of '.join(shape)}: {_shortened(repr(value))}; because a column has one type; "
                    "mend the line."
                )
            elif len(shape) > len(known):
                shapes[column] = (shape, number)
        rows += 1
    return rows


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Lines with their numbers from 1; empty ones at the end are none."""
    empty: int | None = None
    with file.open(encoding="utf-8-sig", newline="\n") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                empty = empty or number
                continue
            if empty is not None:
                raise ValueError(
                    f"expected a JSON object in line {empty:,} of `{file}`, got an empty line; because every line is "
                    "a row, and rows are told by their lines; remove the line."
                )
            yield number, line


def _parse(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line, parse_constant=_refuse_constant)
        json.dumps(row, ensure_ascii=False).encode()
    except ValueError as error:  # half of a surrogate pair among them
        raise ValueError(
            f"expected a JSON object in line {number:,} of `{file}`, got {_shortened(line)} ({error}); because every "
            "line is a row; mend the line."
        ) from error
    if not isinstance(row, dict):
        raise ValueError(
            f"expected a JSON object in line {number:,} of `{file}`, got {_shortened(line)}; because a row has named "
            "columns; write it as an object."
        )
    return row


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _shape(value: object) -> _Shape:
    """The type of a value in words, that of its items after it; none for null."""
    if value is None:
        return ()
    if isinstance(value, list):
        inner = next((shape for shape in map(_shape, value) if shape), ())
        return ("a list", *inner)
    return (_TYPES.get(type(value), "an object"),)


def _agree(first: _Shape, second: _Shape) -> bool:
    return all(one == other for one, other in zip(first, second, strict=False))


def _shortened(text: str) -> str:
    text = text.strip()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."

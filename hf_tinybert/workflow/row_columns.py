"""Single rows to predict under the standard columns of their kind, or what is wrong with them."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
from datasets import Dataset

from hf_tinybert.data.blank_texts import is_blank
from hf_tinybert.data.column_roles import ROLES
from hf_tinybert.data.columns import Columns, choose_columns, normalise_asked, standard_names
from hf_tinybert.data.list_cells import NEVER_LISTS, parsed_cell
from hf_tinybert.data.tasks import KINDS, TaskKind
from hf_tinybert.data.words import split_words

LINE = ""
"""Column of a line of text, which has no name."""

Row = dict[str, Any]

_TEXT, _TOKENS = "text", "tokens"
_PAIR, _ID = "text_pair", "id"
_CHOICES, _DOCUMENT = "choices", "document"
_LISTS = frozenset({_TOKENS, _CHOICES})
_WRITTEN_AS_LISTS = _LISTS | {_DOCUMENT}  # in the cell of a table; a document as its sentences
_SHOWN = 60


class StandardRows:
    """Rows of one source: their columns are found on the first row that shows them, as in data to train on.

    Where words are tagged, a text in their place is split into words.

    Args:
        kind: of the task.
        columns: standard column -> its name in the source.

    Raises:
        ValueError: the kind has no such standard column.
    """

    def __init__(self, kind: TaskKind, columns: Mapping[str, str]) -> None:
        unknown = [name for name in columns if name not in standard_names(kind)]
        if unknown:
            raise ValueError(
                f"expected standard columns of {kind} out of {_listed(standard_names(kind))}, got {_listed(unknown)}; "
                "because only these are read; correct the name"
            )
        self._kind, self._columns = kind, dict(columns)
        self._wanted = [name for name in KINDS[kind].columns if name != _ID]
        self._beside = [name for name in (_PAIR, _ID) if name in standard_names(kind)]
        self._optional = kind is TaskKind.MULTIPLE_CHOICE  # what is asked may stand in the choices alone
        self._chosen: Columns | None = None
        self._may_be_lists = {
            column
            for name in _WRITTEN_AS_LISTS.intersection(self._wanted)
            for column in (*ROLES[kind][name].names, self._columns.get(name, name))
            if column not in NEVER_LISTS
        }

    def of(self, row: Row, number: int) -> Row | str:
        """The standard columns of a row, or what is wrong with it.

        Args:
            row: as it stands in the source.
            number: of the row, for questions without an id.
        """
        if set(row) == {LINE}:
            return self._of_line(row[LINE])
        row = {name: _list_in(cell) if name in self._may_be_lists else cell for name, cell in row.items()}
        self._chosen = self._chosen or self._choose(row)
        if self._chosen is None:
            wanted = _listed(self._columns.get(name, name) for name in self._wanted)
            return f"expected the columns {wanted}, got {_listed(row)}; name them by `--column`"
        pair = self._columns.get(_PAIR, _PAIR)
        if _PAIR in self._beside and _PAIR not in self._chosen and row.get(pair) is not None:
            return f"expected no `{pair}`, as in the rows before, got one; write it in all rows, or in none"
        found: Row = {}
        for name, own in self._chosen.items():
            if name == _ID:
                continue
            if any(column not in row for column in own):
                return f"expected the columns {_listed(own)}, got {_listed(row)}"
            value = _value(name, [row[column] for column in own])
            wrong = self._wrong(name, value)
            if wrong is not None:
                return f"{_listed(own)}: {wrong}"
            found[name] = value
        if self._optional:
            found.setdefault("text", "")
        if _ID in KINDS[self._kind].columns:
            known = row.get(self._columns.get(_ID, _ID))
            found[_ID] = str(number if known is None else known)
        return found

    def _of_line(self, text: str) -> Row | str:
        if self._columns:
            named = _listed(self._columns.values())
            return f"expected a row with the columns {named}, got a line of text, which has none; leave `columns` out"
        if len(self._wanted) != 1:
            return f"expected a JSON object with {_listed(self._wanted)}, got a line of text"
        (name,) = self._wanted
        value = _value(name, [text])
        return self._wrong(name, value) or {name: value}

    def _choose(self, row: Row) -> Columns | None:
        """Columns that were asked for or have their standard names; else those found as in data to train on."""
        named: Columns = {name: (self._columns.get(name, name),) for name in [*self._wanted, *self._beside]}
        there = {name: own for name, own in named.items() if own[0] in row}
        if all(name in there for name in self._wanted):
            return there
        if self._wanted == [_TOKENS] and not self._columns and _TOKENS not in row and _TEXT in row:
            return {_TOKENS: (_TEXT,)}
        try:
            features = Dataset.from_list([row]).features
            asked = normalise_asked(self._columns, features)
            found = choose_columns(features, self._kind, asked, gold=KINDS[self._kind].label_columns)
        except (ValueError, TypeError, pa.ArrowException):
            return None
        return {name: own for name, own in found.items() if name not in KINDS[self._kind].label_columns}

    def _wrong(self, name: str, value: object) -> str | None:
        if name in _LISTS:
            if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
                return f"expected a list of strings, not empty, got {_shortened(repr(value))}"
            if name == _CHOICES and any(is_blank(one) for one in value):
                return f"expected a text in every choice, got {_shortened(repr(value))}"
            return None
        if not isinstance(value, str):
            return f"expected a text, got {_shortened(repr(value))}"
        if name == _DOCUMENT and not is_blank(value) and not any(letter.isalnum() for letter in value):
            return f"expected a document with a sentence, got {_shortened(repr(value))}"
        return "expected a text, got an empty one" if is_blank(value) and not self._optional else None


def _list_in(cell: Any) -> Any:  # noqa: ANN401 (a cell of any format)
    """The texts that a cell of a table lists, as in data to train on; any other cell as it is."""
    found = parsed_cell(cell) if isinstance(cell, str) else None
    texts = found.get("text") if isinstance(found, dict) else found
    return found if isinstance(texts, list) and all(isinstance(one, str) for one in texts) else cell


def _value(name: str, values: list[Any]) -> Any:  # noqa: ANN401 (a cell of JSON)
    """One value of a standard column: several texts are joined, several choices a list, sentences a document.

    A text in the place of words is split into them.
    """
    if name == _TOKENS and len(values) == 1 and isinstance(values[0], str):
        return split_words(values[0])
    if name == _CHOICES:
        (value,) = values if len(values) == 1 else (values,)
        return value["text"] if isinstance(value, dict) and "text" in value else value
    if len(values) > 1:
        return " ".join(str(value or "") for value in values)
    sentences = name == _DOCUMENT and isinstance(values[0], list)
    return " ".join(str(one) for one in values[0] if one) if sentences else values[0]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


__all__ = ["LINE", "Row", "StandardRows"]

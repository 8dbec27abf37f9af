"""Columns of many rows."""

import pytest
from datasets import Dataset
from datasets.arrow_dataset import Column

from hf_tinybert.data import column_values as module
from hf_tinybert.data.column_values import column_values


def test_all_values_come_in_the_order_of_the_rows(monkeypatch):
    """Prevents values that are lost between two parts, or those of the whole table in place of a selection."""
    monkeypatch.setattr(module, "_ROWS", 3)
    rows = Dataset.from_dict({"text": list("abcdefgh"), "n": range(8)})
    assert list(column_values(rows, "text")) == list("abcdefgh")
    assert list(column_values(rows.select([7, 0, 5, 2]), "n")) == [7, 0, 5, 2]
    assert list(column_values(rows.select([]), "n")) == []


def test_no_row_is_read_alone(monkeypatch):
    """Prevents a hundred times the time: a row of its own for every value, which the library makes in a loop."""
    monkeypatch.setattr(Column, "__iter__", lambda self: pytest.fail("rows are read one by one"))
    read: list[slice] = []
    monkeypatch.setattr(Column, "__getitem__", lambda self, part: read.append(part) or [0] * (part.stop - part.start))
    assert len(list(column_values(Dataset.from_dict({"n": range(3000)}), "n"))) == 3000
    assert len(read) <= 3

"""Lists and objects in the cells of a table."""

import csv
import json

import pyarrow as pa
import pytest
from datasets import List, Value

from hf_tinybert.data import list_cells
from hf_tinybert.data.data_files import read_data_file
from hf_tinybert.data.list_cells import list_values, parsed_cell
from hf_tinybert.data.sources import load_task_data
from hf_tinybert.data.tasks import TaskKind

ROWS = {
    TaskKind.MULTI_LABEL_CLASSIFICATION: {"text": "a goal", "labels": ["sport", "good"]},
    TaskKind.TOKEN_CLASSIFICATION: {"tokens": ["it's", 'a "goal"'], "tags": ["O", "B-thing"]},
    TaskKind.QUESTION_ANSWERING: {
        "context": "a goal",
        "question": "what",
        "answers": {"text": ["goal"], "answer_start": [2]},
    },
    TaskKind.MULTIPLE_CHOICE: {"text": "a goal", "choices": ["wins", "loses"], "label": 1},
    TaskKind.EXTRACTIVE_SUMMARIZATION: {"document": ["A goal.", "A film."], "summaries": ["A goal."]},
}


def _table(file, name, cells):
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["number", name])
        writer.writerows(enumerate(cells))
    return file


@pytest.mark.parametrize("write", [json.dumps, str], ids=["JSON", "Python"])
@pytest.mark.parametrize("kind", list(ROWS), ids=str)
def test_a_table_of_lists_is_the_data_that_json_lines_are(kind, write, tmp_path):
    """Prevents the lists of a label column from being classes, and those of choices from being passed over."""
    rows = [{**ROWS[kind], next(iter(ROWS[kind])): one} for one in _varied(ROWS[kind])]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with (tmp_path / "rows.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({name: one if isinstance(one, str) else write(one) for name, one in row.items()})
    named = kind if kind is TaskKind.EXTRACTIVE_SUMMARIZATION else None  # which reads texts where nobody names it
    table, lines = (load_task_data(tmp_path / f"rows.{ending}", named) for ending in ("csv", "jsonl"))
    assert table.kind is lines.kind is kind and table.labels == lines.labels
    assert table.splits["train"][:] == lines.splits["train"][:]


def _varied(row):
    """24 values of the first column."""
    first = next(iter(row.values()))
    return [f"{first} {n}" if isinstance(first, str) else [*first[:-1], f"{first[-1]} {n}."] for n in range(24)]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('["a", null, 1]', ["a", None, 1]),
        ("['it\\'s', \"a\"]", ["it's", "a"]),
        (" [1, 0] ", [1, 0]),
        ("[]", []),
        ("{'text': ['a'], 'answer_start': [3]}", {"text": ["a"], "answer_start": [3]}),
        ("['a' 'b']", None),
        ("['a'\n 'b']", None),
        ("[1 0]", None),
        ("[a]", None),
        ("{'n': 1}", None),
        ("{1, 2}", None),
        ("[__import__('os')]", None),
        ("[" * 5000, None),
        ("a [b]", None),
    ],
)
def test_a_cell_is_a_list_or_a_text(cell, value):
    """Prevents numpy's lists without commas from being read as one joined word, and code from being run."""
    assert parsed_cell(cell) == value


@pytest.mark.parametrize(
    ("name", "cells", "told"),
    [
        ("tags", ["['a' 'b']", "['c']"], r"column `tags`.* got \['a' 'b'\] in row 1 \(rows count from 1\)"),
        ("labels", ["['a']", "", "['b'"], r"column `labels`.* got \['b' in row 3"),
        ("choices", ["[1]", "[2]", "['x']"], r"column `choices`.* got \['x'\] in row 3"),
        ("answers", ["{'text': array(['x'], dtype=object)}"], "got {'text': array.* in row 1"),
    ],
)
def test_a_broken_list_is_refused_by_its_row(name, cells, told, tmp_path):
    """Prevents one damaged cell from making classes of all lists."""
    with pytest.raises(ValueError, match=rf"(?s)rows.csv`: expected a list.*{told}"):
        read_data_file(_table(tmp_path / "rows.csv", name, cells))


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("text", ["[1]", "['a']"]),
        ("sentence2", ["[1]", "[2]"]),
        ("answer", ["[unknown]", "Paris"]),
        ("notes", ["['a' 'b']"]),
        ("notes", ["[1]", "['x']"]),
        ("tags", ["", " "]),
    ],
)
def test_texts_in_brackets_stay_texts(name, cells, tmp_path):
    """Prevents a column that nobody reads as lists from being refused."""
    rows = read_data_file(_table(tmp_path / "rows.csv", name, cells))
    assert rows.features[name] == Value("string") and rows[name][:] == cells


def test_lists_of_all_parts_have_one_type(monkeypatch):
    """Prevents a column from failing where a part holds empty lists alone, and words after numbers from passing."""
    monkeypatch.setattr(list_cells, "_AT_ONCE", 2)
    feature, values = list_values(pa.chunked_array([["[]", "[]"], ["", "['a']"]]), "tags")
    assert feature == List(Value("string")) and values.to_pylist() == [[], [], None, ["a"]]
    with pytest.raises(ValueError, match=r"got \['x'\] in row 3"):
        list_values(pa.chunked_array([["[1]", "[]", "['x']"]]), "tags")

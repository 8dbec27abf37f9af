"""Tests of the texts of a quickstart."""

import json
from dataclasses import replace

from hf_tinybert.quickstart.texts import load_texts


def test_rows_are_limited_by_split(settings):
    """Prevents a short setting that trains on everything, or scores on what it did not mean to."""
    texts = load_texts(replace(settings, train_rows=20, held_out_rows=3))
    assert {name: len(split) for name, split in texts.items()} == {"train": 20, "validation": 3, "test": 3}


def test_more_rows_than_there_are_is_all_of_them(settings):
    """Prevents an index error on a small data set with the short setting."""
    texts = load_texts(replace(settings, train_rows=1000, held_out_rows=1000))
    assert sum(len(split) for split in texts.values()) == 72


def test_columns_of_other_names_are_read(settings, tmp_path):
    """Prevents `--text-column` and `--label-column` that no one reads."""
    names = ["good", "bad"]
    rows = [{"body": f"row {row} of {names[row % 2]} words", "verdict": names[row % 2]} for row in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    named = replace(settings, dataset=str(tmp_path / "rows.jsonl"), text_column="body", label_column="verdict")
    assert set(load_texts(named)["train"]["text"]) <= {row["body"] for row in rows}

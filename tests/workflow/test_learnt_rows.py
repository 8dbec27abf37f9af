"""Tests of the warning of rows that a model has learnt."""

import json
import logging
from pathlib import Path

import pytest

from hf_tinybert.workflow.learnt_rows import warn_of_learnt_rows


@pytest.fixture
def data(tmp_path) -> str:
    (tmp_path / "reviews.csv").write_text("text,label\n")
    return str(tmp_path / "reviews.csv")


def folder_of(tmp_path, settings) -> Path:
    (tmp_path / "model").mkdir(exist_ok=True)
    (tmp_path / "model" / "run.json").write_text(json.dumps({"settings": settings, "stages": {}}))
    return tmp_path / "model"


def test_rows_cut_by_another_seed_than_the_models_are_told(data, tmp_path, caplog):
    """Prevents a score on rows of which the model has learnt four fifths."""
    folder = folder_of(tmp_path, {"data": data, "seed": 1})
    warn_of_learnt_rows(folder, data, 0, ["validation", "test"])
    (said,) = caplog.messages
    assert "`validation` and `test`" in said and "by seed 0" in said and "what seed 1 leaves" in said


def test_of_several_tasks_the_one_that_is_scored_counts(data, tmp_path, caplog):
    """Prevents the warning of one task's data at the rows of another."""
    settings = {"tasks": {"a": {"data": "other.csv"}, "b": {"data": data}}, "shared": {"seed": 1}}
    folder = folder_of(tmp_path, settings)
    warn_of_learnt_rows(folder, data, 0, ["test"], head="a")
    assert not caplog.messages
    warn_of_learnt_rows(folder, data, 0, ["test"], head="b")
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(
    ("settings", "seed", "cut"),
    [
        ({"data": "DATA", "seed": 1}, 1, ["test"]),
        ({"data": "DATA", "seed": 1}, 0, []),
        ({"data": "elsewhere.csv", "seed": 1}, 0, ["test"]),
        ({"model": "trimmed"}, 0, ["test"]),
    ],
)
def test_rows_that_nothing_says_were_learnt_need_no_words(data, tmp_path, caplog, settings, seed, cut):
    """Prevents a warning at every evaluation."""
    told = {name: data if value == "DATA" else value for name, value in settings.items()}
    with caplog.at_level(logging.WARNING):
        warn_of_learnt_rows(folder_of(tmp_path, told), data, seed, cut)
        warn_of_learnt_rows("owner/name", data, seed, cut)
    assert not caplog.messages

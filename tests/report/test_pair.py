"""Tests of what is compared, and where it is found."""

import json

import pytest

from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.report.pair import load_pair
from hf_tinybert.report.report_settings import ReportSettings


def _load(folder, **settings):
    return load_pair(ReportSettings(folder=folder, **settings), read_facts(folder))


def test_models_and_rows_are_those_of_the_run(student):
    """Prevents a report of the training rows, or of two students."""
    pair = _load(student)
    assert (pair.student.config.hidden_size, pair.teacher.config.hidden_size) == (16, 32)
    assert len(pair.rows) == 13 and not pair.student.training and not pair.teacher.training


def test_rows_are_drawn_once_and_for_all(student):
    """Prevents other rows at each report."""
    first, second = (_load(student, rows=5).rows["text"][:] for _ in range(2))
    assert first == second and len(first) == 5


@pytest.mark.parametrize(
    ("run", "settings", "message"),
    [
        ({"data": None}, {}, "name them by `--data`"),
        ({"teacher": None}, {}, "got teacher; because the folder does not say where"),
        ({}, {"task": "news"}, "which has one head"),
        ({"tasks": {"news": {}}}, {}, "`news`, got none"),
    ],
)
def test_what_is_missing_is_named_with_its_cure(student, run, settings, message):
    """Prevents a report without its half that does not say what it lacks."""
    figures = json.loads((student / "figures.json").read_text())
    figures["settings"] |= run
    (student / "figures.json").write_text(json.dumps(figures))
    with pytest.raises(ValueError, match=message):
        _load(student, **settings)


def test_labels_that_the_model_does_not_have_are_refused(student, tmp_path):
    """Prevents a confusion matrix of other classes."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"text": f"the film {n}", "label": f"new {n % 2}"}) + "\n" for n in range(40)))
    with pytest.raises(ValueError, match="expected only labels out of"):
        _load(student, data=str(rows))

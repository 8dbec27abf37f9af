"""Tests of the rows that are compared, and of when answers to them still count."""

import json
from dataclasses import replace

import pytest

from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.report.compared_rows import load_rows
from hf_tinybert.report.report_settings import ReportSettings
from hf_tinybert.workflow.kept_answers import keep_answers
from hf_tinybert.workflow.task_data import sample


def _load(folder, name=None, **given):
    return load_rows(ReportSettings(folder=folder, **given), read_facts(folder), name)


def _settings_of_run(folder, **changes):
    figures = json.loads((folder / "figures.json").read_text())
    figures["settings"] |= changes
    (folder / "figures.json").write_text(json.dumps(figures))


def test_rows_are_those_of_the_run_drawn_once_and_for_all(student):
    """Prevents a report of the training rows, and other rows at each report."""
    assert len(_load(student).rows) == 13
    first, second = (_load(student, rows=5).rows["text"][:] for _ in range(2))
    assert first == second and len(first) == 5


def test_rows_that_the_run_left_out_are_left_out(student, data):
    """Prevents answers that are kept for nothing, because the report draws other rows than the run."""
    whole = _load(student).rows
    _settings_of_run(student, validation_rows=4)
    assert _load(student).rows["text"][:] == sample(whole, 4, 0)["text"][:]
    assert len(_load(student, data=data).rows) == len(whole)  # asked for by name


@pytest.mark.parametrize(
    ("run", "settings", "message"),
    [
        ({"data": None}, {}, "name them by `--data`"),
        ({}, {"name": "news"}, "which has one head"),
    ],
)
def test_what_is_missing_is_named_with_its_cure(student, run, settings, message):
    """Prevents a report without its half that does not say what it lacks."""
    _settings_of_run(student, **run)
    with pytest.raises(ValueError, match=message):
        _load(student, **settings)


def test_columns_of_a_trimming_are_not_those_of_rows(student, data):
    """Prevents `report small --data FILE` from ending in an error about the columns that held the texts."""
    figures = json.loads((student / "figures.json").read_text())
    figures |= {"pieces": {"before": 40, "after": 36}, "settings": {"model": "student", "columns": ["text", "body"]}}
    (student / "figures.json").write_text(json.dumps(figures))
    assert len(_load(student, data=data).rows) == 13


def test_labels_that_the_model_does_not_have_are_refused(student, tmp_path):
    """Prevents a confusion matrix of other classes."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"text": f"the film {n}", "label": f"new {n % 2}"}) + "\n" for n in range(40)))
    with pytest.raises(ValueError, match="expected only labels out of"):
        _load(student, data=str(rows))


def test_kept_answers_count_for_the_same_rows_and_weights_alone(student, models):
    """Prevents a page about weights or rows that are gone."""
    teacher = models / "teacher"
    asked, said = _load(student), [{"label": "sport"}] * 13
    given = {"rows": asked.rows, "task": asked.task, "seed": 0}
    keep_answers(student, "student", said, weights=student, **given)
    assert asked.kept_answers(student) is None  # the teacher's are missing
    keep_answers(student, "teacher", said, weights=teacher, **given)
    assert asked.kept_answers(student) == [said, said]
    other = _load(student, rows=5)
    assert other.kept_answers(student) is None
    for name, value in (("student", "cd"), ("teacher", "cd"), ("rows", "cd")):
        assert replace(asked, fingerprints={**asked.fingerprints, name: value}).kept_answers(student) is None
    gone = replace(asked, teacher=None, fingerprints={**asked.fingerprints, "teacher": None})
    assert gone.kept_answers(student) == [said, said]
    named = _load(student, teacher="nowhere/gone")
    assert named.kept_answers(student) is None  # that one answered nothing


def test_each_of_several_tasks_has_its_own_rows_and_teacher(several):
    """Prevents a task that is compared on the rows of another one, or with another one's teacher."""
    news, closeness = (_load(several, name) for name in ("news", "closeness"))
    assert (news.name, str(news.task.kind), len(news.rows)) == ("news", "text-classification", 13)
    assert (closeness.name, str(closeness.task.kind), len(closeness.rows)) == ("closeness", "regression", 6)
    assert news.teacher.first.endswith("teacher") and closeness.teacher.first.endswith("closeness-teacher")
    assert news.fingerprints["student"] == closeness.fingerprints["student"]

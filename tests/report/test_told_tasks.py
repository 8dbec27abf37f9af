"""Tests of which tasks a page tells of."""

import json

import pytest

from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.report.report_settings import ReportSettings
from hf_tinybert.report.told_tasks import is_comparable, task_names, teacher_of_task, told_tasks


def _told(folder, **given):
    return told_tasks(ReportSettings(folder=folder, **given), read_facts(folder))


def test_all_tasks_are_told_in_the_order_of_the_run_or_those_that_are_named(several, student):
    """Prevents a page of one task of several, and one in the order of the alphabet that a configuration has."""
    assert _told(several) == ["news", "closeness", "free"] and _told(student) == [None]
    assert _told(several, tasks=("free", "news")) == ["news", "free"]
    (several / "figures.json").unlink()
    (several / "distillation.json").unlink()
    assert sorted(_told(several)) == ["closeness", "free", "news"]


def test_a_task_has_the_teacher_that_taught_it_or_none(several):
    """Prevents a task that was learnt from labels from being compared with the teacher of another."""
    facts, settings = read_facts(several), ReportSettings(folder=several)
    assert [teacher_of_task(facts, name) for name in task_names(facts)] == ["teacher", "closeness-teacher", None]
    assert [is_comparable(settings, facts, name) for name in task_names(facts)] == [True, True, False]
    assert is_comparable(ReportSettings(folder=several, teacher="big"), facts, "free")  # who names one knows


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tasks": ("news", "sport")}, "one of the tasks `news`, `closeness`, `free` of .* got `sport`"),
        ({"data": "rows.csv"}, "one task for `--data`, got `news`, `closeness`, `free`"),
        ({"teacher": "big", "columns": {"text": "body"}}, "one task for `--teacher` and `--column`"),
        ({"tasks": ("free",), "data": "rows.csv"}, "no teacher taught it"),
    ],
)
def test_what_several_tasks_cannot_be_asked_is_refused(several, given, message):
    """Prevents the rows or the teacher of one task from being taken for all."""
    with pytest.raises(ValueError, match=message):
        _told(several, **given)


def test_a_model_of_one_task_or_none_has_no_names(student):
    """Prevents an option that is ignored."""
    with pytest.raises(ValueError, match="a multi-task model .* one head"):
        _told(student, tasks=("news",))
    figures = json.loads((student / "figures.json").read_text())
    general = {**figures, "tasks": {"news": {}}, "held_out": {"before": {}, "after": {}}}
    (student / "figures.json").write_text(json.dumps(general))
    assert _told(student) == [None]
    for given in ({"tasks": ("news",)}, {"data": "rows.csv"}):
        with pytest.raises(ValueError, match=f"`--{'task' if 'tasks' in given else 'data'}`.* general student"):
            _told(student, **given)

"""Tests of what is told of one task of several."""

import json
from html import unescape

import pytest

from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.report.comparing import ComparedTasks
from hf_tinybert.report.comparison import whole_comparison
from hf_tinybert.report.page import render_page
from hf_tinybert.report.task_part import SUMMARY_COLUMNS, main_score, summary_line, task_part

FOUND = whole_comparison({"split": "validation", "rows": 12, "answers": {"same": 9, "other": 3}, "examples": []})


@pytest.fixture
def part(several):
    """`part(name)`: of the page."""

    def make(name, **compared):
        return task_part(read_facts(several), name, 2, ComparedTasks(**compared))

    return make


def test_a_part_holds_what_is_its_tasks_alone(part):
    """Prevents a section with the scores, terms, curves or layers of another task."""
    one = part("closeness")
    assert [row[0] for row in one.losses.rows] == ["`hidden_states_loss`", "`prediction_loss`"]
    assert one.losses.rows[0][-1] == "0.25" and one.scores.rows == []
    assert [picture.name for picture in one.curves] == ["task-2-curve-1", "task-2-curve-2"]
    assert dict(one.strip) == {"emb.": "emb.", "1": "", "2": "", "3": "1", "4": "2"}
    assert dict(one.about)["Teacher"] == "closeness-teacher (BertForSequenceClassification)"
    assert dict(one.about)["Data"] == "scored" and one.prefix == "task-2-"


def test_a_task_that_nobody_taught_says_so(part, several):
    """Prevents an empty cell that may mean anything."""
    one = part("free")
    cells = dict(zip(SUMMARY_COLUMNS, summary_line(read_facts(several), one).cells, strict=True))
    assert (cells["teacher"], cells["this model"], cells["rows compared"]) == ("no teacher", "0.3", "\N{EM DASH}")
    assert not one.is_taught and one.strip == [] and "labels alone" in dict(one.about)["Teacher"]


def test_a_task_without_labels_says_so(part, several):
    """Prevents a score that is not told from passing for one that was forgotten."""
    found = {"closeness": {**FOUND, "answers": {}}}
    cells = dict(
        zip(SUMMARY_COLUMNS, summary_line(read_facts(several), part("closeness", found=found)).cells, strict=True)
    )
    assert (cells["teacher"], cells["this model"], cells["metric"]) == ("no labels", "no labels", "spearmanr")
    assert (cells["rows compared"], cells["same answers"]) == ("12 validation", "\N{EM DASH}")


def test_the_line_of_a_task_has_its_score_and_what_both_say(part, several):
    """Prevents shares and rows of another task."""
    line = summary_line(read_facts(several), part("news", found={"news": FOUND}))
    cells = dict(zip(SUMMARY_COLUMNS, line.cells, strict=True))
    assert [cells[name] for name in ("teacher", "this model", "kept", "same answers")] == [
        "0.8",
        "0.4",
        "50.0%",
        "75.0%",
    ]


def test_test_rows_come_before_validation_rows(several):
    """Prevents a summary of the rows that chose the best epoch where others were scored."""
    figures = json.loads((several / "figures.json").read_text())
    scores = figures["tasks"]["news"]["scores"]
    scores["test"] = {"student": {"f1": 0.9, "accuracy": 0.7}}
    (several / "figures.json").write_text(json.dumps(figures))
    score = main_score(read_facts(several), "news")
    assert (score.split, score.metric, score.student) == ("test", "accuracy", 0.7)


def test_the_only_task_of_a_student_has_no_name_and_all_scores(student):
    """Prevents a page of one task whose sections are nowhere to be found."""
    one = task_part(read_facts(student), None, 1, ComparedTasks(missing={None: "gone"}))
    assert (one.prefix, one.about, one.without_comparison) == ("", [], "gone")
    assert one.scores.rows and one.losses.rows and one.curves[0].name == "curve-1"


def test_what_needs_no_model_is_shown_and_explained(several):
    """Prevents two columns that nobody can read, and those of one task in the section of another."""
    figures = json.loads((several / "figures.json").read_text())
    ((split, by_model),) = figures["tasks"]["news"]["scores"].items()
    figures["tasks"]["news"]["without_model"] = {split: {"lead": dict.fromkeys(by_model["student"], 0.61)}}
    (several / "figures.json").write_text(json.dumps(figures))
    facts = read_facts(several)
    one, other = (task_part(facts, name, 1, ComparedTasks()) for name in ("news", "free"))
    assert one.scores.header[-1] == "lead" and {row[-1] for row in one.scores.rows} == {"0.61"}
    assert "lead" not in other.scores.header and other.without_model == ""
    assert one.without_model in unescape(render_page(facts)) and "first sentences" in one.without_model

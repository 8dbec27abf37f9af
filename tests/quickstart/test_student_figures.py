"""Tests of what a quickstart tells other verbs."""

from hf_tinybert.hub import model_card
from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.quickstart import FIGURES_FILE
from hf_tinybert.report import ReportSettings
from hf_tinybert.report.compared_rows import load_rows
from hf_tinybert.report.pair import load_pair
from hf_tinybert.workflow import evaluate_folder
from hf_tinybert.workflow.figures import FIGURES_FILE as FIGURES_FILE_OF_RUNS


def test_other_verbs_read_its_student_and_the_card_tells_its_figures(settings, straight):
    """Prevents a first student that `predict`, `export` and `evaluate` refuse, and a card that says nothing of it."""
    assert FIGURES_FILE == FIGURES_FILE_OF_RUNS
    folder, summary = straight
    student = folder / "student"
    scored = evaluate_folder(student, settings.dataset, "test")
    assert scored["accuracy"] == summary["student_test_accuracy"]
    card = str(model_card(student))
    assert "| same shape, undistilled |" in card and "| sentences per second, batch 1 |" in card
    assert f"| {summary['teacher_test_accuracy']:.4g} |" in card
    assert str(folder.parents[1]) not in card  # above the folders of data, teacher and student
    report, facts = ReportSettings(folder=student), read_facts(student)
    rows = load_rows(report, facts)
    assert len(rows.rows) and load_pair(rows, report, facts).teacher.config.hidden_size == 32

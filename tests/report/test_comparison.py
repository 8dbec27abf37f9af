"""Tests of what a comparison finds."""

import io
import json

import pytest
from rich.console import Console

from hf_tinybert.hub.model_facts import COMPARISON_FILE, read_facts
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.report.compared_answers import ComparedAnswer
from hf_tinybert.report.compared_rows import load_rows
from hf_tinybert.report.comparison import Comparison, _disagreements, compare
from hf_tinybert.report.layers_and_speed import read_layers_and_speed
from hf_tinybert.report.pair import ask, load_pair
from hf_tinybert.report.report_settings import ReportSettings
from hf_tinybert.workflow import evaluate_folder


@pytest.fixture(scope="module")
def compared(models):
    """The comparison of student and teacher on their validation rows."""
    settings = ReportSettings(folder=models / "student")
    facts = read_facts(settings.folder)
    asked = load_rows(settings, facts)
    pair = load_pair(asked, settings, facts)
    said = ask(pair, asked, batch_size=8, display=ProgressDisplay(Console(file=io.StringIO())))
    return compare(asked, said, read_layers_and_speed(pair, asked))


def test_counts_are_those_of_the_scores(compared, models, data):
    """Prevents counts that do not belong to the models: each one's accuracy is what `evaluate` gives."""
    counts = compared.answers
    assert compared.rows == counts["same"] + counts["other"] == 13
    for model in ("student", "teacher"):
        right = counts.get("both", 0) + counts.get(model, 0)
        accuracy = evaluate_folder(models / model, data, "validation")["accuracy"]
        assert right / 13 == pytest.approx(accuracy)
        on_diagonal = sum(row[place] for place, row in enumerate(getattr(compared.confusion, model)))
        assert on_diagonal == right
    assert len(compared.examples) == counts["other"] > 0
    assert compared.machine["cores"] >= 1 and all(compared.fingerprints.values())


def test_it_is_kept_as_json(compared, tmp_path):
    """Prevents a page that can be drawn once only."""
    compared.save(tmp_path)
    kept = json.loads((tmp_path / COMPARISON_FILE).read_text())
    assert kept["answers"] == compared.answers and kept["agreement"]["texts"] == compared.agreement.texts
    assert [one.name for one in tmp_path.iterdir()] == [COMPARISON_FILE]
    assert set(kept) == set(Comparison.__dataclass_fields__)


def _answer(student, teacher, right="r"):
    return ComparedAnswer("q", right, student, teacher, student == right, teacher == right)


def test_what_the_student_lost_comes_first_and_the_rest_is_not_crowded_out():
    """Prevents a list of one sort of disagreement only."""
    answers = [_answer("r", "x")] * 30 + [_answer("x", "y")] * 30 + [_answer("x", "r")] * 30 + [_answer("r", "r")] * 30
    shown = [(one.student_is_right, one.teacher_is_right) for one in _disagreements(answers)]
    assert shown == [(False, True)] * 12 + [(True, False)] * 6 + [(False, False)] * 6


def test_numbers_are_sorted_by_how_far_they_are_apart():
    """Prevents examples that nearly agree where others do not at all."""
    answers = [ComparedAnswer("q", 0.0, float(one), 0.0, None, None) for one in range(20)]
    assert [one.student for one in _disagreements(answers)] == [float(one) for one in range(19, 7, -1)]

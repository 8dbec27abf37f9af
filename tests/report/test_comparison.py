"""Tests of what a comparison finds."""

import io
import json
from dataclasses import asdict, replace

import datasets
import pytest
from rich.console import Console

from hf_tinybert.data.tasks import Task, TaskKind, TaskSettings
from hf_tinybert.hub.kept_comparisons import COMPARISON_FILE, read_comparisons
from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.report.compared_answers import ComparedAnswer
from hf_tinybert.report.compared_rows import load_rows
from hf_tinybert.report.comparison import (
    Comparison,
    _disagreements,
    compare,
    save_comparisons,
    whole_comparison,
)
from hf_tinybert.report.layers_and_speed import LayersAndSpeed, read_layers_and_speed
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
    save_comparisons(tmp_path, {None: asdict(compared)})
    kept = json.loads((tmp_path / COMPARISON_FILE).read_text())
    assert kept["answers"] == compared.answers and kept["agreement"]["texts"] == compared.agreement.texts
    assert [one.name for one in tmp_path.iterdir()] == [COMPARISON_FILE]
    assert set(kept) == set(Comparison.__dataclass_fields__)


def test_every_task_is_kept_and_read_again(compared, tmp_path, models):
    """Prevents a report of several tasks that is a report of the last one."""
    (tmp_path / "model.safetensors").write_bytes((models / "student" / "model.safetensors").read_bytes())
    found = {name: asdict(replace(compared, task=name)) for name in ("news", "things")}
    save_comparisons(tmp_path, found)
    again = {name: whole_comparison(one) for name, one in read_comparisons(tmp_path).of_tasks.items()}
    assert again == json.loads(json.dumps(found))


def test_what_an_older_report_did_not_know_is_filled_in_or_made_anew():
    """Prevents a page that fails on the file of an older version."""
    old = {"split": "test", "rows": 3, "answers": {}, "examples": []}
    assert whole_comparison(old) == asdict(Comparison(**old))
    assert whole_comparison({"agreement": None}) is None


def test_embeddings_of_single_texts_are_no_answers(models):
    """Prevents student and teacher from being said to agree everywhere, on similarities of 0 that nobody measured."""
    asked = load_rows(ReportSettings(folder=models / "student"), read_facts(models / "student"))
    rows = datasets.Dataset.from_dict({"text": ["one", "two"]})
    asked = replace(asked, task=Task(TaskSettings(TaskKind.SENTENCE_EMBEDDING)), rows=rows)
    said = [[{"embedding": [1.0]}, {"embedding": [2.0]}]] * 2
    found = compare(asked, said, LayersAndSpeed())
    assert (found.numbers, found.answers, found.examples, found.has_labels) == ({}, {}, [], False)


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

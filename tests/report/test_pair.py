"""Tests of the models that are compared, and of what they are asked."""

import io
import json
import shutil

import pytest
from rich.console import Console
from safetensors.torch import load_file, save_file

from hf_tinybert.distillation.teacher_ensemble import teachers_of
from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.report.compared_rows import load_rows
from hf_tinybert.report.layers_and_speed import read_layers_and_speed
from hf_tinybert.report.pair import ask, load_pair
from hf_tinybert.report.report_settings import ReportSettings
from hf_tinybert.workflow.teacher_source import TeacherSource


def _load(folder, **given):
    settings, facts = ReportSettings(folder=folder, **given), read_facts(folder)
    asked = load_rows(settings, facts)
    return asked, load_pair(asked, settings, facts)


def test_models_are_those_of_the_run_and_each_answers_every_row(student):
    """Prevents a report of two students, and answers that are not in the order of the rows."""
    asked, pair = _load(student)
    assert (pair.student.config.hidden_size, pair.teacher.config.hidden_size) == (16, 32)
    assert not pair.student.training and not pair.teacher.training
    said = ask(pair, asked, batch_size=4, display=ProgressDisplay(Console(file=io.StringIO())))
    assert [len(one) for one in said] == [13, 13] and said[0] != said[1]


def test_another_teacher_than_the_one_that_taught_is_told(student, models):
    """Prevents a teacher that was trained again from passing for the one of the student."""
    assert "another teacher" in _load(student)[1].told  # the record of these tests has a hash of its own
    assert _load(student, teacher=str(models / "teacher"))[1].told == ""  # who names one knows


def test_a_teacher_that_is_nowhere_is_named_with_its_cure(student):
    """Prevents a report without its half that does not say what it lacks."""
    figures = json.loads((student / "figures.json").read_text())
    figures["settings"]["teacher"] = None
    (student / "figures.json").write_text(json.dumps(figures))
    with pytest.raises(ValueError, match="got teacher; because the folder does not say where .* `--teacher`"):
        _load(student)


def test_several_teachers_answer_as_one_and_are_not_timed(student, models, tmp_path):
    """Prevents the first of several teachers from answering for all, and a speed that is only the first's."""
    other = models / "teacher"
    copied = shutil.copytree(other, tmp_path / "second")
    weights = load_file(copied / "model.safetensors")
    save_file({name: -tensor for name, tensor in weights.items()}, copied / "model.safetensors", {"format": "pt"})
    figures = json.loads((student / "figures.json").read_text())
    figures["settings"] |= {"teacher": [str(other), str(copied)], "teacher_weights": [1.0, 2.0]}
    (student / "figures.json").write_text(json.dumps(figures))
    asked, pair = _load(student)
    assert asked.teacher == TeacherSource((str(other), str(copied)), (1.0, 2.0))
    assert [type(one).__name__ for one in teachers_of(pair.teacher)] == ["BertForSequenceClassification"] * 2
    assert asked.fingerprints["teacher"] != _load(student, teacher=str(other))[0].fingerprints["teacher"]
    named = _load(student, teacher=(str(other), str(copied)))[0]
    assert (named.teacher, named.fingerprints) == (asked.teacher, asked.fingerprints)
    read = read_layers_and_speed(pair, asked, timed=True)
    assert read.agreement is not None and read.sentences_per_second == {}

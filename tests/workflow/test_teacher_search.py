"""Tests of where a teacher is looked for."""

import json

import pytest
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from hf_tinybert.distillation.frozen_weights import weights_sha256
from hf_tinybert.workflow.teacher_search import find_teacher, recorded_teacher, teachers_at_hand
from hf_tinybert.workflow.teacher_source import TeacherSource


@pytest.fixture
def student(tmp_path):
    """An empty folder for a student, in a folder of its own."""
    folder = tmp_path / "runs" / "student"
    folder.mkdir(parents=True)
    return folder


def _write(folder, name, content):
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


def test_the_folder_of_the_run_comes_first(student, tmp_path):
    """Prevents another teacher of the same name from taking its place, and paths from being shown on a page."""
    for folder in (tmp_path / "elsewhere" / "big", student.parent / "big"):
        folder.mkdir(parents=True)
    _write(student, "run.json", {"settings": {"teacher": str(tmp_path / "elsewhere" / "big"), "teacher_task": "ner"}})
    _write(student, "distillation.json", {"teacher": "big", "teacher_sha256": "abc"})
    found = recorded_teacher(student)
    assert found.folders == (tmp_path / "elsewhere" / "big", student.parent / "big")
    assert found.task == "ner" and found.sha256 == "abc" and found.name == "big"


def test_a_moved_teacher_is_found_beside_the_student(student):
    """Prevents two folders that were copied together from losing each other."""
    (student.parent / "big").mkdir()
    _write(student, "run.json", {"settings": {"teacher": "/nowhere/big"}})
    assert recorded_teacher(student).folders == (student.parent / "big",)


def test_the_tuned_teacher_of_the_quickstart_is_found(student):
    """Prevents the quickstart's student, whose record names a published model, from standing alone."""
    (student.parent / "teacher").mkdir()
    _write(student, "distillation.json", {"teacher": "somebody/some-model"})
    found = recorded_teacher(student)
    assert found.name == "somebody/some-model" and found.folders == (student.parent / "teacher",)


def test_each_task_has_its_own_teacher(student):
    """Prevents one task's teacher from answering the questions of another."""
    (student.parent / "tagger").mkdir()
    _write(student, "run.json", {"settings": {"tasks": {"ner": {"teacher": "/nowhere/tagger"}, "free": {}}}})
    _write(student, "distillation.json", {"teacher": "tagger, other", "tasks": {"ner": {"teacher_sha256": "abc"}}})
    assert recorded_teacher(student, "ner").folders == (student.parent / "tagger",)
    assert recorded_teacher(student, "ner").sha256 == "abc"
    assert recorded_teacher(student, "free").name is None


@pytest.mark.parametrize("content", [None, {"teacher": "student"}, {"teacher": None}])
def test_nothing_is_found_where_nothing_is(student, content):
    """Prevents a student from being shown as its own teacher, or an error where a folder tells nothing."""
    if content is not None:
        _write(student, "distillation.json", content)
    assert recorded_teacher(student).folders == ()


def test_the_hub_name_is_left_where_no_folder_holds_the_teacher(student, tmp_path):
    """Prevents a comparison that is left out though the teacher is published, and a path that is looked up there."""
    _write(student, "figures.json", {"settings": {"teacher": "somebody/some-model"}})
    assert find_teacher(recorded_teacher(student)) == TeacherSource(("somebody/some-model",))
    (student.parent / "some-model").mkdir()
    assert find_teacher(recorded_teacher(student)) == TeacherSource((str(student.parent / "some-model"),))
    for gone in (str(tmp_path / "gone"), "../runs/old/gone", "teacher-of-january"):
        _write(student, "figures.json", {"settings": {"teacher": gone}})
        assert find_teacher(recorded_teacher(student)) is None


def test_all_of_several_teachers_are_found_or_none(student, tmp_path):
    """Prevents the first of several from standing for all, and shares that are lost on the way."""
    for folder in (tmp_path / "elsewhere" / "big", student.parent / "other"):
        folder.mkdir(parents=True)
    one = {"teacher_class": "Bert", "weight": 2.0}
    told = [{**one, "teacher": "big", "teacher_sha256": "a"}, {**one, "teacher": "other", "teacher_sha256": "b"}]
    _write(
        student,
        "distillation.json",
        {"teacher": "big + other", "teacher_sha256": "ab", "ensemble": {"teachers": told}},
    )
    assert find_teacher(recorded_teacher(student)) is None  # `big` is neither beside the student nor told of by a run
    given = [str(tmp_path / "elsewhere" / "big"), "/nowhere/other"]
    _write(student, "run.json", {"settings": {"teacher": given, "teacher_weights": [1.0, 0.5]}})
    found = recorded_teacher(student)
    assert (found.name, found.sha256, found.folders) == ("big + other", "ab", ())
    assert [member.sha256 for member in found.joined] == ["a", "b"]
    assert find_teacher(found) == TeacherSource((given[0], str(student.parent / "other")), (1.0, 0.5))


def test_a_folder_of_another_name_is_taken_by_its_weights_alone(tmp_path, vocabulary):
    """Prevents the teacher of somebody else from being compared with, and the quickstart's from being missed."""
    student = tmp_path / "student"
    student.mkdir()
    tokenizer = BertTokenizer(vocab=str(vocabulary), model_max_length=64)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 32}
    teacher = BertForSequenceClassification(BertConfig(**shape, vocab_size=len(tokenizer)))
    teacher.save_pretrained(tmp_path / "teacher")
    tokenizer.save_pretrained(tmp_path / "teacher")
    for sha256, found in ((weights_sha256(teacher), [tmp_path / "teacher"]), ("ab" * 32, []), (None, [])):
        _write(student, "distillation.json", {"teacher": "somebody/some-model", "teacher_sha256": sha256})
        assert list(teachers_at_hand(recorded_teacher(student), kind="text-classification")) == found

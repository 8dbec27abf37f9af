"""Tests of a multi-task student and its teachers made ready for each other."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hf_tinybert.distillation.attention import UNRECORDED_IMPLEMENTATION
from hf_tinybert.distillation.multitask.pairing import multi_task_student, pair_tasks, task_view
from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE
from hf_tinybert.models.initialization import initialize_from_teacher
from hf_tinybert.models.multitask_initialization import initialize_tasks_from_teachers

_SPEC = importlib.util.spec_from_file_location("multitask_setup", Path(__file__).with_name("multitask_setup.py"))
tiny = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tiny)


def test_every_task_is_paired_with_its_teacher(build_arguments):
    """Prevents teachers that train, attention that is not recorded, and weights shared with the student."""
    student = tiny.student()
    tasks = {**tiny.tasks(("mood", "ner")), "words": tiny.task("words", taught=False)}
    paired = pair_tasks(student, build_arguments(), tasks)
    assert paired["words"].pair is None and paired["words"].predicts_vocabulary
    assert not paired["mood"].predicts_vocabulary
    for name in ("mood", "ner"):
        pair = paired[name].pair
        assert pair.student is student and pair.layer_mapping == (0, 2, 4)
        assert not any(parameter.requires_grad for parameter in pair.teacher.parameters())
        assert pair.teacher.config._attn_implementation.startswith("distillation_sdpa")
    assert student.config._attn_implementation.startswith("distillation_sdpa")
    assert set(getattr(student, PROJECTIONS_ATTRIBUTE).by_task) == {"mood", "ner"}


def test_predictions_alone_touch_neither_attention_nor_projections(build_arguments):
    """Prevents a student that pays for states which no term reads."""
    student = tiny.student(("mood",))
    pair_tasks(student, build_arguments(phases=["prediction-layer"]), tiny.tasks(("mood",)))
    assert student.config._attn_implementation == UNRECORDED_IMPLEMENTATION
    assert PROJECTIONS_ATTRIBUTE not in student._modules


def started(student, task):
    return [linear.weight for linear in getattr(student, PROJECTIONS_ATTRIBUTE).of(task).projections]


def test_the_start_from_one_teacher_of_all_tasks_is_where_all_projections_start(build_arguments):
    """Prevents the start from the teacher from being ignored."""
    student, teacher = tiny.student(("mood", "ner")), tiny.teacher("mood")
    start = initialize_from_teacher(student.for_task("mood"), teacher)
    pair_tasks(student, build_arguments(), tiny.tasks(("mood", "ner")), initialization=start)
    for task in ("mood", "ner"):
        assert all(map(torch.equal, started(student, task), start.state_projections))


def test_starts_by_task_are_where_the_projections_of_these_tasks_start(build_arguments, caplog):
    """Prevents maps to one teacher from being taken for another one's, and a mapping that nobody looked at."""
    student, teachers = tiny.student(("mood", "ner")), {name: tiny.teacher(name) for name in ("mood", "ner")}
    teachers["ner"].bert.encoder.layer[0].output.dense.weight.data.mul_(-1)
    starts = initialize_tasks_from_teachers(student, teachers, calibration={})
    pair_tasks(student, build_arguments(), tiny.tasks(("mood", "ner")), initialization=starts)
    for task in ("mood", "ner"):
        assert all(map(torch.equal, started(student, task), starts[task].state_projections))
    assert not torch.equal(started(student, "mood")[1], started(student, "ner")[1])
    assert "was initialised by the layer mapping" not in caplog.text
    student, other = tiny.student(("mood", "ner")), {"ner": replace(starts["ner"], mapping=(0, 1, 4))}
    pair_tasks(student, build_arguments(), tiny.tasks(("mood", "ner")), initialization=other)
    assert all(map(torch.equal, started(student, "ner"), starts["ner"].state_projections))
    assert not torch.equal(started(student, "mood")[1], starts["mood"].state_projections[1])
    assert "was initialised by the layer mapping (0, 1, 4)" in caplog.text


def test_a_view_of_a_task_is_the_student_as_it_stands(build_arguments):
    """Prevents checks of another student than the one that trains."""
    student = tiny.student(("mood", "ner")).eval()
    pair_tasks(student, build_arguments(), tiny.tasks(("mood", "ner")))
    batch = {"input_ids": torch.tensor([[5, 6, 7]]), "output_hidden_states": True, "output_attentions": True}
    whole, view = student(**batch, task="ner"), task_view(student, "ner")(**batch)
    torch.testing.assert_close(view.logits, whole.logits, rtol=0, atol=0)
    torch.testing.assert_close(view.projected_hidden_states[2], whole.projected_hidden_states[2], rtol=0, atol=0)
    assert view.attentions[0].query.shape == whole.attentions[0].query.shape


def test_a_student_without_a_head_for_every_task_is_refused():
    """Prevents a KeyError in the middle of the first step."""
    tasks = tiny.tasks(("mood", "ner"))
    with pytest.raises(ValueError, match="expected tasks of the student's heads `mood`, got `ner`"):
        multi_task_student(tiny.student(("mood",)), tasks)
    with pytest.raises(ValueError, match="expected a student with a head for each task, got `TinyBertFor"):
        multi_task_student(tiny.student(("mood",)).for_task("mood"), tasks)
    assert multi_task_student(tiny.student(), tasks).task_names == ("mood", "ner", "words")  # one head may rest


def test_a_teacher_that_is_the_student_is_refused(build_arguments):
    """Prevents a teacher that changes with every step."""
    student = tiny.student(("mood",), **tiny.TEACHER)
    view = student.for_task("mood")
    view.bert.embeddings.word_embeddings.weight = student.bert.embeddings.word_embeddings.weight
    with pytest.raises(ValueError, match="task `mood`: expected a teacher with weights of its own"):
        pair_tasks(student, build_arguments(), {"mood": tiny.task("mood", teacher=view)})


def test_a_multi_task_teacher_without_the_head_of_its_task_is_refused(build_arguments):
    """Prevents a task that was given a teacher from being learned from its labels alone, without a word."""
    tasks = {"mood": tiny.task("mood", teacher=tiny.student(("ner", "stars")))}
    with pytest.raises(ValueError, match="a head `mood` for the task `mood`, got one with `ner`, `stars`"):
        pair_tasks(tiny.student(("mood",)), build_arguments(), tasks)

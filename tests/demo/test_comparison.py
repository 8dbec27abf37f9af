"""Tests of student and teacher side by side."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from transformers import BertTokenizer

from hf_tinybert.data.tasks import KINDS
from hf_tinybert.demo.comparison import describe, open_comparisons
from hf_tinybert.distillation.frozen_weights import weights_sha256
from hf_tinybert.distillation.teacher_ensemble import join_teachers
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from tests.demo.conftest import LABELS, TYPED

KIND = "text-classification"


@pytest.mark.parametrize("kind", [str(kind) for kind in KINDS])
def test_both_answer_every_kind(comparison_of, kind):
    """Prevents a kind that the page cannot show."""
    student, teacher = comparison_of(kind).answer(TYPED[kind])
    assert student.shown.headline and teacher.shown.headline
    assert student.milliseconds > 0 and student.cut is None
    assert student.shown.bars.keys() == teacher.shown.bars.keys()


def test_a_text_that_is_too_long_is_told_with_its_answer(comparison_of):
    """Prevents an answer to the beginning of a text that looks like one to all of it."""
    student, _ = comparison_of(KIND).answer(["the film is good " * 20])
    assert student.cut == (82, 32)


def test_the_teacher_of_the_folder_is_found(comparison_of, student_of):
    """Prevents a student that stands alone beside its teacher."""
    comparison = comparison_of(KIND)
    assert comparison.teacher.name == str(student_of(KIND).parent / "big") and comparison.told == ""
    assert describe(comparison.teacher).startswith("big: 3 layers x 32, 0.0 M parameters")


def test_an_exported_folder_has_the_size_of_its_graph(comparison_of, tmp_path):
    """Prevents a graph, whose weights cannot be counted, from having no description."""
    (tmp_path / "model.onnx").write_bytes(b"0" * 150_000)
    (tmp_path / "model.onnx.data").write_bytes(b"0" * 1_000_000)
    student = comparison_of(KIND).student
    graph = torch.nn.Module()
    graph.config = student.model.config
    exported = replace(student, name=str(tmp_path), model=graph)
    assert describe(exported) == f"{tmp_path.name}: 1 layer x 16, exported graph, 1.1 MB"


@pytest.fixture
def moved(student_of, tmp_path):
    """A copy of the student without its teacher."""
    return shutil.copytree(student_of(KIND), tmp_path / "moved")


def _one(*arguments, **options):
    (comparison,) = open_comparisons(*arguments, **options).values()
    return comparison


def test_a_missing_teacher_is_told_and_the_student_answers(moved):
    """Prevents a page that does not open, or an empty column without a reason."""
    comparison = _one(moved)
    assert comparison.teacher is None and "big is not here" in comparison.told
    assert len(comparison.answer(TYPED[KIND])) == 1


def test_a_wanted_teacher_alone_is_loaded(moved, student_of):
    """Prevents an option that changes nothing."""
    assert _one(student_of(KIND), with_teacher=False).teacher is None
    named = _one(moved, teacher=str(student_of(KIND).parent / "big"))
    assert named.teacher is not None and named.told == ""


def test_another_teacher_of_the_same_name_is_told(moved, save_model):
    """Prevents a teacher that was trained again from being taken for the one that taught."""
    save_model(moved.parent / "big", KIND, layers=3, width=32, seed=5)
    comparison = _one(moved)
    assert comparison.teacher is not None and "another teacher" in comparison.told


def test_any_folder_called_teacher_is_not_taken(moved, save_model):
    """Prevents the teacher of somebody else, in a folder of the quickstart's name, from answering."""
    save_model(moved.parent / "teacher", KIND, layers=3, width=32, seed=5)
    comparison = _one(moved)
    assert comparison.teacher is None and "big is not here" in comparison.told
    (moved.parent / "teacher" / "task.json").write_text("{}", encoding="utf-8")
    assert "big is not here" in _one(moved).told


def test_a_teacher_of_another_task_is_refused_where_it_was_named(moved, student_of):
    """Prevents two columns that answer different questions."""
    with pytest.raises(ValueError, match="regression"):
        _one(moved, teacher=str(student_of("regression").parent / "big"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        _one(moved, teacher=str(moved / "nowhere"))


def test_a_damaged_teacher_that_was_found_is_told(moved, save_model):
    """Prevents a broken teacher from taking its student with it."""
    save_model(moved.parent / "big", KIND, layers=3, width=32)
    (moved.parent / "big" / "task.json").write_text("{}", encoding="utf-8")
    comparison = _one(moved)
    assert comparison.teacher is None and "cannot answer" in comparison.told
    assert str(moved.parent) not in comparison.told


def test_a_teacher_reads_its_own_mask(comparison_of):
    """Prevents a mask of the student's vocabulary from being spelt out letter by letter for the teacher."""
    comparison = comparison_of("masked-lm")
    tokenizer = comparison.teacher.tokenizer
    mask, tokenizer.mask_token = tokenizer.mask_token, "[UNK]"
    try:
        student, teacher = comparison.answer(TYPED["masked-lm"])
    finally:
        tokenizer.mask_token = mask
    assert student.shown.headline and teacher.shown.headline


def test_a_multi_task_student_has_a_comparison_for_each_task(tmp_path, vocabulary, student_of):
    """Prevents all heads but the first from being out of reach."""
    torch.manual_seed(0)
    tokenizer = BertTokenizer(vocab=str(vocabulary), model_max_length=64)
    config = TinyBertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=4, intermediate_size=32,
        max_position_embeddings=64, tasks={
            "topic": {"kind": KIND, "id2label": dict(enumerate(LABELS[KIND]))},
            "rating": {"kind": "regression"},
        },
    )  # fmt: skip
    TinyBertForMultiTask(config).save_pretrained(tmp_path / "student")
    tokenizer.save_pretrained(tmp_path / "student")
    settings = {"tasks": {"topic": {"teacher": str(student_of(KIND).parent / "big")}, "rating": {}}}
    (tmp_path / "student" / "run.json").write_text(json.dumps({"settings": settings}), encoding="utf-8")
    comparisons = open_comparisons(tmp_path / "student")
    assert {name: one.teacher is not None for name, one in comparisons.items()} == {"topic": True, "rating": False}
    assert list(open_comparisons(tmp_path / "student", task="rating")) == ["rating"]


def test_several_teachers_answer_as_one(moved, save_model):
    """Prevents the first of several teachers from standing beside the student for all of them."""
    models = [save_model(moved.parent / name, KIND, layers=3, width=32, seed=seed) for seed, name in enumerate("ab")]
    told = [{"teacher": name, "weight": weight, "teacher_sha256": None} for name, weight in (("a", 1.0), ("b", 3.0))]
    sha256 = weights_sha256(join_teachers(models, [1.0, 3.0]))
    record = {"teacher": "a + b", "teacher_sha256": sha256, "ensemble": {"teachers": told}}
    (moved / "distillation.json").write_text(json.dumps(record), encoding="utf-8")
    comparison = _one(moved)
    assert comparison.told == "" and describe(comparison.teacher).startswith("a + b, as one: ")
    batch = comparison.teacher.tokenizer(TYPED[KIND], return_tensors="pt")
    with torch.no_grad():
        wanted = sum(share * one(**batch).logits for share, one in zip((0.25, 0.75), models, strict=True))
        torch.testing.assert_close(comparison.teacher.model(**batch).logits, wanted)
    assert len(comparison.answer(TYPED[KIND])) == 2
    elsewhere = shutil.move(moved.parent / "b", moved.parent / "elsewhere")
    named = _one(moved, teacher=[str(moved.parent / "a"), str(elsewhere)])  # as many as taught, with their weights
    assert named.told == "" and [one.milliseconds > 0 for one in named.answer(TYPED[KIND])] == [True, True]
    assert _one(moved).teacher is None and "not all of its teachers a + b are here" in _one(moved).told

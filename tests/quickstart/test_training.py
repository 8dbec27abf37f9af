"""Tests of the stages of a quickstart that train."""

import pytest
from transformers import AutoConfig, AutoTokenizer, DistilBertConfig, DistilBertModel

from hf_tinybert.quickstart.training import cut_down, teacher_with_new_head
from hf_tinybert.quickstart.workspace import MODEL_FOLDERS, STUDENT_FOLDER, TEACHER_FOLDER, UNDISTILLED_FOLDER


def test_the_student_is_cut_down_to_a_small_teacher(straight):
    """Prevents a student wider than its teacher, which could not start from it, or of other depth than it is told."""
    folder, _ = straight
    teacher, student = (AutoConfig.from_pretrained(folder / name) for name in (TEACHER_FOLDER, STUDENT_FOLDER))
    assert (teacher.num_hidden_layers, student.num_hidden_layers) == (5, 4)
    assert student.hidden_size == teacher.hidden_size and student.model_type == "tinybert"
    assert AutoConfig.from_pretrained(folder / UNDISTILLED_FOLDER).to_diff_dict() == student.to_diff_dict()


def test_a_teacher_may_call_its_sizes_and_dropout_otherwise_than_bert(tmp_path):
    """Prevents a traceback for DistilBERT, which the refusal of other teachers advises to take."""
    config = DistilBertConfig(vocab_size=40, dim=32, n_layers=5, n_heads=4, hidden_dim=64, max_position_embeddings=64)
    DistilBertModel(config).save_pretrained(tmp_path)
    teacher = teacher_with_new_head(str(tmp_path), ["no", "yes"])
    assert teacher.config.id2label == {0: "no", 1: "yes"}
    assert {value for name, value in teacher.config.to_dict().items() if "dropout" in name} == {0.0}
    student = cut_down(teacher.config)
    assert (student.num_hidden_layers, student.hidden_size, student.intermediate_size) == (4, 32, 64)


@pytest.mark.parametrize("name", MODEL_FOLDERS)
def test_every_model_has_its_tokenizer_and_the_names_of_its_classes(settings, straight, name):
    """Prevents a folder that answers LABEL_0, or that cannot read a text."""
    folder, summary = straight
    assert list(AutoConfig.from_pretrained(folder / name).id2label.values()) == summary["labels"]
    told = AutoTokenizer.from_pretrained(folder / name)("the film is good")
    assert told == AutoTokenizer.from_pretrained(settings.teacher)("the film is good")


def test_the_distilled_student_tells_its_phases(straight):
    """Prevents a table whose seconds do not say what took them."""
    _, summary = straight
    for stage in ("initialization", "intermediate_layer", "prediction_layer"):
        assert summary[f"{stage}_seconds"] >= 0
    assert 0 <= summary["initialized_test_accuracy"] <= 1

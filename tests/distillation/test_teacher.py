import pytest
import torch

from hf_tinybert.distillation.teacher import freeze, load_teacher, weights_sha256


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "teacher"


@pytest.mark.parametrize(
    "head",
    [
        "ForSequenceClassification",
        "ForTokenClassification",
        "ForQuestionAnswering",
        "ForMultipleChoice",
        "ForMaskedLM",
        "ForPreTraining",
    ],
)
def test_a_teacher_is_loaded_with_the_students_kind_of_head_and_frozen(build_student, build_teacher, folder, head):
    """Prevents a teacher with dropout on, as in the published code, or one that learns."""
    original = build_teacher(head)
    original.save_pretrained(folder)
    teacher = load_teacher(folder, build_student(head), needs_head=True)
    assert type(teacher).__name__ == f"Bert{head}"
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert weights_sha256(teacher) == weights_sha256(original)


def test_a_teacher_without_the_head_is_refused_with_the_missing_names(build_student, build_teacher, folder):
    """Prevents a randomly initialised head from teaching noise: an accuracy of chance without any error."""
    build_teacher("ForMaskedLM").save_pretrained(folder)
    with pytest.raises(ValueError, match=r"without .*`classifier.bias`, `classifier.weight`; because"):
        load_teacher(folder, build_student(), needs_head=True)


def test_an_intermediate_phase_takes_a_teacher_without_head(build_student, build_teacher, folder):
    """Prevents general distillation from asking for a fine-tuned teacher."""
    build_teacher("ForMaskedLM").save_pretrained(folder)
    teacher = load_teacher(folder, build_student(), needs_head=False)
    assert type(teacher).__name__ == "BertModel"
    assert not teacher.training


def test_a_teacher_of_a_multiple_choice_student_takes_choices_without_a_trained_head(
    build_student, build_teacher, folder
):
    """Prevents inputs of (batch, choices, length) from reaching an encoder that cannot read them."""
    build_teacher("Model").save_pretrained(folder)
    teacher = load_teacher(folder, build_student("ForMultipleChoice"), needs_head=False)
    assert teacher(input_ids=torch.full((2, 3, 4), 7)).logits.shape == (2, 3)


def test_a_student_without_head_has_no_predictions_to_learn(build_student, build_teacher, folder):
    """Prevents a guess of which head the teacher should have."""
    build_teacher().save_pretrained(folder)
    with pytest.raises(ValueError, match="expected a student with a head of .* got `TinyBertModel`"):
        load_teacher(folder, build_student("Model"), needs_head=True)


def test_freezing_says_so_of_every_part(build_teacher):
    """Prevents a teacher whose dropout stays on somewhere."""
    teacher = build_teacher().train()
    assert freeze(teacher) is teacher
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_the_hash_is_stable_and_sees_every_change(build_teacher):
    """Prevents two teachers from passing for one, and one from passing for two."""
    teacher = build_teacher()
    first = weights_sha256(teacher)
    assert weights_sha256(build_teacher()) == first
    assert weights_sha256(build_teacher().bfloat16()) != first
    with torch.no_grad():
        teacher.classifier.bias[0] += 1e-6
    assert weights_sha256(teacher) != first

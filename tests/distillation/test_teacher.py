"""Tests of loading a teacher."""

import pytest
import torch

from hf_tinybert.distillation.frozen_weights import weights_sha256
from hf_tinybert.distillation.teacher import load_teacher, load_teacher_with_trained_head
from tests.distillation.families import FAMILIES


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


def test_a_teacher_of_a_summariser_is_a_token_classifier_of_any_family(build_student, build_teacher, folder):
    """Prevents a head that only this package has from shutting out every teacher."""
    build_teacher("ForTokenClassification", id2label={0: "skip", 1: "keep"}, label2id=None).save_pretrained(folder)
    student = build_student("ForExtractiveSummarization")
    assert type(load_teacher(folder, student, needs_head=True)).__name__ == "BertForTokenClassification"
    build_teacher("Model").save_pretrained(folder)
    with pytest.raises(ValueError, match="without `classifier.bias`"):
        load_teacher(folder, student, needs_head=True)


@pytest.mark.parametrize("needs_head", [True, False])
def test_a_teacher_of_embeddings_is_an_encoder_pooled_as_the_student(build_student, build_teacher, folder, needs_head):
    """Prevents a random pooler or another pooling in the targets."""
    original = build_teacher("ForMaskedLM")
    original.save_pretrained(folder)
    ids = torch.tensor([[5, 6, 7]])
    teacher = load_teacher(folder, build_student("ForSentenceEmbedding", pooling="cls"), needs_head=needs_head)
    assert type(teacher).__name__ == "BertModel" and not teacher.training
    first = original.eval().bert(ids).last_hidden_state[:, 0]
    torch.testing.assert_close(teacher(ids).logits, torch.nn.functional.normalize(first, dim=-1))


def test_an_embedding_student_can_teach_with_its_linear_layer(build_student, folder):
    """Prevents an encoder alone from standing in for the embeddings that were chosen."""
    original = build_student("ForSentenceEmbedding", embedding_size=10).eval()
    original.save_pretrained(folder)
    teacher = load_teacher(folder, build_student("ForSentenceEmbedding", embedding_size=10), needs_head=True)
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(teacher(ids).logits, original(ids).logits)


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


def test_a_head_comes_along_where_it_is_trained_and_is_none_otherwise(build_student, build_teacher, folder):
    """Prevents a head of random weights in the place of none, and a refusal where terms do without."""
    student = build_student("ForMaskedLM")
    for head, loaded in (("ForMaskedLM", True), ("ForPreTraining", True), ("Model", False)):
        build_teacher(head).save_pretrained(folder)
        teacher = load_teacher_with_trained_head(folder, student)
        assert (teacher is not None) is loaded, head
        if teacher is not None:
            assert type(teacher).__name__ == "BertForMaskedLM" and not teacher.training
            assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert load_teacher_with_trained_head(folder, build_student("Model")) is None


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_a_teacher_of_any_family_is_loaded_with_the_head_or_as_an_encoder_without_pooler(
    family, build_student, folder
):
    """Prevents a family whose encoder takes no such argument from failing, and weights that no term reads."""
    original = family.build_model("ForSequenceClassification").eval()
    original.save_pretrained(folder)
    teacher = load_teacher(folder, build_student(), needs_head=True)
    assert type(teacher) is type(original)
    assert weights_sha256(teacher) == weights_sha256(original)
    encoder = load_teacher(folder, build_student(), needs_head=False)
    assert type(encoder) is type(original.base_model)
    if "pooler" in encoder._modules and family.prefix not in ("Gte", "NomicBert"):
        assert encoder.pooler is None
    token_ids = torch.tensor([[5, 6, 7, 8]])
    expected = original.base_model(input_ids=token_ids).last_hidden_state
    torch.testing.assert_close(encoder(input_ids=token_ids).last_hidden_state, expected)


@pytest.mark.parametrize("needs_head", [True, False])
def test_a_teacher_takes_the_type_it_is_asked_for(build_student, build_teacher, folder, needs_head):
    """Prevents twice the memory for a teacher that only predicts."""
    build_teacher().save_pretrained(folder)
    wanted = load_teacher(folder, build_student(), needs_head=needs_head, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in wanted.parameters()} == {torch.bfloat16}
    as_saved = load_teacher(folder, build_student(), needs_head=needs_head)
    assert {parameter.dtype for parameter in as_saved.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("name", "trained", "loaded"),
    [("ALBERT", "ForPreTraining", "ForPreTraining"), ("MobileBERT", "ForPreTraining", "ForPreTraining"),
     ("RoBERTa", "ForMaskedLM", "ForMaskedLM"), ("ELECTRA", "ForMaskedLM", None)],
)  # fmt: skip
def test_a_masked_lm_head_of_another_family_teaches_a_pre_training_head(build_student, folder, name, trained, loaded):
    """Prevents general distillation with predictions from knowing BERT only."""
    family = next(family for family in FAMILIES if family.name == name)
    family.build_model(trained).save_pretrained(folder)
    if loaded is None:
        with pytest.raises(ValueError, match="expected a teacher"):
            load_teacher(folder, build_student("ForPreTraining"), needs_head=True)
        return
    teacher = load_teacher(folder, build_student("ForPreTraining"), needs_head=True)
    assert type(teacher).__name__ == f"{family.prefix}{loaded}"

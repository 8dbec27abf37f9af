"""Tests of the refusals of two models."""

import logging

import pytest
import torch
from transformers import (
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    FNetConfig,
    FNetModel,
    MPNetConfig,
    MPNetModel,
    RobertaConfig,
    RobertaModel,
)

from hf_tinybert.distillation.attention_access import AttentionAccess
from hf_tinybert.distillation.compatibility.models import (
    check_attention,
    check_frozen,
    check_learns,
    check_models,
    check_two_models,
    position_limit,
)
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.projections import DistillationProjections, attach_projections
from hf_tinybert.distillation.terms import Term

INTERMEDIATE = [DistillationObjective({Term.HIDDEN_STATES: 1.0, Term.ATTENTION_SCORES: 1.0})]
HIDDEN_STATES = [DistillationObjective({Term.HIDDEN_STATES: 1.0})]
EVERYTHING = [DistillationObjective(dict.fromkeys(Term, 1.0))]


def test_a_student_of_which_a_phase_trains_projections_alone_is_refused(pair):
    """Prevents a run that trains for hours and saves the student as it was."""
    student, _ = pair()
    check_learns(student, EVERYTHING)
    student.base_model.requires_grad_(False)
    check_learns(student, EVERYTHING)  # the head learns predictions
    attach_projections(student, DistillationProjections(16, 32, 3))
    with pytest.raises(ValueError, match="`hidden_states_loss`, got a frozen encoder"):
        check_learns(student, HIDDEN_STATES)
    student.requires_grad_(False)
    student.distillation_projections.requires_grad_(True)
    with pytest.raises(ValueError, match="got a frozen student"):
        check_learns(student, EVERYTHING)


def test_a_pair_that_fits_passes_silently(pair, caplog):
    """Prevents warnings that teach people to ignore warnings."""
    student, teacher = pair()
    student.train()
    with caplog.at_level(logging.WARNING):
        check_models(student, teacher, EVERYTHING)
    assert not caplog.records
    assert student.training


def test_a_forward_that_takes_no_wishes_is_refused_by_what_it_lacks(pair):
    """Prevents a TypeError at the first step, after the teacher's outputs were kept and the run was checked."""

    def narrow(self, input_ids, attention_mask=None, labels=None):
        return None

    for role, objectives in (("student", INTERMEDIATE), ("teacher", EVERYTHING)):
        student, teacher = pair()
        model = student if role == "student" else teacher
        model.__class__ = type("Own", (type(model),), {"forward": narrow})
        with pytest.raises(ValueError, match=f"expected a {role} whose forward takes `output_hidden_states`, .*`Own`"):
            check_models(student, teacher, objectives)
    check_models(student, teacher, INTERMEDIATE)  # whose encoder is asked


def test_one_model_as_both_is_refused(pair):
    """Prevents a student that imitates itself, with a loss of zero."""
    student, _ = pair()
    with pytest.raises(ValueError, match="expected two models, got one object"):
        check_models(student, student, EVERYTHING)


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_head_counts_of_which_one_divides_the_other_pass(pair, heads):
    """Prevents a refusal of heads that compare in groups."""
    check_models(*pair(student={"num_attention_heads": heads}), INTERMEDIATE)


def test_head_counts_that_cannot_be_grouped_are_refused_where_attention_is_compared(pair):
    """Prevents heads from broadcasting."""
    models = pair(student={"num_attention_heads": 3, "hidden_size": 18})
    with pytest.raises(ValueError, match=r"got 3 student and 4 teacher heads.*set `num_attention_heads=4`"):
        check_models(*models, INTERMEDIATE)
    check_models(*models, HIDDEN_STATES)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_broken_teacher_is_refused_by_the_name_of_its_weight(pair, value):
    """Prevents a run of which every loss is NaN."""
    student, teacher = pair()
    with torch.no_grad():
        teacher.bert.encoder.layer[1].output.dense.weight[0, 0] = value
    with pytest.raises(ValueError, match=r"NaN or infinity in `bert.encoder.layer.1.output.dense.weight`"):
        check_models(student, teacher, HIDDEN_STATES)


def _mpnet():
    shape = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4}
    return MPNetModel(MPNetConfig(**shape, intermediate_size=48, max_position_embeddings=32))


def _deberta():
    shape = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4}
    return DebertaV2ForSequenceClassification(
        DebertaV2Config(**shape, intermediate_size=48, max_position_embeddings=32, num_labels=3)
    )


@pytest.mark.parametrize("build", [_mpnet, _deberta], ids=["mpnet", "deberta"])
def test_encoders_off_the_attention_interface_are_teachers_where_score_maps_do(pair, build):
    """Prevents a refusal of teachers that can be read, and relations of vectors that nobody hands out."""
    student, _ = pair(student={"id2label": None, "label2id": None, "num_labels": 3})
    teacher = build()
    check_models(student, teacher, INTERMEDIATE)
    assert check_attention(teacher, "teacher", INTERMEDIATE, is_teacher=True) is AttentionAccess.FALLBACK
    relations = [DistillationObjective({Term.VALUE_RELATIONS: 1.0})]
    with pytest.raises(ValueError, match="expected a teacher on the attention interface of transformers, got `"):
        check_attention(teacher, "teacher", relations, is_teacher=True)


@pytest.mark.parametrize("build", [_mpnet, _deberta], ids=["mpnet", "deberta"])
def test_students_off_the_attention_interface_are_refused_where_attention_is_compared(pair, build):
    """Prevents an attention loss without gradient."""
    _, teacher = pair(teacher={"id2label": None, "label2id": None, "num_labels": 3})
    with pytest.raises(
        ValueError, match="because score maps carry no gradient; set the weights of the attention terms"
    ):
        check_models(build(), teacher, INTERMEDIATE)
    check_models(build(), teacher, HIDDEN_STATES)


def test_encoders_without_score_maps_are_refused_by_what_they_do_instead(pair):
    """Prevents an attention loss of nothing at all."""
    shape = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 4, "intermediate_size": 48}
    teacher = FNetModel(FNetConfig(**shape, max_position_embeddings=32))
    with pytest.raises(ValueError, match=r"got one that cannot: `FNetModel` mixes positions by a Fourier transform"):
        check_attention(teacher, "teacher", INTERMEDIATE, is_teacher=True)


def test_a_broken_student_is_refused_by_the_name_of_its_weight(pair):
    """Prevents a student restored from a run that had diverged from training on."""
    student, teacher = pair()
    with torch.no_grad():
        student.classifier.bias[0] = float("nan")
    with pytest.raises(ValueError, match="expected finite student weights, got NaN or infinity in `classifier.bias`"):
        check_models(student, teacher, HIDDEN_STATES)


def test_a_teacher_inside_the_student_or_in_its_memory_is_refused(pair):
    """Prevents a teacher that moves with its student: a loss that falls while nothing is learned."""
    student, teacher = pair()
    check_two_models(student, teacher)
    student.add_module("teacher", teacher)
    with pytest.raises(ValueError, match="got one inside the other"):
        check_two_models(student, teacher)
    del student.teacher
    student.bert.embeddings.word_embeddings.weight = teacher.bert.embeddings.word_embeddings.weight
    with pytest.raises(ValueError, match=r"such as `bert.embeddings.word_embeddings.weight`.*copy the weights"):
        check_two_models(student, teacher)


def test_a_teacher_that_learns_or_drops_out_is_refused(pair):
    """Prevents random targets, and gradients for a model that is not trained."""
    _, teacher = pair()
    teacher.requires_grad_(False)
    teacher.eval()
    check_frozen(teacher)
    teacher.bert.encoder.layer[0].train()
    with pytest.raises(ValueError, match=r"got 0 parameters .* modules in training mode, such as `bert.encoder.layer"):
        check_frozen(teacher)
    teacher.eval()
    teacher.classifier.bias.requires_grad_(True)
    with pytest.raises(ValueError, match="got 1 parameters .* such as `classifier.bias`"):
        check_frozen(teacher)


def test_the_position_limit_leaves_out_what_precedes_the_first_position(build_student):
    """Prevents an index error for texts of 513 and 514 tokens with RoBERTa."""
    shape = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    roberta = RobertaModel(RobertaConfig(**shape, intermediate_size=16, max_position_embeddings=34, pad_token_id=1))
    assert position_limit(roberta) == 32
    roberta.eval()(input_ids=torch.full((1, 32), 5))
    with pytest.raises((IndexError, RuntimeError)):
        roberta(input_ids=torch.full((1, 33), 5))
    assert position_limit(build_student()) == 32


def test_a_student_for_longer_texts_than_its_teacher_is_warned_of(pair, caplog):
    """Prevents an index error in the teacher on the first long text, hours into a run."""
    with caplog.at_level(logging.WARNING):
        check_models(*pair(student={"max_position_embeddings": 64}), HIDDEN_STATES)
    assert "truncate to 32" in caplog.text

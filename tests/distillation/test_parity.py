"""The `reference` reduction against numbers made by running the published TinyBERT code."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from hf_tinybert.distillation.attention import record_attention
from hf_tinybert.distillation.layer_mapping import resolve_layer_mapping
from hf_tinybert.distillation.losses import AttentionForm, Reduction
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.projections import (
    PROJECTIONS_ATTRIBUTE,
    DistillationProjections,
    ProjectionLayout,
    attach_projections,
)
from hf_tinybert.distillation.states import student_states, teacher_states
from hf_tinybert.distillation.terms import Term
from hf_tinybert.models.published_checkpoint import load_published_checkpoint

PARITY = Path(__file__).parent.parent / "data" / "parity"
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
FORMS = [AttentionForm.DIRECT, AttentionForm.FACTORED]
INTERMEDIATE = (Term.EMBEDDING, Term.HIDDEN_STATES, Term.ATTENTION_SCORES)


@pytest.fixture(scope="module")
def golden():
    return load_file(PARITY / "golden.safetensors")


@pytest.fixture(scope="module")
def golden_losses():
    return json.loads((PARITY / "golden.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def compare(golden):
    """`compare(layout folder, attention form, temperature)`: student, named losses, student and teacher states."""

    def run(layout="student", form=AttentionForm.DIRECT, temperature=1.0):
        published = load_published_checkpoint(PARITY / layout)
        student, teacher = published.model, load_published_checkpoint(PARITY / "teacher").model
        kind = ProjectionLayout.SHARED if layout == "student" else ProjectionLayout.PER_STATE
        projections = DistillationProjections(16, 32, 3, kind)
        projections.load_state_dict(published.projections)
        attach_projections(student, projections)
        record_attention(student)
        record_attention(teacher)
        inputs = {name: golden[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
        student_output = student(**inputs, output_hidden_states=True, output_attentions=True)
        with torch.no_grad():
            teacher_output = teacher(**inputs, output_hidden_states=True, output_attentions=True)
        mapping = resolve_layer_mapping("uniform", 2, 4)
        states = student_states(student_output, inputs), teacher_states(teacher_output, inputs, mapping)
        objective = DistillationObjective(
            dict.fromkeys((*INTERMEDIATE, Term.PREDICTION), 1.0),
            temperature=temperature,
            reduction=Reduction.REFERENCE,
            attention_form=form,
        )
        return student, objective.losses(*states), *states

    return run


@pytest.mark.parametrize("form", FORMS)
def test_loss_values_are_those_of_the_published_code(compare, golden_losses, form):
    """Prevents a method that only resembles TinyBERT: other denominators, masks, layers or scalings."""
    _, losses, *_ = compare(form=form)
    hidden = losses["embedding_loss"] + losses["hidden_states_loss"]
    assert losses["attention_scores_loss"].item() == pytest.approx(golden_losses["attention_loss"], rel=1e-5)
    assert hidden.item() == pytest.approx(golden_losses["hidden_loss"], rel=1e-5)
    assert losses["prediction_loss"].item() == pytest.approx(golden_losses["soft_cross_entropy_t1"], rel=1e-5)


def test_prediction_loss_at_temperature_2_is_that_of_the_published_code(compare, golden_losses):
    """Prevents a factor of temperature squared in the reduction that has none."""
    _, losses, *_ = compare(temperature=2.0)
    assert losses["prediction_loss"].item() == pytest.approx(golden_losses["soft_cross_entropy_t2"], rel=1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("terms", "prefix"), [(INTERMEDIATE, "grad_intermediate"), ((Term.PREDICTION,), "grad_prediction")]
)
def test_gradients_of_every_student_parameter_are_those_of_the_published_code(compare, golden, form, terms, prefix):
    """Prevents right values with wrong gradients: a detached branch, or a mask applied after the backward path."""
    student, losses, *_ = compare(form=form)
    torch.stack([losses[term] for term in terms]).sum().backward()
    names = dict(student.named_parameters())
    assert len(names) == len([key for key in golden if key.startswith(f"{prefix}.")])
    for name, parameter in names.items():
        published = name.replace(f"{PROJECTIONS_ATTRIBUTE}.projections.0", "fit_dense")
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(gradient, golden[f"{prefix}.{published}"], **TOLERANCE, msg=f"gradient of {name}")


def test_states_are_those_of_the_published_code(compare, golden):
    """Prevents compared layers that are shifted by one and still give a plausible loss."""
    _, _, student, teacher = compare()
    seen = golden["attention_mask"][:, None, None, :].bool().expand_as(golden["student_attention_scores.0"])
    for layer, record in enumerate(student.attentions):
        expected = golden[f"student_attention_scores.{layer}"]
        torch.testing.assert_close(record.scores()[seen], expected[seen], **TOLERANCE)
    for layer, record in zip((1, 3), teacher.attentions, strict=True):
        expected = golden[f"teacher_attention_scores.{layer}"]
        torch.testing.assert_close(record.scores()[seen], expected[seen], **TOLERANCE)
    for state, projected in enumerate(student.hidden_states):
        torch.testing.assert_close(projected, golden[f"student_projected_hidden_states.{state}"], **TOLERANCE)
    for state, hidden in zip((0, 2, 4), teacher.hidden_states, strict=True):
        torch.testing.assert_close(hidden, golden[f"teacher_hidden_states.{state}"], **TOLERANCE)
    torch.testing.assert_close(student.logits, golden["student_logits"], **TOLERANCE)
    torch.testing.assert_close(teacher.logits, golden["teacher_logits"], **TOLERANCE)


@pytest.mark.parametrize("form", FORMS)
def test_the_layout_with_a_projection_per_state_gives_each_state_its_own(compare, golden, golden_losses, form):
    """Prevents the second published layout from being read with one projection for all states."""
    student, losses, *_ = compare("student_v2", form=form)
    weights = torch.load(PARITY / "student_v2" / "pytorch_model.bin", weights_only=True)
    inputs = {name: golden[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
    states = student.bert(**inputs, output_hidden_states=True).hidden_states
    expected = 0.0
    for index, (state, layer) in enumerate(zip(states, (0, 2, 4), strict=True)):
        projected = state @ weights[f"fit_denses.{index}.weight"].T + weights[f"fit_denses.{index}.bias"]
        expected += functional.mse_loss(projected, golden[f"teacher_hidden_states.{layer}"]).item()
    hidden = losses["embedding_loss"] + losses["hidden_states_loss"]
    assert hidden.item() == pytest.approx(expected, rel=1e-5)
    assert abs(expected - golden_losses["hidden_loss"]) > 1e-4
    assert losses["attention_scores_loss"].item() == pytest.approx(golden_losses["attention_loss"], rel=1e-5)
    assert losses["prediction_loss"].item() == pytest.approx(golden_losses["soft_cross_entropy_t1"], rel=1e-5)

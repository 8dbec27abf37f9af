import pytest
import torch

from hf_tinybert.distillation import objective as objective_module
from hf_tinybert.distillation.attention import AttentionRecord
from hf_tinybert.distillation.losses import (
    AttentionForm,
    Reduction,
    attention_scores_loss,
    embedding_loss,
    hidden_states_loss,
    prediction_loss,
)
from hf_tinybert.distillation.objective import PHASE_TERMS, DistillationObjective, Phase, Term
from hf_tinybert.distillation.states import DistillationStates


def _states(width=8):
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    return DistillationStates(
        mask=mask,
        hidden_states=tuple(torch.randn(2, 4, width) for _ in range(3)),
        attentions=tuple(AttentionRecord(torch.randn(2, 2, 4, 3), torch.randn(2, 2, 4, 3), 0.5) for _ in range(2)),
        logits=torch.randn(2, 4, 5),
        logits_mask=mask,
    )


@pytest.mark.parametrize("reduction", list(Reduction))
def test_terms_are_the_loss_functions_summed_over_layers_under_their_names(reduction):
    """Prevents a mean over layers, an embedding output counted twice, and settings that do not arrive."""
    student, teacher = _states(), _states()
    terms = DistillationObjective(dict.fromkeys(Term, 1.0), temperature=2.0, reduction=reduction)
    losses = terms.losses(student, teacher)
    mask, layers = student.mask, range(2)
    expected = {
        "embedding_loss": embedding_loss(
            student.hidden_states[0], teacher.hidden_states[0], mask, reduction=reduction
        ),
        "hidden_states_loss": sum(
            hidden_states_loss(student.hidden_states[i + 1], teacher.hidden_states[i + 1], mask, reduction=reduction)
            for i in layers
        ),
        "attention_scores_loss": sum(
            attention_scores_loss(student.attentions[i], teacher.attentions[i], mask, reduction=reduction)
            for i in layers
        ),
        "prediction_loss": prediction_loss(student.logits, teacher.logits, mask, temperature=2.0, reduction=reduction),
    }
    assert list(losses) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value)


def test_the_total_is_the_weighted_sum():
    """Prevents weights that are logged and not applied."""
    weights = {Term.EMBEDDING: 0.5, Term.PREDICTION: 3.0}
    total = DistillationObjective(weights).total(
        {"embedding_loss": torch.tensor(2.0), "prediction_loss": torch.tensor(4.0)}
    )
    assert total.item() == pytest.approx(13.0)


def test_a_term_without_weight_is_not_computed(monkeypatch):
    """Prevents a term that is switched off from costing time, or from failing on models that lack its inputs."""

    def fail(*args, **kwargs):
        raise RuntimeError("computed")

    for name in ("embedding_loss", "hidden_states_loss", "attention_scores_loss"):
        monkeypatch.setattr(objective_module, name, fail)
    only_logits = DistillationStates(mask=torch.ones(2, 4), logits=torch.randn(2, 5))
    losses = DistillationObjective({Term.PREDICTION: 1.0}).losses(only_logits, only_logits)
    assert list(losses) == ["prediction_loss"]
    with pytest.raises(RuntimeError, match="computed"):
        DistillationObjective({Term.EMBEDDING: 1.0}).losses(_states(), _states())


def test_the_attention_form_arrives(monkeypatch):
    """Prevents a setting that changes nothing."""
    seen = []

    def spy(*args, form, **kwargs):
        seen.append(form)
        return torch.zeros(())

    monkeypatch.setattr(objective_module, "attention_scores_loss", spy)
    DistillationObjective({Term.ATTENTION_SCORES: 1.0}, attention_form=AttentionForm.FACTORED).losses(
        _states(), _states()
    )
    assert seen == [AttentionForm.FACTORED] * 2


@pytest.mark.parametrize("missing", ["student", "teacher"])
def test_missing_predictions_are_said(missing):
    """Prevents a model without head from failing with a message about None."""
    states = {"student": _states(), "teacher": _states()}
    states[missing] = DistillationStates(mask=torch.ones(2, 4))
    with pytest.raises(ValueError, match=f"got none of the {missing}"):
        DistillationObjective({Term.PREDICTION: 1.0}).losses(states["student"], states["teacher"])


@pytest.mark.parametrize("missing", ["hidden_states", "attentions"])
def test_models_of_different_depth_are_not_zipped_short(missing):
    """Prevents layers from being dropped silently where one side has fewer."""
    student, teacher = _states(), _states()
    short = DistillationStates(
        **{**vars(teacher), missing: getattr(teacher, missing)[:-1]},
    )
    term = Term.HIDDEN_STATES if missing == "hidden_states" else Term.ATTENTION_SCORES
    with pytest.raises(ValueError, match="zip"):
        DistillationObjective({term: 1.0}).losses(student, short)


def test_what_an_objective_reads_follows_from_its_terms():
    """Prevents forwards that record what no term compares, or miss what one does."""
    read = {
        term: (one.reads_hidden_states, one.reads_attention, one.reads_logits)
        for term in Term
        for one in [DistillationObjective({term: 1.0})]
    }
    assert read == {
        Term.EMBEDDING: (True, False, False),
        Term.HIDDEN_STATES: (True, False, False),
        Term.ATTENTION_SCORES: (False, True, False),
        Term.PREDICTION: (False, False, True),
    }


def test_phases_have_the_terms_of_the_paper():
    """Prevents the prediction loss from being trained in the intermediate-layer phase."""
    assert {
        Phase.INTERMEDIATE: (Term.EMBEDDING, Term.HIDDEN_STATES, Term.ATTENTION_SCORES),
        Phase.PREDICTION: (Term.PREDICTION,),
        Phase.JOINT: tuple(Term),
    } == PHASE_TERMS


def test_every_term_is_named_after_its_loss_function():
    """Prevents logs under names that no function has."""
    assert [str(term) for term in Term] == [
        loss.__name__ for loss in (embedding_loss, hidden_states_loss, attention_scores_loss, prediction_loss)
    ]

"""Which terms are compared, at what weight: aligned states in, named losses out."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from hf_tinybert.distillation.losses import (
    AttentionForm,
    Reduction,
    attention_scores_loss,
    embedding_loss,
    hidden_states_loss,
    prediction_loss,
)
from hf_tinybert.distillation.states import DistillationStates


class Term(StrEnum):
    """The terms; each value is the name of its loss function and its key in the logs."""

    EMBEDDING = "embedding_loss"
    HIDDEN_STATES = "hidden_states_loss"
    ATTENTION_SCORES = "attention_scores_loss"
    PREDICTION = "prediction_loss"


class Phase(StrEnum):
    """Stages of a distillation. TinyBERT runs the first two in turn; `joint` takes all terms at once."""

    INTERMEDIATE = "intermediate-layer"
    PREDICTION = "prediction-layer"
    JOINT = "joint"


PHASE_TERMS = {
    Phase.INTERMEDIATE: (Term.EMBEDDING, Term.HIDDEN_STATES, Term.ATTENTION_SCORES),
    Phase.PREDICTION: (Term.PREDICTION,),
    Phase.JOINT: tuple(Term),
}


@dataclass(frozen=True)
class DistillationObjective:
    """The weighted sum of the terms of one phase.

    `L = w_embd L_embd + w_hidn sum_m L_hidn(m) + w_attn sum_m L_attn(m) + w_pred L_pred`: a term is summed over the
    student's layers `m`, as in the paper.

    Attributes:
        weights: the terms that are computed and their factors.
        temperature: of the prediction term.
        reduction: of every term.
        attention_form: of the attention term.

    Source: TinyBERT, equations 6 and 11.
    """

    weights: Mapping[Term, float]
    temperature: float = 1.0
    reduction: Reduction = Reduction.MEAN
    attention_form: AttentionForm = AttentionForm.AUTO

    @property
    def reads_hidden_states(self) -> bool:
        """Whether any term compares embedding outputs or hidden states."""
        return Term.EMBEDDING in self.weights or Term.HIDDEN_STATES in self.weights

    @property
    def reads_attention(self) -> bool:
        """Whether a term compares attention scores."""
        return Term.ATTENTION_SCORES in self.weights

    @property
    def reads_logits(self) -> bool:
        """Whether a term compares predictions."""
        return Term.PREDICTION in self.weights

    def losses(self, student: DistillationStates, teacher: DistillationStates) -> dict[str, Tensor]:
        """Every term's unweighted value, `()`, under its name."""
        return {str(term): self._term(term, student, teacher) for term in self.weights}

    def total(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of what `losses` returned, `()`."""
        return torch.stack([weight * losses[term] for term, weight in self.weights.items()]).sum()

    def _term(self, term: Term, student: DistillationStates, teacher: DistillationStates) -> Tensor:
        match term:
            case Term.EMBEDDING:
                return embedding_loss(
                    student.hidden_states[0], teacher.hidden_states[0], student.mask, reduction=self.reduction
                )
            case Term.HIDDEN_STATES:
                pairs = zip(student.hidden_states[1:], teacher.hidden_states[1:], strict=True)
                layers = [hidden_states_loss(s, t, student.mask, reduction=self.reduction) for s, t in pairs]
                return torch.stack(layers).sum()
            case Term.ATTENTION_SCORES:
                records = zip(student.attentions, teacher.attentions, strict=True)
                maps = [
                    attention_scores_loss(s, t, student.mask, reduction=self.reduction, form=self.attention_form)
                    for s, t in records
                ]
                return torch.stack(maps).sum()
            case Term.PREDICTION:
                return self._prediction(student, teacher)

    def _prediction(self, student: DistillationStates, teacher: DistillationStates) -> Tensor:
        if student.logits is None or teacher.logits is None:
            missing = "student" if student.logits is None else "teacher"
            raise ValueError(
                f"expected logits of both models, got none of the {missing}; because `prediction_loss` compares "
                "predictions; give both models the head of the task"
            )
        return prediction_loss(
            student.logits,
            teacher.logits,
            student.logits_mask,
            temperature=self.temperature,
            reduction=self.reduction,
        )


__all__ = ["PHASE_TERMS", "DistillationObjective", "Phase", "Term"]

"""One forward of one model as aligned, named tensors: what the objective compares.

Both sides come in the student's order: entry `i` of the teacher's states is the one that student state `i` imitates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers.utils.generic import ModelOutput

from hf_tinybert.distillation.attention import AttentionRecord
from hf_tinybert.distillation.projections import DistillationOutput

IGNORED_LABEL = -100


@dataclass(frozen=True)
class DistillationStates:
    """What one forward gave.

    Attributes:
        mask: `(rows, seq_len)`, non-zero at valid positions; rows are batch, or batch x choices in multiple choice.
        hidden_states: `student_layers + 1` tensors `(rows, seq_len, teacher_width)`, 0 = embedding output; empty when
            no term reads them.
        attentions: `student_layers` records; empty when no term reads them.
        logits: predictions `(..., classes)`; None without a head. Of a question-answering head: `(batch, 2, seq_len)`,
            start and end, with the positions as classes and -inf at padding.
        logits_mask: `(...)`, non-zero at predictions that count; None when all do.
    """

    mask: Tensor
    hidden_states: tuple[Tensor, ...] = ()
    attentions: tuple[AttentionRecord, ...] = ()
    logits: Tensor | None = None
    logits_mask: Tensor | None = None


def student_states(output: ModelOutput, inputs: Mapping[str, Tensor]) -> DistillationStates:
    """The states of a student's forward; `inputs` is the batch, labels included."""
    projected = output.projected_hidden_states if isinstance(output, DistillationOutput) else ()
    return _states(output, inputs, projected or (), _records(output.get("attentions")))


def teacher_states(output: ModelOutput, inputs: Mapping[str, Tensor], mapping: Sequence[int]) -> DistillationStates:
    """The states of a teacher's forward that the student's layers imitate, in the student's order.

    Args:
        output: the teacher's output.
        inputs: the batch, labels included.
        mapping: `mapping[student_layer] = teacher_layer`, 0 = embedding output.
    """
    hidden_states = output.get("hidden_states") or ()
    records = _records(output.get("attentions"))
    return _states(
        output,
        inputs,
        tuple(hidden_states[layer] for layer in mapping) if hidden_states else (),
        tuple(records[layer - 1] for layer in mapping[1:]) if records else (),
    )


def _states(
    output: ModelOutput,
    inputs: Mapping[str, Tensor],
    hidden_states: tuple[Tensor, ...],
    attentions: tuple[AttentionRecord, ...],
) -> DistillationStates:
    mask = _attention_mask(inputs)
    logits = _logits(output, mask)
    return DistillationStates(
        mask=mask.flatten(0, -2),
        hidden_states=hidden_states,
        attentions=attentions,
        logits=logits,
        logits_mask=None if logits is None else _logits_mask(logits, inputs, mask),
    )


def _records(attentions: Sequence[AttentionRecord] | None) -> tuple[AttentionRecord, ...]:
    if attentions is None:
        return ()
    if not attentions or not all(isinstance(record, AttentionRecord) for record in attentions):
        raise ValueError(
            f"expected one attention record per layer, got {len(attentions)} entries of "
            f"{sorted({type(record).__name__ for record in attentions})}; because the model does not run through the "
            "attention interface of transformers; set the weight of `attention_scores_loss` to 0"
        )
    return tuple(attentions)


def _attention_mask(inputs: Mapping[str, Tensor]) -> Tensor:
    mask = inputs.get("attention_mask")
    return torch.ones_like(inputs["input_ids"]) if mask is None else mask


def _logits(output: ModelOutput, mask: Tensor) -> Tensor | None:
    if output.get("start_logits") is not None:
        positions = torch.stack([output["start_logits"], output["end_logits"]], dim=1)
        return positions.masked_fill((mask == 0)[:, None, :], -torch.inf)
    logits = output.get("logits")
    return output.get("prediction_logits") if logits is None else logits


def _logits_mask(logits: Tensor, inputs: Mapping[str, Tensor], mask: Tensor) -> Tensor | None:
    """Which predictions count: labelled tokens, or valid ones where there are no labels; all, one per text."""
    if logits.shape[:-1] != mask.shape:
        return None
    labels = inputs.get("labels")
    return mask if labels is None or labels.shape != mask.shape else (labels != IGNORED_LABEL).to(mask.dtype)


__all__ = ["IGNORED_LABEL", "DistillationStates", "student_states", "teacher_states"]

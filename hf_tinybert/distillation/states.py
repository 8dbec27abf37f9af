"""One forward of one model as aligned, named tensors: what the objective compares.

Both sides come in the student's order: entry `i` of the teacher's states is the one that student state `i` imitates.
What no term reads is None.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor
from transformers.utils.generic import ModelOutput

from hf_tinybert.distillation.attention import Attention, AttentionRecord, AttentionScores
from hf_tinybert.distillation.projections import DistillationOutput

IGNORED_LABEL = -100

Places = tuple[Tensor, ...]
"""Some positions of a batch: rows and columns, `(chosen positions,)` each, as `nonzero(as_tuple=True)` gives them.
The device is waited for once, to find them, and not, as by a bool mask, whenever something is chosen by them."""

_State = TypeVar("_State")


@dataclass(frozen=True)
class StateRequest:
    """What of a forward is read, by layer numbers of the model that runs.

    Attributes:
        hidden_states: layers whose hidden state is read, 0 = embedding output.
        attentions: layers whose attention is read, from 1.
        logits: whether predictions are read.
        values: whether the value is read of those attentions, besides query and key.
    """

    hidden_states: tuple[int, ...] = ()
    attentions: tuple[int, ...] = ()
    logits: bool = False
    values: bool = False

    def __bool__(self) -> bool:
        """Whether anything is read at all."""
        return bool(self.hidden_states or self.attentions or self.logits)


@dataclass(frozen=True)
class DistillationStates:
    """What one forward gave.

    Attributes:
        mask: `(rows, seq_len)`, non-zero at valid positions; rows are batch, or batch x choices in multiple choice.
        hidden_states: one per student state `(rows, seq_len, teacher_width)`, 0 = embedding output; None where no
            term reads it; empty when no term reads any. Of a teacher under a learned mapping: one per teacher state.
            Of a student without projections: empty.
        attentions: one per student layer, entry `m - 1` of layer `m`; None and empty as above. A teacher off the
            attention interface gives score maps.
        logits: predictions `(..., classes)`, or embeddings `(batch, embedding_size)`; None without a head. Of a
            question-answering head: `(batch, 2, seq_len)`, start and end, with the positions as classes and -inf at
            padding.
        logits_mask: `(...)`, non-zero at predictions that count; None when all do.
        labels: of the task, as the stock heads take them; of question answering `(batch, 2)`, start and end position;
            None without, and on the teacher's side.
    """

    mask: Tensor
    hidden_states: tuple[Tensor | None, ...] = ()
    attentions: tuple[Attention | None, ...] = ()
    logits: Tensor | None = None
    logits_mask: Tensor | None = None
    labels: Tensor | None = None
    own_hidden_states: tuple[Tensor | None, ...] = ()


def student_states(output: ModelOutput, inputs: Mapping[str, Tensor]) -> DistillationStates:
    """The states of a student's forward; `inputs` is the batch, labels included.

    Raises:
        ValueError: a batch without token ids, with an attention mask of pairs of tokens, or an output without names.
    """
    _check_named(output)
    projected = output.projected_hidden_states if isinstance(output, DistillationOutput) else ()
    states = _states(output, inputs, projected or (), _records(output.get("attentions")), labels_of(inputs))
    return replace(states, own_hidden_states=tuple(output.get("hidden_states") or ()))


def teacher_states(
    output: ModelOutput,
    inputs: Mapping[str, Tensor],
    mapping: Sequence[int],
    scores: Sequence[AttentionScores | None] = (),
) -> DistillationStates:
    """The states of a teacher's forward that the student's layers imitate, in the student's order.

    Args:
        output: the teacher's output.
        inputs: the batch, labels included.
        mapping: `mapping[student_layer] = teacher_layer`, 0 = embedding output.
        scores: score maps, one per teacher layer, of a teacher off the attention interface.

    Raises:
        ValueError: as of `student_states`.
    """
    _check_named(output)
    hidden_states = output.get("hidden_states") or ()
    records = scores or _records(output.get("attentions"))
    return _states(
        output,
        inputs,
        tuple(hidden_states[layer] for layer in mapping) if hidden_states else (),
        tuple(records[layer - 1] for layer in mapping[1:]) if records else (),
        None,
    )


def at_positions(states: DistillationStates, positions: Places) -> DistillationStates:
    """The same states with predictions and labels of some positions only, all of which count.

    Args:
        states: with logits `(rows, seq_len, classes)`, `(chosen positions, classes)` or none.
        positions: of `(rows, seq_len)`.
    """
    logits, labels = states.logits, states.labels
    return replace(
        states,
        logits=logits[positions] if logits is not None and logits.dim() > len(positions) else logits,
        logits_mask=None,
        labels=None if labels is None else labels[positions],
    )


def paired_states(
    student: Sequence[_State | None], teacher: Sequence[_State | None], entries: Iterable[int], term: str
) -> list[tuple[_State, _State]]:
    """Entries of both sides, side by side.

    Args:
        student: states or attention, one per entry.
        teacher: the same, in the student's order.
        entries: that are compared.
        term: that compares them, for messages.

    Raises:
        ValueError: a side lacks one, or has none.
    """
    chosen = list(entries)
    own = present_states((student[entry] for entry in chosen if entry < len(student)), term)
    other = present_states((teacher[entry] for entry in chosen if entry < len(teacher)), term)
    return list(zip(own, other, strict=True))


def present_states(states: Iterable[_State | None], term: str) -> tuple[_State, ...]:
    """The same states, none of which is missing.

    Raises:
        ValueError: one is, or there is none.
    """
    given = tuple(states)
    present = tuple(state for state in given if state is not None)
    if len(present) != len(given) or not present:
        raise ValueError(
            f"expected the states that `{term}` compares, got {len(present)} of {max(len(given), 1)}; because nothing "
            "would be learned from the others; run both forwards with this objective's `request`"
        )
    return present


def labels_of(inputs: Mapping[str, Tensor]) -> Tensor | None:
    """The labels of a batch, as `DistillationStates` holds them; None without."""
    if inputs.get("start_positions") is not None and inputs.get("end_positions") is not None:
        return torch.stack([inputs["start_positions"], inputs["end_positions"]], dim=1)
    return inputs.get("labels")


def _states(
    output: ModelOutput,
    inputs: Mapping[str, Tensor],
    hidden_states: tuple[Tensor | None, ...],
    attentions: tuple[Attention | None, ...],
    labels: Tensor | None,
) -> DistillationStates:
    mask = _attention_mask(inputs)
    logits = _logits(output, mask)
    return DistillationStates(
        mask=mask.flatten(0, -2),
        hidden_states=hidden_states,
        attentions=attentions,
        logits=logits,
        logits_mask=None if logits is None else _logits_mask(logits, inputs, mask),
        labels=labels,
    )


def _check_named(output: object) -> None:
    if isinstance(output, tuple):
        raise ValueError(
            f"expected a model's output by name, got a tuple of {len(output)}; because predictions and states are "
            "told apart by their names; return a `ModelOutput`, such as `SequenceClassifierOutput`, from its forward"
        )


def _records(attentions: Sequence[object] | None) -> tuple[AttentionRecord | None, ...]:
    if attentions is None:
        return ()
    records = tuple(record for record in attentions if record is None or isinstance(record, AttentionRecord))
    if not any(records) or len(records) != len(attentions):
        raise ValueError(
            f"expected one attention record per layer, got {len(attentions)} entries of "
            f"{sorted({type(record).__name__ for record in attentions})}; because the model does not run through the "
            "attention interface of transformers; set the weight of `attention_scores_loss` to 0"
        )
    return records


def _attention_mask(inputs: Mapping[str, Tensor]) -> Tensor:
    tokens, mask = inputs.get("input_ids"), inputs.get("attention_mask")
    if tokens is None:
        raise ValueError(
            f"expected `input_ids` in the batch, got {', '.join(f'`{name}`' for name in inputs)}; because student and "
            "teacher read the same tokens, each with embeddings of its own; give token ids"
        )
    if mask is not None and mask.shape != tokens.shape:
        raise ValueError(
            f"expected an `attention_mask` of one number per token, {tuple(tokens.shape)}, got {tuple(mask.shape)}; "
            "because losses are means over valid tokens, which a mask of pairs does not name; let the data collator "
            "give the tokenizer's own mask"
        )
    return torch.ones_like(tokens) if mask is None else mask


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


__all__ = [
    "IGNORED_LABEL",
    "DistillationStates",
    "Places",
    "StateRequest",
    "at_positions",
    "labels_of",
    "paired_states",
    "present_states",
    "student_states",
    "teacher_states",
]

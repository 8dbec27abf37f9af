"""How the attention of an encoder can be read, found out by trying."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import NamedTuple

import torch
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging
from transformers.utils.generic import ModelOutput

from hf_tinybert.distillation.attention import (
    UNRECORDED_IMPLEMENTATION,
    AttentionRecord,
    AttentionScores,
    record_attention,
)
from hf_tinybert.distillation.attention_fallback import record_softmax

_STOCK = "sdpa"
_PROBE_TOKENS = 6
_PROBE_TOLERANCE = 1e-2  # of probabilities, for bf16; another map is off by far more
_MASKED = -1e4  # scores at or below stand for a mask, in old models exactly this

# Encoders that a short probe would misjudge, by `model_type`: they pad, approximate or attend in full when texts are
# short. BigBird even stays with full attention once it met a short text.
_REASONS = {
    "big_bird": "attends in sparse blocks; load it with `attention_type='original_full'`",
    "canine": "attends within blocks of characters and shortens the text in between",
    "convbert": "computes half of its heads by convolutions, which have no scores",
    "fnet": "mixes positions by a Fourier transform and has no attention",
    "funnel": "shortens the text between its blocks, so that maps of different layers have different positions",
    "longformer": "attends in a sliding window stored by offsets, not as a map of pairs",
    "mra": "approximates attention in blocks of several resolutions",
    "nystromformer": "approximates attention by landmarks",
    "reformer": "attends within buckets of hashed positions",
    "yoso": "approximates attention by hashing and has no softmax",
}


class AttentionAccess(StrEnum):
    """What can be had of an encoder's attention.

    Attributes:
        INTERFACE: query, key and value of every layer, with gradient: students and teachers.
        FALLBACK: score maps of forwards without gradient: teachers only.
        NONE: nothing; `refusal` says why.
    """

    INTERFACE = "interface"
    FALLBACK = "fallback"
    NONE = "none"


def attention_access(model: PreTrainedModel) -> AttentionAccess:
    """How the attention of a model can be read, from one short forward of its encoder.

    The model keeps its training mode and its attention implementation.
    """
    return _probe(model).access


def refusal(model: PreTrainedModel) -> str:
    """Why nothing can be had of a model's attention, as a sentence that begins with its class; empty if something can.

    Runs the same forward as `attention_access`.
    """
    return _probe(model).reason


def mask_without_waiting(*models: PreTrainedModel) -> None:
    """Have models of which no attention is recorded make their masks by `padding_mask`; outputs stay those of SDPA.

    One that is not on the attention interface, or does not attend by SDPA, stays as it is. A short forward is run of
    each other one. The choice is not written to config.json.

    Args:
        models: encoders, with or without a head.
    """
    for model in models:
        if model.config._attn_implementation == _STOCK and attention_access(model) is AttentionAccess.INTERFACE:
            model.set_attn_implementation(UNRECORDED_IMPLEMENTATION)


class _Finding(NamedTuple):
    access: AttentionAccess
    reason: str = ""


def _probe(model: PreTrainedModel) -> _Finding:
    reason = _REASONS.get(model.config.model_type)
    if reason is not None and getattr(model.config, "attention_type", None) != "original_full":
        return _Finding(AttentionAccess.NONE, f"`{type(model).__name__}` {reason}")
    try:
        with _unchanged(model):
            record_attention(model)
            _check_records(model, _short_forward(model))
    except ValueError as error:  # also of transformers: a model without SDPA, an encoder that wants other inputs
        off_interface = str(error)
    else:
        return _Finding(AttentionAccess.INTERFACE)
    try:
        with _unchanged(model), record_softmax() as recorder:
            output = _short_forward(model)
        _check_maps(recorder.scores(model.config.num_hidden_layers, model.config.num_attention_heads), output)
    except ValueError as error:
        return _Finding(
            AttentionAccess.NONE,
            f"`{type(model).__name__}` can be read neither through the attention interface ({off_interface}) "
            f"nor at its softmax ({error})",
        )
    return _Finding(AttentionAccess.FALLBACK)


@contextmanager
def _unchanged(model: PreTrainedModel) -> Iterator[None]:
    """Evaluation mode inside; mode and implementation as before outside; transformers' remarks on the way unsaid."""
    training = {module: module.training for module in model.modules()}
    implementation, verbosity = model.config._attn_implementation, transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    model.eval()
    try:
        yield
    finally:
        model.set_attn_implementation(implementation)
        for module, was_training in training.items():
            module.training = was_training
        transformers_logging.set_verbosity(verbosity)


@torch.no_grad()
def _short_forward(model: PreTrainedModel) -> ModelOutput:
    token_ids = [token for token in range(_PROBE_TOKENS + 1) if token != model.config.pad_token_id][:_PROBE_TOKENS]
    output: ModelOutput = model.base_model(
        input_ids=torch.tensor([token_ids], device=model.device), output_attentions=True, return_dict=True
    )
    return output


def _check_records(model: PreTrainedModel, output: ModelOutput) -> None:
    records = output.get("attentions") or ()
    if len(records) != model.config.num_hidden_layers or not all(isinstance(r, AttentionRecord) for r in records):
        raise ValueError(
            f"expected {model.config.num_hidden_layers} attention records, got {len(records)} entries of "
            f"{sorted({type(record).__name__ for record in records})}; because attention runs in the model's own code"
        )


def _check_maps(maps: Sequence[AttentionScores | None], output: ModelOutput) -> None:
    """Whether the softmax of the maps is what the encoder itself reports."""
    probabilities = output.get("attentions") or ()
    agree = len(maps) == len(probabilities) and all(
        scores is not None
        and scores.scores.shape == expected.shape
        and torch.allclose(scores.scores.float().softmax(-1), expected.float(), atol=_PROBE_TOLERANCE)
        for scores, expected in zip(maps, probabilities, strict=True)
    )
    if not agree:
        raise ValueError("expected the attention probabilities that the model reports, got others")
    if any(scores is not None and (scores.scores <= _MASKED).any() for scores in maps):
        raise ValueError(
            "expected every position to attend to every other, got masked pairs in a text without padding"
        )


__all__ = ["AttentionAccess", "attention_access", "mask_without_waiting", "refusal"]

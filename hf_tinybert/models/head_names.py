"""Where families keep the heads that a TinyBERT has too: tables of module names, and what was found by them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.activations import ACT2FN

from hf_tinybert.models.calibration import CalibrationTokens
from hf_tinybert.models.configuration_tinybert import encoder_fields
from hf_tinybert.models.encoder_layout import layer_norm, linear
from hf_tinybert.models.layout_reading import as_layer_norm, as_linear
from hf_tinybert.models.teacher_states import evaluating, model_inputs

_Module = TypeVar("_Module", bound=nn.Module)
# dense layer, LayerNorm behind its activation if any, output layer; of heads that read one vector of each text
_POOLED = (
    ("classifier.dense", "", "classifier.out_proj"),  # RoBERTa's kin, ELECTRA, MPNet
    ("pre_classifier", "", "classifier"),  # DistilBERT
    ("pooler.dense", "", "classifier"),  # DeBERTa
    ("head.dense", "head.norm", "classifier"),  # ModernBERT
    ("sequence_summary.summary", "", "classifier"),  # ELECTRA on choices
)
# dense layer, LayerNorm, output layer; of heads that predict words
_WORDS = (
    ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.decoder"),
    ("cls.predictions.transform.dense", "cls.predictions.transform.layer_norm", "cls.predictions.decoder"),
    ("lm_head.dense", "lm_head.layer_norm", "lm_head.decoder"),
    ("vocab_transform", "vocab_layer_norm", "vocab_projector"),  # DistilBERT
    ("predictions.dense", "predictions.LayerNorm", "predictions.decoder"),  # ALBERT
    ("generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head"),  # ELECTRA
)
_CHECKED_TEXTS = 8
_TOLERANCE = 1e-3  # of the mean square of the logits, for models in half precision


@dataclass(frozen=True)
class PooledHead:
    """A head that reads one vector of each text, by parts.

    Attributes:
        dense: Linear layer on the vector.
        activation: Behind it.
        norm: Behind the activation, None in most.
        output: Linear layer to the logits; None where it is looked up elsewhere.
        reads_mean: Whether the vector is the mean of all states rather than that of the first token.
    """

    dense: nn.Linear
    activation: Callable[[Tensor], Tensor]
    norm: nn.LayerNorm | None = None
    output: nn.Linear | None = None
    reads_mean: bool = False

    def features(self, vectors: Tensor) -> Tensor:
        """What the output layer reads, `(texts, units)`, of `(texts, width)`."""
        activated = self.activation(linear(self.dense, vectors))
        return activated if self.norm is None else layer_norm(self.norm, activated)


@dataclass(frozen=True)
class WordHead:
    """A head that predicts words, by parts."""

    dense: nn.Linear
    norm: nn.LayerNorm
    decoder: nn.Linear


def pooled_head(teacher: PreTrainedModel, states: Tensor, tokens: CalibrationTokens) -> PooledHead | None:
    """The head that a teacher has on one vector of each text; None if it has none that is known.

    A pooler is BERT's, with the output layers that read it. Families whose heads stand by themselves differ in
    activation and vector, and say so nowhere: that is taken with which the model's own logits come out.

    Args:
        teacher: With a head or without.
        states: Its last ones, `(tokens, width)`.
        tokens: Texts that gave them.
    """
    for path in ("pooler.dense", "pooler"):
        pooler = find(teacher.base_model, path, nn.Linear)
        if pooler is not None:
            return PooledHead(pooler, torch.tanh)
    for head, output in _candidates(teacher):
        if _gives_the_logits(teacher, head, output, states, tokens):
            return head
    return None


def head_left_out(teacher: PreTrainedModel) -> str:
    """The head of a teacher that no TinyBERT can start with, in words; "" if it has none such.

    RoFormer judges a choice by the state of its last token, padding included.
    """
    return "" if find(teacher, "sequence_summary.summary", nn.Identity) is None else "head for choices"


def word_head(model: PreTrainedModel) -> WordHead | None:
    """The head of a model that predicts words; None if it has none that is known."""
    for dense_path, norm_path, decoder_path in _WORDS:
        dense, decoder = (find(model, path, nn.Linear) for path in (dense_path, decoder_path))
        norm = find(model, norm_path, nn.LayerNorm)
        if dense is not None and norm is not None and decoder is not None and decoder.bias is not None:
            return WordHead(dense, norm, decoder)
    return None


def find(model: nn.Module, path: str, kind: type[_Module]) -> _Module | None:
    """The module of a path if it is there and of that type."""
    try:
        found = model.get_submodule(path)
    except AttributeError:
        return None
    return found if isinstance(found, kind) else None


def _candidates(teacher: PreTrainedModel) -> Iterator[tuple[PooledHead, nn.Linear]]:
    activations = [torch.tanh, ACT2FN["relu"], ACT2FN["gelu"], ACT2FN[encoder_fields(teacher.config)["hidden_act"]]]
    for dense_path, norm_path, output_path in _POOLED:
        dense, output = (find(teacher, path, nn.Linear) for path in (dense_path, output_path))
        norm = find(teacher, norm_path, nn.LayerNorm) if norm_path else None
        if dense is None or output is None or (norm_path and norm is None):
            continue
        dense, output = as_linear(dense), as_linear(output)
        norm = None if norm is None else as_layer_norm(norm, dense.out_features, dense)
        for reads_mean in (False, True):
            for activation in activations:
                yield PooledHead(dense, activation, norm, output, reads_mean), output


def _gives_the_logits(
    teacher: PreTrainedModel, head: PooledHead, output: nn.Linear, states: Tensor, tokens: CalibrationTokens
) -> bool:
    batch = tokens.batches[0].split(_CHECKED_TEXTS)[0]
    inputs = model_inputs(teacher, teacher.config, batch)
    if "ForMultipleChoice" in type(teacher).__name__:
        inputs = {name: ids[:, None] for name, ids in inputs.items()}  # (batch, choices, seq_len)
    with torch.no_grad(), evaluating(teacher):
        wanted = teacher(**inputs).logits.float()[batch.mask[:, 0]]
    few = CalibrationTokens((batch,))
    vectors = few.text_vectors(states[: int(batch.mask.sum())], mean=head.reads_mean)
    logits = linear(output, head.features(vectors))
    if not len(logits) or logits.shape != wanted.shape:
        return False
    return bool((logits - wanted).square().mean() < _TOLERANCE * wanted.square().mean())


__all__ = ["PooledHead", "WordHead", "find", "head_left_out", "pooled_head", "word_head"]

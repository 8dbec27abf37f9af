"""What the head of a model predicts, and how to leave out the part of it that costs."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor
from transformers import PreTrainedModel

from hf_tinybert.distillation.embedding_teacher import gives_embeddings
from hf_tinybert.distillation.head_kinds import head_kind
from hf_tinybert.distillation.losses import ProblemType
from hf_tinybert.distillation.states import Places

# by `config.problem_type`
PROBLEM_TYPES = {
    "regression": ProblemType.REGRESSION,
    "single_label_classification": ProblemType.SINGLE_LABEL,
    "multi_label_classification": ProblemType.MULTI_LABEL,
}
_NAMED_CLASSES = ("ForSequenceClassification", "ForTokenClassification", "ForExtractiveSummarization")


def problem_of(model: PreTrainedModel) -> ProblemType:
    """What a model's predictions are: exclusive classes, independent labels, numbers, spans of the text, embeddings.

    `config.problem_type` says it; without, a text classifier of one label is a regression, as in the stock heads.
    """
    if head_kind(model) == "ForQuestionAnswering":
        return ProblemType.SPAN
    if gives_embeddings(model):
        return ProblemType.EMBEDDING if model.config.similarity == "cosine" else ProblemType.VECTOR
    if model.config.problem_type is not None:
        return PROBLEM_TYPES[model.config.problem_type]
    classifies = head_kind(model) == "ForSequenceClassification"
    return ProblemType.REGRESSION if classifies and model.config.num_labels == 1 else ProblemType.SINGLE_LABEL


def names_classes(model: PreTrainedModel) -> bool:
    """Whether a model's predictions are classes with names of their own, and not positions, tokens or choices."""
    return head_kind(model) in _NAMED_CLASSES


def predicts_vocabulary(model: PreTrainedModel) -> bool:
    """Whether a model has a masked-LM head."""
    return model.get_output_embeddings() is not None


@contextmanager
def without_vocabulary_logits(model: PreTrainedModel, *, when: bool = True) -> Iterator[None]:
    """Leave out the product with the vocabulary, which costs more than a small encoder, while no term reads it.

    Inside, a masked-LM head gives what its last layer would have read. Nothing else changes: parameters, hooks and
    checkpoints stay as they are.
    """
    decoder = model.get_output_embeddings() if when else None
    if decoder is None:
        yield
        return
    decoder.forward = _pass_through
    try:
        yield
    finally:
        del decoder.forward


@contextmanager
def vocabulary_logits_at(model: PreTrainedModel, positions: Places | None) -> Iterator[None]:
    """Predict the vocabulary at some positions only, where others are not read: 15 % of the product in masked LM.

    Inside, a masked-LM head gives logits `(chosen positions, vocab)`, in the order of `positions`; heads that do not
    call their last layer as a module give all. Parameters, hooks and checkpoints stay as they are.

    Args:
        model: any model; one without a masked-LM head is left alone.
        positions: those of `(rows, seq_len)` that are read; None for all.
    """
    decoder = None if positions is None else model.get_output_embeddings()
    if decoder is None:
        yield
        return
    everywhere, own = decoder.forward, vars(decoder).get("forward")
    decoder.forward = lambda hidden_states: everywhere(hidden_states[positions])
    try:
        yield
    finally:
        del decoder.forward
        if own is not None:
            decoder.forward = own


def leaves_out_vocabulary_logits(model: PreTrainedModel) -> bool:
    """Whether a model is inside `without_vocabulary_logits`: its logits are none."""
    decoder = model.get_output_embeddings()
    return decoder is not None and decoder.forward is _pass_through


def _pass_through(hidden_states: Tensor) -> Tensor:
    return hidden_states


__all__ = [
    "PROBLEM_TYPES",
    "leaves_out_vocabulary_logits",
    "names_classes",
    "predicts_vocabulary",
    "problem_of",
    "vocabulary_logits_at",
    "without_vocabulary_logits",
]

"""A teacher of sentence embeddings: any encoder, whose last hidden states are pooled as the student pools its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from hf_tinybert.distillation.head_kinds import head_kind

_HEAD = "ForSentenceEmbedding"


class Pooling(StrEnum):
    """What an embedding is made of: the mean over valid tokens, or the first token (BERT's [CLS])."""

    MEAN = "mean"
    CLS = "cls"


@dataclass
class EncoderEmbeddingOutput(ModelOutput):
    """What an encoder that gives embeddings returns.

    Attributes:
        logits: embeddings, `(batch, hidden_size)`.
        last_hidden_state: `(batch, seq_len, hidden_size)`.
        hidden_states: if asked for, `num_hidden_layers + 1` states, each `(batch, seq_len, hidden_size)`.
        attentions: if asked for, one entry per layer.
    """

    logits: Tensor | None = None
    last_hidden_state: Tensor | None = None
    hidden_states: tuple[Tensor | None, ...] | None = None
    attentions: tuple[Any, ...] | None = None


def gives_embeddings(model: PreTrainedModel) -> bool:
    """Whether a model's predictions are embeddings of texts."""
    return head_kind(model) == _HEAD


def embedding_size(model: PreTrainedModel) -> int:
    """The width of a model's embeddings; of an encoder that is pooled, its hidden size."""
    own = model.config.embedding_size if gives_embeddings(model) else None
    return int(model.config.hidden_size if own is None else own)


def teach_embeddings(teacher: PreTrainedModel, student: PreTrainedModel) -> None:
    """Make an encoder's output hold embeddings, as `logits`, where the student's are embeddings; else do nothing.

    In place, by a forward hook: weights, class and configuration stay as they are. A teacher with an embedding head of
    its own is left alone. Done again, it pools as the last student.

    Args:
        teacher: an encoder without a head, or a model whose name ends in `ForSentenceEmbedding`.
        student: whose `config.pooling` and `config.normalize` it follows.

    Raises:
        ValueError: the teacher has another head.
    """
    if not gives_embeddings(student) or gives_embeddings(teacher):
        return
    if teacher.base_model is not teacher:
        raise ValueError(
            f"expected an encoder without a head as teacher of `{type(student).__name__}`, got "
            f"`{type(teacher).__name__}`; because its predictions are no embeddings; pass its encoder, "
            "`teacher.base_model`"
        )
    pool_states(teacher, Pooling(student.config.pooling), normalize=student.config.normalize)


def pool_states(encoder: PreTrainedModel, pooling: Pooling, *, normalize: bool = True) -> None:
    """Make an encoder's output hold embeddings, as `logits`, by a forward hook; done again, by another.

    Args:
        encoder: without a head.
        pooling: of its last hidden states.
        normalize: whether embeddings have length 1.
    """
    known = next((hook for hook in encoder._forward_hooks.values() if isinstance(hook, _Embedding)), None)
    if known is None:
        encoder.register_forward_hook(_Embedding(pooling, normalize), with_kwargs=True)
    else:
        known.pooling, known.normalize = pooling, normalize


def pooling_of(model: PreTrainedModel) -> dict[str, str | bool]:
    """How `pool_states` makes embeddings of an encoder's states, JSON values; of any other model nothing."""
    known = next((hook for hook in model._forward_hooks.values() if isinstance(hook, _Embedding)), None)
    return {} if known is None else {"pooling": str(known.pooling), "normalize": known.normalize}


def restore_pooling(model: PreTrainedModel, pooling: Mapping[str, str | bool]) -> None:
    """Have an encoder pool as it did when `pooling_of` gave this, whoever changed it since."""
    if pooling and pooling_of(model) != pooling:
        pool_states(model, Pooling(str(pooling["pooling"])), normalize=bool(pooling["normalize"]))


def pooled(states: Tensor, mask: Tensor | None, pooling: Pooling, *, normalize: bool = True) -> Tensor:
    """One vector per text, float32 `(batch, hidden_size)`.

    Args:
        states: `(batch, seq_len, hidden_size)`.
        mask: `(batch, seq_len)`, non-zero at valid tokens; None counts all.
        pooling: of the tokens.
        normalize: whether vectors have length 1.
    """
    states = states.float()
    if pooling is Pooling.CLS:
        vectors = states[:, 0]
    else:
        weights = states.new_ones(states.shape[:2]) if mask is None else (mask != 0).to(states.dtype)
        vectors = (states * weights[..., None]).sum(1) / weights.sum(1, keepdim=True).clamp(min=1)
    return functional.normalize(vectors, dim=-1) if normalize else vectors


@dataclass
class _Embedding:
    """The forward hook."""

    pooling: Pooling
    normalize: bool

    def __call__(
        self,
        encoder: nn.Module,
        arguments: tuple[Any, ...],
        named: Mapping[str, Any],
        output: object,
    ) -> object:
        if not isinstance(output, ModelOutput) or output.get("last_hidden_state") is None:
            return output  # a tuple, asked for with `return_dict=False`: a call for use and not for distillation
        mask = named.get("attention_mask", arguments[1] if len(arguments) > 1 else None)
        states = output["last_hidden_state"]
        return EncoderEmbeddingOutput(
            logits=pooled(states, mask, self.pooling, normalize=self.normalize),
            last_hidden_state=states,
            hidden_states=output.get("hidden_states"),
            attentions=output.get("attentions"),
        )


__all__ = [
    "EncoderEmbeddingOutput",
    "Pooling",
    "embedding_size",
    "gives_embeddings",
    "pool_states",
    "pooled",
    "pooling_of",
    "restore_pooling",
    "teach_embeddings",
]

"""A TinyBERT model that gives one vector per text, so that texts of like meaning lie close together.

Source: Reimers and Gurevych, "Sentence-BERT", arXiv 1908.10084, section 3 (pooling of the last hidden states).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertModel, BertPreTrainedModel
from transformers.utils.generic import ModelOutput, can_return_tuple

from .configuration_tinybert import TinyBertConfig
from .modeling_tinybert import POOLER_KEYS, TRAINING_ONLY_KEYS, OneTaskModel


@dataclass
class SentenceEmbeddingOutput(ModelOutput):
    """What a sentence embedding model returns.

    Attributes:
        loss: None: an embedding has no label of its own; a teacher or pairs of texts make the loss.
        logits: the embeddings, `(batch, embedding_size)`.
        hidden_states: the embedding output and the output of every layer, each `(batch, seq_len, hidden_size)`, if
            asked for.
        attentions: one entry per layer, if asked for.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Any, ...] | None = None


class SentenceEmbeddingHead(nn.Module):
    """Pooling, an optional linear layer, an optional normalisation.

    Args:
        config: `pooling`, `embedding_size` and `normalize`.
    """

    def __init__(self, config: TinyBertConfig) -> None:
        super().__init__()
        self.pooling, self.normalize = config.pooling, config.normalize
        size = config.embedding_size
        self.projection = nn.Identity() if size is None else nn.Linear(config.hidden_size, size)

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        """The embeddings, `(batch, embedding_size)`.

        Args:
            states: last hidden states, `(batch, seq_len, hidden_size)`.
            mask: `(batch, seq_len)`, non-zero at valid tokens; None counts all.
        """
        embeddings: Tensor = self.projection(pooled_state(states, mask, self.pooling))
        return functional.normalize(embeddings, dim=-1) if self.normalize else embeddings


class TinyBertForSentenceEmbedding(OneTaskModel, BertPreTrainedModel):
    """The encoder with a head that gives one embedding per text.

    `save_as_sentence_transformer` writes such a model as a folder that sentence-transformers loads.

    Args:
        config: Shape and settings of the model; `pooling`, `embedding_size` and `normalize` decide the head.
    """

    config: TinyBertConfig
    config_class = TinyBertConfig
    accepts_loss_kwargs = False
    _keys_to_ignore_on_load_unexpected = TRAINING_ONLY_KEYS + POOLER_KEYS

    def __init__(self, config: TinyBertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.embedding = SentenceEmbeddingHead(config)
        self.post_init()  # type: ignore[no-untyped-call]  # untyped in transformers

    @can_return_tuple  # type: ignore[untyped-decorator]  # untyped in transformers
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        **kwargs: Any,  # noqa: ANN401 (of the encoder)
    ) -> SentenceEmbeddingOutput:
        """The embeddings of a batch of texts, as `logits`.

        Args:
            input_ids: int64 `(batch, seq_len)`.
            attention_mask: `(batch, seq_len)`, non-zero at valid tokens; None counts all.
            token_type_ids: int64 `(batch, seq_len)`.
            position_ids: int64 `(batch, seq_len)`.
            inputs_embeds: `(batch, seq_len, hidden_size)`, in place of `input_ids`.
            **kwargs: Of the encoder, such as `output_hidden_states`.
        """
        outputs = self.bert(
            input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            return_dict=True,  # whatever the configuration says
            **kwargs,
        )
        return SentenceEmbeddingOutput(
            logits=self.embedding(outputs.last_hidden_state, attention_mask),
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )


def pooled_state(states: Tensor, mask: Tensor | None, pooling: str) -> Tensor:
    """One state per text: the mean over its valid tokens, or its first token's; `(batch, width)`.

    Args:
        states: `(batch, seq_len, width)`; means are taken in float32.
        mask: `(batch, seq_len)`, non-zero at valid tokens; None counts all.
        pooling: "mean" or "cls".
    """
    if pooling == "cls":
        return states[:, 0]
    if mask is None:
        return states.mean(1)
    weights = (mask != 0).to(torch.float32)[..., None]
    total = (states.float() * weights).sum(1)
    return (total / weights.sum(1).clamp(min=1)).to(states.dtype)


__all__ = ["SentenceEmbeddingHead", "SentenceEmbeddingOutput", "TinyBertForSentenceEmbedding", "pooled_state"]

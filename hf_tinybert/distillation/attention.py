"""An attention implementation that hands out the query and key of every layer.

Stock attention returns nothing (SDPA) or probabilities (eager); the method needs the scores before the softmax. The
function registered here computes the output with SDPA and puts an `AttentionRecord` where the weights would be, so
`output_attentions=True` returns one record per layer: no hooks, no copied model code, no L x L map unless a loss asks
for one.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION_IMPLEMENTATION = "distillation_sdpa"


class AttentionRecord(NamedTuple):
    """What one attention layer computed its output from.

    Attributes:
        query: `(batch, heads, query_len, head_width)`, unscaled.
        key: `(batch, heads, key_len, head_width)`; under grouped-query attention repeated to the query's heads.
        value: `(batch, heads, key_len, head_width)`, repeated like the key.
        scaling: the factor on `query @ key^T`, `head_width ** -0.5` in BERT.
        window: largest distance `|i - j|` of a pair that may attend, as in ModernBERT's local layers; None for all.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    scaling: float
    window: int | None = None

    def scores(self) -> Tensor:
        """Attention scores before mask and softmax, `(batch, heads, query_len, key_len)`."""
        return torch.matmul(self.query, self.key.transpose(-1, -2)) * self.scaling


class AttentionScores(NamedTuple):
    """The score map of one attention layer whose query and key cannot be had.

    Attributes:
        scores: before the softmax, `(batch, heads, query_len, key_len)`; masked pairs hold a very negative number.
    """

    scores: Tensor


def recording_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,  # noqa: ANN401 (whatever the model's layer passes on; the interface of transformers)
) -> tuple[Tensor, AttentionRecord]:
    """SDPA attention whose second result is the record of its inputs.

    Args:
        module: the attention layer.
        query: `(batch, heads, query_len, head_width)`.
        key: `(batch, heads, key_len, head_width)`.
        value: `(batch, heads, key_len, head_width)`.
        attention_mask: bool, `(batch, 1, query_len, key_len)`, true where attended; None without padding.
        scaling: factor on the scores, `head_width ** -0.5` when None.
        **kwargs: dropout and the like, for SDPA.

    Returns:
        Attention output `(batch, query_len, heads, head_width)` and the `AttentionRecord`.
    """
    if scaling is None:
        scaling = query.shape[-1] ** -0.5
    kwargs.pop("output_attentions", None)  # answered by the record; SDPA would warn that it cannot
    output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    return output, AttentionRecord(query, key, value, scaling)


AttentionInterface.register(ATTENTION_IMPLEMENTATION, recording_attention)
# without a mask function of the same name transformers passes no mask at all and padding is attended
AttentionMaskInterface.register(ATTENTION_IMPLEMENTATION, sdpa_mask)


def record_attention(model: PreTrainedModel) -> None:
    """Switch a model to the recording attention; outputs stay those of SDPA.

    The choice is not written to config.json: a saved and reloaded model is back on its default.
    """
    model.set_attn_implementation(ATTENTION_IMPLEMENTATION)


__all__ = [
    "ATTENTION_IMPLEMENTATION",
    "AttentionRecord",
    "AttentionScores",
    "record_attention",
    "recording_attention",
]

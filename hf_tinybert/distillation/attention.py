"""An attention implementation that hands out the query and key of every layer.

Stock attention returns nothing (SDPA) or probabilities (eager); the method needs the scores before the softmax. The
function registered here computes the output with SDPA and puts an `AttentionRecord` where the weights would be, so
`output_attentions=True` returns one record per layer: no hooks, no copied model code, no L x L map unless a loss asks
for one. Encoders that compute attention in their own code are read by `attention_fallback`.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import bidirectional_mask_function, sdpa_mask
from transformers.utils.output_capturing import _active_collector

ATTENTION_IMPLEMENTATION = "distillation_sdpa"
UNRECORDED_IMPLEMENTATION = "unrecorded_sdpa"
"""The stock SDPA attention with `padding_mask`: nothing is recorded."""

# what some models add to the scores or change them by; T5, Gemma 2 and gpt-oss are the known ones
_NOT_IN_THE_RECORD = ("position_bias", "softcap", "s_aux")

# of the rows of a mask, in numbers: SDPA's kernel for GPUs copies others in every layer
_ALIGNMENT = 16


class AttentionRecord(NamedTuple):
    """What one attention layer computed its output from.

    Attributes:
        query: `(batch, heads, query_len, head_width)`, unscaled.
        key: `(batch, heads, key_len, head_width)`; under grouped-query attention repeated to the query's heads.
        value: `(batch, heads, key_len, head_width)`, repeated like the key; None where nothing reads it.
        scaling: the factor on `query @ key^T`, `head_width ** -0.5` in BERT.
        window: largest distance `|i - j|` of a pair that may attend, as in ModernBERT's local layers; None for all.
    """

    query: Tensor
    key: Tensor
    value: Tensor | None
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


# of one layer, however it could be had
Attention = AttentionRecord | AttentionScores


def recording_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    layers: Collection[int] | None = None,
    values: bool = True,
    **kwargs: Any,  # noqa: ANN401 (whatever the model's layer passes on; the interface of transformers)
) -> tuple[Tensor, AttentionRecord | None]:
    """SDPA attention whose second result is the record of its inputs.

    Args:
        module: the attention layer.
        query: `(batch, heads, query_len, head_width)`.
        key: `(batch, key_heads, key_len, head_width)`; `key_heads` divides `heads`.
        value: `(batch, key_heads, key_len, head_width)`.
        attention_mask: bool, `(batch, 1, query_len, key_len)`, true where attended; or what `padding_mask` gave; None
            without padding.
        scaling: factor on the scores, `head_width ** -0.5` when None.
        layers: 1..L, those whose records `output_attentions` is to return, the others being None; all when None.
        values: whether records hold the value.
        **kwargs: dropout and the like, for SDPA.

    Returns:
        Attention output `(batch, query_len, heads, head_width)` and the `AttentionRecord`.

    Raises:
        ValueError: the scores are not `query @ key^T` alone (a position bias, a cap), or attention is causal.
    """
    _check_recordable(module, attention_mask, kwargs)
    if scaling is None:
        scaling = query.shape[-1] ** -0.5
    kwargs.pop("output_attentions", None)  # answered by the record; SDPA would warn that it cannot
    output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    if layers is not None and not _is_wanted(layers):
        return output, None
    sliding_window = kwargs.get("sliding_window")
    return output, AttentionRecord(
        query=query,
        key=_repeat_heads(key, query.shape[1]),
        value=_repeat_heads(value, query.shape[1]) if values else None,
        scaling=scaling,
        window=None if sliding_window is None else sliding_window - 1,  # counts the position itself
    )


def _check_recordable(module: nn.Module, attention_mask: Tensor | None, kwargs: Mapping[str, object]) -> None:
    biased = [name for name in _NOT_IN_THE_RECORD if kwargs.get(name) is not None]
    if attention_mask is not None and attention_mask.dtype is not torch.bool and attention_mask.shape[1:3] != (1, 1):
        biased.append(f"attention_mask of {attention_mask.dtype}")  # ALiBi and the like come inside the mask
    if biased:
        raise ValueError(
            f"expected attention scores that are query times key alone, got `{', '.join(biased)}` in "
            f"`{type(module).__name__}`; because the record would lack it; leave out the terms that read attention"
        )
    causal = kwargs.get("is_causal")
    if getattr(module, "is_causal", True) if causal is None else causal:  # the default is that of SDPA in transformers
        raise ValueError(
            f"expected an encoder, got causal attention in `{type(module).__name__}`; because the record would hold "
            "pairs that do not attend; set `is_decoder=False`, or leave out the terms that read attention"
        )


def _is_wanted(layers: Collection[int]) -> bool:
    """Whether the layer that runs now is one of `layers`; if not, its place in the model's output is filled with None.

    Which layer runs is how many are captured already: layers have no number in some encoders, and share one module in
    ALBERT. Nothing is captured while gradient checkpointing repeats a layer.
    """
    captured = (_active_collector.get() or {}).get("attentions")
    if captured is None or len(captured) + 1 in layers:
        return True
    captured.append(None)
    return False


def _repeat_heads(states: Tensor, heads: int) -> Tensor:
    return states if states.shape[1] == heads else states.repeat_interleave(heads // states.shape[1], dim=1)


def padding_mask(
    *,
    attention_mask: Tensor | None = None,
    mask_function: Callable[..., Any] = bidirectional_mask_function,
    allow_is_bidirectional_skip: bool = False,
    dtype: torch.dtype = torch.float32,
    **kwargs: Any,  # noqa: ANN401 (the interface of transformers)
) -> Tensor | None:
    """The mask of one forward for SDPA, where all layers attend to every valid position.

    The stock function asks the device whether there is padding at all, which waits for everything that the device has
    to do, and gives a bool mask, which SDPA turns into this one in every layer.

    Args:
        attention_mask: bool, `(batch, key_len)`, true at valid positions; None without padding.
        mask_function: which pairs of positions attend; others than all of them are left to the stock function.
        allow_is_bidirectional_skip: whether None may be returned where nothing is masked.
        dtype: of the states.
        **kwargs: the rest of the stock function's.

    Returns:
        What is added to the scores: 0 and -inf, `(batch, 1, 1, key_len)`; None, or the stock mask.
    """
    every_pair = mask_function is bidirectional_mask_function and allow_is_bidirectional_skip
    if attention_mask is None or not every_pair:
        mask: Tensor | None = sdpa_mask(
            attention_mask=attention_mask,
            mask_function=mask_function,
            allow_is_bidirectional_skip=allow_is_bidirectional_skip and attention_mask is None,
            dtype=dtype,
            **kwargs,
        )
        return mask
    batch, length = attention_mask.shape
    aligned = -(-length // _ALIGNMENT) * _ALIGNMENT
    added = torch.zeros(batch, 1, 1, aligned, dtype=dtype, device=attention_mask.device)[..., :length]
    return added.masked_fill_(~attention_mask[:, None, None, :], -torch.inf)


def _register(name: str, layers: Collection[int] | None, values: bool) -> None:
    AttentionInterface.register(name, partial(recording_attention, layers=layers, values=values))
    # without a mask function of the same name transformers passes no mask at all and padding is attended
    AttentionMaskInterface.register(name, padding_mask)


_register(ATTENTION_IMPLEMENTATION, layers=None, values=True)
AttentionInterface.register(UNRECORDED_IMPLEMENTATION, sdpa_attention_forward)
AttentionMaskInterface.register(UNRECORDED_IMPLEMENTATION, padding_mask)


def record_attention(model: PreTrainedModel, layers: Collection[int] | None = None, *, values: bool = True) -> None:
    """Switch a model to the recording attention; outputs stay those of SDPA.

    From then on `output_attentions=True` returns one `AttentionRecord` per layer. Query, key and value of a layer that
    is not wanted are freed as soon as the layer is done (unless gradients need them) and its record is None.

    The choice is not written to config.json: a saved and reloaded model is back on its default.

    Args:
        model: an encoder on the attention interface, with or without a head; see `attention_access`.
        layers: 1..L, the layers whose records are wanted; all when None.
        values: whether records hold the value, which only relation terms read; without it memory is saved.

    Raises:
        ValueError: no layers, or layers that the model does not have.
    """
    model.set_attn_implementation(_implementation(layers, values, model.config.num_hidden_layers))


def _implementation(layers: Collection[int] | None, values: bool, count: int) -> str:
    """Name of the implementation that records this, registered on first use."""
    wanted = None if layers is None else frozenset(layers)
    if wanted is not None and (not wanted or not wanted <= set(range(1, count + 1))):
        raise ValueError(
            f"expected layers between 1 and {count} to record, got {sorted(wanted)}; because the model has {count} "
            "layers, counted from 1; leave `layers` out to record all"
        )
    name = "_".join([ATTENTION_IMPLEMENTATION, *map(str, sorted(wanted or ())), *(() if values else ("no_values",))])
    _register(name, wanted, values)
    return name


__all__ = [
    "ATTENTION_IMPLEMENTATION",
    "UNRECORDED_IMPLEMENTATION",
    "Attention",
    "AttentionRecord",
    "AttentionScores",
    "padding_mask",
    "record_attention",
    "recording_attention",
]

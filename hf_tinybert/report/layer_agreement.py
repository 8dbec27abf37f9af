"""How alike each layer of a student is to each layer of its teacher, on the same words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.generic import ModelOutput

from hf_tinybert.data.kinds.texts import encode_pairs
from hf_tinybert.distillation.attention import AttentionRecord, AttentionScores, record_attention
from hf_tinybert.distillation.attention_access import AttentionAccess, attention_access
from hf_tinybert.distillation.attention_fallback import record_softmax
from hf_tinybert.distillation.encodings import model_input_names

_MOST_TOKENS = 4096  # the states of so many are held at once
_TOKENS_PER_WIDTH = 2  # the fewer tokens there are for the width of the states, the more alike all states look
_FEWEST_TEXTS = 2
_DIGITS = 4

Text = tuple[str, str | None]


class Encoder(NamedTuple):
    """A model with what makes its inputs."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


@dataclass(frozen=True)
class LayerAgreement:
    """Agreement of all pairs of layers, in [0, 1].

    Attributes:
        hidden_states: `[student][teacher]`, 0 = embedding output: linear centred kernel alignment of the states of all
            tokens, which widths and rotations do not matter to.
        attention: `[student][teacher]`, from layer 1: the share of their attention, mean over heads and query
            positions, that two layers lay on the same tokens; None where a model's attention cannot be had.
        texts: that were read.
        tokens: of them.
        width: of the wider states.
    """

    hidden_states: list[list[float]]
    attention: list[list[float]] | None
    texts: int
    tokens: int
    width: int


def layer_agreement(
    student: Encoder, teacher: Encoder, texts: Sequence[Text], *, max_length: int, shares: int = 1
) -> LayerAgreement:
    """Read texts with both encoders, one at a time, and compare all layers.

    It reads up to 4,096 tokens; of several tasks each reads its share of them, or two tokens for each number of a
    state where that is more.

    Source: linear CKA, Kornblith et al. 2019, equation 3 (of centred features). With fewer tokens than the states are
    wide it comes out too high.

    Args:
        student: its encoder or head.
        teacher: likewise; its attention implementation is the recording one afterwards, as is the student's.
        texts: or pairs of texts.
        max_length: tokens of a text at most.
        shares: comparisons of one student that share the tokens.

    Raises:
        ValueError: the tokenizers cut the texts into other tokens.
    """
    readers = [_Reader(one) for one in (student, teacher)]
    states: list[list[list[Tensor]]] = [[], []]
    overlaps: list[Tensor] = []
    tokens = width = 0
    for text in texts:
        encoded = [reader.encode(text, max_length) for reader in readers]
        if encoded[0].tokens != encoded[1].tokens:
            continue
        read = [reader.read(one.inputs) for reader, one in zip(readers, encoded, strict=True)]
        for own, one in zip(states, read, strict=True):
            own.append(one.hidden_states)
        if read[0].attention is not None and read[1].attention is not None:
            overlaps.append(_overlap(read[0].attention, read[1].attention) * len(encoded[0].tokens))
        tokens += len(encoded[0].tokens)
        width = max(one.hidden_states[0].shape[-1] for one in read)
        if tokens >= max(_MOST_TOKENS // shares, min(_TOKENS_PER_WIDTH * width, _MOST_TOKENS)):
            break
    if len(states[0]) < _FEWEST_TEXTS:
        raise ValueError(
            f"expected texts that both tokenizers cut into the same tokens, got {len(states[0])} of {len(texts)}; "
            "because states are compared token by token"
        )
    layers = [[torch.cat(one).float() for one in zip(*own, strict=True)] for own in states]
    attention = _rounded(torch.stack(overlaps).sum(0) / tokens) if overlaps else None
    return LayerAgreement(_rounded(_alignment(*layers)), attention, len(states[0]), tokens, width)


def encoder_of(model: PreTrainedModel) -> PreTrainedModel:
    """What of a model its head reads; an encoder itself where there is no head."""
    return cast("PreTrainedModel", model.base_model)


class _Encoded(NamedTuple):
    """Tokens by name, and what the model reads, each `(1, seq_len)`."""

    tokens: list[str]
    inputs: dict[str, Tensor]


class _Read(NamedTuple):
    """Hidden states `(seq_len, width)` from layer 0 on; attention probabilities `(layers, seq_len, seq_len)`."""

    hidden_states: list[Tensor]
    attention: Tensor | None


class _Reader:
    """One encoder, switched to give away its attention where it can."""

    def __init__(self, encoder: Encoder) -> None:
        self.model = encoder_of(encoder.model).eval()
        self.tokenizer = encoder.tokenizer
        self.access = attention_access(self.model)
        self.names = model_input_names(self.model)
        if self.access is AttentionAccess.INTERFACE:
            record_attention(self.model, values=False)

    def encode(self, text: Text, max_length: int) -> _Encoded:
        one, other = text
        if other is None:
            encoded = self.tokenizer([one], truncation=True, max_length=max_length)
        else:
            encoded = encode_pairs([one], [other], self.tokenizer, max_length)
        tokens = self.tokenizer.convert_ids_to_tokens(encoded["input_ids"][0])
        return _Encoded(list(tokens), {name: torch.tensor(encoded[name]) for name in encoded if name in self.names})

    @torch.no_grad()
    def read(self, inputs: dict[str, Tensor]) -> _Read:
        on_device = {name: value.to(self.model.device) for name, value in inputs.items()}
        wanted = {"output_hidden_states": True, "return_dict": True}
        if self.access is AttentionAccess.FALLBACK:
            with record_softmax() as recorder:
                output: ModelOutput = self.model(**on_device, **wanted)
            config = self.model.config
            maps = recorder.scores(config.num_hidden_layers, config.num_attention_heads)
        else:
            output = self.model(**on_device, **wanted, output_attentions=self.access is AttentionAccess.INTERFACE)
            maps = output.get("attentions") or ()
        attention = torch.stack([_probabilities(one) for one in maps]) if maps else None
        return _Read([state[0].float().cpu() for state in output["hidden_states"]], attention)


def _probabilities(attention: AttentionRecord | AttentionScores) -> Tensor:
    """Mean over the heads, `(seq_len, seq_len)`; one text without padding."""
    if isinstance(attention, AttentionScores):
        scores = attention.scores
    else:
        scores = attention.scores()
        if attention.window is not None:
            places = torch.arange(scores.shape[-1], device=scores.device)
            far = (places[:, None] - places[None]).abs() > attention.window
            scores = scores.masked_fill(far, -torch.inf)
    return scores[0].float().softmax(-1).mean(0).cpu()


def _overlap(student: Tensor, teacher: Tensor) -> Tensor:
    """`(student_layers, teacher_layers)`, mean over the query positions of one text."""
    return torch.stack([torch.minimum(layer[None], teacher).sum(-1).mean(-1) for layer in student])


def _alignment(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Linear CKA of states `(tokens, width)`, `(student_layers, teacher_layers)`."""
    own, others = ([state - state.mean(0) for state in states] for states in (student, teacher))
    sizes = [[torch.linalg.matrix_norm(state.T @ state) for state in states] for states in (own, others)]
    rows = [
        torch.stack(
            [
                torch.linalg.matrix_norm(other.T @ one).square() / (size * other_size).clamp_min(1e-30)
                for other, other_size in zip(others, sizes[1], strict=True)
            ]
        )
        for one, size in zip(own, sizes[0], strict=True)
    ]
    return torch.stack(rows)


def _rounded(values: Tensor) -> list[list[float]]:
    return [[round(min(max(value, 0.0), 1.0), _DIGITS) for value in row] for row in values.tolist()]


__all__ = ["Encoder", "LayerAgreement", "Text", "encoder_of", "layer_agreement"]

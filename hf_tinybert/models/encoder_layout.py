"""The parts of an encoder as those of a BERT, whatever its family calls them and however it keeps them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from hf_tinybert.models.encoder_names import EncoderNames


@dataclass(frozen=True)
class EncoderLayer:
    """The weights of one post-LayerNorm transformer layer.

    Attributes:
        gate: what the activated units are multiplied with, of a gated feed-forward part; None in a BERT.
    """

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    attention_output: nn.Linear
    attention_norm: nn.LayerNorm
    intermediate: nn.Linear
    activation: Callable[[Tensor], Tensor]
    output: nn.Linear
    output_norm: nn.LayerNorm
    heads: int
    gate: nn.Linear | None = None

    def feed_forward_units(self, states: Tensor) -> Tensor:
        """What the output of the feed-forward part reads, `(tokens, units)`, from `(tokens, width)`."""
        activated = self.activation(linear(self.intermediate, states))
        return activated if self.gate is None else activated * linear(self.gate, states)

    def modules(self) -> tuple[nn.Module, ...]:
        """All that a BERT has, in order."""
        attention = (self.query, self.key, self.value, self.attention_output, self.attention_norm)
        return (*attention, self.intermediate, self.output, self.output_norm)

    @property
    def head_width(self) -> int:
        """Dimensions of one head's queries, keys and values."""
        return self.query.out_features // self.heads


@dataclass(frozen=True)
class EncoderLayout:
    """The weights of an encoder.

    A student's are its own modules. Of a teacher they may be made of its own: a table multiplied out, a matrix cut
    into query, key and value, zeros in the place of what its family does not have.

    Attributes:
        position_offset: table row of the first position: 0 in BERT, `padding_idx + 1` in the RoBERTa family.
        padding_id: token that a RoBERTa-like encoder does not count as a position; None where positions just count.
        pooler: the dense layer of the pooler, None in an encoder without one.
        names: of its modules in the model.
        first_norm_is_missing: whether the first layer reads the embeddings as they are although LayerNorms stand
            before the parts of layers.
    """

    word_embeddings: nn.Embedding
    position_embeddings: nn.Embedding
    token_type_embeddings: nn.Embedding
    embedding_norm: nn.LayerNorm
    layers: tuple[EncoderLayer, ...]
    pooler: nn.Linear | None
    position_offset: int
    padding_id: int | None
    names: EncoderNames
    first_norm_is_missing: bool = False

    @property
    def width(self) -> int:
        """The hidden size."""
        return self.word_embeddings.embedding_dim

    @property
    def heads(self) -> int:
        """Attention heads per layer."""
        return self.layers[0].heads

    @property
    def units(self) -> int:
        """Feed-forward units per layer."""
        return self.layers[0].intermediate.out_features

    @property
    def positions(self) -> int:
        """The longest sequence, in tokens, that has positions of its own."""
        return self.position_embeddings.num_embeddings - self.position_offset


def embedding_rows(student: EncoderLayout, teacher: EncoderLayout) -> tuple[tuple[nn.Embedding, Tensor], ...]:
    """The student's embedding tables, each with the teacher's rows that belong in it, `(rows, teacher_width)`."""
    words, positions, types = (
        table.weight.detach().float()
        for table in (teacher.word_embeddings, teacher.position_embeddings, teacher.token_type_embeddings)
    )
    rows = torch.arange(student.position_embeddings.num_embeddings, device=positions.device)
    rows = rows - student.position_offset + teacher.position_offset
    positions = positions[rows.clamp(0, len(positions) - 1)]
    # a teacher with fewer token types than its student (RoBERTa has one) gives its last to the rest
    types = types[
        torch.arange(student.token_type_embeddings.num_embeddings, device=types.device).clamp_max(len(types) - 1)
    ]
    return (
        (student.word_embeddings, words),
        (student.position_embeddings, positions),
        (student.token_type_embeddings, types),
    )


def linear(module: nn.Linear, states: Tensor) -> Tensor:
    """Applies a linear layer in fp32: `(..., in)` to `(..., out)`."""
    return functional.linear(states, values(module.weight, states), values(module.bias, states))


def scaled_linear(module: nn.Linear, factor: Tensor) -> nn.Linear:
    """A linear layer whose output is multiplied by a number, `()`."""
    made = nn.Linear(module.in_features, module.out_features, device="meta")
    with torch.no_grad():
        weight, bias = (one.detach() * factor.to(one) for one in (module.weight, module.bias))
    made.weight, made.bias = nn.Parameter(weight, requires_grad=False), nn.Parameter(bias, requires_grad=False)
    return made


def normalised(states: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """LayerNorm without scale and shift: `(tokens, width)` normalised, and the `(tokens, 1)` standard deviations."""
    centred = states - states.mean(-1, keepdim=True)
    deviation = (centred.square().mean(-1, keepdim=True) + epsilon).sqrt()
    return centred / deviation, deviation


def layer_norm(module: nn.LayerNorm, states: Tensor) -> Tensor:
    """Applies a LayerNorm in fp32: `(tokens, width)`."""
    normal, _ = normalised(states, module.eps)
    return normal * values(module.weight, states) + values(module.bias, states)


def values(parameter: Tensor, like: Tensor) -> Tensor:
    """A parameter's values, without gradient, in the type and on the device of `like`."""
    return parameter.detach().to(device=like.device, dtype=like.dtype)


__all__ = [
    "EncoderLayer",
    "EncoderLayout",
    "embedding_rows",
    "layer_norm",
    "linear",
    "normalised",
    "scaled_linear",
    "values",
]

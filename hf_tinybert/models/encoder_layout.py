"""The modules of a BERT-like encoder under one set of names, whatever the family calls its base model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

_Module = TypeVar("_Module", bound=nn.Module)
_EMBEDDING_MODULES = frozenset(
    {"word_embeddings", "position_embeddings", "token_type_embeddings", "LayerNorm", "dropout"}
)


@dataclass(frozen=True)
class EncoderLayer:
    """The weights of one post-LayerNorm transformer layer."""

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

    @property
    def head_width(self) -> int:
        """Dimensions of one head's queries, keys and values."""
        return self.query.out_features // self.heads


@dataclass(frozen=True)
class EncoderLayout:
    """The weights of a BERT-like encoder.

    Attributes:
        position_offset: table row of the first position: 0 in BERT, `padding_idx + 1` in the RoBERTa family.
        padding_id: token that a RoBERTa-like encoder does not count as a position; None where positions just count.
        pooler: the dense layer of the pooler, None in an encoder without one.
    """

    word_embeddings: nn.Embedding
    position_embeddings: nn.Embedding
    token_type_embeddings: nn.Embedding
    embedding_norm: nn.LayerNorm
    layers: tuple[EncoderLayer, ...]
    pooler: nn.Linear | None
    position_offset: int
    padding_id: int | None

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


def encoder_layout(model: PreTrainedModel, role: str) -> EncoderLayout:
    """Finds the encoder inside a model, with or without a head.

    Args:
        model: Any model whose base model has BERT's module tree: BERT, TinyBERT, RoBERTa, XLM-R, CamemBERT, ELECTRA
            with embeddings as wide as its layers.
        role: `student` or `teacher`, for messages.

    Raises:
        TypeError: If the module tree is another one.
        ValueError: If the model is a decoder.
    """
    if getattr(model.config, "is_decoder", False):
        raise ValueError(
            f"expected an encoder, got a {role} `{type(model).__name__}` with `is_decoder`; because a causal mask is "
            "not BERT's; set `is_decoder=False`"
        )
    finder = _ModuleFinder(model.base_model, role)
    position = finder.module("embeddings.position_embeddings", nn.Embedding)
    heads = model.config.num_attention_heads
    layout = EncoderLayout(
        word_embeddings=finder.module("embeddings.word_embeddings", nn.Embedding),
        position_embeddings=position,
        token_type_embeddings=finder.module("embeddings.token_type_embeddings", nn.Embedding),
        embedding_norm=finder.module("embeddings.LayerNorm", nn.LayerNorm),
        layers=tuple(finder.layer(index, heads) for index in range(model.config.num_hidden_layers)),
        pooler=finder.module("pooler.dense", nn.Linear) if getattr(model.base_model, "pooler", None) else None,
        position_offset=0 if position.padding_idx is None else position.padding_idx + 1,
        padding_id=position.padding_idx,
    )
    _refuse_other_embeddings(model.base_model, role)
    return layout


def is_laid_out_as_bert(model: PreTrainedModel) -> bool:
    """Whether `encoder_layout` finds the encoder inside a model."""
    try:
        encoder_layout(model, "model")
    except TypeError:
        return False
    return True


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


class _ModuleFinder:
    def __init__(self, base: nn.Module, role: str) -> None:
        self._base, self._role = base, role

    def module(self, path: str, kind: type[_Module]) -> _Module:
        try:
            found = self._base.get_submodule(path)
        except AttributeError:
            found = None
        if not isinstance(found, kind):
            got = "nothing" if found is None else f"`{type(found).__name__}`"
            raise TypeError(
                f"expected `{path}` of type {kind.__name__} in the {self._role} `{type(self._base).__name__}`, got "
                f"{got}; because weights are mapped module by module between encoders laid out as BERT; start at "
                "random (`method='random'`, `--start random`), or use a model of the BERT, RoBERTa or ELECTRA family "
                "without adapters or quantisation"
            )
        return found

    def layer(self, index: int, heads: int) -> EncoderLayer:
        path = f"encoder.layer.{index}."
        attention = f"{path}attention."
        activation = self.module(f"{path}intermediate", nn.Module).intermediate_act_fn
        return EncoderLayer(
            query=self.module(f"{attention}self.query", nn.Linear),
            key=self.module(f"{attention}self.key", nn.Linear),
            value=self.module(f"{attention}self.value", nn.Linear),
            attention_output=self.module(f"{attention}output.dense", nn.Linear),
            attention_norm=self.module(f"{attention}output.LayerNorm", nn.LayerNorm),
            intermediate=self.module(f"{path}intermediate.dense", nn.Linear),
            activation=activation,  # type: ignore[arg-type]  # a module attribute is Tensor or Module to mypy
            output=self.module(f"{path}output.dense", nn.Linear),
            output_norm=self.module(f"{path}output.LayerNorm", nn.LayerNorm),
            heads=heads,
        )


def _refuse_other_embeddings(base: nn.Module, role: str) -> None:
    embeddings = base.get_submodule("embeddings")
    others = [f"embeddings.{name}" for name, _ in embeddings.named_children() if name not in _EMBEDDING_MODULES]
    others += [name for name, _ in base.named_children() if name not in {"embeddings", "encoder", "pooler"}]
    # RemBERT's, from narrow embeddings to the layers
    others += [f"encoder.{name}" for name, _ in base.get_submodule("encoder").named_children() if name != "layer"]
    others = [name for name in others if next(base.get_submodule(name).parameters(), None) is not None]
    if others:
        raise TypeError(
            f"expected word, position and token-type embeddings as wide as the layers, got {sorted(others)} besides "
            f"in the {role} `{type(base).__name__}`; because those have no counterpart in BERT; start at random "
            "(`method='random'`, `--start random`)"
        )


__all__ = [
    "EncoderLayer",
    "EncoderLayout",
    "embedding_rows",
    "encoder_layout",
    "is_laid_out_as_bert",
    "layer_norm",
    "linear",
    "normalised",
    "values",
]

"""Attention scores of encoders that compute attention in their own code, such as DeBERTa and MPNet.

Such an encoder takes no attention function from outside, but its scores pass through a softmax. `record_softmax` keeps
what goes in. This costs the L x L maps and gives no query and key, and it reads only forwards without gradient and
without `torch.compile`: for teachers.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from hf_tinybert.distillation.attention import AttentionScores

_SOFTMAX = frozenset({torch.softmax, functional.softmax, Tensor.softmax})
_MAP_DIMENSIONS = 4  # batch, heads, query_len, key_len


class SoftmaxRecorder(TorchFunctionMode):
    """Keeps the score maps that a softmax over the last of four dimensions reads while the context is open.

    Args:
        layers: 1..L, the layers whose maps are kept; all when None.
    """

    def __init__(self, layers: Collection[int] | None = None) -> None:
        super().__init__()
        self._layers = None if layers is None else frozenset(layers)
        self._maps: list[AttentionScores | None] = []
        self._shapes: set[tuple[int, ...]] = set()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 (whatever `func` returns; the protocol of torch)
        """Run any torch function; of a softmax over key positions, keep the input."""
        kwargs = kwargs or {}
        if func in _SOFTMAX:
            self._keep(*_softmax_arguments(*args, **kwargs))
        return func(*args, **kwargs)

    def scores(self, layers: int, heads: int) -> tuple[AttentionScores | None, ...]:
        """The score maps of the forward, one per layer; None for layers that are not kept.

        Args:
            layers: how many the encoder has.
            heads: how many each layer has.

        Raises:
            ValueError: another number of maps, or other shapes than `(batch, heads, seq_len, seq_len)`.
        """
        if len(self._maps) != layers:
            raise ValueError(
                f"expected {layers} softmaxes over score maps, one per layer, got {len(self._maps)}; because "
                "attention runs in some other way (SDPA, `torch.compile`, no softmax), or not exactly one forward was "
                "recorded; leave out the terms that read attention"
            )
        wrong = sorted(shape for shape in self._shapes if shape[1] != heads or shape[2] != shape[3])
        if wrong:
            raise ValueError(
                f"expected score maps of shape (batch, {heads}, seq_len, seq_len), got {wrong[0]}; because "
                "this attention is not over all pairs of positions by heads; leave out the terms that read attention"
            )
        return tuple(self._maps)

    def _keep(self, scores: Tensor, dim: int | None) -> None:
        if scores.dim() != _MAP_DIMENSIONS or dim not in (-1, _MAP_DIMENSIONS - 1):
            return
        if scores.requires_grad:
            raise ValueError(
                "expected a forward without gradient, got score maps that require it; because recorded maps are for "
                "teachers; run the forward under `torch.no_grad()`"
            )
        self._shapes.add(tuple(scores.shape))
        wanted = self._layers is None or len(self._maps) + 1 in self._layers
        self._maps.append(AttentionScores(scores) if wanted else None)


def record_softmax(layers: Collection[int] | None = None) -> SoftmaxRecorder:
    """A context that records the attention scores of one forward without gradient.

    Example:
        with torch.no_grad(), record_softmax() as recorder:
            output = teacher(**inputs)
        maps = recorder.scores(layers=12, heads=12)

    Args:
        layers: 1..L, the layers whose maps are kept; all when None.
    """
    return SoftmaxRecorder(layers)


def _softmax_arguments(input: Tensor, dim: int | None = None, *_: object, **__: object) -> tuple[Tensor, int | None]:
    """Tensor and dimension of a call to any of the three softmaxes of torch."""
    return input, dim


__all__ = ["SoftmaxRecorder", "record_softmax"]

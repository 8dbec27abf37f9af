"""What a teacher of any family computes on the calibration texts, with the states between its parts."""

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from hf_tinybert.models.calibration import CalibrationBatch, CalibrationTokens
from hf_tinybert.models.configuration_tinybert import encoder_fields
from hf_tinybert.models.encoder_layout import EncoderLayer, EncoderLayout, normalised, scaled_linear

_SEQUENCES = 32  # of one forward: the states of all layers are in memory at once


@dataclass(frozen=True)
class TeacherStates:
    """States of the valid calibration tokens, each fp32 `(tokens, width)`, of some of a teacher's layers.

    Where LayerNorms stand before the parts of a layer, the states that it reads and writes are taken normalised, as
    those of a BERT are, and what it adds to them is divided by the spread that they had.

    Attributes:
        layout: Of the teacher.
        hidden: By layer, 0 = embedding output: what the model itself calls its hidden states.
        before: By index of a layer from 0: what its attention reads. The last one follows the last layer.
        between: By index of a layer: what its feed-forward part reads.
        spreads: Standard deviations `(tokens, 1)` of the states before and between, where they are normalised.
        covariance: Sum of the covariances of the states before and behind all layers, fp64 `(width, width)`.
    """

    layout: EncoderLayout
    hidden: Mapping[int, Tensor]
    before: Mapping[int, Tensor]
    between: Mapping[int, Tensor]
    spreads: Mapping[str, Mapping[int, Tensor]]
    covariance: Tensor

    def layer(self, index: int) -> EncoderLayer:
        """The weights of a layer, from 0, as a BERT's layer that reads and writes the states here has them."""
        layer, names = self.layout.layers[index], self.layout.names
        if not names.final_norm:
            return layer
        before, between = (self.spreads[name][index] for name in ("before", "between"))
        if index == 0 and self.layout.first_norm_is_missing:
            query, key, value = (scaled_linear(one, before.mean()) for one in (layer.query, layer.key, layer.value))
            layer = replace(layer, query=query, key=key, value=value)
        return replace(
            layer,
            attention_output=scaled_linear(layer.attention_output, before.reciprocal().mean()),
            output=scaled_linear(layer.output, between.reciprocal().mean()),
        )


def read_hidden_states(
    teacher: PreTrainedModel, tokens: CalibrationTokens, layers: Collection[int]
) -> dict[int, Tensor]:
    """The hidden states of a model of any family, by layer, each fp32 `(tokens, width)`.

    Args:
        teacher: Model to run, in evaluation mode and without gradients; it is left as it was.
        tokens: Texts.
        layers: 0 = embedding output.
    """
    found: dict[int, list[Tensor]] = {layer: [] for layer in layers}
    for batch, hidden in _forwards(teacher, tokens):
        for layer, chunks in found.items():
            chunks.append(hidden[layer][batch.mask].float())
    return {layer: torch.cat(chunks) for layer, chunks in found.items()}


def read_states(
    teacher: PreTrainedModel, layout: EncoderLayout, tokens: CalibrationTokens, mapping: Sequence[int]
) -> TeacherStates:
    """The states that a student of a layer mapping is fitted to.

    Args:
        teacher: Model to run, in evaluation mode and without gradients; it is left as it was.
        layout: Of the teacher.
        tokens: Texts.
        mapping: `mapping[student_layer] = teacher_layer`, 0 = embedding output.
    """
    depth, norm_first = len(layout.layers), bool(layout.names.final_norm)
    outputs, sources = {0, *mapping, depth}, {layer - 1 for layer in mapping[1:]}
    kept = {"hidden": outputs | sources, "before": outputs | sources if norm_first else set(), "between": sources}
    found: dict[str, dict[int, list[Tensor]]] = {name: {index: [] for index in kept[name]} for name in kept}
    spreads: dict[str, dict[int, list[Tensor]]] = {name: {index: [] for index in kept[name]} for name in kept}
    moments = _Moments(depth + 1)
    with _recorded(teacher, layout) as record:
        for batch, hidden in _forwards(teacher, tokens):
            recorded = {"hidden": hidden, "before": record.before, "between": record.between}
            for name, all_states in recorded.items():
                for index, states in enumerate(all_states):
                    valid, spread = states[batch.mask].float(), None
                    if norm_first and name != "hidden":
                        valid, spread = normalised(valid, layout.embedding_norm.eps)
                    if index in kept[name]:
                        found[name][index].append(valid)
                        spreads[name][index] += [] if spread is None else [spread]
                    if name == ("before" if norm_first else "hidden"):
                        moments.add(index, valid)
            record.clear()
    joined = {name: {index: torch.cat(chunks) for index, chunks in one.items()} for name, one in found.items()}
    return TeacherStates(
        layout,
        hidden=joined["hidden"],
        before=joined["before"] if norm_first else joined["hidden"],
        between=joined["between"],
        spreads={
            name: {index: torch.cat(chunks) for index, chunks in one.items() if chunks}
            for name, one in spreads.items()
        },
        covariance=moments.covariance(),
    )


class _Moments:
    """Sums from which covariances come, about the mean of the first batch, so that large means cost no digits."""

    def __init__(self, states: int) -> None:
        self._sums: list[tuple[Tensor, Tensor, Tensor, int] | None] = [None] * states

    def add(self, index: int, states: Tensor) -> None:
        """More tokens of one state, `(tokens, width)`."""
        known = self._sums[index]
        centre, sums, products, count = (states.mean(0), 0.0, 0.0, 0) if known is None else known
        centred = states - centre
        product = (centred.T @ centred).double()
        self._sums[index] = (centre, sums + centred.sum(0).double(), products + product, count + len(states))

    def covariance(self) -> Tensor:
        """The sum over all states, fp64 `(width, width)`."""
        found = [one for one in self._sums if one is not None]
        return torch.stack([p / n - torch.outer(s / n, s / n) for _, s, p, n in found]).sum(0)


class _Record:
    """What the LayerNorms of all layers were given or gave in one forward, in order."""

    def __init__(self) -> None:
        self.before: list[Tensor] = []
        self.between: list[Tensor] = []

    def clear(self) -> None:
        """Ready for the next forward."""
        self.before, self.between = [], []


@contextmanager
def _recorded(teacher: PreTrainedModel, layout: EncoderLayout) -> Iterator[_Record]:
    """Within the block forwards of the teacher are recorded."""
    record, names, base = _Record(), layout.names, teacher.base_model
    norms = [
        {base.get_submodule(names.path(name, layer, teacher.config)): None for layer in range(len(layout.layers))}
        for name in (names.attention_norm, names.output_norm)
    ]  # each module once: layers may share theirs

    def before(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        record.before.append(inputs[0])

    def between(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        record.between.append(inputs[0] if names.final_norm else output)

    if names.final_norm:
        norms[0][base.get_submodule(names.final_norm)] = None
        handles = [module.register_forward_pre_hook(before) for module in norms[0]]
        handles += [module.register_forward_hook(between) for module in norms[1]]
    else:
        handles = [module.register_forward_hook(between) for module in norms[0]]
    try:
        yield record
    finally:
        for handle in handles:
            handle.remove()


def _forwards(
    teacher: PreTrainedModel, tokens: CalibrationTokens
) -> Iterator[tuple[CalibrationBatch, tuple[Tensor, ...]]]:
    """Each batch with its hidden states, `(sequences, seq_len, width)`, of the model in evaluation mode."""
    base = teacher.base_model
    with evaluating(base):
        for batch in (part for whole in tokens.batches for part in whole.split(_SEQUENCES)):
            if not batch.mask.any():
                continue
            with torch.no_grad():
                output = base(**model_inputs(base, teacher.config, batch), output_hidden_states=True, return_dict=True)
            yield batch, output.hidden_states


def model_inputs(model: nn.Module, config: PreTrainedConfig, batch: CalibrationBatch) -> dict[str, Tensor]:
    """What a model's forward takes of a batch, int64 `(sequences, seq_len)` each.

    Args:
        model: Of any family, with or without a head.
        config: Of the model.
        batch: Texts.
    """
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.mask.long()}
    takes_types = "token_type_ids" in inspect.signature(model.forward).parameters
    # an encoder that knows one token type only is not told of others in training either
    if takes_types and int(encoder_fields(config).get("type_vocab_size", 1)) > 1:
        inputs["token_type_ids"] = batch.token_type_ids
    return inputs


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Within the block a model is in evaluation mode; afterwards each module is in the mode that it was in."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


__all__ = ["TeacherStates", "evaluating", "model_inputs", "read_hidden_states", "read_states"]

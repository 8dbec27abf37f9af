"""Any model with the embeddings of a part of its vocabulary: tables, masked-LM heads and token ids made smaller."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

_Model = TypeVar("_Model", bound=PreTrainedModel)
_TOKEN_ID = "_token_id"


def trim_model(model: _Model, kept: Sequence[int]) -> _Model:
    """A copy of a model that knows some of the pieces: `trimmed(new)` equals `model(kept[new])`, in every head.

    Predictions over the vocabulary are those of the kept pieces. Which tensors are as long as the vocabulary is not
    looked up in a list of families: the class of the model is built on the meta device with one piece more, and what
    becomes longer is cut, tied weights once.

    Args:
        model: of any class of transformers or of this package, with or without a head; it is not changed.
        kept: old ids, each once; the new id of `kept[i]` is `i`.

    Raises:
        ValueError: a model with an adapter or without a vocabulary, ids that are not its own or come twice, or a piece
            lost that `required_ids` names.
    """
    _check(model, kept)
    lengthened = vocabulary_dimensions(model)
    rows = torch.tensor(list(kept))
    trimmed = copy.deepcopy(model)
    cut: dict[int, Tensor] = {}
    for module_name, module in trimmed.named_modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in list(tensors.items()):
                dimensions = lengthened.get(f"{module_name}.{name}".lstrip("."), ())
                if tensor is None or not dimensions:
                    continue
                if id(tensor) not in cut:
                    cut[id(tensor)] = _cut(tensor, dimensions, rows)
                setattr(module, name, cut[id(tensor)])
                _tell_size(module, kept)
    new_ids = {old: new for new, old in enumerate(kept)}
    for config in _configurations(trimmed):
        config.vocab_size = len(kept)
        _renumber(config, new_ids)
    if getattr(trimmed, "generation_config", None) is not None:
        _renumber(trimmed.generation_config, new_ids)
    return trimmed


def vocabulary_dimensions(model: PreTrainedModel) -> dict[str, tuple[int, ...]]:
    """The parameters and buffers that are as long as the vocabulary, with the dimensions in which they are."""
    config = copy.deepcopy(model.config)
    config.vocab_size += 1
    with torch.device("meta"):
        longer = type(model)(config)
    shapes = dict(_named_shapes(longer))
    lengthened = {}
    for name, shape in _named_shapes(model):
        other = shapes.get(name, shape)
        if len(other) == len(shape):
            dimensions = tuple(axis for axis, (own, more) in enumerate(zip(shape, other, strict=True)) if own != more)
            if dimensions:
                lengthened[name] = dimensions
    return lengthened


def required_ids(model: PreTrainedModel) -> frozenset[int]:
    """Ids that stay whatever a corpus holds: those that the configuration names, and what positions are counted from.

    RoBERTa and its kin number positions from the padding id on. So that it stays the same, what is before it stays.
    """
    size = model.config.vocab_size
    named = {one for _, value in _token_ids(model.config) for one in (value if isinstance(value, list) else [value])}
    counted = [
        module.padding_idx
        for name, module in model.named_modules()
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None
    ]
    return frozenset(one for one in {*named, *(one for pad in counted for one in range(pad + 1))} if 0 <= one < size)


def _check(model: PreTrainedModel, kept: Sequence[int]) -> None:
    if not isinstance(model, PreTrainedModel):
        raise ValueError(
            f"expected a model of transformers, got `{type(model).__name__}`; because its class says which weights "
            "belong to the vocabulary; merge an adapter first"
        )
    size = getattr(model.config, "vocab_size", None)
    if not isinstance(size, int):
        raise ValueError(f"expected a model with a `vocab_size`, got `{type(model).__name__}` without")
    if not kept or len(set(kept)) < len(kept) or not 0 <= min(kept) <= max(kept) < size:
        raise ValueError(
            f"expected ids from 0 to {size - 1}, the model's vocabulary, each once, got {len(kept)} of which some "
            "come twice or are beyond; because each names a row of its embeddings; take them of its tokenizer"
        )
    lost = sorted(required_ids(model) - set(kept))
    if lost:
        raise ValueError(
            f"expected the ids that the model itself names, got a vocabulary without {lost[:5]}; because padding and "
            "special tokens would become other pieces; keep `required_ids(model)`"
        )


def _named_shapes(model: nn.Module) -> Iterator[tuple[str, torch.Size]]:
    for named in (model.named_parameters, model.named_buffers):
        for name, tensor in named(remove_duplicate=False):
            yield name, tensor.shape


def _cut(tensor: Tensor, dimensions: Sequence[int], rows: Tensor) -> Tensor:
    kept = tensor.detach()
    for dimension in dimensions:
        kept = kept.index_select(dimension, rows.to(tensor.device))
    return nn.Parameter(kept, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else kept


def _tell_size(module: nn.Module, kept: Sequence[int]) -> None:
    """What layers say of their own size, and the row that padding has in a table."""
    if isinstance(module, nn.Embedding):
        module.num_embeddings = len(module.weight)
        if module.padding_idx is not None and module.num_embeddings == len(kept):
            module.padding_idx = list(kept).index(module.padding_idx)
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape


def _configurations(model: PreTrainedModel) -> list[PreTrainedConfig]:
    """Each configuration object once; parts of a model may hold copies."""
    found = {id(model.config): model.config}
    for module in model.modules():
        config = getattr(module, "config", None)
        if isinstance(config, PreTrainedConfig) and hasattr(config, "vocab_size"):
            found[id(config)] = config
    return list(found.values())


def _token_ids(config: Any) -> Iterator[tuple[str, int | list[int]]]:  # noqa: ANN401 (of a model or of generation)
    for name, value in config.to_dict().items():
        if name.endswith(_TOKEN_ID) and (isinstance(value, int) or (isinstance(value, list) and value)):
            yield name, value


def _renumber(config: Any, new_ids: Mapping[int, int]) -> None:  # noqa: ANN401 (of a model or of generation)
    for name, value in list(_token_ids(config)):
        if isinstance(value, list):
            setattr(config, name, [new_ids[one] for one in value if one in new_ids])
        elif value in new_ids:
            setattr(config, name, new_ids[value])


__all__ = ["required_ids", "trim_model", "vocabulary_dimensions"]

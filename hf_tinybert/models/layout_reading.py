"""Finds the encoder inside a model, and gives its parts as those of a BERT."""

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.activations import ACT2FN
from transformers.models.deberta.modeling_deberta import DebertaLayerNorm

from hf_tinybert.models.configuration_tinybert import encoder_fields
from hf_tinybert.models.encoder_layout import EncoderLayer, EncoderLayout
from hf_tinybert.models.encoder_names import BERT, LAYOUTS, EncoderNames

_Module = TypeVar("_Module", bound=nn.Module)
_NORMS = (nn.LayerNorm, DebertaLayerNorm)


def student_layout(model: PreTrainedModel) -> EncoderLayout:
    """The encoder of a student, with or without a head; its parts are the model's own modules, to be filled.

    Args:
        model: Any model whose base model has BERT's module tree: TinyBERT, BERT, RoBERTa, ELECTRA with embeddings as
            wide as its layers.

    Raises:
        TypeError: If the module tree is another one.
        ValueError: If the model is a decoder.
    """
    refuse_decoder(model, "student")
    finder = _ModuleFinder(model, BERT, "student")
    finder.check_required()
    for path in (BERT.position_embeddings, BERT.token_type_embeddings):
        finder.module(path, nn.Embedding)
    finder.refuse_others()
    return finder.layout()


def teacher_layout(model: PreTrainedModel) -> EncoderLayout:
    """The encoder of a teacher, with or without a head.

    Parts that its family keeps otherwise than BERT are made of its weights: the result then is no more than near to
    what the model computes, or lacks something, such as relative positions.

    Args:
        model: Any model of the families in `LAYOUTS`.

    Raises:
        TypeError: If the module tree is of none of them.
        ValueError: If the model is a decoder.
    """
    refuse_decoder(model, "teacher")
    finders = [_ModuleFinder(model, names, "teacher") for names in LAYOUTS]
    likest = min(finders, key=lambda finder: len(finder.missing()))
    likest.check_required()
    usable = [finder for finder in finders if not finder.missing() and not finder.others()]
    if not usable:
        likest.refuse_others()
    return usable[0].layout()


def is_readable_teacher(model: PreTrainedModel) -> bool:
    """Whether `teacher_layout` finds the encoder inside a model."""
    try:
        teacher_layout(model)
    except TypeError:
        return False
    return True


class _ModuleFinder:
    """The modules of one model by one table of names."""

    def __init__(self, model: PreTrainedModel, names: EncoderNames, role: str) -> None:
        self._config, self._base, self._names, self._role = model.config, model.base_model, names, role
        self._fields = encoder_fields(model.config)
        self._depth = int(model.config.num_hidden_layers)

    def module(self, path: str, kind: type[_Module] | tuple[type[_Module], ...]) -> _Module:
        """The module of a path, or a refusal."""
        found = _at(self._base, path)
        if not isinstance(found, kind):
            got = "nothing" if found is None else f"`{type(found).__name__}`"
            expected = kind[0].__name__ if isinstance(kind, tuple) else kind.__name__
            raise TypeError(
                f"expected `{path}` of type {expected} in the {self._role} `{type(self._base).__name__}`, got {got}; "
                f"because weights are mapped module by module between encoders laid out as {self._known()}; start at "
                "random (`method='random'`, `--start random`), or use a model of one of these families without "
                "adapters or quantisation"
            )
        return found

    def check_required(self) -> None:
        """Refuse a model that lacks a module, by the first one."""
        for path, kind in self._required():
            self.module(path, kind)

    def missing(self) -> list[str]:
        """Paths of required modules that the model lacks."""
        return [path for path, kind in self._required() if not isinstance(_at(self._base, path), kind)]

    def others(self) -> list[str]:
        """Parameters that have no place in the layout, by the modules that hold them."""
        used = {id(parameter) for module in self._used() for parameter in module.parameters()}
        for layer in range(self._depth):
            for name in (self._names.query_bias, self._names.value_bias):
                used |= {id(self._base.get_parameter(self._path(layer, name)))} if name else set()
        left = [name for name, parameter in self._base.named_parameters() if id(parameter) not in used]
        left = [name for name in left if not any(part in name for part in self._names.lost)]
        return sorted({name.rpartition(".")[0] for name in left})

    def refuse_others(self) -> None:
        """Refuse a model with parameters that have no place in the layout."""
        others = self.others()
        if others:
            raise TypeError(
                f"expected nothing but the embeddings and layers of {self._known()} in the {self._role} "
                f"`{type(self._base).__name__}`, got {others[:5]} besides; because those have no counterpart in BERT; "
                "start at random (`method='random'`, `--start random`)"
            )

    def layout(self) -> EncoderLayout:
        """The parts, made to be BERT's where they are not."""
        names, fields = self._names, self._fields
        words = self.module(names.word_embeddings, nn.Embedding)
        width = words.embedding_dim
        position = _at(self._base, names.position_embeddings)
        if not isinstance(position, nn.Embedding):
            position = _zeros(fields["max_position_embeddings"], width, words)
        types = _at(self._base, names.token_type_embeddings)
        if not isinstance(types, nn.Embedding):
            types = _zeros(1, width, words)
        tables = [words, position, types]
        norm = as_layer_norm(_at(self._base, names.embedding_norm), width, words)
        projection = _at(self._base, names.embedding_projection) if names.embedding_projection else None
        if isinstance(projection, nn.Linear) and names.projects_before_norm:
            norm = as_layer_norm(_at(self._base, names.embedding_norm), projection.out_features, words)
            tables = [_multiplied(table, projection.weight) for table in tables]
        elif isinstance(projection, nn.Linear):
            tables, norm = _widened(tables, norm, projection)
        pooler = _pooler(self._base, names)
        padding = position.padding_idx
        return EncoderLayout(
            word_embeddings=tables[0],
            position_embeddings=tables[1],
            token_type_embeddings=tables[2],
            embedding_norm=norm,
            layers=tuple(self._layer(index) for index in range(self._depth)),
            pooler=pooler,
            position_offset=0 if padding is None else padding + 1,
            padding_id=padding,
            names=names,
            first_norm_is_missing=isinstance(_at(self._base, self._path(0, names.attention_norm)), nn.Identity),
        )

    def _layer(self, index: int) -> EncoderLayer:
        names, heads = self._names, int(self._config.num_attention_heads)
        query, key, value = (as_linear(one) for one in self._query_key_value(index))
        terms = getattr(self._config, names.score_terms) if names.score_terms else ()
        if terms:
            query = _linear(query.weight / (1 + len(terms)) ** 0.5, query.bias / (1 + len(terms)) ** 0.5)
        intermediate = self._linear(index, names.intermediate)
        gate = self._linear(index, names.gate) if names.gate else None
        if names.gate == names.intermediate:
            intermediate, gate = _halves(intermediate)
        attention_norm, output_norm = (
            as_layer_norm(_at(self._base, self._path(index, name)), intermediate.in_features, query.weight)
            for name in (names.attention_norm, names.output_norm)
        )
        readers = [as_linear(intermediate), *([] if gate is None else [as_linear(gate)])]
        if names.final_norm:  # what reads a LayerNorm's output reads its scale and shift with it
            query, key, value = (_behind(attention_norm, one) for one in (query, key, value))
            readers = [_behind(output_norm, one) for one in readers]
            attention_norm = output_norm = as_layer_norm(None, intermediate.in_features, query.weight)
        return EncoderLayer(
            query=query,
            key=key,
            value=value,
            attention_output=as_linear(self._linear(index, names.attention_output)),
            attention_norm=attention_norm,
            intermediate=readers[0],
            activation=ACT2FN[self._fields["hidden_act"]],
            output=as_linear(self._linear(index, names.output)),
            output_norm=output_norm,
            heads=heads,
            gate=readers[1] if gate is not None else None,
        )

    def _query_key_value(self, index: int) -> Sequence[nn.Linear]:
        names = self._names
        first = self._linear(index, names.query)
        if not names.fused:
            return first, self._linear(index, names.key), self._linear(index, names.value)
        heads = int(self._config.num_attention_heads) if names.fused == "by_head" else 1
        weights = _thirds(first.weight, heads)
        biases = [weight.new_zeros(len(weight)) for weight in weights]
        if first.bias is not None:
            biases = _thirds(first.bias, heads)
        for third, name in ((0, names.query_bias), (2, names.value_bias)):
            if name:
                biases[third] = biases[third] + self._base.get_parameter(self._path(index, name)).detach()
        return [_linear(weight, bias) for weight, bias in zip(weights, biases, strict=True)]

    def _linear(self, index: int, name: str) -> nn.Linear:
        return self.module(self._path(index, name), nn.Linear)

    def _path(self, index: int, name: str) -> str:
        return self._names.path(name, index, self._config)

    def _required(self) -> list[tuple[str, type | tuple[type, ...]]]:
        names = self._names
        paths: list[tuple[str, type | tuple[type, ...]]] = [(names.word_embeddings, nn.Embedding)]
        if names.embedding_norm:
            paths.append((names.embedding_norm, _NORMS))
        if names.final_norm:
            paths.append((names.final_norm, _NORMS))
        linear = (names.query, names.key, names.value, names.attention_output, names.intermediate, names.gate)
        for layer in range(self._depth):
            paths += [(self._path(layer, name), nn.Linear) for name in (*linear, names.output) if name]
            # the first LayerNorm of ModernBERT is the embeddings'
            first = (*_NORMS, nn.Identity) if names.final_norm and layer == 0 else _NORMS
            paths += [(self._path(layer, names.attention_norm), first), (self._path(layer, names.output_norm), _NORMS)]
        return paths

    def _used(self) -> list[nn.Module]:
        names = self._names
        optional = (names.position_embeddings, names.token_type_embeddings, names.embedding_projection, names.pooler)
        found = [_at(self._base, path) for path in (*(path for path, _ in self._required()), *optional) if path]
        return [module for module in found if module is not None]

    def _known(self) -> str:
        families = BERT.families if self._role == "student" else tuple(f for names in LAYOUTS for f in names.families)
        return ", ".join(dict.fromkeys(families))


def refuse_decoder(model: PreTrainedModel, role: str) -> None:
    """Refuse a model with a causal mask.

    Args:
        model: Of any family.
        role: `student` or `teacher`, for the message.
    """
    if getattr(model.config, "is_decoder", False):
        raise ValueError(
            f"expected an encoder, got a {role} `{type(model).__name__}` with `is_decoder`; because a causal mask is "
            "not BERT's; set `is_decoder=False`"
        )


def _at(base: nn.Module, path: str) -> nn.Module | None:
    try:
        return base.get_submodule(path) if path else None
    except AttributeError:
        return None


def _pooler(base: nn.Module, names: EncoderNames) -> nn.Linear | None:
    found = _at(base, names.pooler)
    return found if isinstance(found, nn.Linear) else None


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    made.weight, made.bias = (nn.Parameter(one.detach(), requires_grad=False) for one in (weight, bias))
    return made


def as_linear(module: nn.Linear) -> nn.Linear:
    """A linear layer with a bias in any case.

    Args:
        module: It is not changed.
    """
    return module if module.bias is not None else _linear(module.weight, module.weight.new_zeros(module.out_features))


def _halves(module: nn.Linear) -> Sequence[nn.Linear]:
    whole = as_linear(module)
    pairs = zip(whole.weight.chunk(2), whole.bias.chunk(2), strict=True)
    return [_linear(weight, bias) for weight, bias in pairs]


def _thirds(parameter: Tensor, groups: int) -> list[Tensor]:
    """Query, key and value, `(width, ...)` each, of rows that stand so in each group."""
    parts = parameter.detach().unflatten(0, (groups, 3, -1))
    return [parts[:, third].flatten(0, 1) for third in range(3)]


def _behind(norm: nn.LayerNorm, module: nn.Linear) -> nn.Linear:
    """A linear layer with the scale and the shift of the LayerNorm before it."""
    weight = module.weight * norm.weight
    return _linear(weight, module.bias + module.weight @ norm.bias)


def as_layer_norm(module: nn.Module | None, width: int, like: nn.Module | Tensor) -> nn.LayerNorm:
    """A LayerNorm of torch with scale and shift in any case.

    Args:
        module: A LayerNorm of any kind in `_NORMS`; without one, scale and shift change nothing.
        width: Of the states.
        like: Whose type and device it gets if it is made.
    """
    if isinstance(module, nn.LayerNorm) and module.bias is not None:
        return module
    weight = like if isinstance(like, Tensor) else next(like.parameters())
    made = nn.LayerNorm(width, device=weight.device, dtype=weight.dtype)
    if isinstance(module, _NORMS):
        made.eps = module.eps if isinstance(module, nn.LayerNorm) else module.variance_epsilon
        made.weight.data = module.weight.detach()
        if module.bias is not None:
            made.bias.data = module.bias.detach()
    return made.requires_grad_(requires_grad=False)


def _zeros(rows: int, width: int, like: nn.Embedding) -> nn.Embedding:
    return _table(like.weight.new_zeros(rows, width))


def _multiplied(table: nn.Embedding, weight: Tensor) -> nn.Embedding:
    return _table(table.weight.detach() @ weight.detach().T, table.padding_idx)


def _table(weight: Tensor, padding: int | None = None) -> nn.Embedding:
    made: nn.Embedding = nn.Embedding.from_pretrained(weight, padding_idx=padding)
    return made


def _widened(
    tables: Sequence[nn.Embedding], norm: nn.LayerNorm, projection: nn.Linear
) -> tuple[list[nn.Embedding], nn.LayerNorm]:
    """Tables as wide as the layers with a LayerNorm behind them, near to narrow ones with one before a projection.

    A LayerNorm divides by the spread of all dimensions, which a projection changes from token to token: rows of length
    1 change it least, and their lengths become the scale of the wide LayerNorm.
    """
    weight, bias = projection.weight.detach() * norm.weight.detach(), projection.bias.detach()
    bias = bias + projection.weight.detach() @ norm.bias.detach()
    weight = weight - weight.mean(1, keepdim=True)  # the narrow LayerNorm takes the mean out
    lengths = weight.norm(dim=1).clamp_min(torch.finfo(weight.dtype).tiny)
    scale = lengths * (projection.in_features / (projection.in_features - 1)) ** 0.5  # the mean took its part
    wide = nn.LayerNorm(projection.out_features, eps=norm.eps, device="meta")
    wide.weight, wide.bias = (nn.Parameter(one, requires_grad=False) for one in (scale, bias))
    return [_multiplied(table, weight / lengths[:, None]) for table in tables], wide


__all__ = ["as_layer_norm", "as_linear", "is_readable_teacher", "refuse_decoder", "student_layout", "teacher_layout"]

"""A student's first weights, taken from its teacher."""

import copy
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from hf_tinybert.models.calibration import read_calibration
from hf_tinybert.models.encoder_layout import EncoderLayout, embedding_rows
from hf_tinybert.models.encoder_projection import LayerNormTreatment, project_encoder, read_encoder
from hf_tinybert.models.head_projection import HeadProjection
from hf_tinybert.models.layer_search import SEARCH, search_layer_mapping
from hf_tinybert.models.layout_reading import student_layout, teacher_layout
from hf_tinybert.models.start_checks import InitializationMethod, check_start, left_out_of_start
from hf_tinybert.models.teacher_states import read_hidden_states, read_states

logger = logging.getLogger(__name__)

_LEFT_OUT = "A BERT has none of the %s of `%s`: the student starts without them"
_HEADS = frozenset({"classifier", "qa_outputs", "cls", "embedding"})


@dataclass(frozen=True)
class StudentInitialization:
    """How a student was started.

    Attributes:
        method: The method used.
        mapping: `mapping[student_layer] = teacher_layer`, 0 = embedding output.
        projection: `(teacher_width, student_width)`: `hidden_teacher ~= projection @ hidden_student + offset` for all
            states alike, where one training projection is shared.
        offset: `(teacher_width,)`.
        state_projections: One per student state, where each has a training projection of its own.
        state_offsets: One per student state.
        layer_norm: Treatment of LayerNorms; None for other methods than projection.
        random_parameters: Names of the parameters that hold nothing of the teacher's and were drawn at random.
    """

    method: InitializationMethod
    mapping: tuple[int, ...]
    projection: Tensor
    offset: Tensor
    state_projections: tuple[Tensor, ...]
    state_offsets: tuple[Tensor, ...]
    layer_norm: LayerNormTreatment | None
    random_parameters: tuple[str, ...]

    @classmethod
    def by_readers(
        cls,
        readers: Sequence[Tensor],
        method: InitializationMethod,
        mapping: tuple[int, ...],
        random_parameters: tuple[str, ...],
        *,
        layer_norm: LayerNormTreatment | None = None,
    ) -> "StudentInitialization":
        """From the fits of the teacher's states; the shared map is their mean.

        Args:
            readers: One per student state, `(teacher_width, student_width + 1)`, the offset last.
            method: As of the class, like the others.
            mapping: Of layers.
            random_parameters: Names.
            layer_norm: Treatment.
        """
        shared = torch.stack(list(readers)).mean(0)
        return cls(
            method=method,
            mapping=mapping,
            projection=shared[:, :-1].contiguous(),
            offset=shared[:, -1].contiguous(),
            state_projections=tuple(reader[:, :-1].contiguous() for reader in readers),
            state_offsets=tuple(reader[:, -1].contiguous() for reader in readers),
            layer_norm=layer_norm,
            random_parameters=random_parameters,
        )


def initialize_from_teacher(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    *,
    method: InitializationMethod | str = InitializationMethod.PROJECTION,
    layer_mapping: Sequence[int] | str | None = None,
    calibration: Iterable[Mapping[str, Tensor]] | None = None,
    layer_norm: LayerNormTreatment | str = LayerNormTreatment.RECONSTRUCTION,
    seed: int = 0,
) -> StudentInitialization:
    """Fills a student with its teacher's weights, made to fit.

    Encoder, pooler and the heads that both models have are filled; the rest is drawn from `seed`. Neither the global
    random state nor the training mode of either model changes. With equal shapes the student equals its teacher if
    that computes what a BERT does (DistilBERT, RoBERTa and its kin do); relative or rotary positions, gated
    feed-forward parts and LayerNorms before the parts have no counterpart, and the student is fitted to the states of
    such a teacher as far as it goes. `trained` leaves the student's encoder as it is, and what has no counterpart in
    the teacher too.

    Args:
        student: Model to fill, in place; no deeper than the teacher and, except for `random` and `trained`, no wider
            or larger in heads or feed-forward units.
        teacher: Model to read, with or without a head.
        method: `projection`, `layers`, `random` or `trained`.
        layer_mapping: `mapping[student_layer] = teacher_layer` with `mapping[0] = 0` for the embedding output; by
            default `round(i * teacher_layers / student_layers)`. "search" tries mappings for `projection`, see
            `search_layer_mapping`.
        calibration: Batches of tokenised text (a DataLoader, say) of which up to 16384 tokens are used by
            `projection` and `trained`; None makes them do with random tokens, which is much worse.
        layer_norm: What `projection` does with LayerNorms when the width shrinks.
        seed: Of everything random.

    Returns:
        The mapping, and the maps from student width to teacher width at which training projections should start.

    Raises:
        TypeError: If the student is not laid out as BERT, or the teacher as no family of `LAYOUTS` in `encoder_names`,
            but for `random` and the teacher of `trained`; or `layers` of a teacher that computes otherwise than BERT.
        ValueError: If weights are not whole in this process, the shapes, vocabularies or activations do not fit, the
            mapping is none, the calibration holds no usable tokens, or a teacher weight is not finite.

    Source: principal directions as in PCA-based compression; reduced-rank regression for heads (Izenman 1975); the
    choices between variants are measured in benchmarks/results/initialization.json.
    """
    method = InitializationMethod(method)
    treatment = LayerNormTreatment(layer_norm)
    mapping = check_start(student, teacher, method=method, layer_mapping=layer_mapping)
    if method is InitializationMethod.RANDOM:
        return _random(student, teacher, mapping, seed)
    if method is InitializationMethod.TRAINED:
        return _trained(student, teacher, mapping, calibration, seed)
    layouts = student_layout(student), teacher_layout(teacher)
    left_out = left_out_of_start(teacher, method)
    if left_out:
        logger.info(_LEFT_OUT, left_out, type(teacher).__name__)
    if method is InitializationMethod.LAYERS:
        return _layers(student, teacher, layouts, mapping, seed)
    tokens = read_calibration(calibration, layouts[1], student=layouts[0], seed=seed)
    if layer_mapping == SEARCH:
        mapping = search_layer_mapping(student, teacher, tokens, seed=seed)
    with torch.no_grad():
        _draw(student, seed)
        states = read_states(teacher, layouts[1], tokens, mapping)
        generator = torch.Generator().manual_seed(seed)
        encoder = project_encoder(layouts[0], states, tokens, mapping, treatment, generator)
        refit = treatment is LayerNormTreatment.RECONSTRUCTION
        heads = HeadProjection(student, teacher, layouts[0], encoder, tokens, refit=refit)
        heads.run()
    random = random_parameters(student, layouts[0], heads.filled)
    return StudentInitialization.by_readers(encoder.readers, method, mapping, random, layer_norm=treatment)


def _random(
    student: PreTrainedModel, teacher: PreTrainedModel, mapping: tuple[int, ...], seed: int
) -> StudentInitialization:
    """BERT's start, from `seed`, for the model and for the training projections."""
    _draw(student, seed)
    names = tuple(name for name, _ in student.named_parameters())
    projection = _random_projection(student, teacher, seed)
    return _same_everywhere(InitializationMethod.RANDOM, mapping, projection, names)


def _trained(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    mapping: tuple[int, ...],
    calibration: Iterable[Mapping[str, Tensor]] | None,
    seed: int,
) -> StudentInitialization:
    """The student's own encoder; what is fitted to a teacher, of any family, are the maps to its states, and heads."""
    layout = student_layout(student)
    with torch.no_grad():
        tokens = read_calibration(calibration, layout, device=teacher.device, seed=seed)
        hidden = read_hidden_states(teacher, tokens, {*mapping, teacher.config.num_hidden_layers})
        encoder = read_encoder(layout, hidden, tokens, mapping)
        heads = HeadProjection(student, teacher, layout, encoder, tokens, refit=True)
        heads.run()
    random = random_parameters(student, layout, heads.filled)
    return StudentInitialization.by_readers(encoder.readers, InitializationMethod.TRAINED, mapping, random)


def _random_projection(student: PreTrainedModel, teacher: PreTrainedModel, seed: int) -> Tensor:
    widths = teacher.config.hidden_size, student.config.hidden_size
    projection: Tensor = torch.randn(widths, generator=torch.Generator().manual_seed(seed))
    return projection.mul_(student.config.initializer_range)


def _layers(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    layouts: tuple[EncoderLayout, EncoderLayout],
    mapping: tuple[int, ...],
    seed: int,
) -> StudentInitialization:
    _draw(student, seed)
    own, other = layouts
    with torch.no_grad():
        for table, rows in embedding_rows(own, other):
            table.weight.copy_(rows)
        own.embedding_norm.load_state_dict(other.embedding_norm.state_dict())
        for layer, source in zip(own.layers, mapping[1:], strict=True):
            for module, content in zip(layer.modules(), other.layers[source - 1].modules(), strict=True):
                module.load_state_dict(content.state_dict())
        filled = _copy_heads(student, teacher, layouts)
    identity = torch.eye(layouts[1].width)
    names = random_parameters(student, layouts[0], filled)
    return _same_everywhere(InitializationMethod.LAYERS, mapping, identity, names)


def _copy_heads(
    student: PreTrainedModel, teacher: PreTrainedModel, layouts: tuple[EncoderLayout, EncoderLayout]
) -> list[nn.Module]:
    """Copies pooler and every head module that has the same name and shapes in both models."""
    sources = {name: module for name, module in teacher.named_modules() if name.split(".")[0] in _HEADS}
    pairs = [(m, sources[name]) for name, m in student.named_modules() if name in sources]
    if layouts[0].pooler is not None and layouts[1].pooler is not None:
        pairs.append((layouts[0].pooler, layouts[1].pooler))
    filled = []
    for target, source in pairs:
        own, other = (dict(module.named_parameters(recurse=False)) for module in (target, source))
        if own and {n: p.shape for n, p in own.items()} == {n: p.shape for n, p in other.items()}:
            for name, parameter in own.items():
                parameter.copy_(other[name])
            filled.append(target)
    return filled + _identity(student, teacher)


def _identity(student: PreTrainedModel, teacher: PreTrainedModel) -> list[nn.Module]:
    """The linear layer of sentence embeddings changes nothing where the teacher has none and is as wide."""
    target = dict(student.named_modules()).get("embedding.projection")
    if not isinstance(target, nn.Linear) or target.in_features != target.out_features:
        return []
    if isinstance(dict(teacher.named_modules()).get("embedding.projection"), nn.Linear):
        return []
    nn.init.eye_(target.weight)
    nn.init.zeros_(target.bias)
    return [target]


def _same_everywhere(
    method: InitializationMethod, mapping: tuple[int, ...], projection: Tensor, random_parameters: tuple[str, ...]
) -> StudentInitialization:
    offset = torch.zeros(len(projection))
    states = len(mapping)
    return StudentInitialization(
        method, mapping, projection, offset, (projection,) * states, (offset,) * states, None, random_parameters
    )


def _draw(student: PreTrainedModel, seed: int) -> None:
    """Redraws all weights as the student's class does, from `seed` and without touching the global random state."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fresh = type(student)(copy.deepcopy(student.config))
    # not strict: training projections that are attached already are no part of a fresh model
    student.load_state_dict(fresh.state_dict(), strict=False)


def random_parameters(student: PreTrainedModel, layout: EncoderLayout, filled: list[nn.Module]) -> tuple[str, ...]:
    """Names of the parameters outside encoder and filled modules: they hold nothing of a teacher's.

    Args:
        student: Model that was filled.
        layout: Of its encoder.
        filled: Modules beside the encoder that were filled.
    """
    base = student.base_model
    known = [base.get_submodule("embeddings"), base.get_submodule("encoder"), *filled]
    covered = {id(parameter) for module in known for parameter in module.parameters()}
    names = tuple(name for name, p in student.named_parameters() if id(p) not in covered)
    if names:
        logger.info("These have no counterpart in the teacher and start at random: %s", ", ".join(names))
    return names


__all__ = ["StudentInitialization", "initialize_from_teacher", "random_parameters"]

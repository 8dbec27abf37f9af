"""An encoder's weights projected onto a smaller BERT, layer by layer.

The student's state `g` stands for the teacher's state `h` through `g ~= U' h`, with `U` the principal directions of
the teacher's hidden states. Weights that *write* a state are mapped by `U'`; weights that *read* one are mapped
through an affine *reader* `h ~= A g + c`, whose offset goes into their biases. The student runs along on the
calibration tokens, so that each layer is fitted to the states which the layers below it really give. The teacher's
states are those of its own forward: where its family computes something that a BERT does not, such as relative
positions, the weights are taken over without it, and the fits make up for what they can.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn

from hf_tinybert.models.attention_projection import affine_through, chosen_heads, resized_head, source_heads
from hf_tinybert.models.calibration import CalibrationTokens
from hf_tinybert.models.encoder_layout import (
    EncoderLayer,
    EncoderLayout,
    embedding_rows,
    layer_norm,
    linear,
    normalised,
    values,
)
from hf_tinybert.models.least_squares import (
    layer_norm_correction,
    moment_root,
    principal_basis,
    ridge_correction,
    with_ones,
)
from hf_tinybert.models.teacher_states import TeacherStates


class LayerNormTreatment(StrEnum):
    """What becomes of the teacher's LayerNorm scale `s` and shift `b` when the width shrinks.

    Equal widths copy scale and shift under every choice.
    """

    PROJECT = "project"
    """Scale: the diagonal of `U' diag(s) U`, times `sqrt(teacher_width / student_width)`; shift: `U' b`."""
    FOLD = "fold"
    """A constant scale and no shift; `s` and `b` go into the weights that read the state."""
    LEAST_SQUARES = "least_squares"
    """Per-dimension regression of the teacher's projected state on the student's normalised one."""
    RECONSTRUCTION = "reconstruction"
    """As `least_squares`, and readers, attention outputs and feed-forward outputs are refitted by ridge regression."""


@dataclass(frozen=True)
class ProjectedEncoder:
    """What projecting an encoder found out.

    Attributes:
        basis: `U`, `(teacher_width, student_width)`; of a trained student the linear part of its final reader.
        readers: Per student state, `(teacher_width, student_width + 1)`: the map to the teacher's state that it
            imitates, the offset in the last column.
        final_reader: The same for the teacher's last state, which its heads read.
        student_states: Last states of the student, `(tokens, student_width)`.
        teacher_states: Last states of the teacher, `(tokens, teacher_width)`.
    """

    basis: Tensor
    readers: tuple[Tensor, ...]
    final_reader: Tensor
    student_states: Tensor
    teacher_states: Tensor


def project_encoder(
    student: EncoderLayout,
    states: TeacherStates,
    tokens: CalibrationTokens,
    mapping: tuple[int, ...],
    treatment: LayerNormTreatment,
    generator: torch.Generator,
) -> ProjectedEncoder:
    """Fills a student's embeddings and layers from a teacher that is at least as large in every respect.

    Args:
        student: Encoder to fill, in place.
        states: The teacher's, and its weights.
        tokens: Sequences to fit on.
        mapping: `mapping[student_layer] = teacher_layer`, 0 = embedding output.
        treatment: Of LayerNorms.
        generator: CPU generator of the noise in heads wider than the teacher's.
    """
    projection = EncoderProjection(student, states, tokens, treatment, generator)
    projection.embeddings()
    readers = [projection.hidden_reader(0)]
    for layer, source in zip(student.layers, mapping[1:], strict=True):
        projection.layer(layer, source)
        readers.append(projection.hidden_reader(source))
    final, last = projection.last_reader(), states.hidden[len(states.layout.layers)]
    return ProjectedEncoder(projection.basis, tuple(readers), final, projection.student_states, last)


def read_encoder(
    student: EncoderLayout,
    hidden: Mapping[int, Tensor],
    tokens: CalibrationTokens,
    mapping: tuple[int, ...],
    priors: Sequence[Tensor] | None = None,
) -> ProjectedEncoder:
    """How a student that was trained already stands for its teacher: the readers of its states, and nothing changed.

    Args:
        student: Encoder, of any sizes.
        hidden: The teacher's states by layer, each `(tokens, teacher_width)`; those of the mapping and the last.
        tokens: Sequences to fit on.
        mapping: `mapping[student_layer] = teacher_layer`, 0 = embedding output.
        priors: Readers, `(teacher_width, student_width + 1)`, one per student state, from which these differ little:
            those of a teacher of the same origin. None where nothing is known.
    """
    student_states = list(tokens.encoder_states(student))
    known = priors if priors is not None else [None] * len(student_states)
    readers = tuple(
        _reader(states, hidden[source], prior)
        for states, source, prior in zip(student_states, mapping, known, strict=True)
    )
    last = hidden[max(hidden)]
    final = _reader(student_states[-1], last, known[-1])
    return ProjectedEncoder(final[:, :-1], readers, final, student_states[-1], last)


def _reader(states: Tensor, target: Tensor, known: Tensor | None = None) -> Tensor:
    """Ridge fit, `(teacher_width, student_width + 1)`, of what a known reader leaves, or states near to the target."""
    features = with_ones(states)
    prior = features.new_zeros(target.shape[1], features.shape[1])
    if known is not None:
        prior = known.to(prior)
    elif states.shape == target.shape and (target - states).square().sum() < (target - target.mean(0)).square().sum():
        prior[:, :-1].fill_diagonal_(1.0)
    return prior + ridge_correction(features, target - features @ prior.T).T


class EncoderProjection:
    """The pass through both encoders: their current states, and the steps that fill the student.

    Args:
        student: Encoder to fill, in place.
        teacher: Its states, and its weights.
        tokens: Sequences to fit on.
        treatment: Of LayerNorms.
        generator: CPU generator of the noise in heads wider than the teacher's.

    Attributes:
        basis: As of `ProjectedEncoder`.
        student_states: `(tokens, student_width)`, behind what was filled last; set to earlier ones, the next layer is
            filled to follow those.
    """

    def __init__(
        self,
        student: EncoderLayout,
        teacher: TeacherStates,
        tokens: CalibrationTokens,
        treatment: LayerNormTreatment,
        generator: torch.Generator,
    ) -> None:
        self._student, self._teacher, self._tokens = student, teacher, tokens
        self._generator = generator
        self._equal_width = student.width == teacher.layout.width
        if self._equal_width:
            self.basis = torch.eye(student.width, device=teacher.layout.word_embeddings.weight.device)
        else:
            self.basis = principal_basis(teacher.covariance, student.width).float()
        self._refits = treatment is LayerNormTreatment.RECONSTRUCTION
        fits = treatment is LayerNormTreatment.LEAST_SQUARES and not self._equal_width
        self._fits = self._refits or fits
        self._folds = treatment is LayerNormTreatment.FOLD and not self._equal_width
        self._norm = teacher.layout.embedding_norm  # the LayerNorm that gave `teacher_states`
        self._teacher_states = teacher.before[0]
        self._unit_figures: dict[int, tuple[Tensor, Tensor]] = {}
        self.student_states = self.basis

    def embeddings(self) -> None:
        """Fills the embedding tables and their LayerNorm."""
        self._stand_before(0)
        for table, rows in embedding_rows(self._student, self._teacher.layout):
            if self._refits and not self._equal_width:
                # LayerNorm scales each dimension: do it before the dimensions are mixed
                scale = values(self._norm.weight, rows)
                rows = (rows - rows.mean(1, keepdim=True)) * (scale / scale.abs().mean())
            _fill(table.weight, rows @ self.basis)
        student_sums = self._tokens.embedding_sums(self._student)
        self.student_states = self._fill_norm(self._student.embedding_norm, student_sums)

    def layer(self, layer: EncoderLayer, number: int) -> None:
        """Fills one layer, which reads the current states, from a layer of the teacher.

        Args:
            layer: Of the student.
            number: Of the teacher's layer, from 1.
        """
        index = number - 1
        source = self._teacher.layer(index)
        self._stand_before(index)
        reader = self._reader()
        self._fill_heads(layer, source, reader)
        context = self._tokens.attention_context(layer, self.student_states)
        self._teacher_states, self._norm = self._teacher.between[index], source.attention_norm
        self._write(layer.attention_output, layer.attention_norm, context, reader)
        reader = self._reader()
        self._fill_units(layer, source, reader, self._figures_of_units(index, source))
        units = layer.feed_forward_units(self.student_states)
        self._stand_before(number)
        self._write(layer.output, layer.output_norm, units, reader)

    def hidden_reader(self, layer: int) -> Tensor:
        """The affine map, `(teacher_width, student_width + 1)`, from the student's current states to the teacher's.

        Args:
            layer: Whose hidden states, as the teacher calls them; 0 = embedding output.
        """
        self._stand_before(layer)
        hidden = self._teacher.hidden[layer]
        return self._reader() if hidden is self._teacher_states else _reader(self.student_states, hidden)

    def last_reader(self) -> Tensor:
        """The same of the teacher's last layer."""
        return self.hidden_reader(len(self._teacher.layout.layers))

    def _stand_before(self, index: int) -> None:
        """Goes to the states that the teacher's layer of that index reads."""
        layout = self._teacher.layout
        self._teacher_states = self._teacher.before[index]
        self._norm = layout.layers[index - 1].output_norm if index else layout.embedding_norm

    def _reader(self) -> Tensor:
        """The affine map from the student's current state to the teacher's, `(teacher_width, student_width + 1)`."""
        basis, mean = self.basis, self._teacher_states.mean(0)
        if self._equal_width:
            linear_map, offset = basis, torch.zeros_like(mean)
        elif self._folds:
            scale, shift = values(self._norm.weight, mean), values(self._norm.bias, mean)
            constant = _constant_scale(scale, basis)
            linear_map, normal_mean = basis / constant * scale[:, None], mean - shift
            # mean of the normalised state, where the scale lets it through
            normal_mean = torch.where(scale.abs() > 1e-6, normal_mean / scale, 0.0)
            offset = shift + scale * (normal_mean - basis @ (basis.T @ normal_mean))
        else:
            linear_map, offset = basis, mean - basis @ (basis.T @ mean)
        prior = torch.cat([linear_map, offset[:, None]], dim=1)
        if not self._refits:
            return prior
        features = with_ones(self.student_states)
        return prior + ridge_correction(features, self._teacher_states - features @ prior.T).T

    def _fill_heads(self, layer: EncoderLayer, source: EncoderLayer, reader: Tensor) -> None:
        moment = moment_root(with_ones(self.student_states))
        heads = source_heads(source, reader, self.basis)
        if layer.heads < source.heads:
            context = self._tokens.attention_context(source, self._teacher_states)
            heads = [heads[index] for index in chosen_heads(source, context, layer.heads)]
        resized = [resized_head(head, layer.head_width, moment, self._generator) for head in heads]
        _fill_linear(layer.query, torch.cat([head.query for head in resized]))
        _fill_linear(layer.key, torch.cat([head.key for head in resized]))
        _fill_linear(layer.value, torch.cat([head.value for head in resized]))
        output = torch.cat([head.output for head in resized]).T.to(self.basis.dtype)
        bias = self.basis.T @ values(source.attention_output.bias, output)
        _fill_linear(layer.attention_output, torch.cat([output, bias[:, None]], dim=1))

    def _figures_of_units(self, index: int, source: EncoderLayer) -> tuple[Tensor, Tensor]:
        """Standard deviation and mean, each `(units,)`, of a teacher layer's units on the states that it reads."""
        if index not in self._unit_figures:
            activations = source.feed_forward_units(self._teacher_states)
            self._unit_figures[index] = activations.std(0), activations.mean(0)
        return self._unit_figures[index]

    def _fill_units(
        self, layer: EncoderLayer, source: EncoderLayer, reader: Tensor, figures: tuple[Tensor, Tensor]
    ) -> None:
        """Keeps the feed-forward units that move the output most; the mean of the others goes into its bias."""
        deviation, mean = figures
        written = self.basis.T @ source.output.weight.detach().float()
        bias = self.basis.T @ values(source.output.bias, written)
        importance = deviation * written.norm(dim=0)
        kept = importance.topk(layer.intermediate.out_features).indices.sort().values
        dropped = torch.ones_like(importance, dtype=torch.bool)
        dropped[kept] = False
        bias = bias + written[:, dropped] @ mean[dropped]
        _fill_linear(layer.intermediate, affine_through(source.intermediate, reader)[kept])
        _fill_linear(layer.output, torch.cat([written[:, kept], bias[:, None]], dim=1))

    def _write(self, dense: nn.Linear, norm: nn.LayerNorm, features: Tensor, residual_reader: Tensor) -> None:
        """Adds a part's output to the student's state and normalises it, fitting what the treatment fits."""
        if self._refits:
            self._refit(dense, norm, features)
        elif self._folds:
            # the folded residual lacks the shift, which the writer's bias can bring
            bias = values(dense.bias, features) + self.basis.T @ residual_reader[:, -1]
            _fill(dense.bias, bias)
        self.student_states = self._fill_norm(norm, linear(dense, features) + self.student_states)

    def _refit(self, dense: nn.Linear, norm: nn.LayerNorm, features: Tensor) -> None:
        """Ridge fit of a dense layer so that `LayerNorm(state + dense(features))` gives the projected target.

        A LayerNorm undoes any scale of its input, so that each token's wanted input is only known up to one: it takes
        the standard deviation that the token has now. Scales are ratios of standard deviations, not regression slopes:
        those shrink where a dimension is hard to predict, and dividing by them would let its noise rule the norm.
        """
        target = self._teacher_states @ self.basis
        normal, deviation = normalised(linear(dense, features) + self.student_states, norm.eps)
        slope, _ = layer_norm_correction(normal, target)
        scale = target.std(0) / normal.std(0).clamp_min(1e-6) * torch.where(slope < 0, -1.0, 1.0)
        wanted = (target - target.mean(0)) / scale + normal.mean(0)
        moving = scale.abs() > 1e-3 * scale.abs().mean()
        residual = torch.where(moving, (wanted - normal) * deviation, 0.0)
        correction = ridge_correction(with_ones(features), residual, deviation.square().reciprocal()).T
        weight, bias = values(dense.weight, features), values(dense.bias, features)
        _fill_linear(dense, torch.cat([weight, bias[:, None]], dim=1) + correction)

    def _fill_norm(self, norm: nn.LayerNorm, states: Tensor) -> Tensor:
        """Fills a LayerNorm as the treatment says, applies it to `(tokens, student_width)` and gives the result."""
        normal, _ = normalised(states, norm.eps)
        source_scale, source_shift = values(self._norm.weight, states), values(self._norm.bias, states)
        # normalised states have the length sqrt(width): a narrow one is shorter
        stretch = (self._teacher.layout.width / self._student.width) ** 0.5
        scale = (self.basis.square() * source_scale[:, None]).sum(0) * stretch
        shift = self.basis.T @ source_shift
        if self._fits:
            extra = layer_norm_correction(normal, self._teacher_states @ self.basis - (normal * scale + shift))
            scale, shift = scale + extra[0], shift + extra[1]
        elif self._folds:
            scale = torch.full_like(scale, float(_constant_scale(source_scale, self.basis)) * stretch)
            shift = torch.zeros_like(shift)
        _fill(norm.weight, scale)
        _fill(norm.bias, shift)
        return layer_norm(norm, states)


def _constant_scale(scale: Tensor, basis: Tensor) -> Tensor:
    """The one scale, `()`, that keeps the energy of `U' diag(scale) U`."""
    return ((basis * scale[:, None]).square().sum() / basis.shape[1]).sqrt()


def _fill_linear(module: nn.Linear, weight_and_bias: Tensor) -> None:
    _fill(module.weight, weight_and_bias[:, :-1])
    _fill(module.bias, weight_and_bias[:, -1])


def _fill(parameter: Tensor, content: Tensor) -> None:
    with torch.no_grad():
        parameter.copy_(content)


__all__ = ["EncoderProjection", "LayerNormTreatment", "ProjectedEncoder", "project_encoder", "read_encoder"]

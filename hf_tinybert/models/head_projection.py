"""Pooler and heads of a teacher, mapped onto a student whose encoder was projected."""

import copy

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.activations import ACT2FN

from hf_tinybert.models.attention_projection import affine_through
from hf_tinybert.models.calibration import CalibrationTokens
from hf_tinybert.models.configuration_tinybert import encoder_fields
from hf_tinybert.models.encoder_layout import EncoderLayout, layer_norm, linear, normalised, values
from hf_tinybert.models.encoder_projection import ProjectedEncoder
from hf_tinybert.models.head_names import PooledHead, find, pooled_head, word_head
from hf_tinybert.models.least_squares import layer_norm_correction, ridge_correction, with_ones

_Transform = tuple[nn.Linear, nn.LayerNorm]
_EMBEDDING_LAYER = "embedding.projection"
_LINEAR_RANGE = 3.0  # standard deviations; GELU and ReLU are the identity there to 0.5 %


class HeadProjection:
    """Fills a student's pooler and heads where the teacher has the same ones; the others are left alone.

    Args:
        student: Model to fill, in place.
        teacher: Model to read.
        layout: The student's encoder.
        encoder: What projecting the encoder gave.
        tokens: The sequences that it was projected on.
        refit: Whether heads that read the pooled output are refitted to the teacher's logits.

    Attributes:
        filled: The student's modules that now hold something of the teacher's.
    """

    def __init__(
        self,
        student: PreTrainedModel,
        teacher: PreTrainedModel,
        layout: EncoderLayout,
        encoder: ProjectedEncoder,
        tokens: CalibrationTokens,
        *,
        refit: bool,
    ) -> None:
        self._student, self._teacher, self._layout = student, teacher, layout
        self._encoder, self._tokens, self._refit = encoder, tokens, refit
        width, same_width = encoder.basis.shape
        identity = torch.eye(width, device=encoder.basis.device)
        self._same_states = width == same_width and torch.allclose(encoder.basis, identity, atol=1e-5)
        self.filled: list[nn.Module] = []

    def run(self) -> None:
        """Fills all that both models have."""
        if self._layout.pooler is None:
            self._token_head("classifier")
        else:
            source = pooled_head(self._teacher, self._encoder.teacher_states, self._tokens)
            if source is not None:
                self._pooled(self._layout.pooler, source)
        self._token_head("qa_outputs")
        self._embedding()
        self._predictions()

    def _token_head(self, name: str) -> None:
        """A head that reads every token reads it as the layers do."""
        pair = self._linear_pair(name)
        if pair is not None:
            self._fill_affine(pair[0], affine_through(pair[1], self._encoder.final_reader))

    def _embedding(self) -> None:
        """The linear layer of sentence embeddings: back to the teacher's states, and through its own layer if any.

        An affine map of a mean is the mean of the map, so that the reader of the last states serves the pooled one.
        """
        target = find(self._student, _EMBEDDING_LAYER, nn.Linear)
        source = find(self._teacher, _EMBEDDING_LAYER, nn.Linear)
        reader = self._encoder.final_reader
        if target is None:
            return
        affine = reader if source is None else affine_through(source, reader)
        if len(affine) == target.out_features:
            self._fill_affine(target, affine)

    def _pooled(self, pooler: nn.Linear, source: PooledHead) -> None:
        """Keeps whole pooled units: activations do not commute with a projection."""
        vectors = self._tokens.text_vectors(self._encoder.teacher_states, mean=source.reads_mean)
        pooled = source.features(vectors)
        pairs = self._outputs(source)
        importance = pooled.std(0, unbiased=False) if len(pooled) else pooled.new_ones(source.dense.out_features)
        for _, reading in pairs:
            importance = importance * values(reading.weight, importance).norm(dim=0)
        kept = importance.topk(min(pooler.out_features, source.dense.out_features)).indices.sort().values
        reader = self._encoder.final_reader
        affine = _affine(pooler, reader)  # units beyond the teacher's stay as they are
        affine[: len(kept)] = affine_through(source.dense, reader)[kept]
        if source.activation is not torch.tanh and len(pooled):
            # another activation by tanh: a unit's spread comes to where tanh bends
            inputs = linear(source.dense, vectors)[:, kept]
            affine[: len(kept), -1] -= inputs.mean(0)
            affine[: len(kept)] /= inputs.std(0, unbiased=False).clamp_min(1e-6)[:, None]
        self._fill_affine(pooler, affine)
        for target, reading in pairs:
            self._pooled_head(pooler, source, (target, reading), pooled, kept)

    def _outputs(self, source: PooledHead) -> list[tuple[nn.Linear, nn.Linear]]:
        """The student's layers that read the pooled vector, each with the teacher's."""
        if source.output is None:
            pairs = map(self._linear_pair, ("classifier", "cls.seq_relationship"))
            return [pair for pair in pairs if pair is not None]
        target = find(self._student, "classifier", nn.Linear)
        fits = target is not None and target.out_features == source.output.out_features
        return [(target, source.output)] if target is not None and fits else []

    def _pooled_head(
        self, pooler: nn.Linear, head: PooledHead, outputs: tuple[nn.Linear, nn.Linear], pooled: Tensor, kept: Tensor
    ) -> None:
        target, source = outputs
        first = self._tokens.first_tokens
        features = _activated(torch.tanh(linear(pooler, self._encoder.student_states[first])), self._student)
        source_features = _activated(pooled, self._teacher)
        affine = _affine(source, pooled)
        if head.activation is not torch.tanh and len(first):
            slope, shift = layer_norm_correction(features[:, : len(kept)], source_features[:, kept])
            affine[:, -1] += affine[:, kept] @ shift
            affine[:, kept] *= slope
        unread = affine.new_zeros(len(affine), pooler.out_features - len(kept))
        affine = torch.cat([affine[:, kept], unread, affine[:, -1:]], dim=1)
        if len(first):
            dropped = torch.ones(source.in_features, dtype=torch.bool, device=kept.device)
            dropped[kept] = False
            affine[:, -1] += values(source.weight, affine)[:, dropped] @ source_features.mean(0)[dropped]
            if self._refit:
                residual = linear(source, source_features) - with_ones(features) @ affine.T
                affine = affine + ridge_correction(with_ones(features), residual).T
        self._fill_affine(target, affine)

    def _predictions(self) -> None:
        """The masked-word head: its output matrix is (or becomes) the narrow embedding matrix.

        With `E` the teacher's and `F` the student's output matrix, `F K ~= E` defines `K`, which maps the vectors that
        the output matrix meets.
        """
        target, head = word_head(self._student), word_head(self._teacher)
        if target is None or head is None or target.decoder.out_features != head.decoder.out_features:
            return
        own, other = (target.dense, target.norm), (head.dense, head.norm)
        decoder, source, basis = target.decoder, head.decoder, self._encoder.basis
        if decoder.weight is not self._layout.word_embeddings.weight:
            if source.in_features != len(basis):
                return  # a matrix of its own, of narrow vectors
            _fill(decoder.weight, values(source.weight, basis) @ basis)
        _fill(decoder.bias, source.bias)
        if self._same_states and own[0].weight.shape == other[0].weight.shape:
            self._copy_transform(own, other)
        else:
            vectors = self._transformed(self._teacher, other, self._encoder.teacher_states)
            narrowing = self._narrowing(decoder, source)
            self._fit_transform(own, other, vectors @ narrowing.T)
            lost = values(source.weight, narrowing) - values(decoder.weight, narrowing) @ narrowing
            _fill(decoder.bias, values(source.bias, lost) + lost @ vectors.mean(0))
        self.filled += [decoder, target.norm, target.dense]

    def _copy_transform(self, own: _Transform, other: _Transform) -> None:
        """The teacher's own, through the reader."""
        self._fill_affine(own[0], affine_through(other[0], self._encoder.final_reader))
        _fill(own[1].weight, other[1].weight)
        _fill(own[1].bias, other[1].bias)

    def _fit_transform(self, own: _Transform, other: _Transform, target: Tensor) -> None:
        """The transform that gives `(tokens, student_width)` vectors best: the teacher's own, or one made for them.

        The teacher's own is one for the teacher's width only, and good where a student of that width was trained to
        have its states.
        """
        self._fit_linear_range(own, target)
        if own[0].out_features != other[0].out_features:
            return
        fitted = copy.deepcopy(own)
        self._copy_transform(own, other)
        gaps = [
            (self._transformed(self._student, one, self._encoder.student_states) - target).square().mean()
            for one in (fitted, own)
        ]
        if gaps[0] < gaps[1]:
            for module, content in zip(own, fitted, strict=True):
                module.load_state_dict(content.state_dict())

    def _fit_linear_range(self, own: _Transform, target: Tensor) -> None:
        """Ridge fit of the transform in the linear range of its activation.

        The activation does not commute with `K`. Where its input is well above zero it is nearly the identity, and the
        LayerNorm behind it takes out what all dimensions have in common: the common lift costs nothing.
        """
        dense, norm = own
        features = with_ones(self._encoder.student_states)
        affine = ridge_correction(features, target / target.std()).T
        affine[:, -1] += _LINEAR_RANGE
        self._fill_affine(dense, affine)
        activated = _hidden_activation(self._student, linear(dense, self._encoder.student_states))
        normal, _ = normalised(activated, norm.eps)
        scale, shift = layer_norm_correction(normal, target)
        _fill(norm.weight, scale)
        _fill(norm.bias, shift)

    @staticmethod
    def _transformed(model: PreTrainedModel, transform: _Transform, states: Tensor) -> Tensor:
        """What a model's output matrix meets."""
        dense, norm = transform
        return layer_norm(norm, _hidden_activation(model, linear(dense, states)))

    def _narrowing(self, decoder: nn.Linear, source: nn.Linear) -> Tensor:
        """`K`, `(student_width, teacher_width)`, least squares over the vocabulary.

        What all words have in common is left out: it adds the same to every logit. So are directions of `F` that are
        nearly empty, as the one that stands for the teacher's all-ones direction.
        """
        weights = [module.weight.detach().to(self._encoder.basis.device).double() for module in (decoder, source)]
        narrow, wide = (weight - weight.mean(0) for weight in weights)
        narrowing: Tensor = torch.linalg.pinv(narrow.T @ narrow, rtol=1e-6, hermitian=True) @ (narrow.T @ wide)
        return narrowing.float()

    def _linear_pair(self, path: str) -> tuple[nn.Linear, nn.Linear] | None:
        student, teacher = (find(model, path, nn.Linear) for model in (self._student, self._teacher))
        if student is None or teacher is None or student.out_features != teacher.out_features:
            return None
        return student, teacher

    def _fill_affine(self, module: nn.Linear, affine: Tensor) -> None:
        _fill(module.weight, affine[:, :-1])
        _fill(module.bias, affine[:, -1])
        self.filled.append(module)


def _affine(module: nn.Linear, like: Tensor) -> Tensor:
    """Weight with the bias as its last column, `(out, in + 1)`."""
    return torch.cat([values(module.weight, like), values(module.bias, like)[:, None]], dim=1)


def _activated(pooled: Tensor, model: PreTrainedModel) -> Tensor:
    activation = getattr(model.config, "classifier_activation", None)  # a field of TinyBertConfig only
    return pooled if activation is None else ACT2FN[activation](pooled)


def _hidden_activation(model: PreTrainedModel, states: Tensor) -> Tensor:
    activated: Tensor = ACT2FN[encoder_fields(model.config)["hidden_act"]](states)
    return activated


def _fill(parameter: Tensor, content: Tensor) -> None:
    with torch.no_grad():
        parameter.copy_(content)


__all__ = ["HeadProjection"]

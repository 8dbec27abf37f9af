"""Layer mappings that are learned: each student layer finds out which teacher layers to imitate.

Instead of one teacher layer, student layer `m` imitates all of them, by weights `W[m, j] >= 0` whose rows add up to 1.
The weights follow from how alike the layers are on each text, so that nothing is trained or stored and a text weighs
the same in any batch. They carry no gradient: a student cannot lower its loss by looking at easier layers.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from hf_tinybert.distillation.attention import Attention, AttentionRecord
from hf_tinybert.distillation.attention_comparison import common_heads, smallest_window
from hf_tinybert.distillation.layer_mapping import LEARNED_STRATEGIES, MappingStrategy
from hf_tinybert.distillation.losses import AttentionForm
from hf_tinybert.distillation.score_products import (
    LayerOperands,
    attended_pairs,
    layer_operands,
    layers_form,
    map_products,
    map_squares,
    score_maps,
)

SINKHORN_ITERATIONS = 50
TEMPERATURES = {MappingStrategy.ATTENTION: 0.1, MappingStrategy.TRANSPORT: 0.05}
"""Of cosines; of costs relative to their mean. Lower is closer to one teacher layer (a transport plan) each."""

_HIDDEN_STATES, _ATTENTION_SCORES = "hidden_states_loss", "attention_scores_loss"
_TINY = torch.finfo(torch.float32).tiny


class LearnedMapping:
    """Losses of all student layers against all teacher layers, weighted by likeness.

    * `attention`: `W[m] = softmax_j(cos(student m, teacher j) / temperature)`, and student layer `m` is compared to
      the mixture `sum_j W[m, j] teacher_j`.
    * `transport`: `W / S` is the cheapest way of moving the student's S layers onto the teacher's T (every student
      layer gives 1/S, every teacher layer takes about 1/T), entropic optimal transport over the costs `C[m, j]`, the
      loss of student layer m against teacher layer j. The loss is `sum_mj W[m, j] C[m, j]`; with equal depths and a
      one-to-one plan it is that of the fixed mapping.

    Both follow a student layer's gradient towards its mixture, since
    `sum_j W_mj |s - t_j|^2 = |s - sum_j W_mj t_j|^2 + what does not depend on s`; so the pairs cost one product of all
    layers with all, and neither S x T losses nor their gradients are kept.

    Args:
        strategy: `attention` or `transport`.
        temperature: softness of the weights, > 0; None takes that of `TEMPERATURES`.
        iterations: of Sinkhorn's algorithm.

    Raises:
        ValueError: a strategy that is not learned, or a temperature or number of iterations that is not positive.

    Source: attention: Passban et al. 2021, ALP-KD, section 3 (there by dot products of the first token's states,
    here by cosines over all valid positions, and for attention scores too); transport: Li et al. 2020, BERT-EMD,
    section 3.3 (there exact and per batch with marginals that follow the costs; here entropic, per text, with uniform
    marginals).
    """

    def __init__(
        self, strategy: MappingStrategy | str, *, temperature: float | None = None, iterations: int | None = None
    ) -> None:
        if strategy not in LEARNED_STRATEGIES:
            raise ValueError(f"expected a strategy of {', '.join(LEARNED_STRATEGIES)}, got {strategy!r}")
        self.strategy = MappingStrategy(strategy)
        self.temperature = TEMPERATURES[self.strategy] if temperature is None else temperature
        self.iterations = SINKHORN_ITERATIONS if iterations is None else iterations
        if not (0 < self.temperature < math.inf) or self.iterations < 1:
            raise ValueError(
                f"expected a positive temperature and number of iterations, got {self.temperature} and "
                f"{self.iterations}"
            )
        self._means: dict[str, Tensor] = {}
        self._texts: dict[str, int] = {}

    def hidden_states_loss(self, student: Sequence[Tensor], teacher: Sequence[Tensor], mask: Tensor) -> Tensor:
        """Mean squared error of hidden states over valid positions and width, summed over student layers.

        Args:
            student: projected states of the student's layers without the embedding output, each
                `(batch, seq_len, teacher_width)`.
            teacher: states of all of the teacher's layers without the embedding output, of the same shape; any dtype.
            mask: `(batch, seq_len)`, non-zero at valid positions.

        Returns:
            `()`.

        Raises:
            ValueError: the shapes differ, or a model gave no layer.
        """
        shapes = {tuple(state.shape) for state in (*student, *teacher)}
        if len(shapes) != 1 or not student or not teacher:
            raise ValueError(
                f"expected states of one shape from both models, got {len(student)} student and {len(teacher)} "
                f"teacher layers of shapes {sorted(shapes)}; because a narrower student is compared after its "
                "projection to the teacher's width"
            )
        with torch.autocast(mask.device.type, enabled=False):  # bfloat16 is too coarse for squared differences
            states = _flat(student, mask)
            with torch.no_grad():
                targets = _flat(teacher, mask)
            error = self._error(_HIDDEN_STATES, states, targets)
        return error / (student[0].shape[-1] * (mask != 0).sum()).clamp(min=1)

    def attention_scores_loss(
        self,
        student: Sequence[Attention],
        teacher: Sequence[Attention],
        mask: Tensor,
        form: AttentionForm = AttentionForm.AUTO,
    ) -> Tensor:
        """Mean squared error of attention scores over valid pairs and heads, summed over student layers.

        Where layers have windows, all are compared over the pairs within the smallest: costs are comparable only
        over the same pairs.

        Args:
            student: one record or score map per layer.
            teacher: one record or score map per layer, all layers; any dtype. One model's number of heads divides the
                other's: heads are compared one by one, or the mean of each group with the head it stands for.
            mask: `(batch, seq_len)`, non-zero at valid positions.
            form: `direct`, `factored`, or `auto` for the one that multiplies less.

        Returns:
            `()`.

        Raises:
            ValueError: numbers of heads of which none divides the other, a model gave no layer, or `factored` where
                score maps or windows leave only `direct`.
        """
        if not student or not teacher:
            raise ValueError(
                f"expected attention of at least one layer each, got {len(student)} student and {len(teacher)} "
                "teacher layers; because without them the term would be zero; ask both models for `output_attentions`"
            )
        heads = common_heads(student[0], teacher[0])
        with torch.autocast(mask.device.type, enabled=False):
            if layers_form(student, teacher, mask.shape[-1], form) is AttentionForm.FACTORED:
                pairs = (mask != 0).sum(-1).square().sum()
                own = layer_operands(_records(student), heads, mask)
                with torch.no_grad():
                    others = layer_operands(_records(teacher), heads, mask)
                error = self._factored_error(own, others)
            else:
                attended = attended_pairs(mask, smallest_window([*student, *teacher], mask.shape[-1]))
                pairs = attended.sum()
                maps = score_maps(student, heads, attended)
                with torch.no_grad():
                    targets = score_maps(teacher, heads, attended)
                error = self._error(_ATTENTION_SCORES, maps, targets)
        return error / (heads * pairs).clamp(min=1)

    def mean_weights(self) -> dict[str, Tensor]:
        """Mean weights over all texts trained on since the start or `reset_weights`, by term, on the CPU.

        Each `(student_layers, teacher_layers)`, without embedding outputs; rows add up to 1. They tell, and enter no
        loss; a resumed run starts them anew. Under several processes: of this process's texts.
        """
        return {term: mean.cpu() for term, mean in self._means.items()}

    def reset_weights(self) -> None:
        """Forget the mean weights, as at the start of a phase."""
        self._means.clear()
        self._texts.clear()

    def to_json(self) -> dict[str, object]:
        """Strategy, temperature and mean weights (3 decimals), for the record of a run."""
        weights = {
            term: [[round(weight, 3) for weight in row] for row in mean.tolist()]
            for term, mean in self.mean_weights().items()
        }
        return {"strategy": str(self.strategy), "temperature": self.temperature, "weights": weights}

    def _error(self, term: str, student: Tensor, teacher: Tensor) -> Tensor:
        """Squared error summed over texts, layers and numbers, `()`, from `(batch, layers, numbers)` each."""
        with torch.no_grad():
            squares = teacher.square().sum(-1)
            cross = student.matmul(teacher.transpose(-1, -2))
            weights = self._weights(cross, student.square().sum(-1), squares)
            mixture = weights.matmul(teacher)
            spread = (weights.matmul(squares[..., None])[..., 0] - mixture.square().sum(-1)).clamp(min=0).sum()
        self._remember(term, weights, learning=student.requires_grad)
        error = (student - mixture).square().sum()
        return error + spread if self.strategy is MappingStrategy.TRANSPORT else error

    def _factored_error(self, student: LayerOperands, teacher: LayerOperands) -> Tensor:
        """What `_error` gives for score maps, from queries and keys."""
        cross, squares = map_products(student, teacher), map_squares(student)
        with torch.no_grad():
            if self.strategy is MappingStrategy.TRANSPORT:
                teacher_squares = map_squares(teacher)
                weights = self._weights(cross, squares, teacher_squares)
                constant = weights.matmul(teacher_squares[..., None])
            else:
                layers = range(teacher.layers)
                products = torch.cat([map_products(teacher.layer(layer), teacher) for layer in layers], 1)
                weights = self._weights(cross, squares, products.diagonal(dim1=-2, dim2=-1))
                constant = weights.matmul(products) * weights
        self._remember(_ATTENTION_SCORES, weights, learning=squares.requires_grad)
        return squares.sum() - 2 * (weights * cross).sum() + constant.sum()

    def _weights(self, cross: Tensor, student: Tensor, teacher: Tensor) -> Tensor:
        """Weights of each text, `(batch, student_layers, teacher_layers)`.

        Args:
            cross: inner products of the layers, `(batch, student_layers, teacher_layers)`.
            student: squared norms, `(batch, student_layers)`.
            teacher: squared norms, `(batch, teacher_layers)`.
        """
        if self.strategy is MappingStrategy.ATTENTION:
            norms = student.sqrt()[..., :, None] * teacher.sqrt()[..., None, :]
            return (cross / norms.clamp(min=_TINY) / self.temperature).softmax(-1)
        cost = student[..., :, None] - 2 * cross + teacher[..., None, :]
        return transport_weights(cost, self.temperature, self.iterations)

    def _remember(self, term: str, weights: Tensor, *, learning: bool) -> None:
        """Take a batch into the mean weights; evaluation is left out."""
        if not learning:
            return
        self._texts[term] = self._texts.get(term, 0) + len(weights)
        batch = weights.mean(0)
        mean = self._means.get(term, batch)
        self._means[term] = mean + (batch - mean) * (len(weights) / self._texts[term])


def transport_weights(cost: Tensor, temperature: float, iterations: int) -> Tensor:
    """Entropic optimal transport between layers, by Sinkhorn's algorithm on logarithms.

    The plan `P` minimises `sum(P * cost) + temperature * mean(cost) * sum(P * log P)`; its rows add up to 1/S and its
    columns to 1/T, with S rows and T columns.

    Args:
        cost: `(batch, student_layers, teacher_layers)`; what rounding took below 0 counts as 0.
        temperature: relative to the mean cost of each text, > 0.
        iterations: of columns, then rows.

    Returns:
        `S * P`, of the same shape: rows add up to 1 exactly, columns to S/T as far as the iterations took it.

    Source: Cuturi 2013, "Sinkhorn Distances: Lightspeed Computation of Optimal Transport".
    """
    cost = cost.clamp(min=0)
    scale = temperature * cost.mean((-1, -2), keepdim=True)
    logarithm = -cost / scale.clamp(min=_TINY)
    column = math.log(cost.shape[-2] / cost.shape[-1])
    for _ in range(iterations):
        logarithm = logarithm - logarithm.logsumexp(-2, keepdim=True) + column
        logarithm = logarithm - logarithm.logsumexp(-1, keepdim=True)
    return logarithm.exp()


def layer_weights_table(weights: Tensor, heaviest: int = 3) -> str:
    """Which teacher layers each student layer imitates most, as a small text table.

    Args:
        weights: `(student_layers, teacher_layers)`, without embedding outputs.
        heaviest: teacher layers shown per student layer, heaviest first.
    """
    rows = ["student     teacher layers"]
    for student, row in enumerate(weights, start=1):
        shares, layers = row.float().topk(min(heaviest, len(row)))
        shown = [f"{layer + 1} ({share:.0%})" for layer, share in zip(layers.tolist(), shares.tolist(), strict=True)]
        rows.append(f"{f'layer {student}':<12}{', '.join(shown)}")
    return "\n".join(rows)


def _flat(states: Sequence[Tensor], mask: Tensor) -> Tensor:
    """All layers in float32 with zeros at padding, `(batch, layers, seq_len * width)`."""
    padding = (mask == 0)[..., None]
    return torch.stack([state.float().masked_fill(padding, 0.0) for state in states], 1).flatten(2)


def _records(layers: Sequence[Attention]) -> list[AttentionRecord]:
    return [layer for layer in layers if isinstance(layer, AttentionRecord)]


__all__ = ["SINKHORN_ITERATIONS", "TEMPERATURES", "LearnedMapping", "layer_weights_table", "transport_weights"]

"""Terms that compare how the positions of a text relate to each other: MiniLMv2's self-attention relations."""

from enum import StrEnum
from math import gcd

from torch import Tensor

from hf_tinybert.distillation.attention import Attention, AttentionScores
from hf_tinybert.distillation.losses.dot_products import softmax_divergence
from hf_tinybert.distillation.losses.reduction import in_float32

MOST_RELATION_HEADS = 48  # MiniLMv2's choice for a base-size teacher; more heads are finer relations


class Vectors(StrEnum):
    """Between which vectors of a layer relations are taken."""

    QUERY = "query"
    KEY = "key"
    VALUE = "value"


@in_float32
def relations_loss(
    student: Attention,
    teacher: Attention,
    mask: Tensor,
    *,
    vectors: Vectors,
    relation_heads: int,
) -> Tensor:
    """Divergence between the query-query, key-key or value-value relations of two layers.

    `KL(R_teacher || R_student)` with `R = softmax(A A^T / sqrt(relation_width))` over valid positions, averaged over
    valid rows and relation heads. The vectors `A` are concatenated over heads and split anew into relation heads, so
    that student and teacher may differ in heads and in width; under grouped-query attention keys and values are the
    repeated ones. A window of the layer does not restrict relations. No map outlives the call; see
    `softmax_divergence`.

    Between values, with `relation_heads` equal to the attention heads of both models, it is MiniLM's value-relation
    transfer.

    Args:
        student: of the vectors `(batch, student_heads, seq_len, student_head_width)`.
        teacher: of the vectors `(batch, teacher_heads, seq_len, teacher_head_width)`.
        mask: `(batch, seq_len)`, non-zero at valid positions.
        vectors: which of a record's.
        relation_heads: must divide heads x head width of both models.

    Returns:
        `()`, float32.

    Raises:
        ValueError: the models differ in batch or length, a width is not divisible, or a side lacks the vectors.

    Source: MiniLMv2 (Wang et al. 2021), section 3.1; MiniLM (Wang et al. 2020), section 3.2.
    """
    ours, theirs = _vectors(student, vectors, "student"), _vectors(teacher, vectors, "teacher")
    if (ours.shape[0], ours.shape[2]) != (theirs.shape[0], theirs.shape[2]):
        raise ValueError(
            f"expected equal batch and length, got student {(ours.shape[0], ours.shape[2])} and teacher "
            f"{(theirs.shape[0], theirs.shape[2])}; because relations are compared pair by pair of positions; give "
            "both models the same tokens"
        )
    valid = mask != 0
    divergence = softmax_divergence(
        _relation_factors(ours, relation_heads, vectors, "student"),
        _relation_factors(theirs, relation_heads, vectors, "teacher"),
        valid,
        valid[:, None, None, :],
    )
    return divergence.float() / (relation_heads * valid.sum()).clamp(min=1)


def most_relation_heads(student: Attention, teacher: Attention, most: int = MOST_RELATION_HEADS) -> int:
    """The most relation heads up to `most` into which the widths of both records divide; 1 for score maps."""
    if isinstance(student, AttentionScores) or isinstance(teacher, AttentionScores):
        return 1
    widths = [record.query.shape[1] * record.query.shape[3] for record in (student, teacher)]
    common = gcd(*widths)
    return max(heads for heads in range(1, min(most, common) + 1) if common % heads == 0)


def _vectors(attention: Attention, vectors: Vectors, whose: str) -> Tensor:
    if isinstance(attention, AttentionScores):
        raise ValueError(
            f"expected `AttentionRecord`s, got `AttentionScores` of the {whose}; because relations are taken between "
            "query, key or value vectors, which this encoder does not hand out; compare `attention_scores_loss` or "
            "`attention_probabilities_loss` instead"
        )
    found: Tensor | None = getattr(attention, Vectors(vectors))
    if found is None:
        raise ValueError(
            f"expected an `AttentionRecord` with its {vectors}, got one of the {whose} without; because relations are "
            "taken between these vectors; record them with `record_attention(model, values=True)`"
        )
    return found


def _relation_factors(vectors: Tensor, relation_heads: int, kind: str, whose: str) -> tuple[Tensor, Tensor, float]:
    """Both factors of the map, `(batch, relation_heads, seq_len, relation_width)`, and the factor on their product."""
    width = vectors.shape[1] * vectors.shape[3]
    if relation_heads < 1 or width % relation_heads:
        raise ValueError(
            f"expected `relation_heads` that divide the {whose}'s {kind} width of {width}, got {relation_heads}; "
            "because the concatenated heads are split into equal relation heads; choose a common divisor of both "
            "models' widths"
        )
    split = vectors.transpose(1, 2).flatten(2).unflatten(2, (relation_heads, -1)).transpose(1, 2)
    return split, split, (width // relation_heads) ** -0.5


__all__ = ["MOST_RELATION_HEADS", "Vectors", "most_relation_heads", "relations_loss"]

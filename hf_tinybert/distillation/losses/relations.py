"""Terms that compare how the positions of a text relate to each other: MiniLMv2's self-attention relations.

Query, key or value vectors of one layer are concatenated over heads and split anew into relation heads, so that
student and teacher may differ in heads and in width. No map outlives its call; see `softmax_divergence`.
"""

from torch import Tensor

from hf_tinybert.distillation.attention import AttentionRecord, AttentionScores
from hf_tinybert.distillation.losses.dot_products import softmax_divergence
from hf_tinybert.distillation.losses.reduction import in_float32


@in_float32
def query_relations_loss(
    student: AttentionRecord | AttentionScores,
    teacher: AttentionRecord | AttentionScores,
    mask: Tensor,
    *,
    relation_heads: int,
) -> Tensor:
    """Divergence between the query-query relations of two layers.

    `KL(R_teacher || R_student)` with `R = softmax(Q Q^T / sqrt(relation_width))` over valid positions, averaged over
    valid rows and relation heads. A window of the layer does not restrict relations.

    Args:
        student: query `(batch, student_heads, seq_len, student_head_width)`.
        teacher: query `(batch, teacher_heads, seq_len, teacher_head_width)`.
        mask: `(batch, seq_len)`, non-zero at valid positions.
        relation_heads: must divide heads x head width of both models.

    Returns:
        `()`, float32.

    Raises:
        ValueError: the models differ in batch or length, a width is not divisible, or a side has only scores.

    Source: MiniLMv2 (Wang et al. 2021), section 3.1.
    """
    ours, theirs = _records(student, teacher)
    return _relations_loss(ours.query, theirs.query, mask, relation_heads, "query")


@in_float32
def key_relations_loss(
    student: AttentionRecord | AttentionScores,
    teacher: AttentionRecord | AttentionScores,
    mask: Tensor,
    *,
    relation_heads: int,
) -> Tensor:
    """Divergence between the key-key relations of two layers.

    As `query_relations_loss`, with keys; under grouped-query attention the repeated ones.

    Args:
        student: key `(batch, student_heads, seq_len, student_head_width)`.
        teacher: key `(batch, teacher_heads, seq_len, teacher_head_width)`.
        mask: `(batch, seq_len)`, non-zero at valid positions.
        relation_heads: must divide heads x head width of both models.

    Returns:
        `()`, float32.

    Raises:
        ValueError: the models differ in batch or length, a width is not divisible, or a side has only scores.

    Source: MiniLMv2 (Wang et al. 2021), section 3.1.
    """
    ours, theirs = _records(student, teacher)
    return _relations_loss(ours.key, theirs.key, mask, relation_heads, "key")


@in_float32
def value_relations_loss(
    student: AttentionRecord | AttentionScores,
    teacher: AttentionRecord | AttentionScores,
    mask: Tensor,
    *,
    relation_heads: int,
) -> Tensor:
    """Divergence between the value-value relations of two layers.

    As `query_relations_loss`, with values. With `relation_heads` equal to the attention heads of both models it is
    MiniLM's value-relation transfer.

    Args:
        student: value `(batch, student_heads, seq_len, student_head_width)`.
        teacher: value `(batch, teacher_heads, seq_len, teacher_head_width)`.
        mask: `(batch, seq_len)`, non-zero at valid positions.
        relation_heads: must divide heads x head width of both models.

    Returns:
        `()`, float32.

    Raises:
        ValueError: the models differ in batch or length, a width is not divisible, or a side has only scores.

    Source: MiniLMv2 (Wang et al. 2021), section 3.1; MiniLM (Wang et al. 2020), section 3.2.
    """
    ours, theirs = _records(student, teacher)
    return _relations_loss(ours.value, theirs.value, mask, relation_heads, "value")


def _relations_loss(student: Tensor, teacher: Tensor, mask: Tensor, relation_heads: int, kind: str) -> Tensor:
    if (student.shape[0], student.shape[2]) != (teacher.shape[0], teacher.shape[2]):
        raise ValueError(
            f"expected equal batch and length, got student {(student.shape[0], student.shape[2])} and teacher "
            f"{(teacher.shape[0], teacher.shape[2])}; because relations are compared pair by pair of positions; give "
            "both models the same tokens"
        )
    valid = mask != 0
    divergence = softmax_divergence(
        _relation_factors(student, relation_heads, kind, "student"),
        _relation_factors(teacher, relation_heads, kind, "teacher"),
        valid,
        valid[:, None, None, :],
    )
    return divergence.float() / (relation_heads * valid.sum()).clamp(min=1)


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


def _records(
    student: AttentionRecord | AttentionScores, teacher: AttentionRecord | AttentionScores
) -> tuple[AttentionRecord, AttentionRecord]:
    if isinstance(student, AttentionRecord) and isinstance(teacher, AttentionRecord):
        return student, teacher
    whose = "teacher" if isinstance(student, AttentionRecord) else "student"
    raise ValueError(
        f"expected `AttentionRecord`s, got `AttentionScores` of the {whose}; because relations are taken between "
        "query, key or value vectors, which this encoder does not hand out; compare `attention_scores_loss` or "
        "`attention_probabilities_loss` instead"
    )


__all__ = ["key_relations_loss", "query_relations_loss", "value_relations_loss"]

"""Which teacher layer each student layer imitates."""

import re
from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise


class MappingStrategy(StrEnum):
    """Ways of choosing teacher layers by rule (TinyBERT, section 4.4, compares them)."""

    UNIFORM = "uniform"
    LAST = "last"
    FIRST = "first"


def resolve_layer_mapping(mapping: str | Sequence[int], student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    """The teacher layer of every student state.

    Layer 0 is the embedding output and layers 1..L are the transformer layers, on both sides. The embedding output
    always imitates the embedding output.

    Args:
        mapping: `"uniform"` (`round(i * teacher_layers / student_layers)`, ties to even), `"last"`, `"first"`, or the
            teacher layers themselves, as integers or as text like `"2,3,5,6"`: one for each transformer layer of the
            student, or one more when a leading 0 for the embedding output is given.
        student_layers: transformer layers of the student.
        teacher_layers: transformer layers of the teacher.

    Returns:
        `student_layers + 1` teacher layers, `result[student_layer] = teacher_layer`, strictly increasing from 0.

    Raises:
        ValueError: the student is deeper than the teacher, or the explicit layers do not fit both models.

    Source: TinyBERT, section 3.1, `n = g(m)`; the published code accepts only depths that divide, this one rounds.
    """
    if student_layers > teacher_layers:
        raise ValueError(
            f"expected a student no deeper than its teacher, got {student_layers} student and {teacher_layers} "
            "teacher layers; because every student layer imitates a teacher layer of its own; set "
            f"`num_hidden_layers` of the student to at most {teacher_layers}"
        )
    if isinstance(mapping, str) and mapping in set(MappingStrategy):
        return _by_rule(MappingStrategy(mapping), student_layers, teacher_layers)
    return _explicit(_parse(mapping), student_layers, teacher_layers)


def mapping_table(mapping: Sequence[int]) -> str:
    """The mapping as a small text table, one student state a line."""
    rows = [("student", "teacher")]
    rows += [(_state_name(student), _state_name(teacher)) for student, teacher in enumerate(mapping)]
    return "\n".join(f"{left:<12}{right}" for left, right in rows)


def _state_name(layer: int) -> str:
    return "embeddings" if layer == 0 else f"layer {layer}"


def _by_rule(strategy: MappingStrategy, student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    if strategy is MappingStrategy.UNIFORM:
        return tuple(round(layer * teacher_layers / student_layers) for layer in range(student_layers + 1))
    offset = teacher_layers - student_layers if strategy is MappingStrategy.LAST else 0
    return (0, *(layer + offset for layer in range(1, student_layers + 1)))


def _parse(mapping: str | Sequence[int]) -> tuple[int, ...]:
    if not isinstance(mapping, str):
        return tuple(int(layer) for layer in mapping)
    if not re.fullmatch(r"\s*\d+(\s*,\s*\d+)*\s*", mapping):
        raise ValueError(
            f"expected a layer mapping of {', '.join(repr(str(s)) for s in MappingStrategy)} or teacher layers like "
            f"'2,4,6', got {mapping!r}"
        )
    return tuple(int(layer) for layer in mapping.split(","))


def _explicit(layers: tuple[int, ...], student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    if len(layers) == student_layers:
        layers = (0, *layers)
    increasing = all(lower < upper for lower, upper in pairwise(layers))
    if len(layers) != student_layers + 1 or layers[0] != 0 or layers[-1] > teacher_layers or not increasing:
        raise ValueError(
            f"expected {student_layers} strictly increasing teacher layers from 1 to {teacher_layers} (with or "
            f"without a leading 0 for the embedding output), got {list(layers)}; because each of the {student_layers} "
            "student layers imitates one teacher layer of its own; give one teacher layer for each student layer"
        )
    return layers


__all__ = ["MappingStrategy", "mapping_table", "resolve_layer_mapping"]

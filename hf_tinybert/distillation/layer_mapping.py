"""Which teacher layer each student layer imitates."""

import re
from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple, Self

from transformers import PreTrainedConfig


class MappingStrategy(StrEnum):
    """Ways of choosing teacher layers.

    The first three go by rule (TinyBERT, section 4.4, compares them); `search` takes the layers that
    `initialize_from_teacher` found for the student to start from; with `attention` and `transport` each student layer
    learns from the data which teacher layers to imitate (`learned_mapping.LearnedMapping`).
    """

    UNIFORM = "uniform"
    LAST = "last"
    FIRST = "first"
    SEARCH = "search"
    ATTENTION = "attention"
    TRANSPORT = "transport"


LEARNED_STRATEGIES = (MappingStrategy.ATTENTION, MappingStrategy.TRANSPORT)


class EncoderShape(NamedTuple):
    """What the mapping table says of a model.

    Attributes:
        layers: transformer layers.
        width: of the hidden states.
        heads: attention heads per layer.
    """

    layers: int
    width: int
    heads: int

    @classmethod
    def of(cls, config: PreTrainedConfig) -> Self:
        """The shape that a configuration describes."""
        return cls(config.num_hidden_layers, config.hidden_size, config.num_attention_heads)


def is_learned(mapping: str | Sequence[int]) -> bool:
    """Whether student layers learn which teacher layers to imitate."""
    return isinstance(mapping, str) and mapping in LEARNED_STRATEGIES


def resolve_layer_mapping(mapping: str | Sequence[int], student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    """The teacher layer of every student state; of a learned mapping those that it starts from.

    Of a searched one, which the student's start alone knows (`start_mapping`), the uniform layers stand for it.

    Layer 0 is the embedding output and layers 1..L are the transformer layers, on both sides. The embedding output
    always imitates the embedding output.

    Args:
        mapping: `"uniform"` (`round(i * teacher_layers / student_layers)`, ties to even), `"last"`, `"first"`;
            `"attention"`, `"transport"` or `"search"`, which begin with the uniform one; or the teacher layers
            themselves, as integers or as text like `"2,3,5,6"`: one for each transformer layer of the student, or one
            more when a leading 0 for the embedding output is given.
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


def mapping_table(
    mapping: Sequence[int],
    *,
    strategy: str | Sequence[int] | None = None,
    shapes: tuple[EncoderShape, EncoderShape] | None = None,
) -> str:
    """The mapping as a small text table, one student state a line.

    Args:
        mapping: `mapping[student_layer] = teacher_layer`, 0 = embedding output.
        strategy: what `resolve_layer_mapping` was given, named in a line above the table.
        shapes: of student and teacher; adds a line with depths, widths and heads, and notes on what does not divide.
    """
    rows = [("student", "teacher")]
    if shapes is not None:
        rows += [(_shape_name(shapes[0]), _shape_name(shapes[1]))]
    rows += [(_state_name(student), _state_name(teacher)) for student, teacher in enumerate(mapping)]
    column = max(12, *(len(left) + 3 for left, _ in rows))
    lines = [f"{left:<{column}}{right}" for left, right in rows]
    if strategy is not None:
        lines.insert(0, _strategy_name(strategy))
    if shapes is not None:
        lines += _notes(strategy, *shapes)
    return "\n".join(lines)


def _strategy_name(strategy: str | Sequence[int]) -> str:
    if is_learned(strategy):
        return f"mapping: learned ({strategy}), starting from uniform"
    return f"mapping: {strategy if strategy in list(MappingStrategy) else 'explicit'}"


def _shape_name(shape: EncoderShape) -> str:
    return f"{shape.layers} layers x {shape.width}, {shape.heads} heads"


def _notes(strategy: str | Sequence[int] | None, student: EncoderShape, teacher: EncoderShape) -> list[str]:
    notes = []
    if teacher.layers % student.layers and (strategy == MappingStrategy.UNIFORM or is_learned(strategy or "")):
        notes.append(
            f"note: {teacher.layers} teacher layers do not divide by {student.layers}; "
            f"layer i takes round(i * {teacher.layers} / {student.layers}), ties to even"
        )
    if student.width != teacher.width:
        notes.append(f"note: widths differ; a learned projection takes {student.width} to {teacher.width} in training")
    if student.heads != teacher.heads:
        notes.append(
            f"note: heads differ ({student.heads} and {teacher.heads}); attention scores cannot be compared head by "
            "head, only in groups where one count divides the other"
        )
    return notes


def _state_name(layer: int) -> str:
    return "embeddings" if layer == 0 else f"layer {layer}"


def _by_rule(strategy: MappingStrategy, student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    if strategy in {MappingStrategy.UNIFORM, MappingStrategy.SEARCH} or is_learned(strategy):
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


__all__ = [
    "LEARNED_STRATEGIES",
    "EncoderShape",
    "MappingStrategy",
    "is_learned",
    "mapping_table",
    "resolve_layer_mapping",
]

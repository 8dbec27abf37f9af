"""Whether a student can start from a teacher, and by which method: what cannot be is refused before a text is read."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import pairwise

import torch
from transformers import PreTrainedModel

from hf_tinybert.models.configuration_tinybert import encoder_fields
from hf_tinybert.models.encoder_layout import EncoderLayout
from hf_tinybert.models.head_names import head_left_out
from hf_tinybert.models.layer_search import SEARCH
from hf_tinybert.models.layout_reading import refuse_decoder, student_layout, teacher_layout


class InitializationMethod(StrEnum):
    """Where a student's weights come from."""

    PROJECTION = "projection"
    """The teacher's weights, projected onto any smaller width, depth, head count and feed-forward size."""
    LAYERS = "layers"
    """Whole layers of a teacher of the same width whose layers compute what a BERT's do."""
    RANDOM = "random"
    """BERT's random start."""
    TRAINED = "trained"
    """The student's own encoder, of a general distillation, say; heads and maps are fitted to any teacher."""


def check_start(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    *,
    method: InitializationMethod | str = InitializationMethod.PROJECTION,
    layer_mapping: Sequence[int] | str | None = None,
) -> tuple[int, ...]:
    """Refuses what `initialize_from_teacher` would refuse, before there is a text to fit on.

    Args:
        student: Model to fill; it is not changed.
        teacher: Model to read.
        method: As of `initialize_from_teacher`.
        layer_mapping: As of `initialize_from_teacher`.

    Returns:
        The layer mapping; the uniform one where one is to be searched.

    Raises:
        TypeError: As `initialize_from_teacher`.
        ValueError: If weights are not whole in this process, the shapes, vocabularies or activations do not fit, the
            mapping is none, or a teacher weight is not finite.
    """
    method = InitializationMethod(method)
    if layer_mapping == SEARCH and method is not InitializationMethod.PROJECTION:
        raise ValueError(
            f"expected `layer_mapping` of teacher layers for the start `{method}`, got {SEARCH!r}; because mappings "
            "are compared by what each gives as a `projection` start; name the layers, or leave it out for a uniform "
            "mapping"
        )
    if method is InitializationMethod.RANDOM:
        return _checked_mapping(layer_mapping, student.config.num_hidden_layers, teacher.config.num_hidden_layers)
    layout = student_layout(student)
    refuse_decoder(teacher, "teacher")
    _refuse_absent_weights({"student": student, "teacher": teacher})
    _refuse_other_words(student.config.vocab_size, teacher.config.vocab_size)
    mapping = _checked_mapping(layer_mapping, len(layout.layers), teacher.config.num_hidden_layers)
    if method is not InitializationMethod.TRAINED:
        activations = student.config.hidden_act, encoder_fields(teacher.config)["hidden_act"]
        _refuse_misfits((layout, teacher_layout(teacher)), method, activations)
    _refuse_non_finite(teacher)
    return mapping


def left_out_of_start(teacher: PreTrainedModel, method: InitializationMethod) -> str:
    """What a teacher computes that a student who starts with its weights does not, in words; "" if nothing.

    Args:
        teacher: Of a family that `check_start` lets pass.
        method: Of the start; `random` and `trained` take no weights of layers.
    """
    takes_layers = method in {InitializationMethod.PROJECTION, InitializationMethod.LAYERS}
    if not takes_layers:
        return ""
    return " and ".join(filter(None, (teacher_layout(teacher).names.left_out, head_left_out(teacher))))


def _checked_mapping(
    layer_mapping: Sequence[int] | str | None, student_layers: int, teacher_layers: int
) -> tuple[int, ...]:
    if student_layers > teacher_layers:
        raise ValueError(
            f"expected a student no deeper than its teacher, got {student_layers} student and {teacher_layers} "
            "teacher layers; because each student layer starts from a teacher layer of its own; lower "
            "`num_hidden_layers`"
        )
    if layer_mapping is None or layer_mapping == SEARCH:
        return tuple(round(layer * teacher_layers / student_layers) for layer in range(student_layers + 1))
    mapping = tuple(int(layer) for layer in layer_mapping)
    rising = all(lower < upper for lower, upper in pairwise(mapping))
    if len(mapping) != student_layers + 1 or mapping[0] != 0 or mapping[-1] > teacher_layers or not rising:
        raise ValueError(
            f"expected `layer_mapping` of {student_layers + 1} rising teacher layers from 0 to at most "
            f"{teacher_layers}, got {mapping}; because entry 0 is the embedding output and each student layer has a "
            "teacher layer of its own; correct it, or leave it out for a uniform one"
        )
    return mapping


def _refuse_misfits(
    layouts: tuple[EncoderLayout, EncoderLayout], method: InitializationMethod, activations: tuple[str, str]
) -> None:
    student, teacher = layouts
    if method is InitializationMethod.LAYERS and (teacher.names.gate or teacher.names.final_norm):
        raise TypeError(
            f"expected a teacher whose layers compute what a BERT's do, got that of {teacher.names.families[0]}; "
            "because `method='layers'` copies whole layers; use `method='projection'`"
        )
    if activations[0] != activations[1]:
        raise ValueError(
            f"expected equal `hidden_act`, got {activations[0]!r} in the student and {activations[1]!r} in the teacher"
            "; because feed-forward units are taken over one by one; set the student's to the teacher's"
        )
    sizes = (
        ("hidden_size", student.width, teacher.width),
        ("num_attention_heads", student.heads, teacher.heads),
        ("intermediate_size", student.units, teacher.units),
    )
    for name, own, other in sizes:
        if own > other:
            raise ValueError(
                f"expected a student with `{name}` of at most the teacher's {other}, got {own}; because its weights "
                f"are a part of the teacher's; lower `{name}` or use `method='random'`"
            )
        if method is InitializationMethod.LAYERS and own != other:
            raise ValueError(
                f"expected `{name}` as in the teacher, {other}, got {own}; because `method='layers'` copies whole "
                "layers; use `method='projection'`"
            )


def _refuse_absent_weights(models: Mapping[str, PreTrainedModel]) -> None:
    """Refuse what `deepspeed.zero.Init` marked as partitioned, and what `device_map` left elsewhere."""
    for role, model in models.items():
        for name, parameter in model.named_parameters():
            if hasattr(parameter, "ds_id") or parameter.is_meta:
                where = "on the meta device" if parameter.is_meta else "partitioned by DeepSpeed ZeRO-3"
                raise ValueError(
                    f"expected a {role} whose weights are whole in this process, got `{name}` {where}; because a "
                    f"start is computed from all of them; load the {role} before training arguments with ZeRO-3 are "
                    "made, and without offloading"
                )


def _refuse_other_words(own: int, other: int) -> None:
    if own != other:
        raise ValueError(
            f"expected equal vocabulary sizes, got {own} in the student and {other} in the teacher; because "
            "the student takes over the teacher's word embeddings row by row; build its config from the teacher's"
        )


def _refuse_non_finite(teacher: PreTrainedModel) -> None:
    for name, parameter in teacher.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise ValueError(
                f"expected finite teacher weights, got NaN or infinity in `{name}`; because they would spread over "
                "the whole student; take a checkpoint from before the teacher's training diverged"
            )


__all__ = ["InitializationMethod", "check_start", "left_out_of_start"]

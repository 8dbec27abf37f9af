"""Refusals of two models that cannot be student and teacher of each other, or whose layers cannot be compared."""

import inspect
import logging
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from hf_tinybert.distillation.attention_access import AttentionAccess, attention_access, refusal
from hf_tinybert.distillation.compatibility.labels import check_predictions
from hf_tinybert.distillation.compatibility.tokens import check_encodings, check_vocabulary_sizes
from hf_tinybert.distillation.encodings import has_own_forward
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE
from hf_tinybert.distillation.terms import Term

logger = logging.getLogger(__name__)

_ASKED_FOR_BY = ("output_hidden_states", "output_attentions", "return_dict")
_BY_HEAD = frozenset({Term.ATTENTION_SCORES, Term.ATTENTION_PROBABILITIES})


def check_models(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    objectives: Sequence[DistillationObjective],
    *,
    separate_encodings: bool = False,
    token_map: Tensor | None = None,
) -> None:
    """Refuse a pair of models that these objectives cannot compare.

    Args:
        student: the student.
        teacher: the teacher.
        objectives: those of all phases.
        separate_encodings: each model reads an encoding of its own of the same texts.
        token_map: the teacher's id of each id of the student, where the student's vocabulary is a part of it.

    Raises:
        ValueError: models that are not two, vocabularies, head counts, problem types, label names or embedding sizes
            that differ, NaN or infinity in either, a forward that cannot be asked for states, or an encoder off the
            attention interface.
    """
    check_two_models(student, teacher)
    check_forward(student, "student")
    if any(objective.reads_logits for objective in objectives):  # else its encoder is asked alone
        check_forward(teacher, "teacher")
    check_encodings(objectives, separate_encodings=separate_encodings)
    if not separate_encodings:
        check_vocabulary_sizes(student, teacher, token_map)
    check_finite(teacher, "teacher")
    check_finite(student, "student")
    if any(compares_heads(objective) for objective in objectives):
        check_heads(student, teacher)
    if any(objective.reads_attention for objective in objectives):
        check_attention(student, "student", objectives, is_teacher=False)
        check_attention(teacher, "teacher", objectives, is_teacher=True)
    if any(objective.compares_predictions for objective in objectives):
        check_predictions(student, teacher)
    student_positions, teacher_positions = position_limit(student), position_limit(teacher)
    if student_positions is not None and teacher_positions is not None and student_positions > teacher_positions:
        logger.warning(
            "the student has %d positions and the teacher %d: longer texts fail in the teacher; truncate to %d",
            student_positions,
            teacher_positions,
            teacher_positions,
        )


def check_two_models(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    """Refuse a teacher that training would change: the student itself, a part of it, or one with weights in common.

    Raises:
        ValueError: one object, one inside the other, or a parameter in the memory of both.
    """
    if student is teacher:
        raise ValueError("expected two models, got one object as student and teacher; load the teacher separately")
    if any(module is teacher for module in student.modules()) or any(m is student for m in teacher.modules()):
        raise ValueError(
            "expected student and teacher apart, got one inside the other; because the teacher would be trained and "
            "saved with the student; keep the teacher outside of the student"
        )
    learned = {_address(parameter): name for name, parameter in student.named_parameters() if parameter.requires_grad}
    learned.pop(None, None)
    shared = [name for name, parameter in teacher.named_parameters() if _address(parameter) in learned]
    if shared:
        raise ValueError(
            f"expected a teacher with weights of its own, got {len(shared)} in the memory of the student's, such as "
            f"`{shared[0]}`; because every step would change the teacher too; copy the weights (`load_state_dict`)"
        )


def check_forward(model: PreTrainedModel, role: str) -> None:
    """Refuse a model of one's own that cannot be asked for what is compared.

    Raises:
        ValueError: its forward takes neither the arguments that ask for states nor `**kwargs`.
    """
    parameters = inspect.signature(model.forward).parameters
    takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    missing = [f"`{name}`" for name in _ASKED_FOR_BY if name not in parameters]
    if has_own_forward(model) and missing and not takes_any:
        raise ValueError(
            f"expected a {role} whose forward takes {', '.join(missing)}, got `{type(model).__name__}`, whose own "
            "does not; because it is asked by them for what is compared; add `**kwargs` to its forward and hand them "
            "on to its encoder, whose hidden states and attentions it returns"
        )


def check_learns(student: PreTrainedModel, objectives: Sequence[DistillationObjective]) -> None:
    """Refuse a student of which some phase would train nothing but the projections, which are thrown away.

    Args:
        student: without an adapter.
        objectives: those of all phases.

    Raises:
        ValueError: no parameter that a phase reaches requires a gradient.
    """
    encoder, learned = _learned(student.base_model), _learned(student)
    for objective in objectives:
        if not (learned if objective.reads_logits else encoder):
            part = "student" if not learned else "encoder"
            raise ValueError(
                f"expected a student that learns {', '.join(f'`{name}`' for name in objective.weights)}, got a frozen "
                f"{part}; because only projections would be trained, and not saved; take it out of `frozen`, set "
                "`requires_grad_(True)` on it, or leave the phase out"
            )


def check_frozen(teacher: PreTrainedModel) -> None:
    """Refuse a teacher that learns, or whose answers are random.

    Raises:
        ValueError: a parameter that requires a gradient, or a module in training mode.
    """
    trainable = [name for name, parameter in teacher.named_parameters() if parameter.requires_grad]
    training = [name or "the model" for name, module in teacher.named_modules() if module.training]
    if trainable or training:
        raise ValueError(
            f"expected a frozen teacher, got {len(trainable)} parameters that require a gradient and {len(training)} "
            f"modules in training mode, such as `{(trainable or training)[0]}`; because its dropout makes every "
            "target random and its gradients cost as much as the student's; call `freeze(teacher)` of "
            "`hf_tinybert.distillation.teacher`"
        )


def check_finite(model: PreTrainedModel, role: str) -> None:
    """Refuse NaN and infinity among a model's weights.

    Raises:
        ValueError: the first weight that holds one, by name.
    """
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise ValueError(
                f"expected finite {role} weights, got NaN or infinity in `{name}`; because every loss would be NaN; "
                f"load another checkpoint of the {role}"
            )


def compares_heads(objective: DistillationObjective) -> bool:
    """Whether a term compares attention head by head; relations cut both widths into heads of their own."""
    return any(name in _BY_HEAD for name in objective.weights)


def check_heads(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    """Refuse head counts of which neither divides the other: heads compare one by one or in groups.

    Raises:
        ValueError: neither count divides the other.
    """
    student_heads, teacher_heads = student.config.num_attention_heads, teacher.config.num_attention_heads
    if student_heads % teacher_heads and teacher_heads % student_heads:
        raise ValueError(
            f"expected numbers of attention heads of which one divides the other, got {student_heads} student and "
            f"{teacher_heads} teacher heads; because attention is compared head by head, or a head with a group; set "
            f"`num_attention_heads={teacher_heads}` in the student, or train the relation terms of MiniLMv2 instead"
        )


def check_attention(
    model: PreTrainedModel, role: str, objectives: Sequence[DistillationObjective], *, is_teacher: bool
) -> AttentionAccess:
    """Refuse an encoder whose attention cannot be read, by one short text: such encoders return nothing, silently.

    A teacher off the attention interface will do where score maps do.

    Returns:
        How its attention can be read.

    Raises:
        ValueError: not at all, or not by these terms.
    """
    access = attention_access(model)
    if access is AttentionAccess.INTERFACE:
        return access
    if access is AttentionAccess.NONE:
        raise ValueError(
            f"expected a {role} whose attention can be read, got one that cannot: {refusal(model).rstrip('.')}; "
            "because an attention term would be zero; set the weights of the attention terms to 0"
        )
    vectors = any(objective.reads_values for objective in objectives)
    if not is_teacher or vectors:
        why = (
            "relations are taken between query, key or value vectors" if is_teacher else "score maps carry no gradient"
        )
        raise ValueError(
            f"expected a {role} on the attention interface of transformers, got `{type(model).__name__}`, which "
            f"computes attention in its own code; because {why}; set the weights of "
            f"{'the relation terms' if is_teacher else 'the attention terms'} to 0"
        )
    return access


def position_limit(model: PreTrainedModel) -> int | None:
    """The longest text a model reads, in tokens; None where it sets no limit.

    RoBERTa and its kin number positions from `pad_token_id + 1`, so that a table of 514 serves 512 tokens.
    """
    table = _position_table(model)
    if table is not None:
        return table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
    limit = model.config.to_dict().get("max_position_embeddings")
    return limit if isinstance(limit, int) and limit > 0 else None


def numbers_positions(model: PreTrainedModel) -> bool:
    """Whether a model numbers positions from the left end of a batch, padding included, as BERT does.

    RoBERTa and its kin leave padding out; encoders with rotary positions know distances only.
    """
    table = _position_table(model)
    return table is not None and table.padding_idx is None


def _position_table(model: PreTrainedModel) -> nn.Embedding | None:
    tables = (module for name, module in model.named_modules() if name.split(".")[-1] == "position_embeddings")
    return next((table for table in tables if isinstance(table, nn.Embedding)), None)


def _address(parameter: nn.Parameter) -> int | None:
    """Where a parameter lies in memory; None of one that lies elsewhere (meta device, partitioned)."""
    if parameter.is_meta or parameter.numel() == 0:
        return None
    return parameter.untyped_storage().data_ptr() or None


def _learned(module: nn.Module) -> list[str]:
    names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    return [name for name in names if not name.startswith(f"{PROJECTIONS_ATTRIBUTE}.")]


__all__ = [
    "check_attention",
    "check_finite",
    "check_forward",
    "check_frozen",
    "check_heads",
    "check_learns",
    "check_models",
    "check_two_models",
    "compares_heads",
    "numbers_positions",
    "position_limit",
]

"""Checks of the two models: weights, apart and frozen, layers, heads, attention."""

from hf_tinybert.distillation.attention_access import AttentionAccess
from hf_tinybert.distillation.compatibility import models
from hf_tinybert.distillation.layer_mapping import MappingStrategy, resolve_layer_mapping
from hf_tinybert.distillation.preflight.report import Check, Status, checked, failed, skipped
from hf_tinybert.distillation.preflight.setup import Setup


def check_weights(setup: Setup) -> Check:
    """NaN and infinity in either model."""

    def refusal() -> None:
        models.check_finite(setup.teacher, "teacher")
        models.check_finite(setup.student, "student")

    student, teacher = setup.student.num_parameters(), setup.teacher.num_parameters()
    found = f"finite; student {student:,} parameters, teacher {teacher:,}"
    return checked("weights", refusal, found)


def check_frozen_teacher(setup: Setup) -> Check:
    """A teacher that learns, drops out, or shares memory with the student."""

    def refusal() -> None:
        models.check_two_models(setup.student, setup.teacher)
        models.check_frozen(setup.teacher)

    return checked("frozen teacher", refusal, "no gradient, no dropout, no weight in common with the student")


def check_layer_mapping(setup: Setup) -> Check:
    """A mapping out of range."""
    name, mapping = "layer mapping", setup.mapping
    if mapping is None:
        return skipped(name, "none given")
    layers = setup.student.config.num_hidden_layers, setup.teacher.config.num_hidden_layers
    if mapping == MappingStrategy.SEARCH and layers[0] <= layers[1]:
        return Check(name, Status.OK, f"searched among the teacher's {layers[1]} layers when the student starts")
    pairs = ""

    def refusal() -> None:
        nonlocal pairs
        resolved = resolve_layer_mapping(mapping, *layers)
        pairs = ", ".join(f"{student}<-{teacher}" for student, teacher in enumerate(resolved))

    row = checked(name, refusal, "")
    return row if row.found else Check(name, row.status, f"student<-teacher layer: {pairs}")


def check_heads(setup: Setup) -> Check:
    """Head counts that cannot be compared."""
    name = "attention heads"
    if not any(models.compares_heads(objective) for objective in setup.objectives):
        return skipped(name, "no term compares head by head")
    heads = setup.student.config.num_attention_heads, setup.teacher.config.num_attention_heads
    how = "compared one by one" if heads[0] == heads[1] else f"compared in groups of {max(heads) // min(heads)}"
    found = f"student {heads[0]}, teacher {heads[1]}: {how}"
    return checked(name, lambda: models.check_heads(setup.student, setup.teacher), found)


def check_attention(setup: Setup) -> Check:
    """Attention that cannot be read: an attention loss of zero, in silence."""
    name = "attention capture"
    if not setup.reads_attention:
        return skipped(name, "no term reads attention")

    try:
        models.check_attention(setup.student, "student", setup.objectives, is_teacher=False)
        access = models.check_attention(setup.teacher, "teacher", setup.objectives, is_teacher=True)
    except ValueError as error:
        return failed(name, str(error))
    given = "query, key and value" if access is AttentionAccess.INTERFACE else "score map, read at its softmax"
    return Check(name, Status.OK, f"every layer of the teacher gives its {given}; the student's its query and key")


__all__ = ["check_attention", "check_frozen_teacher", "check_heads", "check_layer_mapping", "check_weights"]

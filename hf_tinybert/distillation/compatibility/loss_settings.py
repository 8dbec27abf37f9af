"""Refusals of settings of the stock loss, which the objective replaces."""

from collections.abc import Sequence

from torch import nn
from transformers import PreTrainedModel, TrainingArguments

from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.terms import Reads, Term

_CLASS_WEIGHTS = frozenset({"class_weight", "class_weights", "label_weights", "pos_weight"})
_WEIGHTED_LOSSES = (nn.CrossEntropyLoss, nn.NLLLoss, nn.BCEWithLogitsLoss)


def check_loss_settings(
    student: PreTrainedModel,
    objectives: Sequence[DistillationObjective],
    arguments: TrainingArguments | None = None,
) -> None:
    """Refuse settings of the stock loss, which the objective replaces: they would be ignored in silence.

    Raises:
        ValueError: label smoothing without a label term or other than the objective's, class weights, or a loss
            function of the student's own.
    """
    smoothing = 0.0 if arguments is None else arguments.label_smoothing_factor
    smoothed = [objective for objective in objectives if objective.reads & Reads.LABELS]
    if smoothing and not smoothed:
        raise ValueError(
            f"expected `label_smoothing_factor` 0, got {smoothing}; because the targets are the teacher's predictions "
            f"and no term reads labels; raise `temperature` for softer targets, or give `{Term.LABEL}` a weight"
        )
    others = [objective.label_smoothing for objective in smoothed if objective.label_smoothing != smoothing]
    if smoothing and others:
        raise ValueError(
            f"expected `label_smoothing` {smoothing} of objectives that read labels, as `label_smoothing_factor`, got "
            f"{others[0]}; because an objective of one's own is the loss and reads no such setting; give both the same"
        )
    weighted = [name for name in student.config.to_dict() if name in _CLASS_WEIGHTS]
    weighted += [name for name, _ in student.named_buffers() if name.split(".")[-1] in _CLASS_WEIGHTS]
    weighted += [name for name, module in student.named_modules() if isinstance(module, _WEIGHTED_LOSSES)]
    if "_loss_function" in vars(student):
        weighted.append("loss_function")
    if weighted:
        raise ValueError(
            f"expected a student without a loss of its own, got {', '.join(f'`{name}`' for name in weighted)}; "
            "because the objective is the loss and would ignore it; take it out of the student and put the balance "
            "into the data, or add a custom term to the objective"
        )


__all__ = ["check_loss_settings"]

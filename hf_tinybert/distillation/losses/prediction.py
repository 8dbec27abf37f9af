"""Terms that compare predictions."""

import torch
from torch import Tensor
from torch.nn import functional

from hf_tinybert.distillation.losses.reduction import Reduction, in_float32, mean_over_valid


@in_float32
def prediction_loss(
    student: Tensor,
    teacher: Tensor,
    mask: Tensor | None = None,
    *,
    temperature: float = 1.0,
    reduction: Reduction = Reduction.MEAN,
) -> Tensor:
    """Soft cross-entropy between teacher and student predictions.

    `L_pred = -softmax(z_teacher / T) . log_softmax(z_student / T)`, summed over classes, averaged over valid
    predictions and multiplied by T^2, so that gradients keep their size at any temperature.

    Args:
        student: logits, `(..., classes)`; a class with -inf on both sides is left out.
        teacher: logits, `(..., classes)`.
        mask: `(...)`, non-zero where a prediction counts; None counts all.
        temperature: T > 0.
        reduction: `reference` averages over classes too, counts masked predictions and has no T^2.

    Returns:
        `()`.

    Raises:
        ValueError: the shapes differ or `temperature` is not positive.

    Source: TinyBERT, equation 10; T^2 as in Hinton et al. 2015, section 2.
    """
    if student.shape != teacher.shape:
        raise ValueError(
            f"expected logits of one shape, got student {tuple(student.shape)} and teacher {tuple(teacher.shape)}; "
            "because classes are compared one by one; give the student the teacher's label names"
        )
    if temperature <= 0:
        raise ValueError(f"expected a positive temperature, got {temperature}")
    target = functional.softmax(teacher.detach().float() / temperature, dim=-1)
    log_likelihood = functional.log_softmax(student.float() / temperature, dim=-1)
    per_class = -target * log_likelihood.masked_fill(torch.isneginf(student), 0.0)
    if reduction is Reduction.REFERENCE:
        return per_class.mean()
    per_prediction = per_class.sum(-1)
    if mask is None:
        return per_prediction.mean() * temperature**2
    return mean_over_valid(per_prediction, mask) * temperature**2


__all__ = ["prediction_loss"]

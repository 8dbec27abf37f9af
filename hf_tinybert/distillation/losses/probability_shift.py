"""The teacher's predictions where the gold labels say that it is wrong."""

import torch
from torch import Tensor


def shifted_to_labels(teacher: Tensor, labels: Tensor) -> Tensor:
    """The teacher's logits, the highest swapped with that of the gold class where this is another one.

    The gold class is then the most probable at any temperature, and how sure the teacher is stays as it was. Where no
    class is labelled (below 0, such as -100, or from the number of classes up) and where the gold class is at -inf,
    the logits are left as they are.

    Args:
        teacher: logits, `(..., classes)`.
        labels: int, `(...)`.

    Returns:
        `(..., classes)`, in the dtype of `teacher`.

    Raises:
        ValueError: the shapes do not belong together.

    Source: Wen et al. 2019 (arXiv 1911.07471), probability shift.
    """
    if labels.shape != teacher.shape[:-1]:
        raise ValueError(
            f"expected labels of shape {tuple(teacher.shape[:-1])} for `probability_shift`, got "
            f"{tuple(labels.shape)}; because each prediction is compared with its own label"
        )
    highest = teacher.argmax(-1, keepdim=True)
    known = ((labels >= 0) & (labels < teacher.shape[-1]))[..., None]
    gold = torch.where(known, labels[..., None], highest)
    gold = torch.where(torch.isneginf(teacher.gather(-1, gold)), highest, gold)
    swapped = teacher.scatter(-1, highest, teacher.gather(-1, gold))
    return swapped.scatter(-1, gold, teacher.gather(-1, highest))


__all__ = ["shifted_to_labels"]

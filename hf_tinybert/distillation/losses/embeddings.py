"""The term that compares sentence embeddings."""

import torch
from torch import Tensor
from torch.nn import functional

from hf_tinybert.distillation.losses.reduction import in_float32


@in_float32
def sentence_embedding_loss(student: Tensor, teacher: Tensor, *, lengths: bool = False) -> Tensor:
    """Squared distance between the student's and the teacher's embedding of a text, both at length 1.

    `|s / |s| - t / |t||^2`, that is `2 (1 - cos(s, t))`, averaged over texts. All similarities of texts agree where it
    is zero, so that the student's embeddings can be compared with the teacher's own. Where lengths count, as for dot
    products, it is `|s - t|^2 / |t|^2`, which is the same for vectors of length 1.

    Args:
        student: embeddings, `(batch, embedding_size)`.
        teacher: embeddings, `(batch, embedding_size)`.
        lengths: whether the student is to have the teacher's lengths too; a teacher's vector of zeros then counts as
            one of length 1.

    Returns:
        `()`, float32; zero without any text.

    Raises:
        ValueError: the shapes differ.

    Source: Reimers and Gurevych 2020 (arXiv 2004.09813), equation 1, there of embeddings as they are and averaged over
    their dimensions too: lengths are left out here where texts are compared by cosine, and the sum over dimensions, in
    units of the teacher's own, keeps the size of the loss whatever their number.
    """
    if student.shape != teacher.shape:
        raise ValueError(
            f"expected embeddings of one shape, got student {tuple(student.shape)} and teacher "
            f"{tuple(teacher.shape)}; because they are compared number by number; set the student's `embedding_size` "
            "to the width of the teacher's embeddings"
        )
    if lengths:
        target = teacher.detach().float()
        size = target.square().sum(-1)
        distance = (student.float() - target).square().sum(-1) / torch.where(size > 0, size, 1.0)
        return distance.sum() / max(len(distance), 1)
    own = functional.normalize(student.float(), dim=-1)
    other = functional.normalize(teacher.detach().float(), dim=-1)
    return (own - other).square().sum() / max(len(own), 1)


__all__ = ["sentence_embedding_loss"]

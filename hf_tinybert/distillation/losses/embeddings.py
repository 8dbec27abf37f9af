"""The term that compares sentence embeddings."""

from torch import Tensor
from torch.nn import functional

from hf_tinybert.distillation.losses.reduction import in_float32


@in_float32
def sentence_embedding_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared distance between the student's and the teacher's embedding of a text, both at length 1.

    `|s / |s| - t / |t||^2`, that is `2 (1 - cos(s, t))`, averaged over texts. All similarities of texts agree where it
    is zero, so that the student's embeddings can be compared with the teacher's own.

    Args:
        student: embeddings, `(batch, embedding_size)`.
        teacher: embeddings, `(batch, embedding_size)`.

    Returns:
        `()`, float32; zero without any text.

    Raises:
        ValueError: the shapes differ.

    Source: Reimers and Gurevych 2020 (arXiv 2004.09813), equation 1, there of embeddings as they are and averaged over
    their dimensions too: lengths are left out here because texts are compared by cosine, and the sum over dimensions
    keeps the size of the loss whatever their number.
    """
    if student.shape != teacher.shape:
        raise ValueError(
            f"expected embeddings of one shape, got student {tuple(student.shape)} and teacher "
            f"{tuple(teacher.shape)}; because they are compared number by number; set the student's `embedding_size` "
            "to the width of the teacher's embeddings"
        )
    own = functional.normalize(student.float(), dim=-1)
    other = functional.normalize(teacher.detach().float(), dim=-1)
    return (own - other).square().sum() / max(len(own), 1)


__all__ = ["sentence_embedding_loss"]

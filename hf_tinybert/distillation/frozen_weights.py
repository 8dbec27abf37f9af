"""The weights of a teacher: frozen, in evaluation mode, and told apart by their hash."""

import hashlib

import torch
from transformers import PreTrainedModel

from hf_tinybert.distillation.sharding import whole_tensors


def freeze(teacher: PreTrainedModel) -> PreTrainedModel:
    """Evaluation mode and no gradients, in place (the published code leaves the teacher's dropout on)."""
    teacher.requires_grad_(False)
    teacher.train(False)
    return teacher


def weights_sha256(model: PreTrainedModel) -> str:
    """A hash of all weights, names and types included: two teachers are the same when it is.

    Of a teacher that ZeRO-3 has partitioned it is the hash of the whole; every process calls this.
    """
    digest = hashlib.sha256()
    for name, tensor in whole_tensors(model):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


__all__ = ["freeze", "weights_sha256"]

"""The teacher: loaded with the student's task head, frozen, in evaluation mode, and told apart by its weights."""

import hashlib
from pathlib import Path

import torch
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForPreTraining,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)

from hf_tinybert.distillation.checkpoints import check_weights

_AUTO_CLASSES = {
    "ForMaskedLM": AutoModelForMaskedLM,
    "ForMultipleChoice": AutoModelForMultipleChoice,
    "ForPreTraining": AutoModelForPreTraining,
    "ForQuestionAnswering": AutoModelForQuestionAnswering,
    "ForSequenceClassification": AutoModelForSequenceClassification,
    "ForTokenClassification": AutoModelForTokenClassification,
}


def load_teacher(name: str | Path, student: PreTrainedModel, *, needs_head: bool) -> PreTrainedModel:
    """A pretrained teacher with the same kind of head as the student.

    Args:
        name: Hub name or folder.
        student: decides the head.
        needs_head: whether any loss reads the teacher's predictions; if not, only its encoder is loaded (in multiple
            choice with an untrained head, which is what takes the choices apart).

    Raises:
        ValueError: the weights are truncated, there is no trained head of that kind among them, or the student's kind
            of head is unknown.
    """
    check_weights(Path(name))
    kind = next((suffix for suffix in _AUTO_CLASSES if type(student).__name__.endswith(suffix)), None)
    if not needs_head:
        auto_class = AutoModelForMultipleChoice if kind == "ForMultipleChoice" else AutoModel
        return freeze(auto_class.from_pretrained(name))
    if kind is None:
        raise ValueError(
            f"expected a student with a head of {', '.join(sorted(_AUTO_CLASSES))} for the prediction loss, got "
            f"`{type(student).__name__}`; pass the teacher as a loaded model, or train the intermediate-layer phase "
            "only"
        )
    teacher, info = _AUTO_CLASSES[kind].from_pretrained(name, output_loading_info=True)
    missing = sorted(info["missing_keys"])
    if missing:
        raise ValueError(
            f"expected a teacher fine-tuned with a head like `{type(student).__name__}`'s, got `{name}` without "
            f"{', '.join(f'`{key}`' for key in missing)}; because a head that was never trained teaches noise; "
            "fine-tune the teacher on the task first, or train the intermediate-layer phase only"
        )
    return freeze(teacher)


def freeze(teacher: PreTrainedModel) -> PreTrainedModel:
    """Evaluation mode and no gradients, in place (the published code leaves the teacher's dropout on)."""
    teacher.requires_grad_(False)
    teacher.train(False)
    return teacher


def weights_sha256(model: PreTrainedModel) -> str:
    """A hash of all weights, names and types included: two teachers are the same when it is."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


__all__ = ["freeze", "load_teacher", "weights_sha256"]

"""Whether a student can start with a teacher's weights, asked before the teacher is fine-tuned."""

import torch
from transformers import AutoConfig, AutoModel

from hf_tinybert.models.layout_reading import is_readable_teacher


def check_layout(teacher: str) -> None:
    """Refuse a teacher whose weights no student can start with.

    Args:
        teacher: Hub name or folder; its configuration alone is read.

    Raises:
        ValueError: its family's layers are not known.
    """
    config = AutoConfig.from_pretrained(teacher)
    with torch.device("meta"):
        encoder = AutoModel.from_config(config)
    if not is_readable_teacher(encoder):
        raise ValueError(
            f"expected a teacher whose layers are known, got `{teacher}` of the family `{config.model_type}`; because "
            "the student starts with its weights; take a BERT, RoBERTa, DistilBERT, DeBERTa or the like, or "
            "`hf-tinybert finetune` and then `hf-tinybert distill --start random`"
        )


__all__ = ["check_layout"]

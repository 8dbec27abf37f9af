"""Whether a student can start with a teacher's weights, asked before the teacher is fine-tuned."""

import torch
from transformers import AutoConfig, AutoModel

from hf_tinybert.models.encoder_layout import is_laid_out_as_bert


def check_layout(teacher: str) -> None:
    """Refuse a teacher whose weights no student can start with.

    Args:
        teacher: Hub name or folder; its configuration alone is read.

    Raises:
        ValueError: it is not laid out as BERT.
    """
    config = AutoConfig.from_pretrained(teacher)
    with torch.device("meta"):
        encoder = AutoModel.from_config(config)
    if not is_laid_out_as_bert(encoder):
        raise ValueError(
            f"expected a teacher laid out as BERT, got `{teacher}` of the family `{config.model_type}`; because the "
            "student starts with its weights; take one of BERT's or RoBERTa's family, or `hf-tinybert finetune` and "
            "then `hf-tinybert distill --start random`"
        )


__all__ = ["check_layout"]

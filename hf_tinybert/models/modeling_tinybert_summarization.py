"""A TinyBERT model that scores the sentences of a document: which of them a summary keeps.

Source: Liu and Lapata, "Text Summarization with Pretrained Encoders", arXiv 1908.08345, section 3.1: a marker token
before every sentence, whose last state is classified.
"""

import torch
from torch import Tensor

from .configuration_tinybert import TinyBertConfig
from .configuration_tinybert_tasks import SUMMARY_LABELS
from .modeling_tinybert import TinyBertForTokenClassification


class TinyBertForExtractiveSummarization(TinyBertForTokenClassification):
    """The encoder with a head that says of every sentence whether a summary keeps it.

    A token classification with the labels `skip` and `keep`, read at the marker (`[CLS]`) that stands before every
    sentence; so that any family's token classification can be its teacher and plain BERT's is its export.

    Args:
        config: Shape and settings of the model.

    Raises:
        ValueError: The configuration names other labels.
    """

    def __init__(self, config: TinyBertConfig) -> None:
        unnamed = {index: f"LABEL_{index}" for index in SUMMARY_LABELS}
        if config.id2label not in (unnamed, SUMMARY_LABELS):
            raise ValueError(
                f"expected the labels {SUMMARY_LABELS} for extractive summarisation, got {config.id2label}; because "
                "output 1 is read as the score of a sentence that is kept; leave `id2label` and `num_labels` out"
            )
        config.id2label = dict(SUMMARY_LABELS)
        config.label2id = {label: index for index, label in SUMMARY_LABELS.items()}
        super().__init__(config)

    @torch.no_grad()
    def sentence_scores(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None, *, marker_id: int
    ) -> list[list[float]]:
        """The probability that a summary keeps each sentence, in the order of the sentences, per row.

        Args:
            input_ids: int64 `(batch, seq_len)`, a marker before every sentence.
            attention_mask: `(batch, seq_len)`, non-zero at valid tokens.
            token_type_ids: int64 `(batch, seq_len)`.
            marker_id: Token id of the marker, `tokenizer.cls_token_id`.
        """
        output = self(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        scores = output.logits.float().softmax(-1)[..., 1]
        markers = (input_ids == marker_id) & (attention_mask != 0)
        return [row[chosen].tolist() for row, chosen in zip(scores, markers, strict=True)]


__all__ = ["TinyBertForExtractiveSummarization"]

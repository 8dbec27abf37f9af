"""A TinyBERT model that scores the sentences of a document: which of them a summary keeps.

Source: Liu and Lapata, "Text Summarization with Pretrained Encoders", arXiv 1908.08345, section 3.1: a marker token
before every sentence. They classify the marker's last state; here it is the mean over the sentence's tokens, because
encoders of sentence embeddings hold a text's meaning there: of abstracts, a linear map of their states before any
training finds the sentence to keep by the mean and no more than its position by the marker
(benchmarks/results/sentence_reading.json).
"""

import torch
from torch import Tensor

from .configuration_tinybert import TinyBertConfig
from .configuration_tinybert_tasks import SUMMARY_LABELS
from .modeling_tinybert import TinyBertForTokenClassification


class TinyBertForExtractiveSummarization(TinyBertForTokenClassification):
    """The encoder with a head that says of every sentence whether a summary keeps it.

    A token classification with the labels `skip` and `keep`, whose logits are averaged over the tokens of a sentence;
    a marker (`[CLS]`) stands before every sentence and an end (`[SEP]`) behind it. So any family's token
    classification can be its teacher and plain BERT's is its export.

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
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        *,
        marker_id: int,
        end_id: int,
    ) -> list[list[float]]:
        """The probability that a summary keeps each sentence, in the order of the sentences, per row.

        Args:
            input_ids: int64 `(batch, seq_len)`, a marker before and an end behind every sentence.
            attention_mask: `(batch, seq_len)`, non-zero at valid tokens.
            token_type_ids: int64 `(batch, seq_len)`.
            marker_id: Token id of the marker, `tokenizer.cls_token_id`.
            end_id: Token id of the end, `tokenizer.sep_token_id`.
        """
        output = self(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids, return_dict=True
        )
        difference = output.logits.float()[..., 1] - output.logits.float()[..., 0]
        found = []
        for ids, mask, row in zip(input_ids, attention_mask, difference, strict=True):
            markers = (ids == marker_id) & (mask != 0)
            starts = torch.nonzero(markers).flatten().tolist()
            spans = zip(starts, [*starts[1:], len(ids)], strict=True)
            text = (mask != 0) & ~markers & (ids != end_id)
            found.append([_mean(row[start:end], text[start:end]).sigmoid().item() for start, end in spans])
        return found


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    """Over the chosen ones; the first, the marker, where there is none."""
    return values[chosen].mean() if bool(chosen.any()) else values[0]


__all__ = ["TinyBertForExtractiveSummarization"]

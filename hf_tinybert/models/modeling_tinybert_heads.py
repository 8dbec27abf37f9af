"""The heads of a multi-task model: BERT's heads apart from their encoder, with poolers of their own if they need any.

A head has the parameters of the one-task model of its kind, under the same names; only the pooler, which that model
keeps in its encoder (`bert.pooler`), is the head's own (`pooler`). So heads do not meet in anything but the encoder.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedConfig
from transformers.activations import ACT2FN
from transformers.modeling_outputs import (
    MaskedLMOutput,
    MultipleChoiceModelOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from transformers.models.bert.modeling_bert import BertOnlyMLMHead, BertPooler
from transformers.utils.generic import ModelOutput

from .configuration_tinybert import TinyBertConfig
from .modeling_tinybert import (
    OneTaskModel,
    TinyBertForMaskedLM,
    TinyBertForMultipleChoice,
    TinyBertForQuestionAnswering,
    TinyBertForSequenceClassification,
    TinyBertForTokenClassification,
)
from .modeling_tinybert_sentence_embedding import (
    SentenceEmbeddingHead,
    SentenceEmbeddingOutput,
    TinyBertForSentenceEmbedding,
)
from .modeling_tinybert_summarization import TinyBertForExtractiveSummarization


@dataclass(frozen=True)
class HeadInputs:
    """What a head reads.

    Attributes:
        states: last hidden states, `(rows, seq_len, hidden_size)`; rows are batch, or batch x choices.
        mask: `(rows, seq_len)`, non-zero at valid tokens; None counts all.
        choices: rows that belong together, in multiple choice.
        labels: as the one-task model of the kind takes them; None without.
        start_positions: int64 `(batch,)`, first token of an answer.
        end_positions: int64 `(batch,)`, last token of an answer.
    """

    states: Tensor
    mask: Tensor | None = None
    choices: int = 1
    labels: Tensor | None = None
    start_positions: Tensor | None = None
    end_positions: Tensor | None = None


class TaskHead(nn.Module, ABC):
    """A head of a multi-task model; `forward` gives the stock output of its kind, without hidden states."""

    @abstractmethod
    def forward(self, inputs: HeadInputs) -> ModelOutput:
        """The output of the head."""


class TextHead(TaskHead):
    """One label, several labels or a value per text.

    Args:
        config: of the task.
    """

    def __init__(self, config: TinyBertConfig) -> None:
        super().__init__()
        self.pooler = BertPooler(config)
        self.dropout: nn.Module = _dropout(config)
        if config.classifier_activation is not None:
            self.dropout = nn.Sequential(ACT2FN[config.classifier_activation], self.dropout)
        self.classifier = nn.Linear(config.hidden_size, _label_count(config))
        self.problem_type = config.problem_type

    def forward(self, inputs: HeadInputs) -> SequenceClassifierOutput:
        """Logits `(batch, labels)`; labels int64 `(batch,)`, or float `(batch,)` or `(batch, labels)`."""
        logits = self.classifier(self.dropout(self.pooler(inputs.states)))
        labels = inputs.labels
        loss = None
        if labels is not None and self.problem_type == "regression":
            loss = functional.mse_loss(logits.squeeze(), labels.squeeze().to(logits.dtype))
        elif labels is not None and self.problem_type == "multi_label_classification":
            loss = functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
        elif labels is not None:
            loss = functional.cross_entropy(logits, labels.view(-1))
        return SequenceClassifierOutput(loss=loss, logits=logits)


class ChoiceHead(TaskHead):
    """A score for each of several continuations.

    Args:
        config: of the task.
    """

    def __init__(self, config: TinyBertConfig) -> None:
        super().__init__()
        self.pooler = BertPooler(config)
        self.dropout = _dropout(config)
        self.classifier = nn.Linear(config.hidden_size, 1)

    def forward(self, inputs: HeadInputs) -> MultipleChoiceModelOutput:
        """Logits `(batch, choices)`; labels int64 `(batch,)`."""
        logits = self.classifier(self.dropout(self.pooler(inputs.states))).view(-1, inputs.choices)
        loss = None if inputs.labels is None else functional.cross_entropy(logits, inputs.labels)
        return MultipleChoiceModelOutput(loss=loss, logits=logits)


class TokenHead(TaskHead):
    """A label per token.

    Args:
        config: of the task.
    """

    def __init__(self, config: TinyBertConfig) -> None:
        super().__init__()
        self.dropout = _dropout(config)
        self.classifier = nn.Linear(config.hidden_size, _label_count(config))

    def forward(self, inputs: HeadInputs) -> TokenClassifierOutput:
        """Logits `(batch, seq_len, labels)`; labels int64 `(batch, seq_len)`, -100 where there is none."""
        logits = self.classifier(self.dropout(inputs.states))
        return TokenClassifierOutput(loss=_token_loss(logits, inputs.labels), logits=logits)


class AnswerHead(TaskHead):
    """The first and the last token of an answer.

    Args:
        config: of the task.
    """

    def __init__(self, config: TinyBertConfig) -> None:
        super().__init__()
        self.qa_outputs = nn.Linear(config.hidden_size, _label_count(config))

    def forward(self, inputs: HeadInputs) -> QuestionAnsweringModelOutput:
        """Start and end logits, each `(batch, seq_len)`; positions outside of the text do not count."""
        start_logits, end_logits = (
            part.squeeze(-1).contiguous() for part in self.qa_outputs(inputs.states).split(1, -1)
        )
        loss = None
        if inputs.start_positions is not None and inputs.end_positions is not None:
            outside = start_logits.shape[1]
            losses = [
                functional.cross_entropy(logits, positions.view(-1).clamp(0, outside), ignore_index=outside)
                for logits, positions in (
                    (start_logits, inputs.start_positions),
                    (end_logits, inputs.end_positions),
                )
            ]
            loss = torch.stack(losses).mean()
        return QuestionAnsweringModelOutput(loss=loss, start_logits=start_logits, end_logits=end_logits)


class VocabularyHead(TaskHead):
    """Masked words; the output matrix is the embedding matrix.

    Args:
        config: of the task.
    """

    def __init__(self, config: TinyBertConfig) -> None:
        super().__init__()
        self.cls = BertOnlyMLMHead(config)  # the name that BERT's checkpoints have

    def forward(self, inputs: HeadInputs) -> MaskedLMOutput:
        """Logits `(batch, seq_len, vocab_size)`; labels int64 `(batch, seq_len)`, -100 where nothing was masked."""
        logits = self.cls(inputs.states)
        return MaskedLMOutput(loss=_token_loss(logits, inputs.labels), logits=logits)


class EmbeddingHead(TaskHead):
    """One vector per text.

    Args:
        config: of the task.
    """

    def __init__(self, config: TinyBertConfig) -> None:
        super().__init__()
        self.embedding = SentenceEmbeddingHead(config)

    def forward(self, inputs: HeadInputs) -> SentenceEmbeddingOutput:
        """Embeddings `(batch, embedding_size)` as `logits`."""
        return SentenceEmbeddingOutput(logits=self.embedding(inputs.states, inputs.mask))


# Of every kind: the head, and the one-task model with the same parameters.
HEAD_CLASSES: dict[str, tuple[type[TaskHead], type[OneTaskModel]]] = {
    "extractive-summarization": (TokenHead, TinyBertForExtractiveSummarization),
    "masked-lm": (VocabularyHead, TinyBertForMaskedLM),
    "multi-label-classification": (TextHead, TinyBertForSequenceClassification),
    "multiple-choice": (ChoiceHead, TinyBertForMultipleChoice),
    "pair-classification": (TextHead, TinyBertForSequenceClassification),
    "question-answering": (AnswerHead, TinyBertForQuestionAnswering),
    "regression": (TextHead, TinyBertForSequenceClassification),
    "sentence-embedding": (EmbeddingHead, TinyBertForSentenceEmbedding),
    "text-classification": (TextHead, TinyBertForSequenceClassification),
    "token-classification": (TokenHead, TinyBertForTokenClassification),
}


def other_reading(head: TaskHead, config: TinyBertConfig, other: PreTrainedConfig) -> str:
    """What beside its weights decides what a head answers, and is not the same in another configuration; "" if all is.

    Label names that were never set (`LABEL_0`, ...) are those of any.

    Args:
        head: Of the task.
        config: Of the task's one-task model.
        other: Of the one-task model that the weights come from.
    """
    # what a BERT does not know it does without
    theirs = {"classifier_activation": None, **other.to_dict()}
    by_head = {TextHead: ["classifier_activation"], EmbeddingHead: ["pooling", "normalize", "similarity"]}
    fields = by_head.get(type(head), [])
    found = [f"`{name}` {theirs[name]}" for name in fields if name in theirs and theirs[name] != getattr(config, name)]
    names = [dict(one.id2label or {}) for one in (config, other)]
    unnamed = any(label == f"LABEL_{index}" for one in names for index, label in one.items())
    if isinstance(head, TextHead | TokenHead) and not unnamed and names[0] != names[1]:
        found.append(f"`id2label` {names[1]}")
    return ", ".join(found)


def _label_count(config: TinyBertConfig) -> int:
    return len(config.id2label or {})


def _dropout(config: TinyBertConfig) -> nn.Dropout:
    own = config.classifier_dropout
    return nn.Dropout(config.hidden_dropout_prob if own is None else own)


def _token_loss(logits: Tensor, labels: Tensor | None) -> Tensor | None:
    return None if labels is None else functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


__all__ = [
    "HEAD_CLASSES",
    "AnswerHead",
    "ChoiceHead",
    "EmbeddingHead",
    "HeadInputs",
    "TaskHead",
    "TextHead",
    "TokenHead",
    "VocabularyHead",
    "other_reading",
]

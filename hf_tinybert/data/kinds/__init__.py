"""Kinds of task: how each takes rows to a model and its predictions back."""

from hf_tinybert.data.kinds.answers import QUESTION_ANSWERING
from hf_tinybert.data.kinds.choices import MULTIPLE_CHOICE, ChoiceCollator
from hf_tinybert.data.kinds.classification import PAIR_CLASSIFICATION, TEXT_CLASSIFICATION
from hf_tinybert.data.kinds.definition import (
    ROW_NUMBER,
    Collator,
    KindDefinition,
    Logits,
    Prediction,
    TaskKind,
    TaskSettings,
)
from hf_tinybert.data.kinds.documents import EXTRACTIVE_SUMMARIZATION, lead_summaries, oracle_summaries
from hf_tinybert.data.kinds.embeddings import SENTENCE_EMBEDDING
from hf_tinybert.data.kinds.masked_lm import MASKED_LM, reduce_vocabulary
from hf_tinybert.data.kinds.masking import MaskingCollator
from hf_tinybert.data.kinds.multi_label import MULTI_LABEL_CLASSIFICATION
from hf_tinybert.data.kinds.regression import REGRESSION
from hf_tinybert.data.kinds.texts import TextCollator
from hf_tinybert.data.kinds.tokens import TOKEN_CLASSIFICATION
from hf_tinybert.data.kinds.windows import WindowCollator

__all__ = [
    "EXTRACTIVE_SUMMARIZATION",
    "MASKED_LM",
    "MULTIPLE_CHOICE",
    "MULTI_LABEL_CLASSIFICATION",
    "PAIR_CLASSIFICATION",
    "QUESTION_ANSWERING",
    "REGRESSION",
    "ROW_NUMBER",
    "SENTENCE_EMBEDDING",
    "TEXT_CLASSIFICATION",
    "TOKEN_CLASSIFICATION",
    "ChoiceCollator",
    "Collator",
    "KindDefinition",
    "Logits",
    "MaskingCollator",
    "Prediction",
    "TaskKind",
    "TaskSettings",
    "TextCollator",
    "WindowCollator",
    "lead_summaries",
    "oracle_summaries",
    "reduce_vocabulary",
]

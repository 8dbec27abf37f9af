"""The terms of the objectives as pure functions, one per term.

Every function computes in float32 whatever autocast or the model's dtype, takes the student first, and sends a
gradient to the student only. Padding never changes a value, but for `Reduction.REFERENCE`, which only TinyBERT's own
four terms know: `embedding_loss`, `hidden_states_loss`, `attention_scores_loss`, `prediction_loss`.
"""

from hf_tinybert.distillation.losses.attention import attention_probabilities_loss, attention_scores_loss
from hf_tinybert.distillation.losses.hidden_states import (
    Positions,
    embedding_loss,
    hidden_cosine_loss,
    hidden_states_loss,
    normalized_hidden_states_loss,
)
from hf_tinybert.distillation.losses.prediction import (
    IGNORED_LABEL,
    ProblemType,
    label_loss,
    logits_mse_loss,
    masked_lm_loss,
    multi_label_prediction_loss,
    prediction_kl_loss,
    prediction_loss,
    regression_prediction_loss,
)
from hf_tinybert.distillation.losses.reduction import AttentionForm, Reduction
from hf_tinybert.distillation.losses.relations import key_relations_loss, query_relations_loss, value_relations_loss

__all__ = [
    "IGNORED_LABEL",
    "AttentionForm",
    "Positions",
    "ProblemType",
    "Reduction",
    "attention_probabilities_loss",
    "attention_scores_loss",
    "embedding_loss",
    "hidden_cosine_loss",
    "hidden_states_loss",
    "key_relations_loss",
    "label_loss",
    "logits_mse_loss",
    "masked_lm_loss",
    "multi_label_prediction_loss",
    "normalized_hidden_states_loss",
    "prediction_kl_loss",
    "prediction_loss",
    "query_relations_loss",
    "regression_prediction_loss",
    "value_relations_loss",
]

"""The terms of the objectives as pure functions, one per term.

Every function computes in float32 whatever autocast or the model's dtype, takes the student first, and sends a
gradient to the student only.
"""

from hf_tinybert.distillation.losses.attention import attention_scores_loss
from hf_tinybert.distillation.losses.hidden_states import embedding_loss, hidden_states_loss
from hf_tinybert.distillation.losses.prediction import prediction_loss
from hf_tinybert.distillation.losses.reduction import AttentionForm, Reduction

__all__ = [
    "AttentionForm",
    "Reduction",
    "attention_scores_loss",
    "embedding_loss",
    "hidden_states_loss",
    "prediction_loss",
]

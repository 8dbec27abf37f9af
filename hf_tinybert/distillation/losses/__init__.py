"""The terms of the objectives as pure functions, one per term.

Every function computes in float32 whatever autocast or the model's dtype, takes the student first, and sends a
gradient to the student only. Padding never changes a value, but for `Reduction.REFERENCE`, which only
TinyBERT's own losses know: `hidden_states_loss`, `attention_scores_loss`, `prediction_loss`.
"""

from hf_tinybert.distillation.losses.attention import attention_probabilities_loss, attention_scores_loss
from hf_tinybert.distillation.losses.embeddings import sentence_embedding_loss
from hf_tinybert.distillation.losses.gram_matrices import (
    hidden_gram_loss,
    hidden_similarity_loss,
    neuron_selectivity_loss,
    solution_flow_loss,
)
from hf_tinybert.distillation.losses.hidden_states import (
    Positions,
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
from hf_tinybert.distillation.losses.probability_shift import shifted_to_labels
from hf_tinybert.distillation.losses.reduction import AttentionForm, Reduction
from hf_tinybert.distillation.losses.relations import Vectors, relations_loss

__all__ = [
    "IGNORED_LABEL",
    "AttentionForm",
    "Positions",
    "ProblemType",
    "Reduction",
    "Vectors",
    "attention_probabilities_loss",
    "attention_scores_loss",
    "hidden_cosine_loss",
    "hidden_gram_loss",
    "hidden_similarity_loss",
    "hidden_states_loss",
    "label_loss",
    "logits_mse_loss",
    "masked_lm_loss",
    "multi_label_prediction_loss",
    "neuron_selectivity_loss",
    "normalized_hidden_states_loss",
    "prediction_kl_loss",
    "prediction_loss",
    "regression_prediction_loss",
    "relations_loss",
    "sentence_embedding_loss",
    "shifted_to_labels",
    "solution_flow_loss",
]

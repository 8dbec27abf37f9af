"""Distillation: a teacher's states and predictions as training signal of a student."""

from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.attention import AttentionRecord, AttentionScores
from hf_tinybert.distillation.encodings import PairedCollator, encode_for_both
from hf_tinybert.distillation.layer_mapping import MappingStrategy, mapping_table, resolve_layer_mapping
from hf_tinybert.distillation.learned_mapping import LearnedMapping
from hf_tinybert.distillation.losses import (
    AttentionForm,
    ProblemType,
    Reduction,
    Vectors,
    attention_probabilities_loss,
    attention_scores_loss,
    hidden_cosine_loss,
    hidden_gram_loss,
    hidden_similarity_loss,
    hidden_states_loss,
    label_loss,
    logits_mse_loss,
    masked_lm_loss,
    multi_label_prediction_loss,
    neuron_selectivity_loss,
    normalized_hidden_states_loss,
    prediction_kl_loss,
    prediction_loss,
    regression_prediction_loss,
    relations_loss,
    sentence_embedding_loss,
    solution_flow_loss,
)
from hf_tinybert.distillation.multitask.objectives import DistillationTask
from hf_tinybert.distillation.multitask.trainer import MultiTaskDistillationTrainer
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.projections import DistillationProjections, ProjectionLayout, attach_projections
from hf_tinybert.distillation.recipes import RECIPES, Recipe, RecipeName
from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.distillation.schedules import Schedule, teacher_annealing
from hf_tinybert.distillation.states import DistillationStates, student_states, teacher_states
from hf_tinybert.distillation.teacher_ensemble import join_teachers
from hf_tinybert.distillation.terms import CustomTerm, Phase, Reads, Term
from hf_tinybert.distillation.trainer import DistillationTrainer

__all__ = [
    "RECIPES",
    "AttentionForm",
    "AttentionRecord",
    "AttentionScores",
    "CustomTerm",
    "DistillationArguments",
    "DistillationObjective",
    "DistillationProjections",
    "DistillationRecord",
    "DistillationStates",
    "DistillationTask",
    "DistillationTrainer",
    "LearnedMapping",
    "MappingStrategy",
    "MultiTaskDistillationTrainer",
    "PairedCollator",
    "Phase",
    "ProblemType",
    "ProjectionLayout",
    "Reads",
    "Recipe",
    "RecipeName",
    "Reduction",
    "Schedule",
    "Term",
    "Vectors",
    "attach_projections",
    "attention_probabilities_loss",
    "attention_scores_loss",
    "encode_for_both",
    "hidden_cosine_loss",
    "hidden_gram_loss",
    "hidden_similarity_loss",
    "hidden_states_loss",
    "join_teachers",
    "label_loss",
    "logits_mse_loss",
    "mapping_table",
    "masked_lm_loss",
    "multi_label_prediction_loss",
    "neuron_selectivity_loss",
    "normalized_hidden_states_loss",
    "prediction_kl_loss",
    "prediction_loss",
    "regression_prediction_loss",
    "relations_loss",
    "resolve_layer_mapping",
    "sentence_embedding_loss",
    "solution_flow_loss",
    "student_states",
    "teacher_annealing",
    "teacher_states",
]

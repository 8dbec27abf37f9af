"""Distillation: a teacher's states and predictions as training signal of a student."""

from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.attention import AttentionRecord
from hf_tinybert.distillation.layer_mapping import MappingStrategy, mapping_table, resolve_layer_mapping
from hf_tinybert.distillation.losses import (
    AttentionForm,
    Reduction,
    attention_scores_loss,
    embedding_loss,
    hidden_states_loss,
    prediction_loss,
)
from hf_tinybert.distillation.objective import DistillationObjective, Phase, Term
from hf_tinybert.distillation.projections import DistillationProjections, ProjectionLayout, attach_projections
from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.distillation.states import DistillationStates, student_states, teacher_states
from hf_tinybert.distillation.trainer import DistillationTrainer

__all__ = [
    "AttentionForm",
    "AttentionRecord",
    "DistillationArguments",
    "DistillationObjective",
    "DistillationProjections",
    "DistillationRecord",
    "DistillationStates",
    "DistillationTrainer",
    "MappingStrategy",
    "Phase",
    "ProjectionLayout",
    "Reduction",
    "Term",
    "attach_projections",
    "attention_scores_loss",
    "embedding_loss",
    "hidden_states_loss",
    "mapping_table",
    "prediction_loss",
    "resolve_layer_mapping",
    "student_states",
    "teacher_states",
]

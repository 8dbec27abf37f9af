"""One student of several teachers: a head, a teacher and an objective per task."""

from hf_tinybert.distillation.multitask.objectives import DistillationTask
from hf_tinybert.distillation.multitask.trainer import MultiTaskDistillationTrainer

__all__ = ["DistillationTask", "MultiTaskDistillationTrainer"]

"""The figures of a general distillation: its terms on held-out text, its speed and its cost."""

from collections.abc import Mapping
from typing import Any

from hf_tinybert.distillation.multitask.trainer import MultiTaskDistillationTrainer
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.machine import machine
from hf_tinybert.workflow.figures import model_size, task_figures
from hf_tinybert.workflow.general_parts import GeneralParts
from hf_tinybert.workflow.general_tasks import main_metrics
from hf_tinybert.workflow.loss_history import Curves
from hf_tinybert.workflow.pretrain_settings import TEXT_TASK
from hf_tinybert.workflow.task_data import PreparedData
from hf_tinybert.workflow.training_cost import training_operations

_BILLION = 1_000_000_000


def held_out_terms(trainer: DistillationTrainer, tasks: Mapping[str, PreparedData]) -> dict[str, float]:
    """Every term on the held-out rows, and the main metric of every task.

    Args:
        trainer: of the run.
        tasks: learned beside the text, by name.
    """
    told = main_metrics(tasks)
    return {
        name.removeprefix("eval_"): round(value, 6)
        for name, value in trainer.evaluate().items()
        if name.endswith("_loss") or name in told
    }


def general_figures(
    parts: GeneralParts, trainer: DistillationTrainer, before: Mapping[str, float], *, curves: Curves
) -> dict[str, Any]:
    """What `pretrain` gives of a run that is trained; the held-out rows are evaluated for it.

    Args:
        parts: of the run.
        trainer: after training.
        before: `held_out_terms` before the first step.
        curves: of every term, of all calls.
    """
    settings, steps = parts.settings, trainer.state.global_step
    of_text = trainer.steps_of(TEXT_TASK) if isinstance(trainer, MultiTaskDistillationTrainer) else steps
    tokens = of_text * settings.batch_size * settings.block_length
    seconds = sum(trainer.phase_seconds.values())
    speed = tokens / max(seconds, 1e-9)
    return {
        "teacher": parts.teacher_name,
        "documents": parts.blocks.documents,
        "tokens": parts.blocks.tokens,
        "blocks": len(parts.train_rows),
        "steps": steps,
        "tokens_seen": tokens,
        "curves": curves,
        "held_out": {"before": before, "after": held_out_terms(trainer, parts.tasks)},
        **model_size(parts.student),
        "seconds": round(seconds, 1),
        "tokens_per_second": round(speed, 1),
        "hours_per_billion_tokens": round(_BILLION / max(speed, 1e-9) / 3600, 1),
        "settings": settings.to_json(),
        **_cost(parts, trainer, speed),
        "processes": parts.arguments.world_size,
        "machine": machine(),
    }


def _cost(parts: GeneralParts, trainer: DistillationTrainer, speed: float) -> dict[str, Any]:
    """The model of the cost, of text alone; with tasks, whose rows are of other lengths, their steps."""
    if isinstance(trainer, MultiTaskDistillationTrainer):
        tasks = {name: {**task_figures(data), "steps": trainer.steps_of(name)} for name, data in parts.tasks.items()}
        return {"tasks": tasks}
    operations = training_operations(
        parts.student.config,
        parts.teacher.config,
        parts.settings.block_length,
        masked_lm=parts.settings.masked_lm is not None,
        teacher_predicts=trainer.phase_objective.compares_predictions,
    )
    return {"operations_per_token": operations, "operations_per_second": round(operations * speed)}


__all__ = ["general_figures", "held_out_terms"]

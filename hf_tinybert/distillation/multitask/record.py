"""What `distillation.json` tells of the tasks and teachers of a multi-task student."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hf_tinybert.data.task_sampling import TaskSampling
from hf_tinybert.distillation.multitask.pairing import PairedTask
from hf_tinybert.distillation.record import public_name
from hf_tinybert.distillation.task_distillation import TaskDistillation


def told_of_tasks(
    paired: Mapping[str, PairedTask],
    running: Mapping[str, TaskDistillation],
    teacher_classes: Mapping[str, str],
    teacher_hashes: Mapping[str, str],
    sampling: TaskSampling,
) -> dict[str, Any]:
    """The fields of a `DistillationRecord` that tell of teachers and terms: of all tasks together, and of each.

    Args:
        paired: the tasks as they were made ready.
        running: the same as they stand in the current phase.
        teacher_classes: model class of each teacher.
        teacher_hashes: hash of each teacher's weights.
        sampling: of the tasks.
    """
    tasks = {name: _told_of(task, running[name]) for name, task in paired.items()}
    for name, told in tasks.items():
        told["teacher_class"], told["teacher_sha256"] = teacher_classes.get(name), teacher_hashes.get(name)
    pairs = [task.pair for task in paired.values() if task.pair is not None]
    active = {name: task.objective for name, task in running.items() if task.takes_part}
    return {
        "teacher": ", ".join(dict.fromkeys(str(told["teacher"]) for told in tasks.values() if told["teacher"])),
        "teacher_class": ", ".join(dict.fromkeys(teacher_classes.values())),
        "teacher_sha256": hashlib.sha256(" ".join(teacher_hashes.values()).encode()).hexdigest(),
        "layer_mapping": list(pairs[0].layer_mapping) if pairs else [],
        "learned_mapping": None,
        "loss_weights": {
            f"{name}/{term}": weight.to_json() for name, one in active.items() for term, weight in one.weights.items()
        },
        "loss_layers": {
            f"{name}/{term}": list(layers) for name, one in active.items() for term, layers in one.layers.items()
        },
        "temperature": next(one.temperatures.to_json() for one in active.values()),
        "probability_shift": any(one.shifts_predictions for one in active.values()),
        "label_smoothing": next(one.label_smoothing for one in active.values()),
        "relation_heads": next(one.relation_heads for one in active.values()),
        "tasks": tasks,
        "task_sampling": asdict(sampling),
    }


def _told_of(task: PairedTask, running: TaskDistillation) -> dict[str, Any]:
    pair = task.pair
    objective = running.objective if running.takes_part else None
    learned = None if objective is None else objective.learned_mapping
    return {
        "teacher": None if pair is None else public_name(pair.teacher_name),
        "layer_mapping": None if pair is None else list(pair.layer_mapping),
        "learned_mapping": None if learned is None else learned.to_json(),
        "loss_weights": {} if objective is None else {t: w.to_json() for t, w in objective.weights.items()},
    }


__all__ = ["told_of_tasks"]

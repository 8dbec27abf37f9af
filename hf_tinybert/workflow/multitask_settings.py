"""What a multi-task distillation depends on: its tasks, and what they share."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hf_tinybert.data.multitask import distinct_tasks
from hf_tinybert.data.task_sampling import TaskSampling
from hf_tinybert.distillation.loss_weights import parse_loss_weights
from hf_tinybert.distillation.recipes import RecipeName
from hf_tinybert.models.configuration_tinybert_tasks import check_task_name
from hf_tinybert.workflow.distil_settings import DistilSettings, LearnFrom
from hf_tinybert.workflow.run_sources import RunSources
from hf_tinybert.workflow.teacher_source import TeacherSource

OF_A_TASK = frozenset(
    {
        "columns",
        "data",
        "kind",
        "loss_weights",
        "masked_share",
        "max_length",
        "stride",
        "summary_sentences",
        "teacher",
        "teacher_task",
        "teacher_weights",
        "train_rows",
        "unlabeled",
        "validation_rows",
    }
)
"""Fields that one task may have otherwise than the others."""


@dataclass(frozen=True, kw_only=True)
class MultiTaskSettings:
    """What a multi-task distillation depends on. JSON values only.

    Attributes:
        tasks: by the name of the head: fields of `DistilSettings` that are the task's own, `data` and `teacher` among
            them, which may be several; without `teacher` the task is learnt from its labels alone.
        shared: fields of `DistilSettings` for all tasks: shape, phases, epochs, learning rates, ... The recipe is
            `tinybert-several` where teachers differ and none is given. Source: benchmarks/results/multitask.json.
        sampling: how often each task comes: `proportional`, `temperature` or `annealed`.

    Raises:
        ValueError: no task, a name that is none or that two have, a field that all tasks share or that there is not,
            no data, no teacher at all, an unknown sampling, or `augment`.
    """

    tasks: Mapping[str, Mapping[str, Any]]
    shared: Mapping[str, Any] = field(default_factory=dict)
    sampling: str = "proportional"

    def __post_init__(self) -> None:
        """Check names and fields before anything is spent."""
        TaskSampling(self.sampling)
        distinct_tasks(self.tasks)
        for name, own in self.tasks.items():
            check_task_name(name)
            strange = sorted(set(own) - OF_A_TASK)
            if strange:
                raise ValueError(
                    f"expected {', '.join(sorted(OF_A_TASK))} for the task `{name}`, got {', '.join(strange)}; "
                    "because everything else is shared by all tasks; give it as `shared`, "
                    "in a recipe beside `tasks`"
                )
            if "data" not in own:
                raise ValueError(f"expected `data` for the task `{name}`, got {sorted(own)}")
            if own.get("teacher_task") and not own.get("teacher"):
                raise ValueError(
                    f"expected a `teacher` with the `teacher_task` of the task `{name}`, got `{own['teacher_task']}` "
                    "alone; because the task is learnt from its labels; name the teacher, or leave its head out"
                )
            try:
                parse_loss_weights(own.get("loss_weights") or {})
            except ValueError as error:
                raise ValueError(f"task `{name}`: {error}") from error
        if not any(own.get("teacher") for own in self.tasks.values()):
            raise ValueError(
                f"expected a teacher of at least one of the tasks {', '.join(self.tasks) or 'given'}, got none; "
                "because the student starts from it and takes its tokenizer"
            )
        if self.shared.get("augment") is not None:
            raise ValueError(
                f"expected no `augment` for several tasks, got {self.shared['augment']!r}; because their batches are "
                "of rows that stay as they are; write variants by `hf-tinybert augment`, and name them as `unlabeled`"
            )
        for name in self.tasks:
            if self.of_task(name).learn_from != LearnFrom.TEACHER:
                raise ValueError(
                    "expected `learn_from` teacher, got labels; leave out the `teacher` of a task instead"
                )

    @property
    def sources(self) -> RunSources:
        """What a student of these settings is made of."""
        several = [self.of_task(name).sources for name in self.tasks]
        return RunSources(
            models=tuple(name for one in several for name in one.models),
            data=tuple(name for one in several for name in one.data),
        )

    @property
    def base(self) -> str:
        """The first task with a teacher: the encoder starts from it."""
        return next(name for name, own in self.tasks.items() if own.get("teacher"))

    def is_taught(self, name: str) -> bool:
        """Whether a task has a teacher."""
        return bool(self.tasks[name].get("teacher"))

    def of_task(self, name: str) -> DistilSettings:
        """The settings of one task; one without a teacher gets the base's, for its tokenizer."""
        defaults = {"teacher": self.tasks[self.base]["teacher"]}
        different = {
            TeacherSource.of(own["teacher"], own.get("teacher_weights"))
            for own in self.tasks.values()
            if own.get("teacher")
        }
        if len(different) > 1:
            defaults["recipe"] = str(RecipeName.TINYBERT_SEVERAL)
        own = {key: value for key, value in self.tasks[name].items() if value is not None}
        return DistilSettings(**{**defaults, **self.shared, **own})

    def to_json(self) -> dict[str, Any]:
        """As JSON gives them back: what a finished run is told apart by."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values


__all__ = ["OF_A_TASK", "MultiTaskSettings"]

"""Projections of a student that several teachers teach: a set of its own for each of them."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from hf_tinybert.distillation.projections import DistillationProjections, ProjectionStart, TrainingProjections


class TaskProjections(TrainingProjections):
    """The projections to the states of every task's teacher.

    Teachers of one width do not share any: fine-tuned from one model, their upper states still differ, and one map of
    the student's state could be near to their mean only.

    Args:
        by_task: of every task whose teacher's states are imitated.
    """

    def __init__(self, by_task: Mapping[str, DistillationProjections]) -> None:
        super().__init__()
        self.by_task = nn.ModuleDict(by_task)

    def serves(self, task: str | None) -> bool:
        """Whether states of a teacher are imitated in this task, at its width."""
        return task is not None and task in self.by_task

    def of(self, task: str) -> DistillationProjections:
        """Those to the states of a task's teacher.

        Raises:
            ValueError: no states of a teacher are imitated in this task.
        """
        module = self.by_task._modules.get(task)
        if not isinstance(module, DistillationProjections):
            raise ValueError(
                f"expected a task of {', '.join(f'`{name}`' for name in self.by_task)}, got `{task}`; because only "
                "these have a teacher whose states are imitated"
            )
        return module

    def start_at(self, starts: Mapping[str, ProjectionStart]) -> None:
        """Start at given maps; the projections of tasks without any stay as they are.

        Args:
            starts: by task.

        Raises:
            ValueError: maps of a task that has no projections, or of other widths or another number of states.
        """
        for task, start in starts.items():
            try:
                self.of(task).start_at(start)
            except ValueError as error:
                raise ValueError(f"the starting maps of task `{task}`: {error}") from error

    def forward(self, hidden_states: Sequence[Tensor | None], task: str | None = None) -> tuple[Tensor | None, ...]:
        """Every state at the width of the task's teacher, `(batch, seq_len, teacher_width)`, each.

        Args:
            hidden_states: of the student, `(batch, seq_len, student_width)`; one that was not captured is None.
            task: whose batch it is.
        """
        projected: tuple[Tensor | None, ...] = self.of(str(task))(hidden_states)
        return projected


__all__ = ["TaskProjections"]

"""Projections of a student that several teachers teach: one set for each width among them."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from hf_tinybert.distillation.projections import DistillationProjections, ProjectionStart, TrainingProjections


class TaskProjections(TrainingProjections):
    """The projections to every teacher's width; teachers of one width share theirs.

    Args:
        by_width: of every width.
        widths: of every task whose teacher's states are imitated.
    """

    def __init__(self, by_width: Mapping[int, DistillationProjections], widths: Mapping[str, int]) -> None:
        super().__init__()
        self.by_width = nn.ModuleDict({str(width): projections for width, projections in by_width.items()})
        self._widths = dict(widths)

    def serves(self, task: str) -> bool:
        """Whether states of a teacher are imitated in this task."""
        return task in self._widths

    def of(self, task: str) -> DistillationProjections:
        """Those to the width of a task's teacher.

        Raises:
            ValueError: no states of a teacher are imitated in this task.
        """
        module = self.by_width._modules.get(str(self._widths.get(task)))
        if not isinstance(module, DistillationProjections):
            raise ValueError(
                f"expected a task of {', '.join(f'`{name}`' for name in self._widths)}, got `{task}`; because only "
                "these have a teacher whose states are imitated"
            )
        return module

    def start_at(self, start: ProjectionStart) -> None:
        """Start those of one width at given maps.

        Raises:
            ValueError: the maps go to a width that no teacher has, or are of another number.
        """
        width = str(len(start.projection))
        module = self.by_width._modules.get(width)
        if not isinstance(module, DistillationProjections):
            raise ValueError(
                f"expected starting maps to a width of {', '.join(self.by_width)}, got {width}; because they take the "
                "student's states to a teacher's width; initialise the student from one of its teachers"
            )
        module.start_at(start)

    def forward(self, hidden_states: Sequence[Tensor | None], task: str | None = None) -> tuple[Tensor | None, ...]:
        """Every state at the width of the task's teacher, `(batch, seq_len, teacher_width)`, each.

        Args:
            hidden_states: of the student, `(batch, seq_len, student_width)`; one that was not captured is None.
            task: whose batch it is.
        """
        projected: tuple[Tensor | None, ...] = self.of(str(task))(hidden_states)
        return projected


__all__ = ["TaskProjections"]

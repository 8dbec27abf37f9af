"""Rows of several tasks in batches of a single task: data set, sampler, collator."""

import logging
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from datasets import Dataset
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import Sampler

from hf_tinybert.data.kinds.definition import Collator
from hf_tinybert.data.length_grouping import LengthGroupedRows, row_lengths
from hf_tinybert.data.task_sampling import TaskSampling, plan_steps

logger = logging.getLogger(__name__)

TASK_KEY = "task"
_TASKS_APART = 1_000_003  # between the seeds of two tasks: more passes than any task makes

_Value = TypeVar("_Value")


class DrawnRow(NamedTuple):
    """Which row comes when.

    Attributes:
        task: its name.
        row: of the task's rows.
        draw: rows drawn before it since training began.
    """

    task: str
    row: int
    draw: int = 0


class TaskRow(NamedTuple):
    """A row on its way to the collator.

    Attributes:
        task: its name.
        columns: what the row holds.
        draw: as of `DrawnRow`.
    """

    task: str
    columns: dict[str, Any]
    draw: int = 0


class MultiTaskDataset(TorchDataset[TaskRow]):
    """The encoded rows of several tasks as one map-style data set, read by `DrawnRow`.

    Args:
        rows: of every task, by its name.

    Raises:
        ValueError: no tasks, a name twice, or a task without rows.
    """

    def __init__(self, rows: Mapping[str, Dataset] | Iterable[tuple[str, Dataset]]) -> None:
        self.rows = distinct_tasks(rows)
        empty = [name for name, part in self.rows.items() if len(part) == 0]
        if empty:
            raise ValueError(
                f"expected rows of every task, got none of {', '.join(f'`{name}`' for name in empty)}; because its "
                "head would never be trained; check the split and its filters, or leave the task out"
            )

    @property
    def sizes(self) -> dict[str, int]:
        """Rows of every task."""
        return {name: len(part) for name, part in self.rows.items()}

    def __len__(self) -> int:
        return sum(self.sizes.values())

    def __getitem__(self, drawn: DrawnRow) -> TaskRow:
        """One row."""
        return self.__getitems__([drawn])[0]

    def __getitems__(self, drawn: Sequence[DrawnRow]) -> list[TaskRow]:
        """Several rows, those of one task at once: what a data loader calls."""
        columns: dict[int, dict[str, Any]] = {}
        for task in dict.fromkeys(one.task for one in drawn):
            places = [place for place, one in enumerate(drawn) if one.task == task]
            columns.update(zip(places, self.rows[task].__getitems__([drawn[p].row for p in places]), strict=True))
        return [TaskRow(one.task, columns[place], one.draw) for place, one in enumerate(drawn)]


class SingleTaskSteps(Sampler[DrawnRow]):
    """Rows in an order in which all rows of an optimizer step are of one task, on however many processes.

    A task passes through all of its rows before any comes again, over the bounds of epochs; the last step of a pass is
    filled up with rows drawn anew. An epoch has as many steps as all rows together fill. The order depends on seed,
    epoch and length of the training alone: a resumed run, and every process of several, sees the same.

    Args:
        dataset: its rows.
        rows_per_step: batch size times accumulated batches times processes.
        sampling: how often each task comes.
        epochs: of the training, over which shares may move.
        max_steps: optimizer steps of the training; positive wins over epochs.
        seed: of the order.
        group_by_length: whether the rows of a step are of like length, where the lengths are known.
        lengths: of every row, by task; None of a task, or of all, takes those of its `input_ids`.
    """

    def __init__(
        self,
        dataset: MultiTaskDataset,
        rows_per_step: int,
        sampling: TaskSampling,
        *,
        epochs: float = 1.0,
        max_steps: int = -1,
        seed: int = 0,
        group_by_length: bool = True,
        lengths: Mapping[str, list[int] | None] | None = None,
    ) -> None:
        self._sizes, self._rows_per_step, self._sampling, self._seed = dataset.sizes, rows_per_step, sampling, seed
        self.steps_per_epoch = math.ceil(len(dataset) / rows_per_step)
        self._total_steps = max_steps if max_steps > 0 else math.ceil(epochs * self.steps_per_epoch)
        known = dict(lengths or {})
        self._lengths = {
            name: (known.get(name) or row_lengths(part)) if group_by_length else None
            for name, part in dataset.rows.items()
        }
        self._epoch = 0
        missing = sorted(set(self._sizes) - set(self.tasks(0, self._total_steps)))
        if missing:
            logger.warning(
                "%d steps leave none for %s; train longer, or choose another task sampling than `%s`",
                self._total_steps,
                ", ".join(f"`{name}`" for name in missing),
                sampling.strategy,
            )

    def tasks(self, first: int, end: int) -> list[str]:
        """The task of every step from `first` up to `end`, counted over all epochs."""
        names = list(self._sizes)
        plan = plan_steps(self._sampling, list(self._sizes.values()), end, self._total_steps, self._seed)
        return [names[task] for task in plan[first:].tolist()]

    def set_epoch(self, epoch: int) -> None:
        """Called by the data loader before every epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self.steps_per_epoch * self._rows_per_step

    def __iter__(self) -> Iterator[DrawnRow]:
        first = self._epoch * self.steps_per_epoch
        tasks = self.tasks(0, first + self.steps_per_epoch)
        done = {name: 0 for name in self._sizes}
        for name in tasks[:first]:
            done[name] += 1
        passes: dict[str, tuple[int, list[int]]] = {}
        for step in range(first, len(tasks)):
            name = tasks[step]
            number, place = divmod(done[name], math.ceil(self._sizes[name] / self._rows_per_step))
            if name not in passes or passes[name][0] != number:
                passes[name] = number, self._pass(name, number)
            start = place * self._rows_per_step
            for position, row in enumerate(passes[name][1][start : start + self._rows_per_step]):
                yield DrawnRow(name, row, step * self._rows_per_step + position)
            done[name] += 1

    def _pass(self, name: str, number: int) -> list[int]:
        """All rows of a task, and so many again that whole steps come out."""
        size, lengths = self._sizes[name], self._lengths[name]
        seed = self._seed + _TASKS_APART * list(self._sizes).index(name)
        generator = torch.Generator().manual_seed(seed + number)
        rows = list(range(size))
        whole = math.ceil(size / self._rows_per_step) * self._rows_per_step
        while len(rows) < whole:
            rows += torch.randperm(size, generator=generator)[: whole - len(rows)].tolist()
        if lengths is None:
            return [rows[place] for place in torch.randperm(whole, generator=generator).tolist()]
        grouped = LengthGroupedRows([lengths[row] for row in rows], self._rows_per_step, seed)
        grouped.set_epoch(number)
        return [rows[place] for place in grouped]


class MultiTaskCollator:
    """Gives every batch the collator of its task, and the task's name under `task`.

    What a collator draws at random, such as masked words, depends on seed and draw alone: a resumed run masks as the
    one that was not interrupted. The random state outside stays as it is.

    Args:
        collators: of every task, by its name.
        seed: of what they draw.
    """

    def __init__(self, collators: Mapping[str, Collator], seed: int = 0) -> None:
        self._collators, self._seed = dict(collators), seed

    def __call__(self, rows: Sequence[TaskRow]) -> dict[str, Any]:
        """One batch.

        Raises:
            ValueError: rows of several tasks.
        """
        tasks = sorted({row.task for row in rows})
        if len(tasks) != 1:
            raise ValueError(
                f"expected rows of one task in a batch, got those of {', '.join(f'`{name}`' for name in tasks)}; "
                "because each goes through a head of its own; draw them by `SingleTaskSteps`"
            )
        with _random_state(self._seed, rows[0].draw):
            batch = dict(self._collators[tasks[0]]([row.columns for row in rows]))
        return {**batch, TASK_KEY: tasks[0]}


def distinct_tasks(tasks: Mapping[str, _Value] | Iterable[tuple[str, _Value]]) -> dict[str, _Value]:
    """Tasks by their names, in order.

    Raises:
        ValueError: none, or a name twice, capital letters aside.
    """
    pairs = list(tasks.items()) if isinstance(tasks, Mapping) else list(tasks)
    if not pairs:
        raise ValueError("expected one task or more, got none; because there would be nothing to train; name them")
    names = [name.casefold() for name, _ in pairs]
    twice = [name for name, _ in pairs if names.count(name.casefold()) > 1]
    if twice:
        raise ValueError(
            f"expected a name of its own for every task, got {', '.join(f'`{name}`' for name in twice)}; because "
            "heads, logs and folders go by it; rename one"
        )
    return dict(pairs)


@contextmanager
def _random_state(seed: int, draw: int) -> Iterator[None]:
    """Within it, the generators that collators draw from start at these two numbers; those of devices go on."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    number = int(np.random.SeedSequence([seed, draw]).generate_state(1)[0])
    try:
        torch.default_generator.manual_seed(number)
        np.random.seed(number)
        random.seed(number)
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])


__all__ = [
    "TASK_KEY",
    "DrawnRow",
    "MultiTaskCollator",
    "MultiTaskDataset",
    "SingleTaskSteps",
    "TaskRow",
    "distinct_tasks",
]

"""Progress of long work on the terminal, drawn with rich."""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import transformers
from datasets.utils.logging import disable_progress_bar
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as RemainingColumn
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

_Item = TypeVar("_Item")


class ProgressDisplay:
    """Lines and bars on a console; in a file or pipe, where bars cannot move, each is one line when it is done.

    Args:
        console: where to write.

    Attributes:
        training_has_begun: whether a training has, under one of the bars; so it stays, whatever comes after.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.training_has_begun = False

    def line(self, text: str) -> None:
        """One line of text, in rich markup."""
        self.console.print(text, highlight=False)

    @contextmanager
    def bar(self, description: str, total: float | None = None) -> Iterator["ProgressBar"]:
        """A bar for the time of the block; with `total` None it pulses. Its description is shown as it stands."""
        columns = (
            TextColumn("  {task.description:<38}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            RemainingColumn(),
        )
        start = time.perf_counter()
        hidden = not self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=hidden) as progress:
            yield ProgressBar(self, progress, progress.add_task(description, total=total))
        self.line(f"  {escape(description):<38} [dim]{time.perf_counter() - start:6.1f} s[/dim]")

    def track(self, items: Iterable[_Item], total: int, description: str) -> Iterator[_Item]:
        """The items, with a bar."""
        with self.bar(description, total) as bar:
            for item in items:
                yield item
                bar.advance()


class ProgressBar:
    """One bar of a display."""

    def __init__(self, display: ProgressDisplay, progress: Progress, task: TaskID) -> None:
        self._display, self._progress, self._task = display, progress, task

    def advance(self, count: float = 1) -> None:
        """So many more done."""
        self._progress.advance(self._task, count)

    def show(self, done: float, total: float) -> None:
        """So many done, of so many."""
        self._progress.update(self._task, completed=done, total=total)

    def training_begins(self) -> None:
        """Whatever could be refused was refused before."""
        self._display.training_has_begun = True


class TrainingProgress(TrainerCallback):
    """Moves a bar with a Trainer: over its steps while training, over its batches while predicting.

    Args:
        bar: the bar to move.
    """

    def __init__(self, bar: ProgressBar) -> None:
        self._bar = bar
        self._predicted = 0

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 (the interface of transformers)
    ) -> None:
        """The checks before training are over."""
        self._bar.training_begins()

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 (the interface of transformers)
    ) -> None:
        """One optimizer step done."""
        self._bar.show(state.global_step, state.max_steps)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 (the interface of transformers)
    ) -> None:
        """An evaluation is over; the next one counts anew."""
        self._predicted = 0

    def on_prediction_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        eval_dataloader: Any = None,  # noqa: ANN401
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """One batch predicted."""
        self._predicted += 1
        if eval_dataloader is not None:
            self._bar.show(self._predicted, len(eval_dataloader))


def show_progress(trainer: Trainer, bar: ProgressBar) -> None:
    """A bar in the place of the Trainer's own output."""
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(TrainingProgress(bar))


def quiet_libraries() -> None:
    """Silence the libraries' own progress bars and notices; errors and warnings of this package stay."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    disable_progress_bar()
    logging.getLogger("DeepSpeed").addFilter(_is_error)  # a filter, because it sets its own level when it is imported
    logging.getLogger("hf_tinybert").setLevel(logging.WARNING)


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR

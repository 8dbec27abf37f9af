"""The phases of a training run: which one is trained, in which folder, how long, and where a resumed run goes on."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from transformers import TrainerCallback

from hf_tinybert.distillation.arguments import DistillationArguments, PhaseSettings
from hf_tinybert.distillation.phase_logs import PhaseLogs
from hf_tinybert.distillation.resume import (
    finished_step,
    forget_finished,
    mark_finished,
    resume_point,
    seconds_until,
    warn_of_earlier_run,
)
from hf_tinybert.distillation.terms import Phase


class RunPhases:
    """What a trainer knows of the phases of its run; it trains them.

    Args:
        args: of the run.

    Attributes:
        current: the phase that is trained, or was last; the first one before.
        seconds: that each phase was trained, of a resumed run in all calls together; what an earlier call did after
            the checkpoint is done again, and is not counted.
        earlier_seconds: those of earlier calls among them.
    """

    def __init__(self, args: DistillationArguments) -> None:
        self.current: Phase = args.stages[0]
        self.seconds: dict[Phase, float] = {}
        self.earlier_seconds: dict[Phase, float] = {}
        self._args = args
        self._logs = PhaseLogs(Path(str(args.output_dir)))
        self._start: float | None = None
        self._finished_at: int | None = None

    @property
    def several(self) -> bool:
        """Whether there is more than one, each in a folder of its own."""
        return len(self._args.stages) > 1

    def folder(self, phase: Phase, run: Path | None = None) -> Path:
        """Where a phase writes its checkpoints.

        Args:
            phase: of the run.
            run: folder of the run, if it is not that of the arguments, as in a search for hyperparameters.
        """
        whole = Path(str(self._args.output_dir)) if run is None else run
        return whole / phase if self.several else whole

    def left(self, resume_from_checkpoint: str | bool | None) -> tuple[list[PhaseSettings], Path | None]:
        """The phases that are still to be trained, and the checkpoint with which the first of them goes on.

        Args:
            resume_from_checkpoint: see `resume_point`.

        Returns:
            Settings of each phase, and None where the first starts at its first step.

        Raises:
            FileNotFoundError: there is no such folder.
            ValueError: the checkpoint is damaged or of another run's phase, or there is none.
        """
        folders = {phase: self.folder(phase) for phase in self._args.stages}
        first, checkpoint = resume_point(resume_from_checkpoint, folders)
        if not resume_from_checkpoint:
            warn_of_earlier_run(folders)
        self.earlier_seconds = {} if checkpoint is None else seconds_until(checkpoint)
        self.seconds = dict(self.earlier_seconds)
        return self._args.phase_settings()[self._args.stages.index(first) :], checkpoint

    def enter(self, phase: Phase, callbacks: Iterable[TrainerCallback]) -> None:
        """From now on this phase is trained; reporters write to its part of their folders."""
        self.current = phase
        if self.several:
            self._logs.enter(phase, callbacks)

    @contextmanager
    def training(self, *, resumed: bool) -> Iterator[None]:
        """The seconds of the block are those of the current phase.

        Args:
            resumed: whether the phase goes on; else it begins anew, even if it was finished once.
        """
        folder = self.folder(self.current)
        if not resumed and self._args.should_save:
            forget_finished(folder)
        self._finished_at = finished_step(folder) if resumed else None
        if not resumed:
            self.seconds.pop(self.current, None)
        self._start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds = self.seconds_so_far()
            self._start = None

    def is_over(self, step: int, max_steps: int) -> bool:
        """Whether the current phase has no step left, or had stopped early at this one before it was resumed."""
        return step >= min(max_steps, self._finished_at or max_steps)

    def note_early_end(self, step: int, max_steps: int) -> None:
        """Note on disk that the current phase has ended, if it stopped early and another one follows."""
        if step < max_steps and self.current is not self._args.stages[-1] and self._args.should_save:
            mark_finished(self.folder(self.current), step)

    def seconds_so_far(self) -> dict[Phase, float]:
        """As `seconds`, with those of the running phase up to now."""
        if self._start is None:
            return self.seconds
        running = time.perf_counter() - self._start
        return {**self.seconds, self.current: self.seconds.get(self.current, 0.0) + running}


__all__ = ["RunPhases"]

"""How long a run was trained in its earlier calls, which were interrupted."""

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_tinybert.distillation.terms import Phase

_FILE = "training-seconds.json"


class TrainingClock(TrainerCallback):
    """Notes the seconds of training at every checkpoint, for a call that goes on there.

    What came after the checkpoint is trained again, and is not counted twice.

    Args:
        checkpoints: folder that outlives an interruption.
        phase: name of the phase that trains now; a training without phases has one without a name.
    """

    def __init__(self, checkpoints: Path, phase: Callable[[], str] = str) -> None:
        self._path, self._phase = checkpoints / _FILE, phase
        known = json.loads(self._path.read_text(encoding="utf-8")) if self._path.is_file() else {}
        self._notes: dict[str, dict[int, float]] = {
            name: {int(step): seconds for step, seconds in notes.items()} for name, notes in known.items()
        }
        self._earlier = {name: max(notes.values()) for name, notes in self._notes.items()}
        self._start = 0.0

    @property
    def earlier(self) -> dict[str, float]:
        """Seconds of earlier calls by phase: of one that this call trains, up to the step where it went on."""
        return {name: seconds for name, seconds in self._earlier.items() if seconds}

    def by_phase(self, own: Mapping[Phase, float]) -> dict[str, float]:
        """Seconds of all calls by phase, in the order of the training.

        Args:
            own: seconds of this call by phase.
        """
        named = {str(phase): seconds for phase, seconds in own.items()}
        return {name: self.earlier.get(name, 0.0) + named.get(name, 0.0) for name in {**self.earlier, **named}}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Forget what lies behind the step where this call goes on."""
        notes = self._notes.get(self._phase(), {})
        kept = {step: seconds for step, seconds in notes.items() if step <= state.global_step}
        self._notes[self._phase()] = kept
        self._earlier[self._phase()] = max(kept.values(), default=0.0)
        self._start = time.perf_counter()

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object) -> None:
        """Note the seconds up to a checkpoint."""
        self._note(state)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Note the seconds of a phase that has ended."""
        self._note(state)

    def _note(self, state: TrainerState) -> None:
        if not state.is_world_process_zero:
            return
        phase = self._phase()
        self._notes[phase][state.global_step] = self._earlier[phase] + time.perf_counter() - self._start
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".json.partial")
        temporary.write_text(json.dumps(self._notes), encoding="utf-8")
        os.replace(temporary, self._path)


__all__ = ["TrainingClock"]

"""How long a run was trained in its earlier calls, which were interrupted."""

import json
import os
import time
from pathlib import Path

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

_FILE = "seconds.json"


class TrainingClock(TrainerCallback):
    """Notes the seconds of training at every checkpoint, for a call that goes on there.

    What came after the checkpoint is trained again, and is not counted twice. `DistillationTrainer` counts by itself.

    Args:
        checkpoints: folder that outlives an interruption.

    Attributes:
        earlier: seconds of earlier calls, up to the step where this one went on; known when its training has begun.
    """

    def __init__(self, checkpoints: Path) -> None:
        self.earlier = 0.0
        self._path = checkpoints / _FILE
        known = json.loads(self._path.read_text(encoding="utf-8")) if self._path.is_file() else {}
        self._notes = {int(step): float(seconds) for step, seconds in known.items()}
        self._start = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Forget what lies behind the step where this call goes on."""
        self._notes = {step: seconds for step, seconds in self._notes.items() if step <= state.global_step}
        self.earlier = max(self._notes.values(), default=0.0)
        self._start = time.perf_counter()

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object) -> None:
        """Note the seconds up to a checkpoint."""
        if not state.is_world_process_zero:
            return
        self._notes[state.global_step] = self.earlier + time.perf_counter() - self._start
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".json.partial")
        temporary.write_text(json.dumps(self._notes), encoding="utf-8")
        os.replace(temporary, self._path)


__all__ = ["TrainingClock"]

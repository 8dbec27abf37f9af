"""Every term of every phase of a training, step by step, for its figures: kept where an interrupted run finds it."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_tinybert.distillation.trainer import DistillationTrainer

_FILE = "loss-history.json"
_DIGITS = 6  # that count: attention terms may be tiny
_EVALUATION = "eval_"

Curves = dict[str, dict[str, list[dict[str, float]]]]


class LossHistory(TrainerCallback):
    """Keeps what a trainer logged, phase by phase: each phase begins a log of its own.

    Args:
        trainer: of a run of one or several phases.
        checkpoints: folder that outlives an interruption; another call of the run finds the finished phases there.
    """

    def __init__(self, trainer: DistillationTrainer, checkpoints: Path) -> None:
        self._trainer, self._path = trainer, checkpoints / _FILE

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Keep the phase that ends; of a phase that was resumed the log holds all of it."""
        if not state.is_world_process_zero:
            return
        curves = {**self.curves(), str(self._trainer.phase): _curves(state.log_history)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".json.partial")
        temporary.write_text(json.dumps(curves), encoding="utf-8")
        os.replace(temporary, self._path)

    def curves(self) -> Curves:
        """By phase, `training` and `evaluation`: epoch and losses, in the order of the training."""
        if not self._path.is_file():
            return {}
        known: Curves = json.loads(self._path.read_text(encoding="utf-8"))
        return known


def _curves(logs: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, float]]]:
    evaluated = [any(name.startswith(_EVALUATION) for name in row) for row in logs]
    parts = {
        "training": [_losses(row, "") for row, is_one in zip(logs, evaluated, strict=True) if not is_one],
        "evaluation": [_losses(row, _EVALUATION) for row, is_one in zip(logs, evaluated, strict=True) if is_one],
    }
    return {name: [row for row in rows if len(row) > 1] for name, rows in parts.items()}


def _losses(row: Mapping[str, Any], prefix: str) -> dict[str, float]:
    """Epoch, and what is a loss; the summary at the end of a training has its own names and is none."""
    named = {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}
    losses = {
        name: float(f"{value:.{_DIGITS}g}") for name, value in named.items() if _is_loss(name) and name != "train_loss"
    }
    return {"epoch": round(row["epoch"], _DIGITS), **losses}


def _is_loss(name: str) -> bool:
    return name == "loss" or name.endswith(("_loss", "/loss"))  # of one of several tasks `news/loss`


__all__ = ["Curves", "LossHistory"]

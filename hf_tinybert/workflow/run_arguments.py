"""What every training run of the workflow shares: its data, its passes, and the stock arguments they become."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import TrainingArguments

from hf_tinybert.distillation.accelerators import has_accelerator
from hf_tinybert.distillation.checkpoints import last_whole_checkpoint

CHECKPOINTS = ".checkpoints"
TRAINING_ARGUMENTS_FILE = "training_args.bin"
_LOGGED_PER_RUN = 50
# Answers of so many steps are put together before they join the others: the stock Trainer copies all at every step.
_GATHERED_STEPS = 64
_LEARNING_RATES = frozenset({"learning_rate", "intermediate_learning_rate"})
_SEEDS = 2**32  # numpy takes no more


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Which rows of which data, how long, in batches of how many. JSON values only.

    Attributes:
        data: Hub name, folder or file, see `load_task_data`.
        kind: kind of task; None takes the one that the columns show, or that the teacher was trained for.
        columns: standard column -> its name in the data, where the names do not show it; of several columns, such as
            those of 0 and 1 for `labels`, their names with commas between them.
        max_length: tokens that the model reads at once; None takes the kind's usual length.
        stride: tokens that neighbouring windows of a long text share, of kinds that read it so; None takes a third of
            the length.
        summary_sentences: sentences of an extractive summary. At this default, and that of `masked_share`, a student
            takes what its teacher was trained for.
        masked_share: share of the tokens that masked LM hides. Source: BERT, section 3.1.
        train_rows: training rows at most, drawn by the seed; None takes all.
        validation_rows: validation rows at most for choosing the best epoch; None takes all.
        batch_size: rows per step. Source: BERT, appendix A.3, takes 16 or 32.
        weight_decay: of all weights but biases and LayerNorms. Source: BERT, appendix A.2.
        warmup: share of the steps over which the learning rate rises. Source: TinyBERT's published code.
        keep_best: whether the epoch with the best score on the validation split is kept; else the last one.
        score_test: whether the test split is scored, once, at the end.
        seed: of everything random.
    """

    data: str
    kind: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    max_length: int | None = None
    stride: int | None = None
    summary_sentences: int = 1
    masked_share: float = 0.15
    train_rows: int | None = None
    validation_rows: int | None = None
    batch_size: int = 32
    weight_decay: float = 0.01
    warmup: float = 0.1
    keep_best: bool = True
    score_test: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every range before anything is spent."""
        check_numbers(vars(self))
        for name in ("train_rows", "validation_rows", "max_length", "batch_size", "summary_sentences"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"expected `{name}` of at least 1, got {value}; because nothing would be left")
        if self.stride is not None and self.stride < 0:
            raise ValueError(f"expected `stride` of at least 0 tokens, got {self.stride}")
        for name, value in (("warmup", self.warmup), ("masked_share", self.masked_share)):
            if not 0 <= value < 1:
                raise ValueError(f"expected `{name}` as a share from 0 to 1, got {value}")

    def to_json(self) -> dict[str, Any]:
        """As JSON gives them back: what a finished run is told apart by."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values

    @property
    def scored_splits(self) -> tuple[str, ...]:
        """The splits that are scored at the end."""
        return ("validation", "test") if self.score_test else ("validation",)


def check_numbers(settings: Mapping[str, Any]) -> None:
    """Refuse numbers that no training can begin with: a run that stops at them has claimed its folder.

    Args:
        settings: of a run, by name.

    Raises:
        ValueError: a number that is not finite, a learning rate that is not positive, or a seed out of range.
    """
    for name, value in settings.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"expected a finite `{name}`, got {value}")
        if name in _LEARNING_RATES and value is not None and value <= 0:
            raise ValueError(f"expected a positive `{name}`, got {value}; because nothing would be learnt")
    if not 0 <= settings["seed"] < _SEEDS:
        raise ValueError(f"expected a `seed` from 0 to {_SEEDS - 1:,}, got {settings['seed']}")


def stock_arguments(settings: DataSettings, checkpoints: Path, *, metric: str) -> dict[str, Any]:
    """Fields of `TrainingArguments` that fine-tuning and distillation share.

    The batch size is left to `share_steps`. An epoch ends with a checkpoint, so that an interrupted run loses one at
    most, and where the best one is kept with an evaluation.

    Args:
        settings: of the run.
        checkpoints: folder for them.
        metric: that decides which epoch is best; `loss` is the lower the better.
    """
    arguments: dict[str, Any] = {
        "output_dir": str(checkpoints),
        "weight_decay": settings.weight_decay,
        "warmup_steps": settings.warmup,
        "train_sampling_strategy": "group_by_length",
        "logging_steps": 1 / _LOGGED_PER_RUN,
        "save_strategy": "epoch",
        "save_total_limit": 1,
        "eval_accumulation_steps": _GATHERED_STEPS,
        "seed": settings.seed,
        "report_to": "none",
        "disable_tqdm": True,
        "log_level_replica": "error",  # the first process warns for all
        "use_cpu": not has_accelerator(),
        "dataloader_pin_memory": torch.accelerator.is_available(),
    }
    if settings.keep_best:
        arguments |= {
            "eval_strategy": "epoch",
            "load_best_model_at_end": True,
            "metric_for_best_model": metric,
            "greater_is_better": metric != "loss",
        }
    return arguments


def share_steps(arguments: TrainingArguments, batch_size: int) -> None:
    """Give each process its share of a step, so that a step has the same rows for any number of them.

    Args:
        arguments: of the trainer; their batch sizes are set.
        batch_size: rows of a step, of all processes together.

    Raises:
        ValueError: the processes cannot share a step evenly.
    """
    share, left = divmod(batch_size, arguments.world_size)
    if left:
        raise ValueError(
            f"expected a `batch_size` that {arguments.world_size} processes share evenly, got {batch_size}; because "
            "each takes as many rows of a step as the others; choose a multiple"
        )
    arguments.per_device_train_batch_size = arguments.per_device_eval_batch_size = share


def place_models(models: Iterable[nn.Module], device: torch.device) -> None:
    """Move models, in place, to where a run trains, so that they are scored and initialised there too.

    Not to Apple's GPUs: they have no float64, which initialisation computes in; the Trainer moves what it trains.

    Args:
        models: teachers and students.
        device: of the run's arguments.
    """
    if device.type == "mps":
        return
    for model in models:
        nn.Module.to(model, device)


def resumes(checkpoints: Path, phases: Sequence[str]) -> bool:
    """Whether an earlier run left a whole checkpoint of any phase."""
    folders = [checkpoints / phase if len(phases) > 1 else checkpoints for phase in phases]
    return any(last_whole_checkpoint(folder) is not None for folder in folders)


__all__ = [
    "CHECKPOINTS",
    "TRAINING_ARGUMENTS_FILE",
    "DataSettings",
    "check_numbers",
    "place_models",
    "resumes",
    "share_steps",
    "stock_arguments",
]

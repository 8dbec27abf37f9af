"""What a general distillation depends on: teacher, raw text, shape and start of the student, how long it learns."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from hf_tinybert.data.raw_text import DEFAULT_COLUMNS
from hf_tinybert.data.task_sampling import SamplingStrategy, TaskSampling
from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.loss_weights import parse_loss_weights
from hf_tinybert.distillation.terms import Phase, Reads, Term, reads_of
from hf_tinybert.models.configuration_tinybert_tasks import check_task_name
from hf_tinybert.models.start_checks import InitializationMethod
from hf_tinybert.workflow.run_arguments import DataSettings, check_numbers, share_steps
from hf_tinybert.workflow.run_sources import RunSources
from hf_tinybert.workflow.student_shape import StudentShape

TEXT_TASK = "text"
"""The raw text among the tasks of a student that learns several."""

_LOGGED_PER_RUN = 50
_OF_A_TASK = frozenset({"columns", "data", "kind", "max_length", "stride", "train_rows", "validation_rows", "weight"})
_PREDICTION_TERMS = frozenset(str(term) for term in Term if reads_of(term) & Reads.LOGITS)
_TEACHER_TERMS = frozenset({str(Term.PREDICTION), str(Term.PREDICTION_KL), str(Term.LOGITS_MSE)})


@dataclass(frozen=True, kw_only=True)
class PretrainSettings:
    """What a general distillation depends on. JSON values only.

    Attributes:
        texts: files of raw text or data sets of the hub, see `read_documents`.
        columns: that hold documents, see `read_documents`.
        deduplicate: whether a document that comes again is left out.
        teacher: Hub name or folder; None takes the packaged all-MiniLM-L6-v2.
        block_length: tokens at once, two special ones among them. Source: TinyBERT, section 4.2, takes 128.
        held_out_blocks: that are not trained on; the terms are compared on them before and after.
        shape: preset of the student, "4L-312" or "6L-768".
        layers: of the student, in place of the preset's; so are `width`, `heads` and `units`.
        width: of its hidden states.
        heads: attention heads of a layer.
        units: of its feed-forward layers.
        start: `projection` or `layers` of the teacher, or `random`.
        epochs: passes over the blocks. Source: TinyBERT, section 4.2, takes 3.
        max_steps: optimizer steps; wins over epochs.
        learning_rate: peak. Source: benchmarks/results/general_distillation.json, where 6e-4 ends at a higher loss.
        batch_size: blocks per step, of all processes together.
        weight_decay: of all weights but biases and LayerNorms.
        warmup: share of the steps over which the learning rate rises.
        recipe: method whose intermediate terms and mapping are the defaults.
        loss_weights: factors of terms.
        masked_lm: factor of masked LM on the words of the text beside the intermediate terms; the student then keeps
            its masked-LM head. None leaves it out. `loss_weights` of `prediction_kl_loss`, `prediction_loss` or
            `logits_mse_loss` add the teacher's predictions of the hidden words, where it has a trained head.
        tasks: supervised tasks that are learned at the same time from their gold labels, with `masked_lm`: by the name
            of the student's head, `data`, and where wanted `kind`, `columns`, `max_length`, `stride`, `train_rows` and
            `validation_rows` as of `DataSettings`, and `weight`, the factor of the task's loss, 1 if unset.
        sampling: how often the text and each task come: `proportional`, `temperature` or `annealed`.
        layer_mapping: teacher layer of each student layer, which it starts from and imitates; `search` finds them.
        checkpoint_steps: optimizer steps between checkpoints; an interrupted run loses fewer.
        preflight: whether the run is examined before its first step.
        seed: of everything random.
    """

    texts: tuple[str, ...]
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    deduplicate: bool = True
    teacher: str | None = None
    block_length: int = 128
    held_out_blocks: int = 128
    shape: str = "4L-312"
    layers: int | None = None
    width: int | None = None
    heads: int | None = None
    units: int | None = None
    start: str = str(InitializationMethod.PROJECTION)
    epochs: float = 3.0
    max_steps: int | None = None
    learning_rate: float = 1e-3
    batch_size: int = 32
    weight_decay: float = 0.01
    warmup: float = 0.1
    recipe: str | None = None
    loss_weights: Mapping[str, Any] | None = None
    masked_lm: float | None = None
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sampling: str = str(SamplingStrategy.PROPORTIONAL)
    layer_mapping: str | None = None
    checkpoint_steps: int = 500
    preflight: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every range before anything is spent."""
        check_numbers(vars(self))
        if not self.texts:
            raise ValueError("expected a file or data set of `texts`, got none")
        for name, least in (("block_length", 3), ("held_out_blocks", 1), ("batch_size", 1), ("checkpoint_steps", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"expected `{name}` of at least {least}, got {getattr(self, name)}")
        if self.max_steps is not None and self.max_steps < 1:
            raise ValueError(f"expected `max_steps` of at least 1, got {self.max_steps}")
        if self.epochs <= 0:
            raise ValueError(f"expected positive `epochs`, got {self.epochs}; because nothing would be learnt")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"expected `warmup` as a share from 0 to 1, got {self.warmup}")
        starts = [str(one) for one in InitializationMethod if one is not InitializationMethod.TRAINED]
        if self.start not in starts:
            raise ValueError(f"expected `start` of {', '.join(starts)}, got {self.start!r}")
        parse_loss_weights(self.loss_weights or {})
        self.student_shape  # noqa: B018 (checks the sizes)
        if self.masked_lm is not None:
            self._check_masked_lm(self.masked_lm)
        TaskSampling(self.sampling)
        self._check_tasks()

    @property
    def sources(self) -> RunSources:
        """What a student of these settings is made of."""
        data = tuple(str(own["data"]) for own in self.tasks.values())
        return RunSources(models=() if self.teacher is None else (self.teacher,), files=self.texts, data=data)

    @property
    def student_shape(self) -> StudentShape:
        """The sizes of the student."""
        return StudentShape(self.shape, self.layers, self.width, self.heads, self.units)

    def arguments(self, checkpoints: Path) -> DistillationArguments:
        """The arguments of the trainer; under a launcher each process takes its share of a step.

        Args:
            checkpoints: folder for them.

        Raises:
            ValueError: a value out of range, or a step that the processes cannot share evenly.
        """
        given: dict[str, Any] = {
            "recipe": self.recipe,
            "max_steps": self.max_steps,
            "intermediate_max_steps": self.max_steps,
            "loss_weights": self._weights(),
            "layer_mapping": self.layer_mapping,
        }
        arguments = DistillationArguments(
            output_dir=str(checkpoints),
            # masked LM reads the head, and is trained at once with the terms below it
            phases=[str(Phase.INTERMEDIATE if self.masked_lm is None else Phase.JOINT)],
            num_train_epochs=self.epochs,
            intermediate_num_train_epochs=self.epochs,
            learning_rate=self.learning_rate,
            intermediate_learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup_steps=self.warmup,
            train_sampling_strategy="random",
            logging_steps=1 / _LOGGED_PER_RUN,
            save_strategy="steps",
            save_steps=self.checkpoint_steps,
            save_total_limit=1,
            seed=self.seed,
            report_to="none",
            disable_tqdm=True,
            log_level_replica="error",  # the first process warns for all
            dataloader_pin_memory=torch.accelerator.is_available(),
            preflight=self.preflight,
            **{name: value for name, value in given.items() if value is not None},
        )
        share_steps(arguments, self.batch_size)
        return arguments

    def _check_masked_lm(self, weight: float) -> None:
        if not (math.isfinite(weight) and weight > 0):
            raise ValueError(f"expected a positive `masked_lm`, got {weight}; None leaves it out")
        others = sorted(set(self.loss_weights or {}) & (_PREDICTION_TERMS - _TEACHER_TERMS))
        if others:
            raise ValueError(
                f"expected of the terms of predictions {', '.join(sorted(_TEACHER_TERMS))} in `loss_weights`, got "
                f"{', '.join(others)}; because the words of the text are weighted by `masked_lm`, and there are no "
                "other labels; take them out"
            )

    def _check_tasks(self) -> None:
        if not self.tasks and self.sampling != SamplingStrategy.PROPORTIONAL:
            raise ValueError(
                f"expected `tasks` with `sampling`, got {self.sampling} alone; because it says how often the text and "
                "each task come; name the tasks, or leave it out"
            )
        if self.tasks and self.masked_lm is None:
            raise ValueError(
                f"expected `masked_lm` beside the tasks {', '.join(f'`{name}`' for name in self.tasks)}, got none; "
                "because the text is one of the tasks, and its head predicts words; give its weight"
            )
        for name, own in self.tasks.items():
            check_task_name(name)
            if name.casefold() == TEXT_TASK:
                raise ValueError(f"expected another name for a task than `{TEXT_TASK}`, which is that of the raw text")
            strange = sorted(set(own) - _OF_A_TASK)
            if strange or "data" not in own:
                raise ValueError(
                    f"expected `data`, and of {', '.join(sorted(_OF_A_TASK - {'data'}))} what is wanted, for the task "
                    f"`{name}`, got {', '.join(sorted(own)) or 'nothing'}"
                )
            if not (math.isfinite(weight := self.task_weight(name)) and weight > 0):
                raise ValueError(f"expected a positive `weight` of the task `{name}`, got {weight}; leave it out")
            self.data_of(name)

    def data_of(self, task: str) -> DataSettings:
        """Which rows a task has."""
        own = {name: value for name, value in self.tasks[task].items() if name != "weight" and value is not None}
        return DataSettings(batch_size=self.batch_size, seed=self.seed, **own)

    def task_weight(self, task: str) -> float:
        """The factor of a task's loss."""
        return float(self.tasks[task].get("weight", 1.0))

    def _weights(self) -> dict[str, Any] | None:
        """With masked LM a recipe's terms of predictions, which are those of tasks, are left out."""
        given = None if self.loss_weights is None else dict(self.loss_weights)
        if self.masked_lm is None:
            return given
        return {**dict.fromkeys(_PREDICTION_TERMS, 0.0), **(given or {}), str(Term.MASKED_LM): self.masked_lm}

    def to_json(self) -> dict[str, Any]:
        """As JSON gives them back: what a finished run is told apart by."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        for name in ("masked_lm", "tasks", "sampling"):
            if not self.tasks and (name != "masked_lm" or self.masked_lm is None):
                del values[name]  # so that runs begun before there was such a setting go on
        return values


__all__ = ["TEXT_TASK", "PretrainSettings"]

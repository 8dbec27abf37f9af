"""`DistillationTrainer`: the stock Trainer with a teacher."""

import logging
from collections.abc import Mapping, Set
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch
import transformers
from datasets import Dataset
from torch import nn
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed
from transformers.trainer_utils import IntervalStrategy, TrainOutput

from hf_tinybert.data.augmentation import FreshVariants
from hf_tinybert.data.kinds.definition import Collator
from hf_tinybert.distillation.adapters import is_adapter_model
from hf_tinybert.distillation.arguments import DistillationArguments, PhaseSettings
from hf_tinybert.distillation.compatibility.rows import check_evaluation_rows
from hf_tinybert.distillation.distributed_teacher import autocast_precision, check_same_teacher, place_teacher
from hf_tinybert.distillation.encodings import has_teacher_encoding, input_columns
from hf_tinybert.distillation.frozen_parts import frozen_parameters, frozen_parts
from hf_tinybert.distillation.frozen_weights import weights_sha256
from hf_tinybert.distillation.learned_mapping import layer_weights_table
from hf_tinybert.distillation.log_level import follow_log_level
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.objective_trainer import ONLY_TASK
from hf_tinybert.distillation.pairing import pair_models
from hf_tinybert.distillation.phase_arguments import check_best_metric, phase_arguments, warn_of_moving_loss
from hf_tinybert.distillation.preflight import PreflightReport, Setup, run_preflight
from hf_tinybert.distillation.projections import ProjectionStart
from hf_tinybert.distillation.rate_factors import check_rate_factors
from hf_tinybert.distillation.record import DistillationRecord, public_name
from hf_tinybert.distillation.refusals import check_devices, check_trainer_arguments, refuse_search
from hf_tinybert.distillation.resume import check_same_optimizer, warn_of_other_run
from hf_tinybert.distillation.rows_trainer import RowsTrainer
from hf_tinybert.distillation.run_phases import RunPhases
from hf_tinybert.distillation.sharding import gathered, reshard
from hf_tinybert.distillation.task_distillation import TaskDistillation
from hf_tinybert.distillation.task_head import predicts_vocabulary, without_vocabulary_logits
from hf_tinybert.distillation.teacher_ensemble import told_ensemble
from hf_tinybert.distillation.teacher_outputs import CacheSettings
from hf_tinybert.distillation.terms import Phase
from hf_tinybert.distillation.training_rows import column_names, encoded_rows, paired_collator
from hf_tinybert.distillation.weight_type import cast_weights

if TYPE_CHECKING:
    from peft import PeftModel

logger = logging.getLogger(__name__)


class DistillationTrainer(RowsTrainer):
    """Trains a student to imitate a teacher, in one or more phases.

    `train()` runs the phases of `args.phases` in turn, each with fresh optimizer and schedule. Every term is logged
    under its own name (`attention_scores_loss`, `eval_prediction_loss`, ...). Evaluation returns loss and logits only.
    `trainer.model` is the student; `save_model()` writes a folder without teacher or projections. With more than one
    phase, checkpoints lie in `output_dir/<phase>/checkpoint-<step>`.

    Args:
        model: the student, or a `PeftModel` of it; labels, if any, are not trained on.
        args: what to distil and how.
        teacher: model, Hub name or folder; frozen, in evaluation mode, never part of the student. An adapter of peft
            is merged into it, in place; with `bf16` its weights are rounded to bfloat16, in place too.
        teacher_processing_class: the teacher's tokenizer, compared with `processing_class`; found by itself when the
            teacher is a name.
        objectives: one of one's own for each phase, instead of those that `args` describe.
        initialization: where the projections start: what `initialize_from_teacher` returned, or a folder with
            `distillation_projections.safetensors` (a checkpoint, or a published student after `convert`). None starts
            at the identity at equal width and at random otherwise.
        **kwargs: everything else of the stock Trainer; `train_dataset` may be `FreshVariants`, which change in every
            epoch.

    Raises:
        ValueError: see `distillation.compatibility`; all before the first step.

    Source: TinyBERT (arXiv 1909.10351), sections 3 and 4.
    """

    def __init__(
        self,
        model: "PreTrainedModel | PeftModel",
        args: DistillationArguments,
        *,
        teacher: "PreTrainedModel | PeftModel | str | Path",
        teacher_processing_class: PreTrainedTokenizerBase | None = None,
        objectives: Mapping[Phase, DistillationObjective] | None = None,
        initialization: ProjectionStart | str | Path | None = None,
        **kwargs: Any,  # noqa: ANN401 (the stock Trainer's own)
    ) -> None:
        check_trainer_arguments(args, kwargs)
        follow_log_level(args)  # before the first thing is told
        with frozen_parts(model, args.frozen):  # as in training, so that a phase without anything to learn is refused
            pair = pair_models(
                model,
                teacher,
                args,
                tokenizers=(kwargs.get("processing_class"), teacher_processing_class),
                objectives=objectives,
                initialization=initialization,
                train_dataset=encoded_rows(kwargs.get("train_dataset")),
                collator=kwargs.get("data_collator"),
            )
        self.objectives, self.layer_mapping, self.teacher_name = pair.objectives, pair.layer_mapping, pair.teacher_name
        self._recipe = args.recipe if objectives is None else None
        self._tokenizers, self._mapping_table = pair.tokenizers, pair.mapping_table(str(args.layer_mapping))
        if has_teacher_encoding(column_names(kwargs.get("train_dataset"))) and kwargs.get("data_collator") is None:
            kwargs["data_collator"] = paired_collator(*pair.tokenizers)
        self._teacher_sha256, self.ensemble = weights_sha256(pair.teacher), told_ensemble(pair.teacher)
        self._start(model, args, input_columns(pair.student, pair.teacher), kwargs)
        self._plain_teacher, self.teacher = pair.teacher, self._placed(pair.teacher, self._teacher_sha256)
        outputs = pair.teacher_outputs(self.teacher, autocast_precision(self.accelerator))
        self._tasks[ONLY_TASK] = TaskDistillation(
            pair.student,
            pair.objectives,
            outputs,
            predicts_vocabulary=predicts_vocabulary(pair.student),
            whole_logits=bool(self.args.torch_compile),
        )

    def _start(
        self,
        model: "PreTrainedModel | PeftModel",
        args: DistillationArguments,
        columns: Set[str],
        kwargs: dict[str, Any],
    ) -> None:
        """The stock Trainer, and what a run remembers.

        Args:
            model: the student as given.
            args: of the run.
            columns: that the models read.
            kwargs: for the stock Trainer.
        """
        super().__init__(columns, model=model, args=args, **kwargs)
        check_rate_factors(self.model, self._rate_factors, args.frozen or (), is_paired=True)
        self._train_projections()  # an optimizer of the caller was made before there were any
        check_devices(self)
        self._phases = RunPhases(self.args)

    def _placed(self, teacher: PreTrainedModel, sha256: str) -> nn.Module:
        """A teacher where and how it runs; it is the same on every process."""
        if self.args.bf16:
            cast_weights(teacher, torch.bfloat16)  # autocast would cast frozen weights anew at every product
        check_same_teacher(sha256)
        return place_teacher(teacher, self.accelerator)

    @property
    def phase(self) -> Phase:
        """The one that runs, or ran last."""
        return self._phases.current

    @property
    def phase_seconds(self) -> dict[Phase, float]:
        """How long each phase trained; of a resumed run in all calls together, up to the checkpoint of each."""
        return self._phases.seconds

    @property
    def earlier_phase_seconds(self) -> dict[Phase, float]:
        """Of `phase_seconds`, those of earlier calls of a resumed run."""
        return self._phases.earlier_seconds

    @property
    def phase_objective(self) -> DistillationObjective:
        """Of the phase that runs, or ran last."""
        return self.objectives[self.phase]

    def train(
        self,
        resume_from_checkpoint: str | bool | None = None,
        trial: Any = None,  # noqa: ANN401 (type of the search back end)
        ignore_keys_for_eval: list[str] | None = None,
    ) -> TrainOutput:
        """Run the phases in turn.

        Args:
            resume_from_checkpoint: a checkpoint folder, or True for the last whole one of the last phase begun.
                Phases before it are not repeated.
            trial: of a hyperparameter search.
            ignore_keys_for_eval: as in the stock Trainer.

        Returns:
            Steps of all phases, loss of the last, and the metrics of the last plus `train_runtime` (seconds) of all.

        Raises:
            ValueError: no checkpoint to resume from, a damaged one, one of other frozen parts or rates of parts, or a
                metric of the best model that no evaluation gives.
        """
        self._check_evaluations()
        phases, checkpoint = self._phases.left(resume_from_checkpoint)
        if checkpoint is not None:
            check_same_optimizer(checkpoint, self._record())
        if any(one.reads_layers for one in self._tasks.values()):
            self._tell(self._mapping_table)
        if self.args.frozen:
            logger.info("frozen: %s", ", ".join(frozen_parameters(self.model, self.args.frozen)))
        if self.args.preflight and checkpoint is None:
            report = self.preflight()
            logger.info("checks before training: %s\n%s", report.summary(), report.table())
            report.raise_on_fail()
            for check in report.warned:
                logger.warning("%s: %s; %s", check.name, check.found, check.cure)
        self._open_cache()
        outputs = [
            self._train_phase(settings, checkpoint if settings is phases[0] else None, trial, ignore_keys_for_eval)
            for settings in phases
        ]
        runtime = sum(output.metrics["train_runtime"] for output in outputs)
        return TrainOutput(
            global_step=sum(output.global_step for output in outputs),
            training_loss=outputs[-1].training_loss,
            metrics={**outputs[-1].metrics, "train_runtime": runtime},
        )

    def hyperparameter_search(self, *_: Any, **__: Any) -> NoReturn:  # noqa: ANN401 (of its base)
        """Refused, as `model_init` is: make a trainer for each trial."""
        refuse_search()

    @property
    def _evaluation_parts(self) -> tuple[str, ...]:
        """Names of several evaluation sets, whose figures are apart; none of one set."""
        return tuple(self.eval_dataset) if isinstance(self.eval_dataset, dict) else ()

    def _check_evaluations(self) -> None:
        """Before anything is spent, see that evaluations will have their labels, and give the best model's metric."""
        own = type(self).evaluate is not DistillationTrainer.evaluate  # which may add any
        computes = self.compute_metrics is not None or own
        check_best_metric(self.args, self._tasks, parts=self._evaluation_parts, computes_metrics=computes)
        warn_of_moving_loss(self.args, self._tasks, self._evaluation_parts)
        if not own:
            self._check_evaluation_rows()

    def _check_evaluation_rows(self) -> None:
        if self.args.eval_strategy == IntervalStrategy.NO and not self.args.eval_on_start:
            return
        parts = self.eval_dataset if isinstance(self.eval_dataset, dict) else {"": self.eval_dataset}
        for name, rows in parts.items():
            task = self._tasks.get(name) or self._tasks[ONLY_TASK]
            if isinstance(rows, Dataset):
                collator = self._get_collator_with_removed_columns(self._evaluation_collator(name))
                check_evaluation_rows(rows, self._student, list(task.objectives.values()), name, collator)

    def _evaluation_collator(self, part: str) -> Collator:
        """Makes the batches of an evaluation set, by its name among several."""
        collator: Collator = self.data_collator
        return collator

    def preflight(self, score_rows: int = 64) -> PreflightReport:
        """Look at this run before anything is spent: what `hf-tinybert doctor` prints.

        Where a wrapper will spread the student over processes (DeepSpeed, FSDP), checks that run a model are left out.

        Args:
            score_rows: labelled rows at most that the teacher is scored on; 0 leaves the score out.
        """
        whole = not (self.is_deepspeed_enabled or self.is_fsdp_enabled)
        data = {"train_dataset": encoded_rows(self.train_dataset), "eval_dataset": self.eval_dataset}
        with gathered(self._student, self._plain_teacher), frozen_parts(self.model, self.args.frozen):
            setup = Setup(
                self._student,
                self._plain_teacher,
                objectives=tuple(self.objectives.values()),
                adapted=self.model if is_adapter_model(self.model) else None,
                mapping=self.layer_mapping,
                student_tokenizer=self._tokenizers[0],
                teacher_tokenizer=self._tokenizers[1],
                arguments=self.args,
                collator=self.data_collator,
                separate_encodings=has_teacher_encoding(column_names(self.train_dataset)),
                trainer_class=type(self),
                score_rows=score_rows,
                **{name: rows for name, rows in data.items() if whole and isinstance(rows, Dataset)},
            )
            return run_preflight(setup)

    def _open_caches(self, settings: CacheSettings) -> None:
        self._open_cache_of(ONLY_TASK, settings, self.train_dataset, self.data_collator, self._teacher_sha256)

    def _train_phase(
        self,
        settings: PhaseSettings,
        checkpoint: Path | None,
        trial: Any,  # noqa: ANN401
        ignore_keys_for_eval: list[str] | None,
    ) -> TrainOutput:
        """One stock training run with the arguments and the objective of a phase."""
        self._enter(settings.phase)
        if checkpoint is not None:
            warn_of_other_run(checkpoint, self._record())
        for task in self._active_tasks().values():
            logger.info("phase %s: %s", settings.phase, {name: str(w) for name, w in task.objective.weights.items()})
        if self._phases.several:
            reshard(self.model)  # before a new optimizer takes its parameters
            self.optimizer, self.lr_scheduler, self.model_wrapped = None, None, self.model
            set_seed(self.args.seed)  # a phase resumed at its first step sees the same dropout
        read = any(task.reads_vocabulary for task in self._tasks.values())
        try:
            with (
                frozen_parts(self._student, self.args.frozen),
                self._phases.training(resumed=checkpoint is not None),
                phase_arguments(self.args, settings, self._tasks, self._evaluation_parts),
                without_vocabulary_logits(self._student, when=not read),
            ):
                output: TrainOutput = super().train(
                    str(checkpoint) if checkpoint else None, trial, ignore_keys_for_eval
                )
            self._phases.note_early_end(self.state.global_step, self.state.max_steps)
            return output
        finally:
            self._tell_learned_mapping()

    def _enter(self, phase: Phase) -> None:
        self._phases.enter(phase, self.callback_handler.callbacks)
        for task in self._tasks.values():
            task.enter(phase)
        if isinstance(self.train_dataset, FreshVariants):
            self.train_dataset.set_phase(self.args.stages.index(phase))

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (passed through)
        """Not when a phase is resumed at its last step: the stock loop would take one step more."""
        if self._phases.is_over(self.state.global_step, self.state.max_steps):
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*args, **kwargs)

    def _tell_learned_mapping(self) -> None:
        for task in self._active_tasks().values():
            learned = task.objective.learned_mapping
            for term, weights in ({} if learned is None else learned.mean_weights()).items():
                self._tell(f"{term}, mean weights of the teacher's layers\n{layer_weights_table(weights)}")

    def _tell(self, text: str) -> None:
        """Into the log where that is kept, else above the progress bar where there is one."""
        if logger.isEnabledFor(logging.INFO) and logger.hasHandlers():
            logger.info("%s", text)
        elif self.is_world_process_zero() and not self.args.disable_tqdm:
            tqdm.write(text)

    def _get_output_dir(self, trial: Any) -> str:  # noqa: ANN401
        return str(self._phases.folder(self.phase, Path(super()._get_output_dir(trial))))

    def _record(self) -> DistillationRecord:
        metrics = {name: value for logs in self.state.log_history for name, value in logs.items()}
        seconds = self._phases.seconds_so_far()
        return DistillationRecord(
            **self._told_of_tasks(),
            student_class=type(self._student).__name__,
            recipe=self._recipe,
            phases=[str(phase) for phase in self.args.stages],
            phase=str(self.phase),
            global_step=self.state.global_step,
            loss_reduction=str(self.args.loss_reduction),
            seed=self.args.seed,
            frozen=self.args.frozen or [],
            learning_rate_factors=dict(self._rate_factors),
            metrics={name: value for name, value in metrics.items() if isinstance(value, int | float)},
            seconds=round(sum(seconds.values()), 1),
            phase_seconds={str(phase): round(of_phase, 3) for phase, of_phase in seconds.items()},
            versions={
                "hf_tinybert": version("hf-tinybert"),
                "torch": torch.__version__,
                "transformers": transformers.__version__,
            },
        )

    def _told_of_tasks(self) -> dict[str, Any]:
        """What the record tells of teacher and terms."""
        learned = self.phase_objective.learned_mapping
        return {
            "teacher": public_name(self.teacher_name),
            "teacher_class": type(self.accelerator.unwrap_model(self.teacher)).__name__,
            "teacher_sha256": self._teacher_sha256,
            "ensemble": self.ensemble,
            "layer_mapping": list(self.layer_mapping),
            "learned_mapping": None if learned is None else learned.to_json(),
            "loss_weights": {name: weight.to_json() for name, weight in self.phase_objective.weights.items()},
            "loss_layers": {str(name): list(layers) for name, layers in self.phase_objective.layers.items()},
            "temperature": self.phase_objective.temperatures.to_json(),
            "probability_shift": self.phase_objective.shifts_predictions,
            "label_smoothing": self.phase_objective.label_smoothing,
            "relation_heads": self.phase_objective.relation_heads,
        }


__all__ = ["DistillationTrainer"]

"""`DistillationTrainer`: the stock Trainer with a teacher."""

import logging
from collections.abc import Mapping, Set
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import transformers
from datasets import Dataset
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, RandomSampler, Sampler, SequentialSampler
from tqdm.auto import tqdm
from transformers import EvalPrediction, PreTrainedModel, PreTrainedTokenizerBase, set_seed
from transformers.trainer_utils import EvalLoopOutput, PredictionOutput, TrainOutput, has_length
from transformers.utils.generic import ModelOutput

from hf_tinybert.data.augmentation import FreshVariants
from hf_tinybert.data.length_grouping import LengthGroupedRows
from hf_tinybert.data.multitask import SingleTaskSteps
from hf_tinybert.distillation.adapters import is_adapter_model, transformers_model, without_projections
from hf_tinybert.distillation.arguments import CacheChoice, DistillationArguments, PhaseSettings
from hf_tinybert.distillation.cache import ROW_COLUMN, with_row_ids
from hf_tinybert.distillation.checkpoints import TRAINER_STATE_FILE
from hf_tinybert.distillation.distributed_teacher import check_same_teacher, place_teacher
from hf_tinybert.distillation.embedding_teacher import gives_embeddings
from hf_tinybert.distillation.encodings import has_teacher_encoding, input_columns
from hf_tinybert.distillation.learned_mapping import layer_weights_table
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.pairing import pair_models
from hf_tinybert.distillation.phase_arguments import check_best_metric, phase_arguments, warn_of_moving_loss
from hf_tinybert.distillation.preflight import PreflightReport, Setup, run_preflight
from hf_tinybert.distillation.projections import (
    PROJECTIONS_ATTRIBUTE,
    PROJECTIONS_FILE,
    DistillationOutput,
    ProjectionStart,
    attached_projections,
    train_with,
)
from hf_tinybert.distillation.publishing_trainer import PublishingTrainer
from hf_tinybert.distillation.record import DistillationRecord, public_name
from hf_tinybert.distillation.refusals import check_trainer_arguments
from hf_tinybert.distillation.resume import warn_of_other_run
from hf_tinybert.distillation.run_phases import RunPhases
from hf_tinybert.distillation.running_means import RunningMeans
from hf_tinybert.distillation.sharding import complete_state, gathered, reshard
from hf_tinybert.distillation.task_distillation import TaskDistillation
from hf_tinybert.distillation.task_head import (
    leaves_out_vocabulary_logits,
    predicts_vocabulary,
    without_vocabulary_logits,
)
from hf_tinybert.distillation.teacher import weights_sha256
from hf_tinybert.distillation.teacher_outputs import CacheSettings, Collator
from hf_tinybert.distillation.terms import Phase
from hf_tinybert.distillation.training_rows import column_names, encoded_rows, grouped_rows, paired_collator

if TYPE_CHECKING:
    from peft import PeftModel

logger = logging.getLogger(__name__)

_Value = TypeVar("_Value")

_ONLY_TASK = ""
_PREDICTIONS = ("logits", "start_logits", "end_logits", "prediction_logits")


class DistillationTrainer(PublishingTrainer):
    """Trains a student to imitate a teacher, in one or more phases.

    `train()` runs the phases of `args.phases` in turn, each with fresh optimizer and schedule. Every term is logged
    under its own name (`attention_scores_loss`, `eval_prediction_loss`, ...). Evaluation returns loss and logits only.
    `trainer.model` is the student; `save_model()` writes a folder without teacher or projections. With more than one
    phase, checkpoints lie in `output_dir/<phase>/checkpoint-<step>`. `phase_seconds` says how long each phase trained
    in this process.

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

    args: DistillationArguments
    model: PreTrainedModel
    loss_is_scaled_for_ga = False  # compute_loss returns a batch mean; Trainer divides by the accumulation steps

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
        pair = pair_models(
            model,
            teacher,
            args,
            tokenizers=(kwargs.get("processing_class"), teacher_processing_class),
            objectives=objectives,
            initialization=initialization,
            train_dataset=encoded_rows(kwargs.get("train_dataset")),
        )
        self.objectives, self.layer_mapping, self.teacher_name = pair.objectives, pair.layer_mapping, pair.teacher_name
        self._recipe = args.recipe if objectives is None else None
        self._tokenizers, self._mapping_table = pair.tokenizers, pair.mapping_table(str(args.layer_mapping))
        if has_teacher_encoding(column_names(kwargs.get("train_dataset"))) and kwargs.get("data_collator") is None:
            kwargs["data_collator"] = paired_collator(*pair.tokenizers)
        self._teacher_sha256 = weights_sha256(pair.teacher)
        self._start(model, args, input_columns(pair.student, pair.teacher), kwargs)
        self._plain_teacher, self.teacher = pair.teacher, self._placed(pair.teacher, self._teacher_sha256)
        outputs = pair.teacher_outputs(self.teacher)
        self._tasks[_ONLY_TASK] = TaskDistillation(
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
        # a model loaded from LayerNorm.gamma/beta would write these names again and lose them on resume
        vars(transformers_model(model)).pop("_weight_conversions", None)
        self._columns = columns
        super().__init__(model=model, args=args, **kwargs)
        self._train_projections()  # an optimizer of the caller was made before there were any
        if self.args.n_gpu > 1:
            raise ValueError(
                f"expected one GPU per process, got {self.args.n_gpu} in one; because DataParallel cannot carry the "
                "recorded attention; start with `torchrun --nproc_per_node` or `accelerate launch`"
            )
        self._phases = RunPhases(self.args)
        self._tasks: dict[str, TaskDistillation] = {}
        self._row_order: LengthGroupedRows | SingleTaskSteps | None = None
        self._terms = {"train": RunningMeans(), "eval": RunningMeans()}
        self._predicts = True  # whether whoever asks for outputs reads predictions
        self._may_lack_labels = False

    def _train_projections(self) -> None:
        projections = attached_projections(self.model)
        if self.optimizer is not None and projections is not None:
            train_with(self.optimizer, projections)

    def _placed(self, teacher: PreTrainedModel, sha256: str) -> nn.Module:
        """A teacher where and how it runs; it is the same on every process."""
        if self.args.bf16:
            teacher.bfloat16()  # autocast would cast frozen weights anew at every product
        check_same_teacher(sha256)
        return place_teacher(teacher, self.accelerator)

    @property
    def _student(self) -> PreTrainedModel:
        """The transformers model: inside the adapter of an adapter student."""
        return transformers_model(self.model)

    @property
    def phase(self) -> Phase:
        """The one that runs, or ran last."""
        return self._phases.current

    @property
    def phase_seconds(self) -> dict[Phase, float]:
        """How long each phase trained in this process."""
        return self._phases.seconds

    @property
    def phase_objective(self) -> DistillationObjective:
        """Of the phase that runs, or ran last."""
        return self.objectives[self.phase]

    def _task_of(self, inputs: Mapping[str, Any]) -> str:
        """Which task a batch is of."""
        return _ONLY_TASK

    def _active_tasks(self) -> dict[str, TaskDistillation]:
        """Those that learn something in this phase."""
        return {name: task for name, task in self._tasks.items() if task.takes_part}

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
            ValueError: no checkpoint to resume from, a damaged one, or a metric of the best model that no evaluation
                gives.
        """
        self._check_best_metric()
        phases, checkpoint = self._phases.left(resume_from_checkpoint)
        if any(one.reads_layers for one in self._tasks.values()):
            self._tell(self._mapping_table)
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

    @property
    def _evaluation_parts(self) -> tuple[str, ...]:
        """Names of several evaluation sets, whose figures are apart; none of one set."""
        return tuple(self.eval_dataset) if isinstance(self.eval_dataset, dict) else ()

    def _check_best_metric(self) -> None:
        """Before anything is spent, see that evaluations will give the metric of the best model."""
        own = type(self).evaluate is not DistillationTrainer.evaluate  # which may add any
        computes = self.compute_metrics is not None or own
        check_best_metric(self.args, self._tasks, parts=self._evaluation_parts, computes_metrics=computes)
        warn_of_moving_loss(self.args, self._tasks, self._evaluation_parts)

    def preflight(self, score_rows: int = 64) -> PreflightReport:
        """Look at this run before anything is spent: what `hf-tinybert doctor` prints.

        Where a wrapper will spread the student over processes (DeepSpeed, FSDP), checks that run a model are left out.

        Args:
            score_rows: labelled rows at most that the teacher is scored on; 0 leaves the score out.
        """
        whole = not (self.is_deepspeed_enabled or self.is_fsdp_enabled)
        data = {"train_dataset": encoded_rows(self.train_dataset), "eval_dataset": self.eval_dataset}
        with gathered(self._student, self._plain_teacher):
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

    def _open_cache(self) -> None:
        """Have the teacher's outputs for the training data on disk before the first step."""
        if self.args.teacher_cache_dir is None:
            return
        self._set_signature_columns_if_needed()
        settings = CacheSettings(
            Path(self.args.teacher_cache_dir),
            self.args.teacher_cache_max_gb,
            CacheChoice(self.args.teacher_cache_contents),
        )
        self._open_caches(settings)

    def _open_caches(self, settings: CacheSettings) -> None:
        self._open_cache_of(_ONLY_TASK, settings, self.train_dataset, self.data_collator, self._teacher_sha256)

    def _open_cache_of(
        self, task: str, settings: CacheSettings, rows: object, collator: Collator, teacher_sha256: str
    ) -> None:
        outputs = self._tasks[task].outputs
        if outputs is not None:
            outputs.open_cache(
                settings,
                rows,
                collator,
                columns=self._signature_columns or (),
                weights_sha256=teacher_sha256,
                device=self.args.device,
            )

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
        self._terms["train"] = RunningMeans()  # what the phase before did not log any more is not this one's
        read = any(task.reads_vocabulary for task in self._tasks.values())
        try:
            with (
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
            if self._row_order is not None:  # a resumed loader of several processes does not hand it on
                self._row_order.set_epoch(kwargs["epoch"])
            if isinstance(self.train_dataset, FreshVariants):  # nor does a loader with a sampler that has epochs
                self.train_dataset.set_epoch(kwargs["epoch"])
            super()._run_epoch(*args, **kwargs)  # type: ignore[no-untyped-call]  # untyped in transformers

    def _tell_learned_mapping(self) -> None:
        for task in self._active_tasks().values():
            learned = task.objective.learned_mapping
            for term, weights in ({} if learned is None else learned.mean_weights()).items():
                self._tell(f"{term}, mean weights of the teacher's layers\n{layer_weights_table(weights)}")

    def _tell(self, text: str) -> None:
        """Into the log, and above the progress bar where there is one."""
        logger.info("%s", text)
        if self.is_world_process_zero() and not self.args.disable_tqdm:
            tqdm.write(text)

    def create_scheduler(self, num_training_steps: int, optimizer: Optimizer | None = None) -> LRScheduler:
        """As of the stock Trainer, for an optimizer that trains the projections, whoever made it."""
        if not (self.is_deepspeed_enabled or self.is_fsdp_enabled):  # those have spread its parameters by now
            self._train_projections()
        schedule: LRScheduler = super().create_scheduler(num_training_steps, optimizer)
        return schedule

    def get_train_dataloader(self) -> DataLoader[Any]:
        """As of the stock Trainer; with a cache, the teacher's outputs come in every batch."""
        dataset, collator = self.train_dataset, self.data_collator
        self.train_dataset, self.data_collator = self._training_rows()
        try:
            return super().get_train_dataloader()
        finally:
            self.train_dataset, self.data_collator = dataset, collator

    def _training_rows(self) -> tuple[Any, Any]:
        """Rows and collator of this phase."""
        cached = self._tasks[_ONLY_TASK].cached(self.data_collator)
        if cached is None:
            return self.train_dataset, self.data_collator
        return with_row_ids(self.train_dataset), cached

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:  # noqa: ANN401 (as in its base)
        dataset = self.train_dataset if train_dataset is None else train_dataset
        if self.args.train_sampling_strategy != "group_by_length" or not has_length(dataset):
            sampler: Sampler[int] | None = super()._get_train_sampler(train_dataset)
            return sampler
        self._row_order = grouped_rows(dataset, self.args, self._train_batch_size)
        return RandomSampler(dataset) if self._row_order is None else self._row_order

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        columns = {*(self._signature_columns or ()), *self._columns, ROW_COLUMN}
        self._signature_columns = sorted(columns)  # type: ignore[assignment]  # untyped in transformers

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, ModelOutput]:
        """The objective of the current phase on one batch, `()`, and the student's loss and logits if asked.

        The loss is a mean over the batch; `num_items_in_batch` is not needed.
        """
        name = self._task_of(inputs)
        task = self._tasks[name]
        losses, output = task.losses(model, inputs, predicts=return_outputs and self._predicts)
        loss = task.objective.total(losses, self._progress)
        logged = self._logged(name, losses, loss) if model.training else losses
        self._terms["train" if model.training else "eval"].add(logged, rows=len(inputs["input_ids"]))
        if not return_outputs:
            return loss
        predictions: dict[str, Any] = dict(self._predictions(task, output))
        return loss, DistillationOutput(loss=loss, **predictions)

    def _predictions(self, task: TaskDistillation, output: ModelOutput) -> dict[str, Tensor]:
        """What of a student's output are predictions, by name; a phase that leaves out the vocabulary has none."""
        if task.predicts_vocabulary and leaves_out_vocabulary_logits(self._student):
            return {}
        return {name: output[name] for name in _PREDICTIONS if output.get(name) is not None}

    @property
    def _progress(self) -> float:
        """Share of the phase's optimizer steps that are done."""
        return self.state.global_step / self.state.max_steps if self.state.max_steps > 0 else 0.0

    def _logged(self, task: str, values: dict[str, _Value], loss: _Value | None = None) -> dict[str, _Value]:
        """Values of one task under their names in the logs of training; `loss` is that of all tasks there already."""
        return values

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the mean of every term since the last log; one transfer from the device for all."""
        if "loss" in logs:
            logs.update(self._terms["train"].drain(self.accelerator))
            for name, task in self._active_tasks().items():
                logs.update(self._logged(name, task.objective.moving_weights_at(self._progress)))
        super().log(logs, start_time)

    def _get_eval_sampler(self, eval_dataset: Any) -> Sampler[int] | None:  # noqa: ANN401 (as in its base)
        """In the data's own order: the stock Trainer would group by length, and give predictions in that order."""
        return SequentialSampler(eval_dataset) if has_length(eval_dataset) and self.args.world_size <= 1 else None

    def predict(
        self,
        test_dataset: Any,  # noqa: ANN401 (as in its base)
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "test",
    ) -> PredictionOutput:
        """As in the stock Trainer; rows without the labels that a term reads have predictions and no loss."""
        self._may_lack_labels = True
        try:
            output: PredictionOutput = super().predict(test_dataset, ignore_keys, metric_key_prefix)
            return output
        finally:
            self._may_lack_labels = False

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """As in the stock Trainer; a batch without labels, or without some of them, has a loss too."""
        task = self._tasks[self._task_of(inputs)]
        if self._may_lack_labels and task.lacks_labels(inputs):
            return None, None if prediction_loss_only else self._answers(model, inputs, task), None
        label_names, can_return_loss = self.label_names, self.can_return_loss
        self._predicts = not prediction_loss_only
        self.label_names = [name for name in label_names if inputs.get(name) is not None]
        self.can_return_loss = True
        try:
            loss, logits, labels = super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
            # a phase that leaves out the vocabulary has no predictions
            predictions: Any = logits
            predictions = None if isinstance(predictions, tuple) and not predictions else predictions
            return loss, predictions, labels if self.label_names else None
        finally:
            self.label_names, self.can_return_loss = label_names, can_return_loss
            self._predicts = True

    def _answers(self, model: nn.Module, inputs: dict[str, Any], task: TaskDistillation) -> Any:  # noqa: ANN401
        """Predictions alone, as the stock Trainer hands them on: a tensor, or a tuple of several."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            logits = tuple(self._predictions(task, task.answers(model, inputs)).values())
        return logits[0] if len(logits) == 1 else logits or None

    def evaluation_loop(
        self,
        dataloader: DataLoader[Any],
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """As in the stock Trainer, with the mean of every term over the rows among the metrics.

        Embeddings of texts, which have no label column, are scored too where there is a `compute_metrics`.
        """
        self._terms["eval"].drain(self.accelerator)
        prefix = metric_key_prefix
        output = super().evaluation_loop(dataloader, description, prediction_loss_only, ignore_keys, prefix)
        if self._scores_without_labels:
            output = self._scored_without_labels(output, prefix)
        terms = self._terms["eval"].drain(self.accelerator)
        named = {f"{prefix}_{name}": value for name, value in terms.items()}
        return output._replace(metrics={**(output.metrics or {}), **named})

    @property
    def _scores_without_labels(self) -> bool:
        """Whether `compute_metrics` is asked about rows that bring no labels."""
        return gives_embeddings(self._student)

    def _scored_without_labels(self, output: EvalLoopOutput, prefix: str) -> EvalLoopOutput:
        if self.compute_metrics is None or output.label_ids is not None or output.predictions is None:
            return output
        unlabelled: Any = None
        scores = self.compute_metrics(EvalPrediction(predictions=output.predictions, label_ids=unlabelled))
        named = {f"{prefix}_{name}": float(value) for name, value in scores.items()}
        return output._replace(metrics={**(output.metrics or {}), **named})

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the student, its tokenizer and `distillation.json`; projections go into checkpoints only."""
        folder = Path(output_dir or str(self.args.output_dir))
        if self.args.should_save:  # before the stock call, which may push the folder
            folder.mkdir(parents=True, exist_ok=True)
            if _internal_call:  # not whole again until its last file is written
                (folder / TRAINER_STATE_FILE).unlink(missing_ok=True)
            self._record().save(folder)
        projections = attached_projections(self.model)
        if _internal_call and projections is not None:
            projections.save(folder, write=self.args.should_save)
        super().save_model(output_dir, _internal_call)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """What is saved for use holds no projections; peft would take their biases where it saves biases."""
        if state_dict is None and is_adapter_model(self.model):
            state_dict = self.model.state_dict()
        super()._save(output_dir, None if state_dict is None else without_projections(state_dict))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if self.is_fsdp_enabled and self.optimizer is not None:
            complete_state(self.optimizer)
        super()._save_optimizer_and_scheduler(output_dir)

    def _save_rng_state(self, output_dir: str) -> None:
        """As in the stock Trainer; the file written last, and with it the checkpoint, waits for every process."""
        super()._save_rng_state(output_dir)
        self.accelerator.wait_for_everyone()

    def _get_output_dir(self, trial: Any) -> str:  # noqa: ANN401
        return str(self._phases.folder(self.phase, Path(super()._get_output_dir(trial))))

    def _record(self) -> DistillationRecord:
        metrics = {name: value for logs in self.state.log_history for name, value in logs.items()}
        return DistillationRecord(
            **self._told_of_tasks(),
            student_class=type(self._student).__name__,
            recipe=self._recipe,
            phases=[str(phase) for phase in self.args.stages],
            phase=str(self.phase),
            global_step=self.state.global_step,
            loss_reduction=str(self.args.loss_reduction),
            seed=self.args.seed,
            metrics={name: value for name, value in metrics.items() if isinstance(value, int | float)},
            seconds=round(self._phases.seconds_so_far(), 1),
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
            "layer_mapping": list(self.layer_mapping),
            "learned_mapping": None if learned is None else learned.to_json(),
            "loss_weights": {name: weight.to_json() for name, weight in self.phase_objective.weights.items()},
            "loss_layers": {str(name): list(layers) for name, layers in self.phase_objective.layers.items()},
            "temperature": self.phase_objective.temperature,
        }

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        self._load_projections(Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        super()._load_best_model()
        self._load_projections(Path(str(self.state.best_model_checkpoint)))

    def _load_projections(self, folder: Path) -> None:
        projections = attached_projections(self.model)
        if projections is None or self.is_deepspeed_enabled or self.is_fsdp_enabled:
            return  # those restore the whole module, projections included
        if not (folder / PROJECTIONS_FILE).is_file():
            raise ValueError(
                f"expected `{PROJECTIONS_FILE}` in `{folder}`, got none; because training would go on with untrained "
                "projections; resume from a checkpoint that DistillationTrainer wrote"
            )
        projections.load(folder)

    def _issue_warnings_after_load(self, load_result: Any) -> None:  # noqa: ANN401
        """Projections have a file of their own: not missing."""
        load_result.missing_keys[:] = [
            name for name in load_result.missing_keys if not name.startswith(PROJECTIONS_ATTRIBUTE)
        ]
        super()._issue_warnings_after_load(load_result)


__all__ = ["DistillationTrainer"]

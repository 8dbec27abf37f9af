"""`MultiTaskDistillationTrainer`: one student with a head per task, a teacher for each."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from datasets import Dataset
from torch import Tensor, nn
from torch.utils.data import Sampler
from transformers import EvalPrediction, PreTrainedModel, Trainer
from transformers.trainer_utils import PredictionOutput, SaveStrategy, speed_metrics

from hf_tinybert.data.multitask import (
    TASK_KEY,
    MultiTaskCollator,
    MultiTaskDataset,
    SingleTaskSteps,
    distinct_tasks,
)
from hf_tinybert.data.task_sampling import TaskSampling
from hf_tinybert.distillation.adapters import transformers_model
from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.cache import with_row_ids
from hf_tinybert.distillation.distributed_teacher import autocast_precision
from hf_tinybert.distillation.encodings import input_columns, model_input_names
from hf_tinybert.distillation.frozen_parts import frozen_parts
from hf_tinybert.distillation.frozen_weights import weights_sha256
from hf_tinybert.distillation.log_level import follow_log_level
from hf_tinybert.distillation.multitask.best_of_task import is_best, replace_folder, unfinished
from hf_tinybert.distillation.multitask.objectives import DistillationTask
from hf_tinybert.distillation.multitask.pairing import TaskStarts, pair_tasks
from hf_tinybert.distillation.multitask.preflight import preflight_tasks
from hf_tinybert.distillation.multitask.record import told_of_tasks
from hf_tinybert.distillation.multitask.run_checks import (
    MEAN_SCORE,
    check_arguments,
    check_batch_metrics,
    check_best_of_tasks,
    check_figures,
    check_new_figures,
    check_phases,
)
from hf_tinybert.distillation.phase_arguments import warn_of_moving_loss
from hf_tinybert.distillation.preflight import PreflightReport
from hf_tinybert.distillation.projections import ProjectionStart
from hf_tinybert.distillation.refusals import check_trainer_arguments
from hf_tinybert.distillation.sharding import gathered
from hf_tinybert.distillation.task_distillation import TaskDistillation
from hf_tinybert.distillation.teacher_ensemble import told_ensemble
from hf_tinybert.distillation.teacher_outputs import CacheSettings, Collator
from hf_tinybert.distillation.terms import Phase
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.distillation.training_rows import data_seed, known_lengths, rows_per_step

if TYPE_CHECKING:
    from peft import PeftModel

_Value = TypeVar("_Value")


class MultiTaskDistillationTrainer(DistillationTrainer):
    """Trains one student with a head per task to imitate a teacher of each, in one or more phases.

    Every optimizer step is of one task. Losses are logged as `ner/prediction_loss`, `ner/loss`, ...; evaluations give
    `eval_ner_loss`, `eval_ner_f1`, ... for every task, their mean `eval_loss`, and `eval_mean_score`, the mean of the
    tasks' main metrics. `metric_for_best_model="mean_score"` loads the best model by it at the end; beside it,
    `best/<task>` in the phase's folder holds the whole student at each task's own best evaluation, unless
    `save_strategy` is `no`. Otherwise as `DistillationTrainer`.

    Args:
        model: a student with a head for every task, such as `TinyBertForMultiTask`.
        args: what to distil and how, for all tasks; a task may have weights or objectives of its own.
        tasks: by the names of their heads; a mapping or pairs.
        teacher: a multi-task model, its folder or Hub name: teaches the tasks that have a head in it and no teacher
            of their own.
        sampling: how often each task comes; a strategy by name will do.
        initialization: where the projections to each task's teacher start: what `initialize_tasks_from_teachers`
            returned, tasks left out starting as without; what `initialize_from_teacher` returned of the one teacher of
            all tasks; or a checkpoint folder of such a run.
        **kwargs: everything else of the stock Trainer.

    Raises:
        ValueError: see `multitask.pairing` and `distillation.compatibility`; all before the first step.

    For teachers that differ take `recipe="tinybert-several"`, as `distil_tasks` does: one encoder cannot attend as
    each of them. Every teacher has projections of its own.

    Source: one teacher per task: Clark et al. 2019, BAM; batches of a single task: Liu et al. 2019, MT-DNN.
    """

    def __init__(
        self,
        model: "PreTrainedModel | PeftModel",
        args: DistillationArguments,
        *,
        tasks: Mapping[str, DistillationTask] | Iterable[tuple[str, DistillationTask]],
        teacher: PreTrainedModel | str | Path | None = None,
        sampling: TaskSampling | str = "proportional",
        initialization: TaskStarts | ProjectionStart | str | Path | None = None,
        **kwargs: Any,  # noqa: ANN401 (the stock Trainer's own)
    ) -> None:
        check_trainer_arguments(args, kwargs)
        follow_log_level(args)  # before the first thing is told
        check_arguments(args, kwargs)
        self.tasks = distinct_tasks(tasks)
        self._asked: str | None = None  # the task whose rows are evaluated
        check_batch_metrics(args, self.tasks)
        self.sampling = TaskSampling(sampling) if isinstance(sampling, str) else sampling
        rows = MultiTaskDataset({name: task.train_dataset for name, task in self.tasks.items()})
        tokenizer = kwargs.get("processing_class")
        with frozen_parts(model, args.frozen):
            self.paired = pair_tasks(
                model, args, self.tasks, teacher=teacher, tokenizer=tokenizer, initialization=initialization
            )
        self._collators = {n: self.paired[n].collator(n, task, tokenizer) for n, task in self.tasks.items()}
        objectives = {name: task.objectives for name, task in self.paired.items()}
        check_phases(args, objectives)
        check_figures(self.tasks, objectives)
        pairs = {name: task.pair for name, task in self.paired.items() if task.pair is not None}
        self._teacher_hashes = {name: weights_sha256(pair.teacher) for name, pair in pairs.items()}
        self.ensembles = {name: told_ensemble(pair.teacher) for name, pair in pairs.items()}
        self._mapping_table = "\n".join(
            f"{name}\n{pair.mapping_table(str(args.layer_mapping))}" for name, pair in pairs.items()
        )
        self._recipe = args.recipe if all(task.objectives is None for task in self.tasks.values()) else None
        self._main_metrics = {name: task.main_metric for name, task in self.tasks.items()}
        evaluated = {n: task.eval_dataset for n, task in self.tasks.items() if task.eval_dataset is not None}
        kwargs["train_dataset"], kwargs["eval_dataset"] = rows, evaluated or None
        kwargs["data_collator"] = MultiTaskCollator(self._collators, args.seed)
        columns = model_input_names(transformers_model(model)).union(
            *(input_columns(p.student, p.teacher) for p in pairs.values())
        )
        self._start(model, args, columns, kwargs)
        if args.label_names is None:
            self.label_names = ["labels", "start_positions", "end_positions"]  # the stock Trainer goes by class names
        self.teachers = {name: self._placed(pair.teacher, self._teacher_hashes[name]) for name, pair in pairs.items()}
        autocast = autocast_precision(self.accelerator)
        for name, task in self.paired.items():
            outputs = None if task.pair is None else task.pair.teacher_outputs(self.teachers[name], autocast)
            self._tasks[name] = TaskDistillation(
                self._student,
                task.objectives,
                outputs,
                predicts_vocabulary=task.predicts_vocabulary,
                whole_logits=bool(self.args.torch_compile),
            )

    def evaluate(
        self,
        eval_dataset: Any = None,  # noqa: ANN401 (as in its base)
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """Every task on its rows, and the means over the tasks.

        Args:
            eval_dataset: rows by task, in place of the tasks' own.
            ignore_keys: as in the stock Trainer.
            metric_key_prefix: of all figures.

        Returns:
            `eval_<task>_loss`, `eval_<task>_<term>` and `eval_<task>_<metric>` of every task that has rows, and
            `eval_loss` and `eval_mean_score`.
        """
        rows: Any = self.eval_dataset if eval_dataset is None else eval_dataset
        if not isinstance(rows, Mapping) or not rows or not set(rows) <= set(self.tasks):
            raise ValueError(
                f"expected rows to evaluate on by the tasks {', '.join(f'`{name}`' for name in self.tasks)}, got "
                f"{list(rows) if isinstance(rows, Mapping) else type(rows).__name__}; because each task has a head "
                "and metrics of its own; give the tasks an `eval_dataset`"
            )
        self._memory_tracker.start()
        metrics: dict[str, float] = {}
        for name, part in rows.items():
            if name not in self._active_tasks():
                continue  # a task without a teacher has no intermediate-layer phase
            source = name if eval_dataset is None else part
            found = self._evaluate_task(name, source, ignore_keys, f"{metric_key_prefix}_{name}")
            check_new_figures(found, metrics, name)
            metrics |= found
            # ends the progress bar of this task
            self.control = self.callback_handler.on_predict(self.args, self.state, self.control, metrics)
        metrics |= self._means(metrics, metric_key_prefix)
        earlier = list(self.state.log_history)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        if self.is_in_train and eval_dataset is None:
            self._save_best_of_tasks(metrics, earlier)
        self._memory_tracker.stop_and_update_metrics(metrics)
        return metrics

    def predict(
        self,
        test_dataset: Any,  # noqa: ANN401 (as in its base)
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "test",
        *,
        task: str | None = None,
    ) -> PredictionOutput:
        """As in the stock Trainer, by the head of one task.

        Args:
            test_dataset: encoded rows of the task.
            ignore_keys: as in the stock Trainer.
            metric_key_prefix: of all figures.
            task: its name; may be left out where there is only one.
        """
        name = task if task is not None or len(self.tasks) > 1 else next(iter(self.tasks))
        if name not in self.tasks:
            raise ValueError(
                f"expected `task` of {', '.join(f'`{one}`' for one in self.tasks)}, got {task!r}; because each task "
                "is answered by a head of its own; name it"
            )
        with self._asking(name):
            output: PredictionOutput = super().predict(test_dataset, ignore_keys, metric_key_prefix)
        return output

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """As in `DistillationTrainer`, by the head of the task that is asked."""
        # not in the collator: what dispatches batches of streamed rows takes tensors only
        named = inputs if self._asked is None else {**inputs, TASK_KEY: self._asked}
        return super().prediction_step(model, named, prediction_loss_only, ignore_keys)

    def preflight(self, score_rows: int = 64) -> PreflightReport:
        """Look at every task that has a teacher before anything is spent; checks carry the names of their tasks.

        Args:
            score_rows: labelled rows at most that each teacher is scored on; 0 leaves the scores out.
        """
        with gathered(self._student, *(task.pair.teacher for task in self.paired.values() if task.pair is not None)):
            return preflight_tasks(
                self._student,
                self.paired,
                self.tasks,
                self._collators,
                self.args,
                score_rows=score_rows,
                runs_models=not (self.is_deepspeed_enabled or self.is_fsdp_enabled),
            )

    def steps_of(self, task: str) -> int:
        """Optimizer steps of this phase so far that were of a task; 0 before training."""
        order = self._row_order
        return order.tasks(0, self.state.global_step).count(task) if isinstance(order, SingleTaskSteps) else 0

    def best_folder(self, task: str) -> Path:
        """Where the student is kept as it was at a task's best evaluation of this phase."""
        return self._phases.folder(self.phase) / "best" / task

    def _task_of(self, inputs: Mapping[str, Any]) -> str:
        return str(inputs[TASK_KEY])

    def _logged(self, task: str, values: dict[str, _Value], loss: _Value | None = None) -> dict[str, _Value]:
        named = {f"{task}/{name}": value for name, value in values.items()}
        return named if loss is None else {**named, f"{task}/loss": loss}

    def _training_rows(self) -> tuple[Any, Any]:
        rows, collators = dict[str, Dataset](), dict[str, Collator]()
        for name, task in self._active_tasks().items():
            cached = task.cached(self._collators[name])
            part = self.tasks[name].train_dataset
            rows[name] = self._remove_unused_columns(part if cached is None else with_row_ids(part))
            collators[name] = self._collators[name] if cached is None else cached
        return MultiTaskDataset(rows), MultiTaskCollator(collators, data_seed(self.args))

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[Any] | None:  # noqa: ANN401 (as in its base)
        dataset: Any = self.train_dataset if train_dataset is None else train_dataset
        whole = {name: self.tasks[name].train_dataset for name in dataset.rows}  # which still have a column of lengths
        self._row_order = SingleTaskSteps(
            dataset,
            rows_per_step(self.args, self._train_batch_size),
            self.sampling,
            epochs=self.args.num_train_epochs,
            max_steps=self.args.max_steps,
            seed=data_seed(self.args),
            group_by_length=self.args.train_sampling_strategy == "group_by_length",
            lengths={name: known_lengths(rows, self.args.length_column_name) for name, rows in whole.items()},
        )
        return self._row_order

    def _open_caches(self, settings: CacheSettings) -> None:
        """Of every task whose batches are the same each time; masked words are drawn anew. They share an allowance."""
        for name, task in self.tasks.items():
            masked = self.paired[name].predicts_vocabulary and "labels" not in task.train_dataset.column_names
            if name in self._teacher_hashes and not masked:
                hashed = self._teacher_hashes[name]
                taken = sum(one.outputs.cache_bytes for one in self._tasks.values() if one.outputs is not None)
                own = replace(settings, taken=taken)
                self._open_cache_of(name, own, task.train_dataset, self._collators[name], hashed)

    @property
    def _scores_without_labels(self) -> bool:
        """Always: a task's `compute_metrics` knows its rows."""
        return True

    @contextmanager
    def _asking(self, name: str) -> Iterator[None]:
        """Within it, the stock Trainer evaluates one task."""
        task, main = self.tasks[name], self._main_metrics
        before = self.data_collator, self.compute_metrics, self.preprocess_logits_for_metrics

        def compute(evaluation: EvalPrediction, **by_batch: bool) -> dict[str, float]:
            scores = task.compute_metrics(evaluation, **by_batch) if task.compute_metrics is not None else {}
            main[name] = main[name] or next(iter(scores), None)
            return scores

        self._asked, self.data_collator = name, self._collators[name]
        self.compute_metrics = None if task.compute_metrics is None else compute
        self.preprocess_logits_for_metrics = task.preprocess_logits_for_metrics
        try:
            yield
        finally:
            self._asked = None
            self.data_collator, self.compute_metrics, self.preprocess_logits_for_metrics = before

    def _evaluate_task(
        self,
        name: str,
        source: Any,  # noqa: ANN401 (rows, or the name under which the Trainer has them)
        ignore_keys: list[str] | None,
        prefix: str,
    ) -> dict[str, float]:
        with self._asking(name):
            start = time.time()
            output = self.evaluation_loop(
                self.get_eval_dataloader(source),
                description="Evaluation",
                prediction_loss_only=True if self.compute_metrics is None else None,
                ignore_keys=ignore_keys,
                metric_key_prefix=prefix,
            )
            metrics = dict(output.metrics or {})
        steps = math.ceil((output.num_samples or 0) / (self.args.eval_batch_size * self.args.world_size))
        return {**metrics, **speed_metrics(prefix, start, num_samples=output.num_samples, num_steps=steps)}

    def _means(self, metrics: Mapping[str, float], prefix: str) -> dict[str, float]:
        """Loss and main metrics, each over the tasks that have it."""
        losses = [metrics[key] for name in self.tasks if (key := f"{prefix}_{name}_loss") in metrics]
        scores = [
            metrics[key] / task.full_score
            for name, task in self.tasks.items()
            if (key := f"{prefix}_{name}_{self._main_metrics[name]}") in metrics
        ]
        means = {f"{prefix}_loss": losses, f"{prefix}_{MEAN_SCORE}": scores}
        return {key: sum(values) / len(values) for key, values in means.items() if values}

    def _save_best_of_tasks(self, metrics: Mapping[str, float], earlier: list[dict[str, Any]]) -> None:
        """The student, for every task for which it has never been better; heads are untrained in the first phase."""
        if self.args.save_strategy == SaveStrategy.NO or self.phase is Phase.INTERMEDIATE:
            return
        for name in self.tasks:
            score, loss = f"eval_{name}_{self._main_metrics[name]}", f"eval_{name}_loss"
            key = score if score in metrics else loss
            if key in metrics and is_best(metrics[key], earlier, key, greater=key == score):
                self._save_best(self.best_folder(name))

    def _save_best(self, folder: Path) -> None:
        written = folder
        if self.args.should_save:
            written = unfinished(folder)
            self._record().save(written)
        # that of the stock Trainer: for use, without projections, and never pushed
        Trainer.save_model(self, str(written), _internal_call=True)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            replace_folder(folder)

    @property
    def _evaluation_parts(self) -> tuple[str, ...]:
        """None: the figures of all tasks come together, with their means."""
        return ()

    def _check_evaluations(self) -> None:
        self._check_evaluation_rows()
        if type(self).evaluate is MultiTaskDistillationTrainer.evaluate:  # one of one's own may add any
            check_best_of_tasks(self.args, self.tasks, {name: task.objectives for name, task in self.paired.items()})
        warn_of_moving_loss(self.args, self._tasks)

    def _evaluation_collator(self, part: str) -> Collator:
        return self._collators[part]

    def _told_of_tasks(self) -> dict[str, Any]:
        classes = {name: type(self.accelerator.unwrap_model(model)).__name__ for name, model in self.teachers.items()}
        told = told_of_tasks(self.paired, self._tasks, classes, self._teacher_hashes, self.sampling)
        for name, ensemble in self.ensembles.items():
            if ensemble is not None:
                told["tasks"][name]["ensemble"] = ensemble
        return told


__all__ = ["MultiTaskDistillationTrainer"]

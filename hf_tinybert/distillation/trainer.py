"""`DistillationTrainer`: the stock Trainer with a teacher."""

import inspect
import logging
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers
from datasets import Dataset
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase, Trainer, set_seed
from transformers.trainer_utils import EvalLoopOutput, TrainOutput
from transformers.utils.generic import ModelOutput

from hf_tinybert.distillation.arguments import DistillationArguments, PhaseSettings
from hf_tinybert.distillation.attention import record_attention
from hf_tinybert.distillation.checkpoints import TRAINER_STATE_FILE, check_checkpoint, last_whole_checkpoint
from hf_tinybert.distillation.compatibility import check_dataset, check_models, check_tokenizers
from hf_tinybert.distillation.distributed_teacher import (
    check_deepspeed_config,
    check_distributed_teacher,
    place_teacher,
)
from hf_tinybert.distillation.layer_mapping import mapping_table, resolve_layer_mapping
from hf_tinybert.distillation.objective import DistillationObjective, Phase
from hf_tinybert.distillation.projections import (
    PROJECTIONS_ATTRIBUTE,
    PROJECTIONS_FILE,
    DistillationProjections,
    ProjectionLayout,
    ProjectionStart,
    attach_projections,
    starting_projections,
)
from hf_tinybert.distillation.record import RECORD_FILE, DistillationRecord
from hf_tinybert.distillation.running_means import RunningMeans
from hf_tinybert.distillation.sharding import gathered, reshard
from hf_tinybert.distillation.states import student_states, teacher_states
from hf_tinybert.distillation.teacher import freeze, load_teacher, weights_sha256

logger = logging.getLogger(__name__)


class DistillationTrainer(Trainer):
    """Trains a student to imitate a teacher, in one or more phases.

    `train()` runs the phases of `args.phases` in turn, each with fresh optimizer and schedule. Every term is logged
    under its own name (`attention_scores_loss`, `eval_prediction_loss`, ...). Evaluation returns loss and logits only.
    `trainer.model` is the student; `save_model()` writes a folder without teacher or projections. With more than one
    phase, checkpoints lie in `output_dir/<phase>/checkpoint-<step>`. `phase_seconds` says how long each phase trained
    in this process.

    Args:
        model: the student; labels, if any, are not trained on.
        args: what to distil and how.
        teacher: model, Hub name or folder; frozen, in evaluation mode, never part of the student.
        teacher_processing_class: the teacher's tokenizer, compared with `processing_class`; found by itself when the
            teacher is a name.
        initialization: where the projections start: what `initialize_from_teacher` returned, or a folder with
            `distillation_projections.safetensors` (a checkpoint, or a published student after `convert`). None starts
            at the identity at equal width and at random otherwise.
        **kwargs: everything else of the stock Trainer.

    Raises:
        ValueError: see `distillation.compatibility`; all before the first step.

    Source: TinyBERT (arXiv 1909.10351), sections 3 and 4.
    """

    args: DistillationArguments
    model: PreTrainedModel
    objective: DistillationObjective
    phase: Phase
    loss_is_scaled_for_ga = False  # compute_loss returns a batch mean; Trainer divides by the accumulation steps

    def __init__(
        self,
        model: PreTrainedModel,
        args: DistillationArguments,
        *,
        teacher: PreTrainedModel | str | Path,
        teacher_processing_class: PreTrainedTokenizerBase | None = None,
        initialization: ProjectionStart | str | Path | None = None,
        **kwargs: Any,  # noqa: ANN401 (the stock Trainer's own)
    ) -> None:
        _refuse_arguments(model, args, kwargs)
        objectives = args.objectives()
        self.teacher_name = str(teacher) if isinstance(teacher, str | Path) else teacher.config._name_or_path
        if isinstance(teacher, str | Path):
            if teacher_processing_class is None and kwargs.get("processing_class") is not None:
                teacher_processing_class = AutoTokenizer.from_pretrained(teacher)
            teacher = load_teacher(teacher, model, needs_head=any(objective.reads_logits for objective in objectives))
        if any(objective.reads_attention for objective in objectives):
            record_attention(model)
            record_attention(teacher)
        self.layer_mapping = resolve_layer_mapping(
            args.layer_mapping, model.config.num_hidden_layers, teacher.config.num_hidden_layers
        )
        _check_same_mapping(self.layer_mapping, initialization)
        with gathered(model, teacher):
            self._preflight(model, teacher, teacher_processing_class, objectives, kwargs)
        check_distributed_teacher(model, teacher, _deepspeed_config(args))
        check_deepspeed_config(_deepspeed_config(args), len(args.phases))
        freeze(teacher)
        logger.info("layer mapping\n%s", mapping_table(self.layer_mapping))
        if any(objective.reads_hidden_states for objective in objectives):
            layout = ProjectionLayout(args.projection_layout)
            attach_projections(model, starting_projections(model, teacher, initialization, layout, seed=args.seed))
        # a model loaded from LayerNorm.gamma/beta would write these names again and lose them on resume
        vars(model).pop("_weight_conversions", None)
        self._teacher_parameters = set(inspect.signature(teacher.forward).parameters)
        self._student_parameters = set(inspect.signature(model.forward).parameters)
        self._teacher_sha256 = weights_sha256(teacher)
        super().__init__(model=model, args=args, **kwargs)
        if self.args.n_gpu > 1:
            raise ValueError(
                f"expected one GPU per process, got {self.args.n_gpu} in one; because DataParallel cannot carry the "
                "recorded attention; start with `torchrun --nproc_per_node` or `accelerate launch`"
            )
        self.teacher = place_teacher(teacher, self.accelerator)
        self.objective, self.phase = objectives[0], Phase(self.args.phases[0])
        self._terms = {"train": RunningMeans(), "eval": RunningMeans()}
        self.phase_seconds: dict[Phase, float] = {}
        self._phase_start: float | None = None

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
            ValueError: no checkpoint to resume from, or a damaged one.
        """
        phase, checkpoint = self._resume_point(resume_from_checkpoint)
        outputs = [
            self._train_phase(settings, checkpoint if settings.phase is phase else None, trial, ignore_keys_for_eval)
            for settings in self.args.phase_settings()[self.args.phases.index(phase) :]
        ]
        runtime = sum(output.metrics["train_runtime"] for output in outputs)
        return TrainOutput(
            global_step=sum(output.global_step for output in outputs),
            training_loss=outputs[-1].training_loss,
            metrics={**outputs[-1].metrics, "train_runtime": runtime},
        )

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """The objective of the current phase on one batch, `()`, and the student's loss and logits if asked.

        The loss is a mean over the batch; `num_items_in_batch` is not needed.
        """
        losses, output = self._losses(model, inputs)
        loss = self.objective.total(losses)
        self._terms["train" if model.training else "eval"].add(losses, rows=len(inputs["input_ids"]))
        if not return_outputs:
            return loss
        names = ("logits", "start_logits", "end_logits", "prediction_logits")
        logits = {name: output[name] for name in names if output.get(name) is not None}
        return loss, {"loss": loss, **logits}

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """As in the stock Trainer; a batch without labels, or without some of them, has a loss too."""
        label_names, can_return_loss = self.label_names, self.can_return_loss
        self.label_names = [name for name in label_names if inputs.get(name) is not None]
        self.can_return_loss = True
        try:
            loss, logits, labels = super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
            return loss, logits, labels if self.label_names else None
        finally:
            self.label_names, self.can_return_loss = label_names, can_return_loss

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> EvalLoopOutput:  # noqa: ANN401 (passed through)
        """As in the stock Trainer, with the mean of every term over the rows among the metrics."""
        self._terms["eval"].drain(self.accelerator)
        output = super().evaluation_loop(*args, **kwargs)
        prefix = kwargs.get("metric_key_prefix", "eval")
        terms = self._terms["eval"].drain(self.accelerator)
        named = {f"{prefix}_{name}": value for name, value in terms.items()}
        return output._replace(metrics={**(output.metrics or {}), **named})

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the mean of every term since the last log; one transfer from the device for all."""
        if "loss" in logs:
            logs.update(self._terms["train"].drain(self.accelerator))
        super().log(logs, start_time)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the student, its tokenizer and `distillation.json`; projections go into checkpoints only."""
        folder = Path(output_dir or str(self.args.output_dir))
        if self.args.should_save:  # before the stock call, which may push the folder
            folder.mkdir(parents=True, exist_ok=True)
            if _internal_call:  # not whole again until its last file is written
                (folder / TRAINER_STATE_FILE).unlink(missing_ok=True)
            self._record().save(folder)
        projections = self._projections()
        if _internal_call and projections is not None:
            projections.save(folder, write=self.args.should_save)
        super().save_model(output_dir, _internal_call)

    def _losses(self, model: nn.Module, inputs: Mapping[str, Any]) -> tuple[dict[str, Tensor], ModelOutput]:
        """Both forwards and every term of the current phase."""
        unlabelled = {name: value for name, value in inputs.items() if name not in self.label_names}
        student_output = model(
            **{name: value for name, value in unlabelled.items() if name in self._student_parameters},
            output_hidden_states=self.objective.reads_hidden_states,
            output_attentions=self.objective.reads_attention,
        )
        self.teacher.eval()
        with torch.no_grad():
            teacher_output = self.teacher(
                **{name: value for name, value in unlabelled.items() if name in self._teacher_parameters},
                output_hidden_states=list(self.layer_mapping) if self.objective.reads_hidden_states else False,
                output_attentions=self.objective.reads_attention,
            )
        losses = self.objective.losses(
            student_states(student_output, inputs), teacher_states(teacher_output, inputs, self.layer_mapping)
        )
        return losses, student_output

    def _train_phase(
        self,
        settings: PhaseSettings,
        checkpoint: Path | None,
        trial: Any,  # noqa: ANN401
        ignore_keys_for_eval: list[str] | None,
    ) -> TrainOutput:
        """One stock training run with the arguments and the objective of a phase."""
        self.phase, self.objective = settings.phase, self.args.objective(settings.phase)
        stock = {name: getattr(self.args, name) for name in ("num_train_epochs", "max_steps", "learning_rate")}
        logger.info("phase %s: %s", settings.phase, dict(self.objective.weights))
        if len(self.args.phases) > 1:
            reshard(self.model)  # before a new optimizer takes its parameters
            self.optimizer, self.lr_scheduler, self.model_wrapped = None, None, self.model
            set_seed(self.args.seed)  # a phase resumed at its first step sees the same dropout
        self._terms["train"] = RunningMeans()  # what the phase before did not log any more is not this one's
        self._phase_start = time.perf_counter()
        try:
            self.args.num_train_epochs, self.args.max_steps = settings.num_train_epochs, settings.max_steps
            self.args.learning_rate = settings.learning_rate
            return super().train(str(checkpoint) if checkpoint else None, trial, ignore_keys_for_eval)
        finally:
            self.phase_seconds[settings.phase] = time.perf_counter() - self._phase_start
            self._phase_start = None
            for name, value in stock.items():
                setattr(self.args, name, value)

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (passed through)
        """Not when a phase is resumed at its last step: the stock loop would take one step more."""
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*args, **kwargs)  # type: ignore[no-untyped-call]  # untyped in transformers

    def _seconds_so_far(self) -> float:
        running = 0.0 if self._phase_start is None else time.perf_counter() - self._phase_start
        return sum(self.phase_seconds.values()) + running

    def _resume_point(self, resume_from_checkpoint: str | bool | None) -> tuple[Phase, Path | None]:
        phases = [Phase(phase) for phase in self.args.phases]
        if not resume_from_checkpoint:
            return phases[0], None
        if not isinstance(resume_from_checkpoint, bool):
            folder = Path(resume_from_checkpoint)
            check_checkpoint(folder)
            phase = DistillationRecord.load(folder).phase if (folder / RECORD_FILE).is_file() else phases[0]
            if phase not in phases:
                raise ValueError(
                    f"expected a checkpoint of {', '.join(phases)}, got one of {phase}: `{folder}`; because this run "
                    "has no such phase; set `phases` as they were when it was written"
                )
            return Phase(phase), folder
        for phase in reversed(phases):
            checkpoint = last_whole_checkpoint(self._phase_folder(phase))
            if checkpoint is not None:
                return phase, checkpoint
        raise ValueError(
            f"expected a whole checkpoint in `{self.args.output_dir}`, got none; because there is nothing to resume "
            "from; train without `resume_from_checkpoint`"
        )

    def _phase_folder(self, phase: Phase) -> Path:
        folder = Path(str(self.args.output_dir))
        return folder / phase if len(self.args.phases) > 1 else folder

    def _get_output_dir(self, trial: Any) -> str:  # noqa: ANN401
        folder = super()._get_output_dir(trial)
        return str(Path(folder) / self.phase) if len(self.args.phases) > 1 else folder

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        columns = {*(self._signature_columns or ()), *self._teacher_parameters}
        self._signature_columns = sorted(columns)  # type: ignore[assignment]  # untyped in transformers

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        self._load_projections(Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        super()._load_best_model()
        self._load_projections(Path(str(self.state.best_model_checkpoint)))

    def _load_projections(self, folder: Path) -> None:
        projections = self._projections()
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

    def _projections(self) -> DistillationProjections | None:
        module = self.model._modules.get(PROJECTIONS_ATTRIBUTE)
        return module if isinstance(module, DistillationProjections) else None

    def _record(self) -> DistillationRecord:
        metrics = {name: value for logs in self.state.log_history for name, value in logs.items()}
        return DistillationRecord(
            teacher=_public_name(self.teacher_name),
            teacher_class=type(self.accelerator.unwrap_model(self.teacher)).__name__,
            teacher_sha256=self._teacher_sha256,
            student_class=type(self.model).__name__,
            layer_mapping=list(self.layer_mapping),
            phases=list(self.args.phases),
            phase=str(self.phase),
            global_step=self.state.global_step,
            loss_weights={str(term): weight for term, weight in self.objective.weights.items()},
            temperature=self.args.temperature,
            loss_reduction=str(self.args.loss_reduction),
            seed=self.args.seed,
            metrics={name: value for name, value in metrics.items() if isinstance(value, int | float)},
            seconds=round(self._seconds_so_far(), 1),
            versions={
                "hf_tinybert": version("hf-tinybert"),
                "torch": torch.__version__,
                "transformers": transformers.__version__,
            },
        )

    @staticmethod
    def _preflight(
        student: PreTrainedModel,
        teacher: PreTrainedModel,
        teacher_tokenizer: PreTrainedTokenizerBase | None,
        objectives: list[DistillationObjective],
        kwargs: Mapping[str, Any],
    ) -> None:
        tokenizer = kwargs.get("processing_class")
        if tokenizer is not None and teacher_tokenizer is not None:
            check_tokenizers(tokenizer, teacher_tokenizer)
        check_models(student, teacher, objectives)
        if isinstance(kwargs.get("train_dataset"), Dataset):
            check_dataset(kwargs["train_dataset"], student, objectives)


def _refuse_arguments(model: object, args: object, kwargs: Mapping[str, Any]) -> None:
    if not isinstance(model, PreTrainedModel):
        raise ValueError(f"expected a transformers model as student, got `{type(model).__name__}`")
    if not isinstance(args, DistillationArguments):
        raise ValueError(f"expected `DistillationArguments`, got `{type(args).__name__}`")
    for name, why in {
        "model_init": "the student and its projections are made before the run",
        "compute_loss_func": "the objective is the loss",
    }.items():
        if kwargs.get(name) is not None:
            raise ValueError(f"expected no `{name}`, got one; because {why}; leave it out")
    if len(args.phases) > 1 and kwargs.get("optimizers") not in (None, (None, None)):
        raise ValueError(
            "expected no `optimizers` with more than one phase, got some; because each phase starts a fresh "
            "optimizer; train one phase at a time, or choose the optimizer by `optim`"
        )


def _check_same_mapping(mapping: tuple[int, ...], initialization: ProjectionStart | str | Path | None) -> None:
    """A student built from other teacher layers than it imitates starts far from them."""
    if initialization is None or isinstance(initialization, str | Path) or tuple(initialization.mapping) == mapping:
        return
    logger.warning(
        "the student was initialised by the layer mapping %s and imitates %s; pass the same mapping to both",
        tuple(initialization.mapping),
        mapping,
    )


def _deepspeed_config(args: DistillationArguments) -> dict[str, Any] | None:
    return None if args.deepspeed_plugin is None else args.deepspeed_plugin.hf_ds_config.config


def _public_name(name: str) -> str:
    """A Hub name as it is; of a folder on this machine only its last part."""
    return Path(name).name if Path(name).is_absolute() or Path(name).exists() else name


__all__ = ["DistillationTrainer"]

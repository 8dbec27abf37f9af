"""A general student from raw text: the teacher's layers imitated before there is a task."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    default_data_collator,
    set_seed,
)

from hf_tinybert.benchmark import machine
from hf_tinybert.data.block_masking import BlockMaskingCollator, MaskingPasses
from hf_tinybert.data.blocks import PackedBlocks, check_blocks, wait_for_blocks
from hf_tinybert.data.packages import packaged_teacher
from hf_tinybert.distillation.checkpoints import check_weights, last_whole_checkpoint
from hf_tinybert.distillation.layer_mapping import is_learned
from hf_tinybert.distillation.multitask.objectives import DistillationTask
from hf_tinybert.distillation.multitask.trainer import MultiTaskDistillationTrainer
from hf_tinybert.distillation.preflight import Setup, run_preflight
from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.distillation.refusals import check_before_data
from hf_tinybert.distillation.task_head import predicts_vocabulary
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.models.initialization import (
    InitializationMethod,
    StudentInitialization,
    check_start,
    initialize_from_teacher,
)
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.models.multitask_initialization import initialize_heads_from_teachers
from hf_tinybert.progress import ProgressDisplay, show_progress
from hf_tinybert.run_folder import RunFolder, claim_folder
from hf_tinybert.workflow.corpus import check_corpus, pack_corpus, split_corpus
from hf_tinybert.workflow.figures import finished_figures, model_size, save_figures, task_figures
from hf_tinybert.workflow.finetuning import PACKAGED_TEACHER
from hf_tinybert.workflow.general_models import general_teacher, student_of_text, untrained_student
from hf_tinybert.workflow.general_tasks import distillation_tasks, heads_of, main_metrics, read_tasks, save_tasks
from hf_tinybert.workflow.model_folder import load_config, load_tokenizer
from hf_tinybert.workflow.pretrain_settings import TEXT_TASK, PretrainSettings
from hf_tinybert.workflow.run_arguments import CHECKPOINTS, TRAINING_ARGUMENTS_FILE
from hf_tinybert.workflow.task_data import longest_input
from hf_tinybert.workflow.teachers import public_name
from hf_tinybert.workflow.training_cost import training_operations

_BLOCKS = ".blocks"
_STAGE = "general distillation"
_BEFORE = "before"
_RESUMED = "resumed"
_CALIBRATION_BLOCKS = 128  # what `read_calibration` takes at the usual length
_BILLION = 1_000_000_000


def pretrain(
    settings: PretrainSettings,
    output: Path,
    display: ProgressDisplay,
    *,
    blocks: Path | None = None,
    num_proc: int = 1,
) -> dict[str, Any]:
    """Distil a teacher into a general student on raw text, and save it with its tokenizer, record and figures.

    The student has no head; `DistilSettings(start=output)` gives it one. With `settings.masked_lm` it has a masked-LM
    head, which starts as its teacher's where that has one, and learns the words of the text beside the intermediate
    terms. Both models then read the same text with hidden words: states are compared token by token, and a student
    asked for states of words that it cannot see would learn the mean of all words, in its embedding of the mask first;
    and a teacher that sees the words predicts nothing worth learning. The price: 12 % of the tokens whose states are
    imitated are masks, which the texts of a task do not have. The masks are those of `BlockMaskingCollator`.

    With `settings.tasks` the student has a head for each of them and one for the text, and every step is of one: the
    engine is that of `MultiTaskDistillationTrainer`. The tasks are learned from their gold labels alone.

    Interrupted, the same call goes on at the last whole checkpoint, in the middle of a pass; finished, it gives the
    figures again.

    Called by every process of `torchrun` or `accelerate launch`, the first one tokenises and writes, and each trains
    on its share of every step; they must see the same disk. A step has the same blocks for any number of processes.

    Args:
        settings: what to do.
        output: folder of the student.
        display: where progress is shown.
        blocks: folder where the tokenised text is kept for other runs; None keeps it for this one only.
        num_proc: processes that tokenise.

    Returns:
        Documents, tokens and blocks; the terms on held-out blocks before and after; parameters, megabytes, seconds,
        tokens per second of all processes, hours that a billion tokens would take; operations per token, by
        `training_operations`, and per second. With tasks, terms and main metrics of each on its validation rows, and
        steps of each; tokens are those of the text, seconds also those of the tasks, and operations are left out.

    Raises:
        ValueError: unusable texts or settings, or an output folder that holds something else.
        FileNotFoundError: no such teacher or texts.

    Source: TinyBERT (arXiv 1909.10351), "general distillation", section 3.2, whose code gives both models the same
        text, by default without masks; masked LM beside it as in DistilBERT (arXiv 1910.01108), section 3.
    """
    finished = finished_figures(output, settings.to_json(), _STAGE)
    if finished is not None:
        display.line("  finished before")
        return finished
    return _Pretraining(settings, output, display, blocks or output / _BLOCKS, num_proc).run()


class _Pretraining:
    """One run: what can be refused is refused before the output folder is claimed."""

    def __init__(
        self, settings: PretrainSettings, output: Path, display: ProgressDisplay, blocks: Path, num_proc: int
    ) -> None:
        self.settings, self.output, self.display = settings, output, display
        self.checkpoints = output / CHECKPOINTS
        self.arguments = settings.arguments(self.checkpoints)
        source = settings.teacher or str(packaged_teacher())
        self.teacher_name = PACKAGED_TEACHER if settings.teacher is None else public_name(settings.teacher)
        check_weights(Path(source))
        config = load_config(source)
        self.tokenizer: PreTrainedTokenizerBase = load_tokenizer(source)
        check_blocks(self.tokenizer, settings.block_length, longest_input(self.tokenizer, config))
        set_seed(settings.seed)
        self.collator = None if settings.masked_lm is None else BlockMaskingCollator(self.tokenizer, settings.seed)
        self.tasks = read_tasks(settings, self.tokenizer, config)
        self.student: PreTrainedModel = untrained_student(settings, config, heads_of(self.tasks))
        of_text = student_of_text(self.student)
        self.teacher: PreTrainedModel = general_teacher(source, of_text, self.arguments)
        check_start(of_text, self.teacher, method=settings.start)
        self._check_run(of_text)
        self.leads = self.arguments.process_index == 0
        if self.leads:
            check_corpus(settings, self.tokenizer)
        with display.bar("reading and tokenising"):
            self.folder, self.blocks = self._claimed_and_packed(blocks, num_proc)
        self.train_rows, self.held_out_rows = split_corpus(self.blocks.rows, settings)
        self.checkpoint = last_whole_checkpoint(self.checkpoints)

    def run(self) -> dict[str, Any]:
        """Train, save and compare."""
        rows, blocks = len(self.train_rows), self.blocks
        self.display.line(
            f"  teacher: {self.teacher_name}   {blocks.documents:,} documents, {blocks.tokens:,} tokens, {rows:,} "
            f"blocks of {self.settings.block_length}"
        )
        with self.display.bar("initialising the student"):
            initial = self._initialize()
        trainer = self._trainer(initial)
        trainer.remove_callback(PrinterCallback)  # the display shows what there is to see
        before = self._before(trainer)
        seconds = self._seconds_before()
        with self.display.bar("distilling") as bar:
            show_progress(trainer, bar)
            trainer.train(resume_from_checkpoint=None if self.checkpoint is None else str(self.checkpoint))
        trainer.save_model(str(self.output))
        if self.leads:
            save_tasks(self.output, self.tasks, self.settings.block_length)
        figures = self._figures(trainer, before, seconds + sum(trainer.phase_seconds.values()))
        if self.leads:
            self._finish(figures)
        return figures

    def _finish(self, figures: dict[str, Any]) -> None:
        (self.output / TRAINING_ARGUMENTS_FILE).unlink(missing_ok=True)  # paths of this machine, no part of a model
        save_figures(self.output, figures)
        self.folder.finish(_STAGE, figures)
        for kept in (self.checkpoints, self.output / _BLOCKS):
            shutil.rmtree(kept, ignore_errors=True)

    def _check_run(self, student: PreTrainedModel) -> None:
        """What the trainer would refuse hours later, when the texts are packed."""
        tokenizers = self.tokenizer, self.tokenizer
        objectives = check_before_data(student, self.teacher, self.arguments, tokenizers=tokenizers)
        if self.settings.preflight:
            mapping = str(self.arguments.layer_mapping)
            setup = Setup(
                student,
                self.teacher,
                tuple(objectives),
                None if is_learned(mapping) else mapping,
                *tokenizers,
                arguments=self.arguments,
                trainer_class=DistillationTrainer,
            )
            run_preflight(setup).raise_on_fail()

    def _claimed_and_packed(self, blocks: Path, num_proc: int) -> tuple[RunFolder, PackedBlocks]:
        """The first of several processes claims and tokenises; the others wait for it."""
        settings = self.settings
        folder = claim_folder(self.output, settings.to_json(), leads=self.leads)
        if not self.leads:
            return folder, wait_for_blocks(blocks, settings.block_length)
        return folder, pack_corpus(settings, self.tokenizer, blocks, num_proc)

    def _initialize(self) -> StudentInitialization:
        rows = self.train_rows.select(np.linspace(0, len(self.train_rows) - 1, _CALIBRATION_BLOCKS, dtype=int))
        projects = self.settings.start == InitializationMethod.PROJECTION
        texts = DataLoader(rows, batch_size=self.settings.batch_size, collate_fn=default_data_collator)
        initial = initialize_from_teacher(
            self.student,
            self.teacher,
            method=self.settings.start,
            calibration=texts if projects else None,
            seed=self.settings.seed,
        )
        starts_head = predicts_vocabulary(self.teacher) and self.settings.start != InitializationMethod.RANDOM
        if isinstance(self.student, TinyBertForMultiTask) and starts_head:
            teachers, calibration = {TEXT_TASK: self.teacher}, {TEXT_TASK: texts}
            initialize_heads_from_teachers(
                self.student, teachers, calibration=calibration, start=initial, seed=self.settings.seed
            )
        return initial

    def _trainer(self, initial: StudentInitialization) -> DistillationTrainer:
        masks = self.collator
        text = DistillationTask(
            self.train_rows,
            self.held_out_rows if masks is None else masks.with_fixed_masks(self.held_out_rows),
            teacher=self.teacher,
            teacher_processing_class=self.tokenizer,
            collator=default_data_collator if masks is None else masks,
        )
        common: dict[str, Any] = {
            "initialization": initial,
            "callbacks": None if masks is None else [MaskingPasses(masks)],
            "processing_class": self.tokenizer,
        }
        if self.tasks:
            return self._trainer_of_tasks(text, common)
        trainer = DistillationTrainer(
            self.student,
            self.arguments,
            teacher=self.teacher,
            train_dataset=text.train_dataset,
            eval_dataset=text.eval_dataset,
            data_collator=text.collator,
            **common,
        )
        trainer.teacher_name = self.teacher_name
        return trainer

    def _trainer_of_tasks(self, text: DistillationTask, common: dict[str, Any]) -> MultiTaskDistillationTrainer:
        trainer = MultiTaskDistillationTrainer(
            self.student,
            self.arguments,
            tasks=distillation_tasks(text, self.tasks, self.settings, self.tokenizer),
            sampling=self.settings.sampling,
            **common,
        )
        taught = trainer.paired[TEXT_TASK]
        if taught.pair is not None:
            named = replace(taught.pair, teacher_name=self.teacher_name)
            trainer.paired[TEXT_TASK] = replace(taught, pair=named)
        return trainer

    def _before(self, trainer: DistillationTrainer) -> dict[str, float]:
        """The terms on held-out blocks before the first step, of this call or of one that was interrupted."""
        known = self.folder.finished(_BEFORE)
        if known is None:
            known = self._terms(trainer)
            if self.leads:
                self.folder.finish(_BEFORE, known)
        return known

    def _seconds_before(self) -> float:
        """Seconds of training up to the checkpoint, in all calls; what came after it is trained again and not counted.

        A checkpoint knows the seconds of the call that wrote it, and `run.json` those of the calls before that one.
        """
        if self.checkpoint is None:
            return 0.0
        step = int(self.checkpoint.name.rpartition("-")[2])
        known = self.folder.finished(_RESUMED) or {"step": 0, "seconds": 0.0}
        if known["step"] != step:
            seconds = known["seconds"] + DistillationRecord.load(self.checkpoint).seconds
            known = {"step": step, "seconds": seconds}
            if self.leads:
                self.folder.finish(_RESUMED, known)
        return float(known["seconds"])

    def _figures(self, trainer: DistillationTrainer, before: dict[str, float], seconds: float) -> dict[str, Any]:
        steps = trainer.state.global_step
        of_text = trainer.steps_of(TEXT_TASK) if isinstance(trainer, MultiTaskDistillationTrainer) else steps
        tokens = of_text * self.settings.batch_size * self.settings.block_length
        speed = tokens / max(seconds, 1e-9)
        return {
            "teacher": self.teacher_name,
            "documents": self.blocks.documents,
            "tokens": self.blocks.tokens,
            "blocks": len(self.train_rows),
            "steps": steps,
            "tokens_seen": tokens,
            "held_out": {"before": before, "after": self._terms(trainer)},
            **model_size(self.student),
            "seconds": round(seconds, 1),
            "tokens_per_second": round(speed, 1),
            "hours_per_billion_tokens": round(_BILLION / max(speed, 1e-9) / 3600, 1),
            "settings": self.settings.to_json(),
            **self._cost(trainer, speed),
            "processes": self.arguments.world_size,
            "machine": machine(),
        }

    def _cost(self, trainer: DistillationTrainer, speed: float) -> dict[str, Any]:
        """The model of the cost, of text alone; with tasks, whose rows are of other lengths, their steps."""
        if isinstance(trainer, MultiTaskDistillationTrainer):
            tasks = {
                name: {**task_figures(data), "steps": trainer.steps_of(name)} for name, data in self.tasks.items()
            }
            return {"tasks": tasks}
        operations = training_operations(
            self.student.config,
            self.teacher.config,
            self.settings.block_length,
            masked_lm=self.settings.masked_lm is not None,
            teacher_predicts=trainer.phase_objective.compares_predictions,
        )
        return {"operations_per_token": operations, "operations_per_second": round(operations * speed)}

    def _terms(self, trainer: DistillationTrainer) -> dict[str, float]:
        """Every term on the held-out rows, and the main metric of every task."""
        told = main_metrics(self.tasks)
        return {
            name.removeprefix("eval_"): round(value, 6)
            for name, value in trainer.evaluate().items()
            if name.endswith("_loss") or name in told
        }


__all__ = ["PretrainSettings", "pretrain"]

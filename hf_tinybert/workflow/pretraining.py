"""A general student from raw text: the teacher's layers imitated before there is a task."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase, default_data_collator, set_seed

from hf_tinybert.benchmark import machine
from hf_tinybert.data.block_masking import BlockMaskingCollator, MaskingPasses
from hf_tinybert.data.blocks import PackedBlocks, check_blocks, wait_for_blocks
from hf_tinybert.data.packages import packaged_teacher
from hf_tinybert.distillation.checkpoints import check_weights, last_whole_checkpoint
from hf_tinybert.distillation.layer_mapping import is_learned
from hf_tinybert.distillation.preflight import Setup, run_preflight
from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.distillation.refusals import check_before_data
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.models.initialization import (
    InitializationMethod,
    StudentInitialization,
    check_start,
    initialize_from_teacher,
)
from hf_tinybert.progress import ProgressDisplay, show_progress
from hf_tinybert.run_folder import RunFolder, wait_for_stage
from hf_tinybert.workflow.corpus import check_corpus, pack_corpus, split_corpus
from hf_tinybert.workflow.figures import finished_figures, model_size, save_figures
from hf_tinybert.workflow.finetuning import PACKAGED_TEACHER
from hf_tinybert.workflow.general_models import general_teacher, untrained_student
from hf_tinybert.workflow.model_folder import load_config, load_tokenizer
from hf_tinybert.workflow.pretrain_settings import PretrainSettings
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
    and a teacher that sees the words predicts nothing worth learning. The masks are those of `BlockMaskingCollator`.

    Interrupted, the same call goes on at the
    last whole checkpoint, in the middle of a pass; finished, it gives the figures again.

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
        `training_operations`, and per second.

    Raises:
        ValueError: unusable texts or settings, or an output folder that holds something else.
        FileNotFoundError: no such teacher or texts.

    Source: TinyBERT (arXiv 1909.10351), "general distillation", section 3.2, whose code also gives both models masked
        text; masked LM beside it as in DistilBERT (arXiv 1910.01108), section 3.
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
        self.student: PreTrainedModel = untrained_student(settings, config)
        self.teacher: PreTrainedModel = general_teacher(source, self.student, self.arguments)
        check_start(self.student, self.teacher, method=settings.start)
        self._check_run()
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
        before = self._before(trainer)
        seconds = self._seconds_before()
        with self.display.bar("distilling") as bar:
            show_progress(trainer, bar)
            trainer.train(resume_from_checkpoint=None if self.checkpoint is None else str(self.checkpoint))
        trainer.save_model(str(self.output))
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

    def _check_run(self) -> None:
        """What the trainer would refuse hours later, when the texts are packed."""
        tokenizers = self.tokenizer, self.tokenizer
        objectives = check_before_data(self.student, self.teacher, self.arguments, tokenizers=tokenizers)
        if self.settings.preflight:
            mapping = str(self.arguments.layer_mapping)
            setup = Setup(
                self.student,
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
        if not self.leads:
            wait_for_stage(self.output)
            return RunFolder(self.output, settings.to_json()), wait_for_blocks(blocks, settings.block_length)
        folder = RunFolder(self.output, settings.to_json())
        return folder, pack_corpus(settings, self.tokenizer, blocks, num_proc)

    def _initialize(self) -> StudentInitialization:
        rows = self.train_rows.select(np.linspace(0, len(self.train_rows) - 1, _CALIBRATION_BLOCKS, dtype=int))
        projects = self.settings.start == InitializationMethod.PROJECTION
        texts = DataLoader(rows, batch_size=self.settings.batch_size, collate_fn=default_data_collator)
        return initialize_from_teacher(
            self.student,
            self.teacher,
            method=self.settings.start,
            calibration=texts if projects else None,
            seed=self.settings.seed,
        )

    def _trainer(self, initial: StudentInitialization) -> DistillationTrainer:
        masks = self.collator
        trainer = DistillationTrainer(
            self.student,
            self.arguments,
            teacher=self.teacher,
            initialization=initial,
            train_dataset=self.train_rows,
            eval_dataset=self.held_out_rows if masks is None else masks.with_fixed_masks(self.held_out_rows),
            data_collator=default_data_collator if masks is None else masks,
            callbacks=None if masks is None else [MaskingPasses(masks)],
            processing_class=self.tokenizer,
        )
        trainer.teacher_name = self.teacher_name
        return trainer

    def _before(self, trainer: DistillationTrainer) -> dict[str, float]:
        """The terms on held-out blocks before the first step, of this call or of one that was interrupted."""
        known = self.folder.finished(_BEFORE)
        if known is None:
            known = _terms(trainer)
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
        tokens = steps * self.settings.batch_size * self.settings.block_length
        speed = tokens / max(seconds, 1e-9)
        operations = training_operations(
            self.student.config,
            self.teacher.config,
            self.settings.block_length,
            masked_lm=self.settings.masked_lm is not None,
            teacher_predicts=trainer.phase_objective.compares_predictions,
        )
        return {
            "teacher": self.teacher_name,
            "documents": self.blocks.documents,
            "tokens": self.blocks.tokens,
            "blocks": len(self.train_rows),
            "steps": steps,
            "tokens_seen": tokens,
            "held_out": {"before": before, "after": _terms(trainer)},
            **model_size(self.student),
            "seconds": round(seconds, 1),
            "tokens_per_second": round(speed, 1),
            "hours_per_billion_tokens": round(_BILLION / speed / 3600, 1),
            "settings": self.settings.to_json(),
            "operations_per_token": operations,
            "operations_per_second": round(operations * speed),
            "processes": self.arguments.world_size,
            "machine": machine(),
        }


def _terms(trainer: DistillationTrainer) -> dict[str, float]:
    """Every term on the held-out rows."""
    metrics = trainer.evaluate()
    return {name.removeprefix("eval_"): round(value, 6) for name, value in metrics.items() if name.endswith("_loss")}


__all__ = ["PretrainSettings", "pretrain"]

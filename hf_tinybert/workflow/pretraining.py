"""A general student from raw text: the teacher's layers imitated before there is a task."""

import shutil
from pathlib import Path
from typing import Any

from rich.markup import escape
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, set_seed

from hf_tinybert.data.block_masking import BlockMaskingCollator
from hf_tinybert.data.blocks import PackedBlocks, check_blocks, wait_for_blocks
from hf_tinybert.data.packages import packaged_teacher
from hf_tinybert.distillation.checkpoints import check_weights, last_whole_checkpoint
from hf_tinybert.distillation.layer_mapping import is_learned
from hf_tinybert.distillation.preflight import Setup, run_preflight
from hf_tinybert.distillation.record import public_name
from hf_tinybert.distillation.refusals import check_before_data
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.models.start_checks import InitializationMethod, check_start
from hf_tinybert.progress import ProgressDisplay, show_progress
from hf_tinybert.run_folder import RunFolder, claim_folder, wait_for_stage
from hf_tinybert.workflow.corpus import check_corpus, check_kept_blocks, pack_corpus, split_corpus
from hf_tinybert.workflow.earlier_calls import terms_before
from hf_tinybert.workflow.figures import finished_figures, save_figures
from hf_tinybert.workflow.finetuning import PACKAGED_TEACHER
from hf_tinybert.workflow.general_figures import general_figures, held_out_terms
from hf_tinybert.workflow.general_models import general_teacher, student_of_text, untrained_student
from hf_tinybert.workflow.general_parts import GeneralParts
from hf_tinybert.workflow.general_tasks import heads_of, read_tasks, save_tasks
from hf_tinybert.workflow.loss_history import LossHistory
from hf_tinybert.workflow.model_folder import load_config, load_tokenizer, ready_to_save
from hf_tinybert.workflow.pretrain_settings import PretrainSettings
from hf_tinybert.workflow.row_fingerprint import check_same_rows
from hf_tinybert.workflow.run_arguments import CHECKPOINTS, TRAINING_ARGUMENTS_FILE, place_models
from hf_tinybert.workflow.run_sources import keep_sources
from hf_tinybert.workflow.student_start import keep_found_layers, layers_of_run, show_what_is_left_out, start_layers
from hf_tinybert.workflow.task_data import longest_input

_BLOCKS = ".blocks"
_STAGE = "general distillation"


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
        ValueError: unusable texts or settings, or an output folder that holds something else, also a run of another
            teacher, other texts or other rows under the same names.
        FileNotFoundError: no such teacher or texts.

    Source: TinyBERT (arXiv 1909.10351), "general distillation", section 3.2, whose code gives both models the same
        text, by default without masks; masked LM beside it as in DistilBERT (arXiv 1910.01108), section 3.
    """
    working = CHECKPOINTS, _BLOCKS
    finished = finished_figures(output, settings.to_json(), _STAGE, settings.sources, working=working)
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
        self.blocks_folder, self.num_proc = blocks, num_proc
        self.checkpoints = output / CHECKPOINTS
        self.arguments = settings.arguments(self.checkpoints)
        source = settings.teacher or str(packaged_teacher())
        self.teacher_name = PACKAGED_TEACHER if settings.teacher is None else public_name(settings.teacher)
        check_weights(Path(source))
        config = load_config(source)
        self.tokenizer: PreTrainedTokenizerBase = load_tokenizer(source)
        check_blocks(self.tokenizer, settings.block_length, longest_input(self.tokenizer, config))
        set_seed(settings.seed)
        self.masks = None if settings.masked_lm is None else BlockMaskingCollator(self.tokenizer, settings.seed)
        self.tasks = read_tasks(settings, self.tokenizer, config)
        self.student: PreTrainedModel = untrained_student(settings, config, heads_of(self.tasks))
        of_text = student_of_text(self.student)
        self.teacher: PreTrainedModel = general_teacher(source, of_text, self.arguments)
        layers = start_layers(str(self.arguments.layer_mapping), of_text, self.teacher)
        check_start(of_text, self.teacher, method=settings.start, layer_mapping=layers)
        self._check_run(of_text)
        self.leads = self.arguments.process_index == 0
        if self.leads:
            check_corpus(settings, self.tokenizer)
            if blocks.parent != output:  # those of this run are compared with what it began with
                check_kept_blocks(settings, self.tokenizer, blocks)

    def run(self) -> dict[str, Any]:
        """Tokenise, train, save and compare."""
        with claim_folder(self.output, self.settings.to_json(), leads=self.leads) as folder:
            check_same_rows(folder, {name: task.rows for name, task in self.tasks.items()}, leads=self.leads)
            keep_sources(folder, self.settings.sources, leads=self.leads)
            with self.display.bar("reading and tokenising"):
                blocks = self._packed_blocks()
            return self._run(folder, blocks)

    def _run(self, folder: RunFolder, blocks: PackedBlocks) -> dict[str, Any]:
        checkpoint = last_whole_checkpoint(self.checkpoints)
        place_models((self.student, self.teacher), self.arguments.device)
        parts = self._parts(blocks)
        rows = len(parts.train_rows)
        self.display.line(
            f"  teacher: {escape(self.teacher_name)}   {blocks.documents:,} documents, {blocks.tokens:,} tokens, "
            f"{rows:,} blocks of {self.settings.block_length}"
        )
        show_what_is_left_out(self.display, self.teacher, InitializationMethod(self.settings.start))
        mapping = str(self.arguments.layer_mapping)
        with self.display.bar("initialising the student"):
            initial = parts.initialize(layers_of_run(folder, mapping, leads=self.leads))
        keep_found_layers(folder, mapping, initial, self.display, leads=self.leads)
        trainer = parts.trainer(initial)
        trainer.remove_callback(PrinterCallback)  # the display shows what there is to see
        history = LossHistory(trainer, self.checkpoints)
        trainer.add_callback(history)
        before = terms_before(folder, lambda: held_out_terms(trainer, self.tasks), leads=self.leads)
        with self.display.bar("distilling") as bar:
            show_progress(trainer, bar)
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        ready_to_save(self.tokenizer, self.student.config)
        trainer.save_model(str(self.output))
        if self.leads:
            save_tasks(self.output, self.tasks, self.settings.block_length)
        figures = general_figures(parts, trainer, before, curves=history.curves())
        if not self.leads:
            return wait_for_stage(self.output, _STAGE)
        self._finish(folder, figures)
        return figures

    def _finish(self, folder: RunFolder, figures: dict[str, Any]) -> None:
        (self.output / TRAINING_ARGUMENTS_FILE).unlink(missing_ok=True)  # paths of this machine, no part of a model
        save_figures(self.output, figures)
        folder.finish(_STAGE, figures)
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

    def _packed_blocks(self) -> PackedBlocks:
        """The first of several processes tokenises; the others wait for it."""
        if not self.leads:
            return wait_for_blocks(self.blocks_folder, self.settings.block_length)
        return pack_corpus(self.settings, self.tokenizer, self.blocks_folder, self.num_proc)

    def _parts(self, blocks: PackedBlocks) -> GeneralParts:
        train_rows, held_out_rows = split_corpus(blocks.rows, self.settings)
        return GeneralParts(
            settings=self.settings,
            arguments=self.arguments,
            student=self.student,
            teacher=self.teacher,
            teacher_name=self.teacher_name,
            tokenizer=self.tokenizer,
            blocks=blocks,
            train_rows=train_rows,
            held_out_rows=held_out_rows,
            masks=self.masks,
            tasks=self.tasks,
        )


__all__ = ["PretrainSettings", "pretrain"]

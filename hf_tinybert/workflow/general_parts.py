"""What a general distillation is made of once its text is packed: the models, their text, and the tasks beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase, default_data_collator

from hf_tinybert.data.block_masking import BlockMaskingCollator, MaskingPasses
from hf_tinybert.data.blocks import PackedBlocks
from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.multitask.objectives import DistillationTask
from hf_tinybert.distillation.multitask.trainer import MultiTaskDistillationTrainer
from hf_tinybert.distillation.task_head import predicts_vocabulary
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.models.initialization import StudentInitialization, initialize_from_teacher
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.models.multitask_initialization import initialize_tasks_from_teachers
from hf_tinybert.models.start_checks import InitializationMethod
from hf_tinybert.workflow.general_tasks import distillation_tasks
from hf_tinybert.workflow.pretrain_settings import TEXT_TASK, PretrainSettings
from hf_tinybert.workflow.student_start import start_layers
from hf_tinybert.workflow.task_data import PreparedData

_CALIBRATION_BLOCKS = 128  # what `read_calibration` takes at the usual length


@dataclass(frozen=True)
class GeneralParts:
    """The parts of one run, of which the student is initialised and then trained.

    Attributes:
        settings: of the run.
        arguments: of its training.
        student: with random weights and the heads that it needs.
        teacher: frozen.
        teacher_name: as others may read it, never a path of the machine.
        tokenizer: of both models.
        blocks: the packed text.
        train_rows: blocks to train on.
        held_out_rows: blocks to compare both models on.
        masks: hides words of the text; None without masked LM.
        tasks: learned beside the text, by name.
    """

    settings: PretrainSettings
    arguments: DistillationArguments
    student: PreTrainedModel
    teacher: PreTrainedModel
    teacher_name: str
    tokenizer: PreTrainedTokenizerBase
    blocks: PackedBlocks
    train_rows: Dataset
    held_out_rows: Dataset
    masks: BlockMaskingCollator | None
    tasks: Mapping[str, PreparedData]

    def initialize(self, layer_mapping: str | None = None) -> StudentInitialization:
        """Fill what the student takes over from its teacher, in place; some blocks of the text are fitted on.

        Args:
            layer_mapping: see `layers_of_run`; by default that of the run's arguments.
        """
        mapping = str(layer_mapping or self.arguments.layer_mapping)
        rows = self.train_rows.select(np.linspace(0, len(self.train_rows) - 1, _CALIBRATION_BLOCKS, dtype=int))
        projects = self.settings.start == InitializationMethod.PROJECTION
        texts = DataLoader(rows, batch_size=self.settings.batch_size, collate_fn=default_data_collator)
        initial = initialize_from_teacher(
            self.student,
            self.teacher,
            method=self.settings.start,
            calibration=texts if projects else None,
            layer_mapping=start_layers(mapping, self.student, self.teacher),
            seed=self.settings.seed,
        )
        starts_head = predicts_vocabulary(self.teacher) and self.settings.start != InitializationMethod.RANDOM
        if isinstance(self.student, TinyBertForMultiTask) and starts_head:
            teachers, calibration = {TEXT_TASK: self.teacher}, {TEXT_TASK: texts}
            initialize_tasks_from_teachers(
                self.student,
                teachers,
                calibration=calibration,
                start=initial,
                layer_mapping=initial.mapping,
                seed=self.settings.seed,
            )
        return initial

    def trainer(self, initial: StudentInitialization) -> DistillationTrainer:
        """A trainer of the student on the text, and on the tasks where there are any.

        Args:
            initial: what `initialize` gave.
        """
        masks = self.masks
        text = DistillationTask(
            self.train_rows,
            self.held_out_rows if masks is None else masks.with_fixed_masks(self.held_out_rows),
            teacher=self.teacher,
            teacher_processing_class=self.tokenizer,
            collator=default_data_collator if masks is None else masks,
        )
        common: dict[str, Any] = {
            "callbacks": None if masks is None else [MaskingPasses(masks)],
            "processing_class": self.tokenizer,
        }
        if self.tasks:
            return self._trainer_of_tasks(text, {TEXT_TASK: initial}, common)
        trainer = DistillationTrainer(
            self.student,
            self.arguments,
            teacher=self.teacher,
            train_dataset=text.train_dataset,
            eval_dataset=text.eval_dataset,
            data_collator=text.collator,
            initialization=initial,
            **common,
        )
        trainer.teacher_name = self.teacher_name
        return trainer

    def _trainer_of_tasks(
        self, text: DistillationTask, starts: Mapping[str, StudentInitialization], common: dict[str, Any]
    ) -> MultiTaskDistillationTrainer:
        trainer = MultiTaskDistillationTrainer(
            self.student,
            self.arguments,
            tasks=distillation_tasks(text, self.tasks, self.settings, self.tokenizer),
            sampling=self.settings.sampling,
            initialization=starts,
            **common,
        )
        taught = trainer.paired[TEXT_TASK]
        if taught.pair is not None:
            named = replace(taught.pair, teacher_name=self.teacher_name)
            trainer.paired[TEXT_TASK] = replace(taught, pair=named)
        return trainer


__all__ = ["GeneralParts"]

"""One task of a multi-task distillation: its rows, its head, its teacher, and what is learned of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.checkpoints import check_weights
from hf_tinybert.distillation.multitask.objectives import DistillationTask, task_objectives
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.task_head import predicts_vocabulary
from hf_tinybert.distillation.terms import Phase
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.workflow.distil_settings import DistilSettings
from hf_tinybert.workflow.learnt_rows import warn_of_learnt_rows, warn_of_variants
from hf_tinybert.workflow.model_folder import answering_config, load_tokenizer
from hf_tinybert.workflow.multitask_settings import MultiTaskSettings
from hf_tinybert.workflow.supervised import trainer_data
from hf_tinybert.workflow.task_data import PreparedData, prepare_data
from hf_tinybert.workflow.teachers import check_joined, embedding_fields, teacher_model, teacher_task
from hf_tinybert.workflow.unlabeled import training_rows

_PERCENT = frozenset({TaskKind.QUESTION_ANSWERING})  # whose main metric is 100 for a faultless model


@dataclass
class TaskPart:
    """One task of a run.

    Attributes:
        name: of its head.
        settings: of the task.
        is_taught: whether it has a teacher; else it is learnt from its labels alone.
        data: its rows.
        train_rows: encoded, unlabelled ones included.
        spec: of its head, as in the student's configuration.
        teacher: None where there is none, or before `load_teacher`.
        answers: whether the teacher's head is trained.
    """

    name: str
    settings: DistilSettings
    is_taught: bool
    data: PreparedData
    train_rows: Dataset
    spec: dict[str, Any]
    teacher: PreTrainedModel | None = None
    answers: bool = False

    def objectives(
        self, student: TinyBertForMultiTask, arguments: DistillationArguments
    ) -> dict[Phase, DistillationObjective]:
        """What is learned of the task, as the trainer will have it.

        Args:
            student: of the run.
            arguments: of the run.

        Raises:
            ValueError: terms that read labels of unlabelled rows.
        """
        own = student.for_task(self.name)
        task = DistillationTask(train_dataset=self.train_rows, loss_weights=self.settings.loss_weights)
        by_phase = task_objectives(arguments, own, self.name, task, has_teacher=self.is_taught)
        made = predicts_vocabulary(own)  # of hidden words, whose labels are the words of any text
        if self.settings.unlabeled and not made and any(one.reads_labels for one in by_phase.values()):
            raise ValueError(
                f"expected terms that compare with a teacher alone for the `unlabeled` rows of the task `{self.name}`,"
                " got one that reads labels; because these rows have none; give the task a `teacher` and no "
                "`label_loss` in its `loss_weights`, and leave out `probability_shift`, or leave the rows out"
            )
        return by_phase

    def load_teacher(self, student: TinyBertForMultiTask, arguments: DistillationArguments) -> None:
        """Load the teacher, if there is one, once it is clear that what it teaches can be learned.

        Args:
            student: of the run.
            arguments: of the run.

        Raises:
            ValueError: see `objectives`, and a teacher that does not fit.
        """
        objectives = self.objectives(student, arguments).values()
        if self.is_taught:
            self.teacher, self.answers = teacher_model(self.settings, student.for_task(self.name), objectives)

    def warn_of_learnt_rows(self) -> None:
        """Warn of rows that are held out and were learnt by a teacher, or are learnt as variants."""
        own = self.settings
        for teacher in own.teacher_source.names if self.is_taught else ():
            warn_of_learnt_rows(teacher, own.data, own.seed, self.data.cut, head=own.teacher_task)
        warn_of_variants(own.unlabeled, own, self.data)

    def distillation_task(
        self, tokenizer: PreTrainedTokenizerBase, teacher_tokenizer: PreTrainedTokenizerBase
    ) -> DistillationTask:
        """The task as the trainer takes it.

        Args:
            tokenizer: of the student.
            teacher_tokenizer: of the teachers.
        """
        data = trainer_data(self.data, tokenizer, self.settings.seed)
        return DistillationTask(
            train_dataset=self.train_rows,
            eval_dataset=data["eval_dataset"],
            teacher=self.teacher,
            teacher_processing_class=None if self.teacher is None else teacher_tokenizer,
            collator=data["data_collator"],
            compute_metrics=data.get("compute_metrics"),
            main_metric=self.data.task.main_metric if self.data.has_gold else None,
            full_score=100.0 if self.data.task.kind in _PERCENT else 1.0,
            preprocess_logits_for_metrics=data["preprocess_logits_for_metrics"],
            loss_weights=self.settings.loss_weights,
        )


def read_part(
    name: str,
    run: MultiTaskSettings,
    tokenizer: PreTrainedTokenizerBase,
    teacher_tokenizer: PreTrainedTokenizerBase,
    width: int,
) -> TaskPart:
    """Read, check and encode the rows of a task; its teacher is not loaded.

    Args:
        name: of the task.
        run: the settings of all tasks.
        tokenizer: of the student.
        teacher_tokenizer: of the first teacher.
        width: of the student's hidden states.

    Raises:
        ValueError: unusable data, or a teacher of another vocabulary than the first, or that does not say its task.
        FileNotFoundError: no such teacher or data.
    """
    settings, is_taught = run.of_task(name), run.is_taught(name)
    first = settings.teacher_source.first
    check_weights(Path(first))
    config, own_tokenizer = answering_config(first), load_tokenizer(first)
    if own_tokenizer.get_vocab() != teacher_tokenizer.get_vocab():
        raise ValueError(
            f"expected one vocabulary for all tasks, got another one of the teacher of `{name}` than of `{run.base}`; "
            "because the student reads all tasks with one encoder; take teachers that were fine-tuned from one model"
        )
    try:
        known = teacher_task(settings, config, own_tokenizer) if is_taught else None
        if is_taught:
            check_joined(settings, known, own_tokenizer)
        data = prepare_data(settings, tokenizer, config, known, needs_gold=not is_taught)
        rows = training_rows(data, settings, tokenizer)
    except ValueError as error:
        raise ValueError(f"task `{name}`: {error}") from error
    spec: dict[str, Any] = {"kind": str(data.task.kind)}
    if data.task.settings.labels:
        spec["id2label"] = dict(enumerate(data.task.settings.labels))
    if data.task.kind is TaskKind.SENTENCE_EMBEDDING:
        spec |= embedding_fields(first, config, width, head=settings.teacher_task)
    return TaskPart(name, settings, is_taught, data, rows, spec)


__all__ = ["TaskPart", "read_part"]

"""The two models of a general distillation: a student with the heads that it needs, and its teacher."""

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel

from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.task_head import predicts_vocabulary, problem_of
from hf_tinybert.distillation.teacher import load_teacher, load_teacher_with_trained_head
from hf_tinybert.distillation.terms import LABEL_TERMS, Reads, Term, reads_of
from hf_tinybert.models.modeling_tinybert import TinyBertForMaskedLM, TinyBertModel
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.workflow.pretrain_settings import TEXT_TASK, PretrainSettings

_NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def untrained_student(
    settings: PretrainSettings, teacher: PreTrainedConfig, heads: Mapping[str, Mapping[str, Any]]
) -> PreTrainedModel:
    """A student of the shape that was asked for, with random weights.

    Args:
        settings: of the run; with masked LM the student has a head for it.
        teacher: configuration of the teacher.
        heads: of supervised tasks, as in `TinyBertConfig.tasks`; with some, the student is a `TinyBertForMultiTask`.

    Raises:
        ValueError: sizes that no student can have.
    """
    shape = settings.student_shape
    if settings.masked_lm is None:
        return TinyBertModel(shape.config(teacher, **_NO_DROPOUT), add_pooling_layer=False)
    # what the teacher answered, if it did, is no matter to one that predicts words
    config = shape.config(teacher, problem_type=None, **_NO_DROPOUT)
    if not heads:
        return TinyBertForMaskedLM(config)
    text = {TEXT_TASK: {"kind": str(TaskKind.MASKED_LM)}}
    return TinyBertForMultiTask.from_encoder(TinyBertModel(config, add_pooling_layer=False), {**text, **heads})


def student_of_text(student: PreTrainedModel) -> PreTrainedModel:
    """The student as far as it learns from the text: itself, or a copy with that head of several."""
    return student.for_task(TEXT_TASK) if isinstance(student, TinyBertForMultiTask) else student


def general_teacher(source: str, student: PreTrainedModel, arguments: DistillationArguments) -> PreTrainedModel:
    """The teacher: its encoder, and its masked-LM head where the student has one and the teacher's is trained.

    Args:
        source: folder or Hub name.
        student: see `student_of_text`.
        arguments: of the run.

    Raises:
        ValueError: truncated weights, an unknown family, or a term that compares predictions with a teacher that has
            no trained masked-LM head.
    """
    if not predicts_vocabulary(student):
        return load_teacher(source, student, needs_head=False)
    teacher = load_teacher_with_trained_head(source, student)
    if teacher is not None:
        return teacher
    objectives = arguments.objectives(problem_of(student), masked_lm=True).values()
    compared = sorted({name for one in objectives for name in one.weights if _compares_predictions(name)})
    try:
        return load_teacher(source, student, needs_head=bool(compared))
    except ValueError as error:
        if not compared:
            raise
        raise ValueError(f"{error}; here also: leave {', '.join(compared)} out of `loss_weights`") from error


def _compares_predictions(name: str) -> bool:
    return bool(reads_of(Term(name)) & Reads.LOGITS) and name not in LABEL_TERMS


__all__ = ["general_teacher", "student_of_text", "untrained_student"]

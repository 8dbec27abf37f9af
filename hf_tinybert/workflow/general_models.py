"""The two models of a general distillation: a student with or without a masked-LM head, and its teacher."""

from transformers import PreTrainedConfig, PreTrainedModel

from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.task_head import predicts_vocabulary, problem_of
from hf_tinybert.distillation.teacher import load_teacher, load_teacher_with_trained_head
from hf_tinybert.models.modeling_tinybert import TinyBertForMaskedLM, TinyBertModel
from hf_tinybert.workflow.pretrain_settings import PretrainSettings

_NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def untrained_student(settings: PretrainSettings, teacher: PreTrainedConfig) -> PreTrainedModel:
    """A student of the shape that was asked for, with random weights; with masked LM it has a head for that.

    Args:
        settings: of the run.
        teacher: configuration of the teacher.

    Raises:
        ValueError: sizes that no student can have.
    """
    shape = settings.student_shape
    if settings.masked_lm is None:
        return TinyBertModel(shape.config(teacher, **_NO_DROPOUT), add_pooling_layer=False)
    # what the teacher answered, if it did, is no matter to one that predicts words
    return TinyBertForMaskedLM(shape.config(teacher, problem_type=None, **_NO_DROPOUT))


def general_teacher(source: str, student: PreTrainedModel, arguments: DistillationArguments) -> PreTrainedModel:
    """The teacher: its encoder, and its masked-LM head where the student has one and the teacher's is trained.

    Args:
        source: folder or Hub name.
        student: see `untrained_student`.
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
    return load_teacher(source, student, needs_head=any(one.compares_predictions for one in objectives))


__all__ = ["general_teacher", "untrained_student"]

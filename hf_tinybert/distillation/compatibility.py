"""Preflight: what cannot work is refused before anything is spent, with the reason and the cure."""

import logging
from collections.abc import Mapping, Sequence

import torch
from datasets import ClassLabel, Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.generic import ModelOutput

from hf_tinybert.distillation.attention import AttentionRecord
from hf_tinybert.distillation.objective import DistillationObjective

logger = logging.getLogger(__name__)

_PROBE_TOKENS = 4


def check_models(
    student: PreTrainedModel, teacher: PreTrainedModel, objectives: Sequence[DistillationObjective]
) -> None:
    """Refuse a pair of models that these objectives cannot compare.

    Raises:
        ValueError: same object, vocabulary sizes, head counts or label names that differ, a problem type without a
            prediction loss, NaN or infinity in the teacher, or an encoder off the attention interface.
    """
    if student is teacher:
        raise ValueError("expected two models, got one object as student and teacher; load the teacher separately")
    if student.config.vocab_size != teacher.config.vocab_size:
        raise ValueError(
            f"expected equal vocabularies, got {student.config.vocab_size} student and {teacher.config.vocab_size} "
            "teacher entries; because both models read the same token ids; set the student's `vocab_size` (and "
            "tokenizer) to the teacher's"
        )
    _check_finite(teacher)
    if any(objective.reads_attention for objective in objectives):
        _check_heads(student, teacher)
        _probe_attention(student, "student")
        _probe_attention(teacher, "teacher")
    if any(objective.reads_logits for objective in objectives):
        _check_problem_type(student)
        check_label_names(_label_names(student), _label_names(teacher), "the teacher")
    if student.config.max_position_embeddings > teacher.config.max_position_embeddings:
        logger.warning(
            "the student has %d positions and the teacher %d: longer texts fail in the teacher; truncate to %d",
            student.config.max_position_embeddings,
            teacher.config.max_position_embeddings,
            teacher.config.max_position_embeddings,
        )


def check_tokenizers(student: PreTrainedTokenizerBase, teacher: PreTrainedTokenizerBase) -> None:
    """Refuse tokenizers that give a token different ids; vocabularies of one size may still differ.

    Raises:
        ValueError: the token -> id maps differ.
    """
    student_vocabulary, teacher_vocabulary = student.get_vocab(), teacher.get_vocab()
    if student_vocabulary == teacher_vocabulary:
        return
    different = sorted(
        token
        for token in student_vocabulary.keys() | teacher_vocabulary.keys()
        if student_vocabulary.get(token) != teacher_vocabulary.get(token)
    )
    raise ValueError(
        f"expected one tokenizer, got {len(different)} tokens with different ids, such as {different[:5]}; because "
        "both models read the same token ids; give the student the teacher's tokenizer"
    )


def check_label_names(expected: Mapping[int, str], got: Mapping[int, str], owner: str) -> None:
    """Refuse label names or an order that differ; names that were never set (`LABEL_0`, ...) fit any of their number.

    Args:
        expected: the student's `id2label`.
        got: the other side's.
        owner: who the other side is, for the message.

    Raises:
        ValueError: number, names or order differ.
    """
    unnamed = _unnamed(expected) or _unnamed(got)
    if len(expected) == len(got) and (unnamed or dict(expected) == dict(got)):
        return
    raise ValueError(
        f"expected {owner} to have the student's labels {list(expected.values())}, got {list(got.values())}; because "
        "class i of one is compared with class i of the other; set `id2label` of the student accordingly"
    )


def check_dataset(dataset: Dataset, student: PreTrainedModel, objectives: Sequence[DistillationObjective]) -> None:
    """Refuse a training set that teaches nothing or whose labels are not the student's.

    The labels are looked at only where a classifier of texts learns predictions.

    Raises:
        ValueError: no rows, only one class, or class names that are not the student's.
    """
    if len(dataset) == 0:
        raise ValueError(
            "expected a training set with rows, got an empty one; because nothing would be trained; check the split "
            "and the filters it went through"
        )
    column = next((name for name in ("labels", "label") if name in dataset.column_names), None)
    classifies = type(student).__name__.endswith("ForSequenceClassification")
    if column is None or not classifies or not any(objective.reads_logits for objective in objectives):
        return
    feature = dataset.features[column]
    if isinstance(feature, ClassLabel):
        check_label_names(_label_names(student), dict(enumerate(feature.names)), "the data set")
    if feature.dtype.startswith("int") and len(dataset) > 1 and len(dataset.unique(column)) == 1:
        raise ValueError(
            f"expected two or more classes in `{column}`, got only {dataset.unique(column)} in {len(dataset)} rows; "
            "because such a set is usually an unshuffled slice; shuffle it, or drop the column to distil without "
            "labels"
        )


def _label_names(model: PreTrainedModel) -> dict[int, str]:
    return {int(index): name for index, name in (model.config.id2label or {}).items()}


def _unnamed(id2label: Mapping[int, str]) -> bool:
    return all(name == f"LABEL_{index}" for index, name in id2label.items())


def _check_finite(teacher: PreTrainedModel) -> None:
    for name, parameter in teacher.named_parameters():
        if not torch.isfinite(parameter).all():
            raise ValueError(
                f"expected finite teacher weights, got NaN or infinity in `{name}`; because every loss would be NaN; "
                "load another checkpoint of the teacher"
            )


def _check_heads(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    student_heads, teacher_heads = student.config.num_attention_heads, teacher.config.num_attention_heads
    if student_heads != teacher_heads:
        raise ValueError(
            f"expected equal numbers of attention heads, got {student_heads} student and {teacher_heads} teacher "
            "heads; because attention scores are compared head by head; set "
            f"`num_attention_heads={teacher_heads}` in the student, or the weight of `attention_scores_loss` to 0"
        )


def _probe_attention(model: PreTrainedModel, role: str) -> None:
    """One short text through the encoder: encoders off the attention interface return nothing, silently."""
    training = model.training
    model.train(False)
    token_ids = torch.full((1, _PROBE_TOKENS), model.config.pad_token_id or 0, device=model.device)
    with torch.no_grad():
        output = model.base_model(input_ids=token_ids, output_attentions=True)
    model.train(training)
    attentions = output.get("attentions") if isinstance(output, ModelOutput) else None
    if not attentions or not all(isinstance(record, AttentionRecord) for record in attentions):
        raise ValueError(
            f"expected a {role} on the attention interface of transformers, got `{type(model).__name__}`, which "
            "computes attention in its own code; because its scores cannot be read; set the weight of "
            "`attention_scores_loss` to 0"
        )


def _check_problem_type(student: PreTrainedModel) -> None:
    problem = student.config.problem_type
    if problem in ("regression", "multi_label_classification") or student.config.num_labels == 1:
        raise ValueError(
            f"expected a task with exclusive classes, got problem type {problem or 'regression'} with "
            f"{student.config.num_labels} label(s); because the prediction loss is a cross-entropy over classes; "
            "train the intermediate-layer phase only"
        )


__all__ = ["check_dataset", "check_label_names", "check_models", "check_tokenizers"]

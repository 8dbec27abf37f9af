"""All checks of a distillation, in order."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainingArguments

from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.preflight.first_step import check_first_losses, check_mean_loss
from hf_tinybert.distillation.preflight.labels import check_label_names, check_teacher_score, check_training_rows
from hf_tinybert.distillation.preflight.memory import check_memory
from hf_tinybert.distillation.preflight.models import (
    check_attention,
    check_frozen_teacher,
    check_heads,
    check_layer_mapping,
    check_weights,
)
from hf_tinybert.distillation.preflight.report import Check, PreflightReport
from hf_tinybert.distillation.preflight.settings import check_accumulation, check_loss_settings, check_steps
from hf_tinybert.distillation.preflight.setup import Rows, Setup, StatesOfBatch
from hf_tinybert.distillation.preflight.tokens import (
    check_lengths,
    check_special_tokens,
    check_tokenizers,
    check_vocabulary,
)

_CHECKS: tuple[Callable[[Setup], Check], ...] = (
    check_weights,
    check_frozen_teacher,
    check_layer_mapping,
    check_heads,
    check_attention,
    check_vocabulary,
    check_tokenizers,
    check_special_tokens,
    check_lengths,
    check_label_names,
    check_training_rows,
    check_loss_settings,
    check_accumulation,
    check_steps,
    check_memory,
    check_mean_loss,
)


def run_preflight(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    *,
    objectives: Sequence[DistillationObjective],
    mapping: str | Sequence[int] | None = None,
    student_tokenizer: PreTrainedTokenizerBase | None = None,
    teacher_tokenizer: PreTrainedTokenizerBase | None = None,
    train_dataset: Rows | None = None,
    eval_dataset: Rows | None = None,
    arguments: TrainingArguments | None = None,
    collator: Callable[[list[Any]], Mapping[str, Any]] | None = None,
    separate_encodings: bool = False,
    max_length: int | None = None,
    trainer_class: type[Trainer] | None = None,
    states: StatesOfBatch | None = None,
    score_rows: int = 200,
) -> PreflightReport:
    """Run every check; what was not given is skipped, and said so.

    Neither model is changed, and random state stays as it is. Costs a few forwards: `score_rows` rows of the teacher
    for its score, some ten of both for the losses.

    Args:
        student: the student, with projections attached where a term reads hidden states.
        teacher: the teacher, frozen.
        objectives: those of all phases, in order.
        mapping: `mapping[student_layer] = teacher_layer`, 0 = embedding output; None where it is learned.
        student_tokenizer: the student's tokenizer.
        teacher_tokenizer: the teacher's tokenizer.
        train_dataset: tokenised rows.
        eval_dataset: tokenised rows, preferred for the teacher's score.
        arguments: the training arguments.
        collator: rows to a batch; pads by the student's tokenizer when None.
        separate_encodings: each model reads an encoding of its own.
        max_length: the length that texts were cut to, in tokens, where it is known.
        trainer_class: the trainer that will run.
        states: both forwards of a batch where they need more than the attention interface.
        score_rows: labelled rows at most that the teacher is scored on; 0 leaves the score out.
    """
    setup = Setup(
        student=student,
        teacher=teacher,
        objectives=tuple(objectives),
        mapping=mapping,
        student_tokenizer=student_tokenizer,
        teacher_tokenizer=teacher_tokenizer,
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        arguments=arguments,
        collator=collator,
        separate_encodings=separate_encodings,
        max_length=max_length,
        trainer_class=trainer_class,
        states=states,
        score_rows=score_rows,
    )
    with torch.random.fork_rng(devices=[]):  # collators that mask at random
        torch.manual_seed(0)
        rows = [check(setup) for check in _CHECKS]
        return PreflightReport((*rows, *check_teacher_score(setup), *check_first_losses(setup)))


__all__ = ["run_preflight"]

"""A student and a teacher made ready for each other, before anything is spent."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.kinds.definition import Collator
from hf_tinybert.distillation.adapters import merged_teacher, transformers_model
from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.attention import record_attention
from hf_tinybert.distillation.attention_access import AttentionAccess, attention_access, mask_without_waiting
from hf_tinybert.distillation.compatibility.models import check_two_models
from hf_tinybert.distillation.distributed_teacher import check_deepspeed_config, check_distributed_teacher
from hf_tinybert.distillation.embedding_teacher import teach_embeddings
from hf_tinybert.distillation.encodings import has_teacher_encoding
from hf_tinybert.distillation.frozen_weights import freeze
from hf_tinybert.distillation.layer_mapping import EncoderShape, mapping_table
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.projections import (
    ProjectionLayout,
    ProjectionStart,
    attach_projections,
    detach_projections,
    starting_projections,
)
from hf_tinybert.distillation.refusals import check_pair
from hf_tinybert.distillation.sharding import gathered
from hf_tinybert.distillation.start_mapping import mapping_of_run
from hf_tinybert.distillation.task_head import predicts_vocabulary, problem_of
from hf_tinybert.distillation.teacher import load_teacher, load_teacher_tokenizer
from hf_tinybert.distillation.teacher_ensemble import teacher_name
from hf_tinybert.distillation.teacher_forward import TeacherForward
from hf_tinybert.distillation.teacher_outputs import TeacherOutputs
from hf_tinybert.distillation.terms import MAPPED_STATES, Phase
from hf_tinybert.distillation.token_map import find_token_map

if TYPE_CHECKING:
    from peft import PeftModel


@dataclass(frozen=True)
class Pair:
    """What a student and its teacher are to each other in a run.

    Attributes:
        student: the transformers model, inside its adapter if it has one.
        teacher: merged and frozen, its attention recorded where a term reads it.
        teacher_name: Hub name or folder; of a model in memory, what it was loaded from.
        tokenizers: of student and teacher, where known.
        objectives: of every phase, in order.
        layer_mapping: `layer_mapping[student_layer] = teacher_layer`, 0 = embedding output.
        alignment: the teacher's states in the order in which they are compared: as `layer_mapping`, or all of its
            layers where a learned mapping weighs them.
        access: how the teacher's attention is had.
        token_map: the teacher's id of each id of the student, `(student_ids,)`, where the student's vocabulary is a
            part of the teacher's; None where it is the same, or each model reads an encoding of its own.
    """

    student: PreTrainedModel
    teacher: PreTrainedModel
    teacher_name: str
    tokenizers: tuple[PreTrainedTokenizerBase | None, PreTrainedTokenizerBase | None]
    objectives: dict[Phase, DistillationObjective]
    layer_mapping: tuple[int, ...]
    alignment: tuple[int, ...]
    access: AttentionAccess
    token_map: Tensor | None = None

    def teacher_outputs(self, prepared: nn.Module, autocast: str | None = None) -> TeacherOutputs:
        """What the teacher says of batches.

        Args:
            prepared: the teacher as the run's accelerator prepared it.
            autocast: see `autocast_precision`.
        """
        forward = TeacherForward(self.teacher, prepared, self.access, self.token_map, autocast)
        return TeacherOutputs(forward, self.objectives, self.student.config.num_hidden_layers, self.alignment)

    def mapping_table(self, strategy: str) -> str:
        """The layer mapping as lines of text, with both shapes and how the layers were chosen."""
        shapes = EncoderShape.of(self.student.config), EncoderShape.of(self.teacher.config)
        return mapping_table(self.layer_mapping, strategy=strategy, shapes=shapes)


def pair_models(
    model: "PreTrainedModel | PeftModel",
    teacher: "PreTrainedModel | PeftModel | str | Path",
    args: DistillationArguments,
    *,
    tokenizers: tuple[PreTrainedTokenizerBase | None, PreTrainedTokenizerBase | None] = (None, None),
    objectives: Mapping[Phase, DistillationObjective] | None = None,
    initialization: ProjectionStart | str | Path | None = None,
    start: ProjectionStart | str | Path | None = None,
    task: str | None = None,
    train_dataset: object = None,
    collator: Collator | None = None,
) -> Pair:
    """Load, check and prepare both models: recorded attention, a frozen teacher, projections on the student.

    Args:
        model: the student as given, with its adapter if it has one; changed in place.
        teacher: model, Hub name or folder; a model is changed in place.
        args: of the run.
        tokenizers: of student and teacher; the teacher's is found by itself when the teacher is a name.
        objectives: one of one's own for each phase, instead of those that `args` describe.
        initialization: where the projections start, see `DistillationTrainer`.
        start: how the student was built, where its projections start elsewhere.
        task: of a multi-task student.
        train_dataset: looked at if it is a `datasets.Dataset`.
        collator: of the run, if one was given; it may make labels.

    Raises:
        ValueError: see `distillation.compatibility`.
    """
    student = transformers_model(model)
    phase_objectives = _objectives(args, objectives, student)
    several = list(phase_objectives.values())
    if not isinstance(teacher, str | Path):
        transformers_model(teacher)  # refuses anything else
        name = teacher_name(teacher)
    else:
        name = str(teacher)
        if tokenizers[0] is not None and tokenizers[1] is None:
            tokenizers = tokenizers[0], load_teacher_tokenizer(teacher)
        teacher = load_teacher(teacher, student, needs_head=any(one.compares_predictions for one in several))
    merged = merged_teacher(teacher)
    with gathered(student, merged):
        check_two_models(student, merged)
    teach_embeddings(merged, student)
    check_distributed_teacher(student, merged, _deepspeed_config(args))
    check_deepspeed_config(_deepspeed_config(args), len(args.stages), rates=bool(args.learning_rate_factors))
    with gathered(student, merged):
        access = _attention(student, merged, recorded=any(one.reads_attention for one in several))
    depths = student.config.num_hidden_layers, merged.config.num_hidden_layers
    mapping = mapping_of_run(str(args.layer_mapping), depths, initialization if start is None else start, task=task)
    alignment = _alignment(several, mapping, merged.config.num_hidden_layers)
    for objective in several:
        objective.request(student.config.num_hidden_layers)  # refuses layers that the student does not have
    with gathered(student, merged):
        check_pair(model, merged, several, args, tokenizers=tokenizers, train_dataset=train_dataset, collator=collator)
    freeze(merged)
    if any(one.reads_projections for one in several):
        layout = ProjectionLayout(args.projection_layout)
        attach_projections(model, starting_projections(student, merged, initialization, layout, seed=args.seed))
    else:
        detach_projections(model)
    return Pair(
        student,
        merged,
        name,
        tokenizers,
        phase_objectives,
        mapping,
        alignment,
        access,
        token_map_of(tokenizers, train_dataset),
    )


def token_map_of(
    tokenizers: tuple[PreTrainedTokenizerBase | None, PreTrainedTokenizerBase | None], train_dataset: object = None
) -> Tensor | None:
    """The map from the student's tokens to the teacher's; None without both tokenizers, or where none is needed.

    Args:
        tokenizers: of student and teacher, where known.
        train_dataset: may hold an encoding of the teacher's own, which no map reads.
    """
    separate = isinstance(train_dataset, Dataset) and has_teacher_encoding(train_dataset.column_names)
    student, teacher = tokenizers
    return None if separate or student is None or teacher is None else find_token_map(student, teacher)


def _attention(student: PreTrainedModel, teacher: PreTrainedModel, *, recorded: bool) -> AttentionAccess:
    """Switch both models to recorded attention where they can be, if any is read; how the teacher's is had."""
    if not recorded:
        mask_without_waiting(student, teacher)
        return AttentionAccess.INTERFACE
    record_attention(student)
    access = attention_access(teacher)
    if access is AttentionAccess.INTERFACE:
        record_attention(teacher)
    return access


def _objectives(
    args: DistillationArguments, given: Mapping[Phase, DistillationObjective] | None, student: PreTrainedModel
) -> dict[Phase, DistillationObjective]:
    """The objective of every phase: the given ones, or those that the arguments describe for the student's task."""
    if given is None:
        return args.objectives(problem_of(student), masked_lm=predicts_vocabulary(student))
    phases = [Phase(phase) for phase in given]
    if phases != args.stages:
        raise ValueError(
            f"expected objectives of the phases {', '.join(args.stages)}, got {', '.join(phases)}; because each phase "
            "trains its own; set `phases` to the same, in the same order"
        )
    return dict(zip(phases, given.values(), strict=True))


def _alignment(
    objectives: list[DistillationObjective], mapping: tuple[int, ...], teacher_layers: int
) -> tuple[int, ...]:
    """The teacher layers in the order of its states: the mapped ones, or all where a learned mapping weighs them."""
    learned = {one.learned_mapping is not None for one in objectives if one.reads & MAPPED_STATES}
    if len(learned) > 1:
        raise ValueError(
            "expected one kind of layer mapping in all phases, got fixed and learned ones; because the teacher's "
            "states come in one order; give every objective that compares layers a `learned_mapping`, or none"
        )
    return tuple(range(teacher_layers + 1)) if True in learned else mapping


def _deepspeed_config(args: DistillationArguments) -> dict[str, Any] | None:
    return None if args.deepspeed_plugin is None else args.deepspeed_plugin.hf_ds_config.config


__all__ = ["Pair", "pair_models", "token_map_of"]

"""Everything one distillation is made of, as the checks look at it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import (
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    default_data_collator,
)

from hf_tinybert.data.kinds.definition import ROW_NUMBER
from hf_tinybert.distillation.attention_access import AttentionAccess, attention_access
from hf_tinybert.distillation.compatibility.rows import LABEL_COLUMNS
from hf_tinybert.distillation.encodings import (
    TEACHER_PREFIX,
    input_columns,
    model_input_names,
    student_inputs,
    teacher_inputs,
)
from hf_tinybert.distillation.layer_mapping import resolve_layer_mapping
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.states import DistillationStates, student_states
from hf_tinybert.distillation.teacher_forward import TeacherForward
from hf_tinybert.distillation.token_map import find_token_map

StatesOfBatch = Callable[[DistillationObjective, Mapping[str, Tensor]], tuple[DistillationStates, DistillationStates]]
"""Both forwards of a batch, the student's states first."""

_LENGTH_ROWS = 1000


class Rows(Protocol):
    """A tokenised data set that can be read at any row, as `datasets.Dataset` can."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Setup:
    """What is checked.

    Attributes:
        student: the student, with projections attached where a term reads hidden states.
        adapted: the student inside its adapter model, which then holds the projections; None without an adapter.
        teacher: the teacher, frozen.
        objectives: those of all phases, in order.
        mapping: `mapping[student_layer] = teacher_layer`, 0 = embedding output, or a strategy by name; None where it
            is learned.
        student_tokenizer: the student's tokenizer.
        teacher_tokenizer: the teacher's tokenizer.
        train_dataset: tokenised rows.
        eval_dataset: tokenised rows, preferred for the teacher's score.
        arguments: the training arguments.
        collator: rows to a batch; pads by the student's tokenizer when None.
        separate_encodings: each model reads an encoding of its own.
        max_length: the length that texts were cut to, in tokens, where it is known.
        trainer_class: the trainer that will run.
        states: both forwards of a batch where they need more than the attention interface; by `forward` when None.
        score_rows: labelled rows at most that the teacher is scored on; 0 leaves the score out.
    """

    student: PreTrainedModel
    teacher: PreTrainedModel
    objectives: tuple[DistillationObjective, ...]
    mapping: str | Sequence[int] | None = None
    student_tokenizer: PreTrainedTokenizerBase | None = None
    teacher_tokenizer: PreTrainedTokenizerBase | None = None
    train_dataset: Rows | None = None
    eval_dataset: Rows | None = None
    arguments: TrainingArguments | None = None
    collator: Callable[[list[Any]], Mapping[str, Any]] | None = None
    separate_encodings: bool = False
    max_length: int | None = None
    trainer_class: type[Trainer] | None = None
    states: StatesOfBatch | None = None
    score_rows: int = 200
    adapted: nn.Module | None = None

    @property
    def reads_hidden_states(self) -> bool:
        """Whether any phase compares hidden states."""
        return any(objective.reads_hidden_states for objective in self.objectives)

    @property
    def reads_attention(self) -> bool:
        """Whether any phase compares attention."""
        return any(objective.reads_attention for objective in self.objectives)

    @property
    def compares_predictions(self) -> bool:
        """Whether any phase compares the student's predictions with the teacher's."""
        return any(objective.compares_predictions for objective in self.objectives)

    @property
    def lengths(self) -> list[int]:
        """Tokens that the student reads of up to 1000 rows; empty without token ids."""
        return [_length(row["input_ids"]) for row in self._sample if row.get("input_ids") is not None]

    @property
    def teacher_lengths(self) -> list[int]:
        """Tokens that the teacher reads of the same rows."""
        own = f"{TEACHER_PREFIX}input_ids"
        return [_length(row[own]) for row in self._sample if row.get(own) is not None] or self.lengths

    @property
    def in_windows(self) -> bool:
        """Whether a long text is several rows, one after another, so that nothing of it is cut off."""
        dataset = self._dataset
        if dataset is None:
            return False
        numbers = [dataset[row].get(ROW_NUMBER) for row in range(min(len(dataset), _LENGTH_ROWS))]
        return any(number is not None and number == following for number, following in pairwise(numbers))

    def batch(self, dataset: Rows, rows: Sequence[int]) -> dict[str, Tensor]:
        """Rows as the models read them, labels included, on the student's device."""
        batch = self.collate([dataset[row] for row in rows])
        return {name: value.to(self.student.device) for name, value in batch.items() if isinstance(value, Tensor)}

    def collate(self, rows: list[Any]) -> dict[str, Any]:
        """The batch that the trainer's collator makes of rows of the data."""
        collator = self.collator
        if collator is None:
            padded = self.student_tokenizer
            collator = default_data_collator if padded is None else DataCollatorWithPadding(padded)
        return dict(collator([self._kept(row) for row in rows]))

    def _kept(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What of a row the trainer hands to its collator."""
        if self.arguments is not None and not self.arguments.remove_unused_columns:
            return dict(row)
        named = (None if self.arguments is None else self.arguments.label_names) or ()
        columns = {*input_columns(self.student, self.teacher), *LABEL_COLUMNS, "end_positions", *named}
        return {name: value for name, value in row.items() if name in columns}

    def teacher_inputs(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What of a batch the teacher reads."""
        token_map = None if self.token_map is None else self.token_map.to(self.student.device)
        return teacher_inputs(batch, model_input_names(self.teacher), token_map)

    @cached_property
    def token_map(self) -> Tensor | None:
        """The teacher's id of each id of the student where the student's vocabulary is a part of the teacher's."""
        student, teacher = self.student_tokenizer, self.teacher_tokenizer
        if self.separate_encodings or student is None or teacher is None:
            return None
        return find_token_map(student, teacher)

    @property
    def _dataset(self) -> Rows | None:
        return self.train_dataset if self.train_dataset is not None else self.eval_dataset

    @cached_property
    def _sample(self) -> list[Mapping[str, Any]]:
        dataset = self._dataset
        return [] if dataset is None else [dataset[row] for row in spread(len(dataset), _LENGTH_ROWS)]

    def forward(
        self, objective: DistillationObjective, inputs: Mapping[str, Tensor]
    ) -> tuple[DistillationStates, DistillationStates]:
        """The states of both models, the student's first, without gradient and without dropout."""
        student = self.student if self.adapted is None else self.adapted
        with evaluating(student), evaluating(self.teacher), torch.no_grad():
            if self.states is not None:
                return self.states(objective, inputs)
            layers = self.student.config.num_hidden_layers
            request, alignment = objective.request(layers), self._alignment(objective)
            output = student(
                **student_inputs(inputs, model_input_names(self.student)),
                return_dict=True,
                output_hidden_states=list(request.hidden_states) or False,
                output_attentions=bool(request.attentions),
            )
            access = self.teacher_access if request.attentions else AttentionAccess.INTERFACE
            run_teacher = TeacherForward(self.teacher, self.teacher, access, self.token_map)
            implementation = self.teacher.config._attn_implementation
            run_teacher.ask_for(objective.teacher_request(layers, alignment))
            try:
                return student_states(output, inputs), run_teacher(inputs, alignment)
            finally:
                if self.teacher.config._attn_implementation != implementation:
                    self.teacher.set_attn_implementation(implementation)

    @cached_property
    def teacher_access(self) -> AttentionAccess:
        """How the teacher's attention can be read."""
        return attention_access(self.teacher)

    def _alignment(self, objective: DistillationObjective) -> tuple[int, ...]:
        """The teacher's layers beside the student's; a learned mapping weighs all of them."""
        student, teacher = self.student.config.num_hidden_layers, self.teacher.config.num_hidden_layers
        if objective.learned_mapping is not None:
            return tuple(range(teacher + 1))
        if self.mapping is None:
            raise ValueError("expected a layer mapping, got none; give one, or the states of a batch by `states`")
        return resolve_layer_mapping(self.mapping, student, teacher)


def spread(count: int, wanted: int) -> list[int]:
    """Up to `wanted` different rows of `count`, evenly spread: a sorted data set is met in all its parts."""
    taken = min(count, wanted)
    return [position * count // taken for position in range(taken)]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within the block; afterwards every module is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.train(False)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _length(token_ids: Sequence[Any] | Tensor) -> int:
    """Tokens of a row; of multiple choice, those of its longest choice."""
    nested = len(token_ids) > 0 and isinstance(token_ids[0], list | tuple)
    return max(len(choice) for choice in token_ids) if nested else len(token_ids)


__all__ = ["Rows", "Setup", "StatesOfBatch", "evaluating", "spread"]

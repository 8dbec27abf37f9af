"""One task of a run: the terms of every phase, and both forwards that they compare."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from hf_tinybert.distillation.cache import CachedTeacherCollator
from hf_tinybert.distillation.encodings import has_own_forward, model_input_names, student_inputs
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.states import IGNORED_LABEL, Places, at_positions, labels_of, student_states
from hf_tinybert.distillation.task_head import vocabulary_logits_at
from hf_tinybert.distillation.teacher_outputs import Collator, TeacherOutputs
from hf_tinybert.distillation.terms import Phase


class TaskDistillation:
    """What a student is told of one task, phase by phase.

    Args:
        student: the transformers model that is trained; its forward names what it reads.
        objectives: of the phases in which the task takes part, in order.
        outputs: of the teacher; None where no term reads one.
        predicts_vocabulary: whether the task's head predicts masked words.
        whole_logits: whether predictions over the vocabulary are made at all positions, also where no term reads them;
            a compiled model would be compiled anew for every batch without.

    Attributes:
        objectives: as given.
        outputs: as given.
        predicts_vocabulary: as given.
    """

    def __init__(
        self,
        student: PreTrainedModel,
        objectives: Mapping[Phase, DistillationObjective],
        outputs: TeacherOutputs | None,
        *,
        predicts_vocabulary: bool,
        whole_logits: bool = False,
    ) -> None:
        self._student, self._whole_logits = student, whole_logits
        layers = student.config.num_hidden_layers
        self.objectives, self.outputs, self.predicts_vocabulary = dict(objectives), outputs, predicts_vocabulary
        self._requests = {phase: one.request(layers) for phase, one in self.objectives.items()}
        self._inputs = model_input_names(student)
        self._phase = next(iter(self.objectives))

    @property
    def objective(self) -> DistillationObjective:
        """Of the phase that runs, or ran last."""
        return self.objectives[self._phase]

    @property
    def takes_part(self) -> bool:
        """Whether the task has anything to learn in this phase."""
        return self._phase in self.objectives

    @property
    def reads_layers(self) -> bool:
        """Whether any phase compares hidden states or attention."""
        return any(one.reads_hidden_states or one.reads_attention for one in self.objectives.values())

    @property
    def reads_vocabulary(self) -> bool:
        """Whether this phase reads predictions over the vocabulary, which cost more than a small encoder."""
        return self.predicts_vocabulary and self.takes_part and self.objective.reads_logits

    @property
    def needs_masks(self) -> bool:
        """Whether a model of one's own reads the batches, which may need a mask where nothing is padded too."""
        models = [self._student] if self.outputs is None else [self._student, self.outputs.teacher]
        return any(has_own_forward(model) for model in models)

    def enter(self, phase: Phase) -> None:
        """From now on learn what this phase trains."""
        self._phase = phase
        if self.outputs is not None:
            self.outputs.enter(phase)

    def forget_weights(self) -> None:
        """What a learned mapping tells of its weights begins anew."""
        learned = self.objective.learned_mapping if self.takes_part else None
        if learned is not None:
            learned.reset_weights()

    def losses(
        self, model: nn.Module, inputs: Mapping[str, Any], *, predicts: bool = False, progress: float = 0.0
    ) -> tuple[dict[str, Tensor], ModelOutput]:
        """Both forwards of one batch, and every term of the phase, `()` each; with the student's output.

        Args:
            model: the student as it runs, wrapped or not.
            inputs: the batch, as the data collator made it.
            predicts: whether the output's predictions are wanted, and not only what the terms read of them.
            progress: share of the phase's steps that are done, on which a temperature may depend.
        """
        request, labelled = self._requests[self._phase], None if predicts else self._labelled(inputs)
        with vocabulary_logits_at(self._student, labelled):
            output = model(
                **student_inputs(inputs, self._inputs),
                return_dict=True,  # whatever its configuration says
                output_hidden_states=list(request.hidden_states) or False,
                output_attentions=bool(request.attentions),
            )
        student = teacher = student_states(output, inputs)
        if self.outputs is not None and self.objective.reads_teacher:
            teacher = self.outputs.states(inputs, student.mask, labelled)
        if labelled is not None:
            student, teacher = at_positions(student, labelled), at_positions(teacher, labelled)
        return self.objective.losses(student, teacher, progress), output

    def lacks_labels(self, inputs: Mapping[str, Any]) -> bool:
        """Whether a batch has no loss: it lacks the labels that a term of the phase reads, or there is no term."""
        return not self.takes_part or (self.objective.reads_labels and labels_of(inputs) is None)

    def answers(self, model: nn.Module, inputs: Mapping[str, Any]) -> ModelOutput:
        """The student's output for one batch, without a loss; arguments as of `losses`."""
        output: ModelOutput = model(**student_inputs(inputs, self._inputs), return_dict=True)
        return output

    def _labelled(self, inputs: Mapping[str, Any]) -> Places | None:
        """The positions of `(rows, seq_len)` whose predictions are learned; None where others are read too.

        Their number is what the device is waited for, once, before anything of the step is asked of it.
        """
        labels = inputs.get("labels")
        objective = self.objective
        if self._whole_logits or not (self.reads_vocabulary and objective.counts_labelled_alone):
            return None
        if labels is None or labels.shape != inputs["input_ids"].shape:
            return None
        positions: Places = (labels != IGNORED_LABEL).nonzero(as_tuple=True)
        return positions

    def cached(self, collator: Collator) -> CachedTeacherCollator | None:
        """A collator whose batches bring the teacher's outputs from a cache; None where none holds them."""
        return None if self.outputs is None else self.outputs.cached(collator)


__all__ = ["TaskDistillation"]

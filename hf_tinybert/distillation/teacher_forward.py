"""The teacher's half of a training step: its states for a batch, in the student's order."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from hf_tinybert.distillation.attention import record_attention
from hf_tinybert.distillation.attention_access import AttentionAccess
from hf_tinybert.distillation.attention_fallback import record_softmax
from hf_tinybert.distillation.embedding_teacher import pooling_of, restore_pooling
from hf_tinybert.distillation.encodings import model_input_names, teacher_inputs
from hf_tinybert.distillation.head_kinds import head_kind
from hf_tinybert.distillation.states import DistillationStates, Places, StateRequest, teacher_states
from hf_tinybert.distillation.task_head import predicts_vocabulary, vocabulary_logits_at


class TeacherForward:
    """Runs a frozen teacher without gradients and keeps only what is asked for.

    Args:
        teacher: the model itself.
        prepared: the same as the run's accelerator prepared it.
        access: how its attention is had.
        token_map: the teacher's id of each id of the student, `(student_ids,)`, where the student's vocabulary is a
            part of the teacher's; predictions over the vocabulary are then those of the student's tokens.
        autocast: in which the prepared teacher computes where that is not the type of its weights.

    Attributes:
        teacher: as given.
        token_map: as given, on the device of the last batch.
    """

    def __init__(
        self,
        teacher: PreTrainedModel,
        prepared: nn.Module,
        access: AttentionAccess,
        token_map: Tensor | None = None,
        autocast: str | None = None,
    ) -> None:
        self.teacher, self._prepared, self._access = teacher, prepared, access
        self.token_map, self._autocast = token_map, autocast
        self._input_names = model_input_names(teacher)
        self._pooling = pooling_of(teacher)
        self._request = StateRequest()
        self._implementation: str | None = None

    @property
    def precision(self) -> str:
        """In which what was asked for is computed, such as `float32`."""
        under_autocast = self._autocast is not None and self._runs() is self._prepared
        return str(self._autocast) if under_autocast else str(self.teacher.dtype).removeprefix("torch.")

    def ask_for(self, request: StateRequest) -> None:
        """Say what later calls shall give, in the teacher's layers."""
        self._request = request
        restore_pooling(self.teacher, self._pooling)
        if request.attentions and self._access is AttentionAccess.INTERFACE:
            record_attention(self.teacher, request.attentions, values=request.values)
            self._implementation = self.teacher.config._attn_implementation

    def __call__(
        self, inputs: Mapping[str, Any], mapping: Sequence[int], positions: Places | None = None
    ) -> DistillationStates:
        """The states of one batch.

        Args:
            inputs: the batch, as the data collator made it.
            mapping: `mapping[student_layer] = teacher_layer`, 0 = embedding output.
            positions: of `(rows, seq_len)`, at which predictions over the vocabulary are read; None for all.
        """
        layers = self._request.attentions
        if layers and self._implementation not in (None, self.teacher.config._attn_implementation):
            self.ask_for(self._request)  # another run that shares the teacher has asked it for something else
        restore_pooling(self.teacher, self._pooling)  # likewise
        if self.token_map is not None:
            self.token_map = self.token_map.to(inputs["input_ids"].device)
        own = teacher_inputs(inputs, self._input_names, self.token_map)
        model = self._runs()
        if model.training:  # asked first: to set it takes a walk over all modules, at every step
            model.eval()  # an engine returns None from it
        arguments: dict[str, Any] = {
            "return_dict": True,  # whatever its configuration says
            "output_hidden_states": list(self._request.hidden_states) or False,
        }
        with torch.no_grad(), vocabulary_logits_at(self.teacher, positions):
            if layers and self._access is AttentionAccess.FALLBACK:
                with record_softmax(layers) as recorder:
                    output = model(**own, **arguments)
                config = self.teacher.config
                scores = recorder.scores(config.num_hidden_layers, config.num_attention_heads)
                return teacher_states(self._of_student_tokens(output), own, mapping, scores)
            output = model(**own, **arguments, output_attentions=bool(layers))
        return teacher_states(self._of_student_tokens(output), own, mapping)

    def _of_student_tokens(self, output: ModelOutput) -> ModelOutput:
        """Predictions over the vocabulary in the order of the student's."""
        if self.token_map is not None and predicts_vocabulary(self.teacher):
            for name in ("logits", "prediction_logits"):
                if output.get(name) is not None:
                    output[name] = output[name][..., self.token_map]
        return output

    def _runs(self) -> nn.Module:
        """The encoder alone where no term reads predictions; multiple choice takes its choices apart in the head."""
        whole = self._request.logits or self._prepared is not self.teacher
        return self._prepared if whole or head_kind(self.teacher) == "ForMultipleChoice" else self.teacher.base_model


__all__ = ["TeacherForward"]

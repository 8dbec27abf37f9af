"""The distillation loop that people write, and that the published code is: what the engine's speed is held against.

float32 throughout; every row padded to the maximum length; eager attention; all score maps and all hidden states of
both models, whatever is compared; a teacher forward every step; stock Adam; `.item()` on every term every step.
Where the published code is slower still, this loop is kinder: its teacher is in evaluation mode (there dropout is on),
rows are padded once beforehand, gradients are not clipped, and torch decides how Adam runs.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask

from hf_tinybert.distillation.terms import Phase, Term

TEXTBOOK_ATTENTION = "textbook_scores"
_COLUMNS = ("input_ids", "token_type_ids", "attention_mask")
# scores of padded keys are this or less, after the mask was added: the published code's threshold
_MASKED_SCORE = -1e2
_Layers = tuple[Tensor, ...]
_INTERMEDIATE = (Term.EMBEDDING, Term.HIDDEN_STATES, Term.ATTENTION_SCORES)
_TERMS = {
    Phase.INTERMEDIATE: _INTERMEDIATE,
    Phase.PREDICTION: (Term.PREDICTION,),
    Phase.JOINT: (*_INTERMEDIATE, Term.PREDICTION),
}


def textbook_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,  # noqa: ANN401 (whatever the model's layer passes on; the interface of transformers)
) -> tuple[Tensor, Tensor]:
    """Eager attention that gives the scores before the softmax, as the models of the published code do.

    Args:
        module: the attention layer.
        query: `(batch, heads, query_len, head_width)`.
        key: `(batch, heads, key_len, head_width)`.
        value: `(batch, heads, key_len, head_width)`.
        attention_mask: added to the scores, `(batch, 1, query_len, key_len)`; None without padding.
        scaling: factor on the scores, `head_width ** -0.5` when None.
        dropout: probability, while the layer trains.
        **kwargs: not read.

    Returns:
        Attention output `(batch, query_len, heads, head_width)` and scores with the mask added
        `(batch, heads, query_len, key_len)`.
    """
    scores = torch.matmul(query, key.transpose(-1, -2)) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if attention_mask is not None:
        scores = scores + attention_mask
    probabilities = functional.dropout(functional.softmax(scores, dim=-1), p=dropout, training=module.training)
    return torch.matmul(probabilities, value).transpose(1, 2).contiguous(), scores


AttentionInterface.register(TEXTBOOK_ATTENTION, textbook_attention)
AttentionMaskInterface.register(TEXTBOOK_ATTENTION, eager_mask)


class TextbookLoop:
    """Distils a student by the loop of this module's text.

    Its terms are those of `DistillationObjective` in the `reference` reduction (means over padding too, and of the
    prediction loss over classes too), each weighted 1.

    Args:
        student: with a classification head; moved to `device`.
        teacher: of the same head, heads per layer and labels; moved to `device`, frozen, in evaluation mode.
        rows: `input_ids`, `attention_mask` and `token_type_ids`, unpadded.
        phase: which terms are trained.
        max_length: what every row is padded to, in tokens.
        batch_size: rows per step.
        pad_token_id: the tokenizer's.
        learning_rate: of Adam, constant.
        seed: of the projections and the order of rows.
        device: where to train.

    Raises:
        ValueError: the number of the student's layers does not divide the teacher's, as in the published code.

    Source: TinyBERT, equations 7 to 11; huawei-noah/Pretrained-Language-Model, TinyBERT/task_distill.py.
    """

    def __init__(
        self,
        student: PreTrainedModel,
        teacher: PreTrainedModel,
        rows: Dataset,
        *,
        phase: Phase,
        max_length: int,
        batch_size: int,
        pad_token_id: int,
        learning_rate: float,
        seed: int,
        device: torch.device,
    ) -> None:
        layers, teacher_layers = student.config.num_hidden_layers, teacher.config.num_hidden_layers
        if teacher_layers % layers:
            raise ValueError(
                f"expected the student's number of layers to divide the teacher's {teacher_layers}, got {layers}; "
                "because the published code maps every k-th layer; measure another pair"
            )
        self._layers_per_layer = teacher_layers // layers
        self._terms, self._device = _TERMS[phase], device
        for model in (student, teacher):
            model.set_attn_implementation(TEXTBOOK_ATTENTION)
            nn.Module.to(model, device)
        self.student, self.teacher = student.train(), teacher.eval().requires_grad_(False)
        torch.manual_seed(seed)
        widths = student.config.hidden_size, teacher.config.hidden_size
        self.projections = nn.ModuleList(nn.Linear(*widths) for _ in range(layers + 1)).to(device)
        parameters = [*self.student.parameters(), *self.projections.parameters()]
        self._optimizer = torch.optim.Adam(parameters, lr=learning_rate)
        dataset = TensorDataset(*(_padded(rows, name, max_length, pad_token_id) for name in _COLUMNS))
        self._batches = DataLoader(dataset, batch_size, shuffle=True)
        self.history: list[dict[str, float]] = []

    def run(self, epochs: int, after_step: Callable[[], None]) -> None:
        """Train for so many passes and call `after_step` after every step; `history` has the losses of each."""
        for _ in range(epochs):
            for batch in self._batches:
                self.step(dict(zip(_COLUMNS, batch, strict=True)))
                after_step()

    def step(self, batch: dict[str, Tensor]) -> None:
        """One optimizer step on `input_ids`, `token_type_ids` and `attention_mask`, each `(batch, max_length)`."""
        losses = self.losses({name: column.to(self._device) for name, column in batch.items()})
        loss = torch.stack(list(losses.values())).sum()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self.history.append({name: value.item() for name, value in losses.items()})

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Every term of the phase on one batch, `()` each, under the name of `DistillationObjective`."""
        student = self.student(**batch, output_hidden_states=True, output_attentions=True)
        with torch.no_grad():
            teacher = self.teacher(**batch, output_hidden_states=True, output_attentions=True)
        terms = {
            Term.EMBEDDING: lambda: self._hidden_loss(student.hidden_states, teacher.hidden_states, [0]),
            Term.HIDDEN_STATES: lambda: self._hidden_loss(
                student.hidden_states, teacher.hidden_states, range(1, len(student.hidden_states))
            ),
            Term.ATTENTION_SCORES: lambda: self._attention_loss(student.attentions, teacher.attentions),
            Term.PREDICTION: lambda: _soft_cross_entropy(student.logits, teacher.logits),
        }
        return {str(term): terms[term]() for term in self._terms}

    def _hidden_loss(self, student: _Layers, teacher: _Layers, layers: Iterable[int]) -> Tensor:
        pairs = ((self.projections[m](student[m]), teacher[m * self._layers_per_layer]) for m in layers)
        return torch.stack([functional.mse_loss(*pair) for pair in pairs]).sum()

    def _attention_loss(self, student: _Layers, teacher: _Layers) -> Tensor:
        taught = teacher[self._layers_per_layer - 1 :: self._layers_per_layer]
        pairs = zip(student, taught, strict=True)
        return torch.stack([functional.mse_loss(_unmasked(s), _unmasked(t)) for s, t in pairs]).sum()


def _soft_cross_entropy(student: Tensor, teacher: Tensor) -> Tensor:
    return -(functional.softmax(teacher, dim=-1) * functional.log_softmax(student, dim=-1)).mean()


def _unmasked(scores: Tensor) -> Tensor:
    return torch.where(scores <= _MASKED_SCORE, torch.zeros_like(scores), scores)


def _padded(rows: Dataset, column: str, length: int, pad_token_id: int) -> Tensor:
    """A column as int64 `(rows, length)`."""
    fill = pad_token_id if column == "input_ids" else 0
    return torch.tensor([[*row, *([fill] * (length - len(row)))] for row in rows[column][:]])


__all__ = ["TEXTBOOK_ATTENTION", "TextbookLoop", "textbook_attention"]

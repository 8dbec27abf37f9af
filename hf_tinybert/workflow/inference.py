"""A model over encoded rows: batches of like length, logits in the order of the rows."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.kinds.definition import Logits, Prediction
from hf_tinybert.data.tasks import Task
from hf_tinybert.distillation.encodings import model_input_names
from hf_tinybert.models.exported_runtime import ExportedRuntime

_PADDING = -100  # as the stock Trainer pads what it gathers
_SPAN = ("start_logits", "end_logits")
_NAMED = ("logits", "prediction_logits")


class Inference:
    """A model that answers one task; evaluation mode, no gradients.

    Args:
        model: with the head of the task.
        tokenizer: of the model.
        task: kind, label names and lengths.
        batch_size: encoded rows at once.
        seed: of random masks, in masked LM; with None only the masks of the texts themselves are predicted.
        on_batch: called after every batch with how many raw rows it stands for; of a long text in several windows a
            part.

    Raises:
        ValueError: a batch of no row.
    """

    def __init__(
        self,
        model: PreTrainedModel | ExportedRuntime,
        tokenizer: PreTrainedTokenizerBase,
        task: Task,
        *,
        batch_size: int = 32,
        seed: int | None = None,
        on_batch: Callable[[float], None] | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"expected a `batch_size` of at least 1, got {batch_size}; because no row is read")
        self.task, self.tokenizer = task, tokenizer
        self._model = model.eval()
        self._batch_size, self._on_batch = batch_size, on_batch
        self._collate, self._seed = task.collator(tokenizer), seed
        self._inputs = model.input_names if isinstance(model, ExportedRuntime) else model_input_names(model)

    def predict(self, rows: Dataset) -> list[Prediction]:
        """One prediction per raw row."""
        if len(rows) == 0:
            return []
        encoded = self.task.fix_masks(self.task.encode(rows, self.tokenizer), self.tokenizer, self._seed)
        return self.task.decode(self.logits(encoded, len(rows)), encoded, rows, self.tokenizer)

    def logits(self, encoded: Dataset, raw_rows: int | None = None) -> Logits:
        """What the model gives for encoded rows, in their order, padded as the stock Trainer pads it.

        Args:
            encoded: rows as the model reads them.
            raw_rows: that they come from.
        """
        share = (raw_rows or len(encoded)) / max(1, len(encoded))
        read = [name for name in encoded.column_names if name in self._inputs or name in _label_columns(encoded)]
        rows = encoded.select_columns(read)
        order = np.argsort([-_tokens(ids) for ids in encoded["input_ids"][:]], kind="stable").tolist()
        batches = [order[start : start + self._batch_size] for start in range(0, len(order), self._batch_size)]
        found: list[tuple[np.ndarray, ...]] = []
        for batch in batches:
            found.append(self._forward([rows[index] for index in batch]))
            if self._on_batch is not None:
                self._on_batch(len(batch) * share)
        parts = tuple(_in_order(order, batches, [one[part] for one in found]) for part in range(len(found[0])))
        return parts if len(parts) > 1 else parts[0]

    def _forward(self, rows: list[dict[str, object]]) -> tuple[np.ndarray, ...]:
        batch = self._collate(rows)
        device = self._model.device
        inputs = {name: value.to(device) for name, value in batch.items() if name in self._inputs - _LABELS}
        with torch.inference_mode():
            output = self._model(**inputs)
            given = tuple(output[name] for name in _SPAN if output.get(name) is not None)
            given = given or tuple(output[name] for name in _NAMED if output.get(name) is not None)[:1]
            reduce = self.task.definition.reduce_logits
            if reduce is not None:
                labels = batch.get("labels")
                given = _as_tuple(reduce(given[0], None if labels is None else labels.to(device)))
        return tuple(part.float().cpu().numpy() if part.is_floating_point() else part.cpu().numpy() for part in given)


_LABELS = frozenset({"labels", "start_positions", "end_positions"})


def _label_columns(encoded: Dataset) -> Sequence[str]:
    return [name for name in encoded.column_names if name in _LABELS]


def _tokens(input_ids: Sequence[object]) -> int:
    """Tokens of an encoded row; of a row of choices, of its longest one."""
    lengths = [len(one) for one in input_ids if isinstance(one, list)]
    return max(lengths) if lengths else len(input_ids)


def _as_tuple(value: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return value if isinstance(value, tuple) else (value,)


def _in_order(order: list[int], batches: list[list[int]], parts: list[np.ndarray]) -> np.ndarray:
    """Batches of different widths as one array, `(rows, ...)`, rows in the order of the data."""
    shape = np.max([part.shape[1:] for part in parts], axis=0).astype(int).tolist()
    whole = np.full((len(order), *shape), _PADDING, dtype=parts[0].dtype)
    for batch, part in zip(batches, parts, strict=True):
        place: tuple[Any, ...] = (batch, *(slice(size) for size in part.shape[1:]))
        whole[place] = part
    return whole


__all__ = ["Inference"]

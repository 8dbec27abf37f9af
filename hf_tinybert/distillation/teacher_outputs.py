"""The teacher's side of every batch: a forward, or what an earlier one left on disk."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedModel

from hf_tinybert.data.length_grouping import row_lengths
from hf_tinybert.distillation.arguments import CacheChoice
from hf_tinybert.distillation.cache import (
    ROW_COLUMN,
    CacheContents,
    CachedTeacherCollator,
    CacheSource,
    TeacherCache,
    holds_cached_states,
    open_teacher_cache,
    teacher_identity,
    with_row_ids,
)
from hf_tinybert.distillation.compatibility.models import numbers_positions
from hf_tinybert.distillation.encodings import TEACHER_PREFIX, has_teacher_encoding
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.sharding import partitioned_parameters
from hf_tinybert.distillation.states import DistillationStates, Places, StateRequest
from hf_tinybert.distillation.teacher_forward import TeacherForward
from hf_tinybert.distillation.terms import Phase
from hf_tinybert.distillation.token_map import token_map_sha256

logger = logging.getLogger(__name__)

Collator = Callable[[list[dict[str, Any]]], Any]


@dataclass(frozen=True)
class CacheSettings:
    """Where a cache lies and how large it may get.

    Attributes:
        directory: of all caches.
        max_gb: what all caches of the run may take, gigabytes (1e9 bytes).
        contents: what is kept.
        taken: bytes of the caches of other tasks of the run.
    """

    directory: Path
    max_gb: float
    contents: CacheChoice
    taken: int = 0


class TeacherOutputs:
    """What the teacher says of a batch, in the student's order, whatever the phase and wherever it comes from.

    Args:
        forward: of the teacher.
        objectives: of all phases.
        student_layers: transformer layers of the student.
        alignment: `alignment[student_layer] = teacher_layer`, 0 = embedding output; all of the teacher's layers under
            a learned mapping.
    """

    def __init__(
        self,
        forward: TeacherForward,
        objectives: Mapping[Phase, DistillationObjective],
        student_layers: int,
        alignment: Sequence[int],
    ) -> None:
        self._forward, self._alignment = forward, tuple(alignment)
        self._requests = {phase: one.teacher_request(student_layers, alignment) for phase, one in objectives.items()}
        self._cache: TeacherCache | None = None
        self._told_of_unread_cache = False
        self._phase = next(iter(objectives))
        self.enter(self._phase)

    @property
    def teacher(self) -> PreTrainedModel:
        """Who answers."""
        return self._forward.teacher

    def enter(self, phase: Phase) -> None:
        """From now on give what this phase reads."""
        self._phase = phase
        self._forward.ask_for(self._requests[phase])

    def states(self, inputs: Mapping[str, Any], mask: Tensor, positions: Places | None = None) -> DistillationStates:
        """The teacher's states of one batch: from the cache if the batch brings them, else by a forward.

        Args:
            inputs: the batch, as the data collator made it.
            mask: of the student's states, `(rows, seq_len)`.
            positions: of `(rows, seq_len)`, at which predictions over the vocabulary are read; None for all. A cache
                gives all.
        """
        if self._cache is None or not holds_cached_states(inputs):
            self._tell_of_unread_cache()
            return self._forward(inputs, self._alignment, positions)
        cached = self._cache.states(inputs)
        return DistillationStates(mask, cached.hidden_states, cached.attentions, cached.logits)

    @property
    def cache_bytes(self) -> int:
        """What the cache takes on disk; 0 without one."""
        return 0 if self._cache is None else self._cache.bytes

    def cached(self, collator: Collator) -> CachedTeacherCollator | None:
        """A collator whose batches bring what this phase reads; None where no cache holds it.

        The rows must carry their numbers (`with_row_ids`).
        """
        if self._cache is None or not self._serves:
            return None
        return CachedTeacherCollator(collator, self._cache, self._contents([self._requests[self._phase]]))

    @property
    def _serves(self) -> bool:
        """Whether there is a cache that holds what this phase reads."""
        return self._cache is not None and self._cache.contents.covers(self._contents([self._requests[self._phase]]))

    def _tell_of_unread_cache(self) -> None:
        """Say once that batches of training come without what was computed for them; those of evaluations do."""
        if not self._told_of_unread_cache and torch.is_grad_enabled() and self._serves:
            logger.warning(
                "the training batches do not bring what the teacher cache holds, so that the teacher runs at every "
                "step all the same: they do not come from the trainer's own `get_train_dataloader`; call "
                "`super().get_train_dataloader()` in yours, or leave out `teacher_cache_dir`"
            )
            self._told_of_unread_cache = True

    def open_cache(
        self,
        settings: CacheSettings,
        dataset: object,
        collator: Collator,
        *,
        columns: Sequence[str],
        weights_sha256: str,
        device: torch.device,
    ) -> None:
        """Find the outputs of all phases for a data set on disk, or compute them now.

        Args:
            settings: of the cache.
            dataset: the training rows, a `datasets.Dataset`.
            collator: makes the same batch of the same rows.
            columns: that both models, the labels included, read.
            weights_sha256: of the teacher, as loaded.
            device: on which the teacher takes its batches.

        Raises:
            ValueError: a teacher that is not whole on every process, data without rows that could be numbered, texts
                padded on the left for a teacher that numbers their positions, or a cache that does not fit.
        """
        requests = [request for request in self._requests.values() if request]
        if not requests:
            return
        if partitioned_parameters(self._forward.teacher):
            raise ValueError(
                "expected a teacher that is whole on every process for the teacher cache, got one partitioned by "
                "ZeRO-3; because one process computes it while the others wait; load the teacher before the training "
                "arguments are made, or leave out `teacher_cache_dir`"
            )
        contents = self._contents(requests)
        served_by_logits = any(request == StateRequest(logits=True) for request in requests)
        if settings.contents is CacheChoice.LOGITS:
            contents = contents.logits_only()
            if not served_by_logits:
                logger.warning(
                    "no phase reads the teacher's predictions and nothing else, so that a cache of logits would serve "
                    "none: no teacher cache, the teacher runs at every step; set `teacher_cache_contents` to `all` or "
                    "`auto`"
                )
                return
        rows = with_row_ids(dataset).remove_columns(ROW_COLUMN)
        _check_padding(self._forward.teacher, rows, collator)
        self._forward.ask_for(_request(contents))
        self._cache = open_teacher_cache(
            self._source(rows, collator, columns, weights_sha256, device),
            contents,
            settings.directory,
            max_gb=settings.max_gb,
            taken=settings.taken,
            fall_back=settings.contents is CacheChoice.AUTO,
            logits_alone=served_by_logits,
        )
        self.enter(self._phase)

    def _source(
        self, rows: Dataset, collator: Collator, columns: Sequence[str], weights_sha256: str, device: torch.device
    ) -> CacheSource:
        teacher, token_map = self._forward.teacher, self._forward.token_map
        identity = teacher_identity(teacher, weights_sha256, self._forward.precision)
        if token_map is not None:
            identity["token_map_sha256"] = token_map_sha256(token_map.cpu())
        prefix = TEACHER_PREFIX if has_teacher_encoding(rows.column_names) else ""
        return CacheSource(
            dataset=rows.select_columns([name for name in rows.column_names if name in columns]),
            collator=collator,
            forward=lambda inputs: self._forward(inputs, self._alignment),
            teacher=identity,
            columns=columns,
            device=device,
            token_column=f"{prefix}input_ids",
            mask_column=f"{prefix}attention_mask",
        )

    def _contents(self, requests: Sequence[StateRequest]) -> CacheContents:
        """What a cache that serves these requests keeps, in the order in which the teacher's states come."""
        hidden_states = {layer for request in requests for layer in request.hidden_states}
        attentions = {layer for request in requests for layer in request.attentions}
        return CacheContents(
            tuple(layer if layer in hidden_states else None for layer in self._alignment) if hidden_states else (),
            tuple(layer if layer in attentions else None for layer in self._alignment[1:]) if attentions else (),
            value=any(request.values for request in requests),
            logits=any(request.logits for request in requests),
        )


def _check_padding(teacher: PreTrainedModel, rows: Dataset, collator: Collator) -> None:
    """Refuse padding that moves the positions of a text, on which the teacher's outputs for it depend."""
    prefix = TEACHER_PREFIX if has_teacher_encoding(rows.column_names) else ""
    lengths = row_lengths(rows, f"{prefix}input_ids") or [0]
    if not numbers_positions(teacher) or min(lengths) == max(lengths):
        return
    pair = rows.select([lengths.index(min(lengths)), lengths.index(max(lengths))])
    batch = collator([dict(row) for row in pair])
    mask = batch.get(f"{prefix}attention_mask")
    if mask is None or mask.dim() != 2 or f"{prefix}position_ids" in batch or mask[0, 0] != 0:
        return
    raise ValueError(
        f"expected texts padded on the right for the teacher cache of `{type(teacher).__name__}`, got padding on the "
        "left; because it numbers positions from the left, so that its outputs for a text depend on the longest one "
        "of the batch; set `padding_side` of the tokenizer to `right`, or `teacher_cache_dir` to None"
    )


def _request(contents: CacheContents) -> StateRequest:
    """What the teacher's forward must give for a cache."""
    return StateRequest(
        tuple(layer for layer in contents.hidden_layers if layer is not None),
        tuple(layer for layer in contents.attention_layers if layer is not None),
        contents.logits,
        contents.value,
    )


__all__ = ["CacheSettings", "TeacherOutputs"]

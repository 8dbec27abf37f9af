"""The teacher's outputs from disk: one gather per batch in place of a forward."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hf_tinybert.distillation.attention import AttentionRecord
from hf_tinybert.distillation.cache.contents import CacheContents
from hf_tinybert.distillation.cache.layout import (
    ATTENTIONS_FILE,
    HIDDEN_STATES_FILE,
    LOGITS_FILE,
    SEQUENCE_ENTRIES,
    SEQUENCES_FILE,
    CacheLayout,
    LogitsKind,
)
from hf_tinybert.distillation.cache.rows import ROW_COLUMN, token_checksums
from hf_tinybert.distillation.cache.store import Store, folder_bytes

CACHED_ATTENTIONS = "cached_attentions"
CACHED_HIDDEN_STATES = "cached_hidden_states"
CACHED_LOGITS = "cached_logits"


@dataclass(frozen=True)
class CachedTeacherStates:
    """What `DistillationStates` of a teacher holds, without the masks, which come with the batch.

    Attributes:
        hidden_states: `(rows, seq_len, width)` each, in the order of `CacheContents.hidden_layers`; None where an
            entry is not kept, empty when none is. Zero at padding.
        attentions: one record per entry of `CacheContents.attention_layers`; None and empty as above. The value is
            empty where it is not kept.
        logits: float32, shaped as the teacher gave them; None when not kept or not read.
    """

    hidden_states: tuple[Tensor | None, ...] = ()
    attentions: tuple[AttentionRecord | None, ...] = ()
    logits: Tensor | None = None


@dataclass(frozen=True)
class _Index:
    """Where the sequences of every row lie, `(rows * sequences,)` each, and the prediction of every row, `(rows,)`."""

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    checksums: NDArray[np.int64]
    places: NDArray[np.int64]


class TeacherCache:
    """The outputs of one teacher for the rows of one data set.

    Reads only the rows that are asked for. May be pickled, and read in the workers of a data loader: every process
    maps the files by itself.

    Args:
        store: verified.

    Attributes:
        contents: what is kept.
        layout: its shapes.
        rows: rows of the data set.
        sequences: sequences per row: 1, or the choices of multiple choice.
    """

    def __init__(self, store: Store) -> None:
        description = store.description
        self.contents = CacheContents.from_json(description["contents"])
        self.layout = CacheLayout.from_json(description["layout"])
        self.rows: int = description["rows"]
        self.sequences: int = description["sequences"]
        self._columns: tuple[str, str] = description["token_column"], description["mask_column"]
        self._store = store
        self._index: _Index | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_index": None}

    def __len__(self) -> int:
        return self.rows

    @property
    def bytes(self) -> int:
        """What its folder takes on disk."""
        return folder_bytes(self._store.folder)

    def gather(
        self, row_ids: Tensor | Sequence[int], inputs: Mapping[str, Any], contents: CacheContents | None = None
    ) -> dict[str, Tensor]:
        """What is kept of some rows, padded like their batch, as tensors to travel beside it.

        Args:
            row_ids: `(batch,)`, the rows of the batch in its order.
            inputs: the collated batch; its token ids and mask are read, on the CPU best.
            contents: what is read; everything that is kept when None.

        Returns:
            `cached_hidden_states` and `cached_attentions`, the bits of bfloat16 as int16 `(rows, seq_len, width)`, and
            `cached_logits`, the bits of float32 as int32; those that are read. Bits, because Trainer turns floats into
            the precision of a DeepSpeed run. For `states`.

        Raises:
            ValueError: a row that is not there, something that is not kept, or tokens that are not those which the
                teacher saw.
        """
        contents = self.contents if contents is None else contents
        if not self.contents.covers(contents):
            raise ValueError(
                f"expected to be asked for what the teacher cache keeps, {self.contents}, got {contents}; because the "
                "rest was never computed; build a cache with these contents"
            )
        valid, sequences, rows = self._check(row_ids, inputs)
        gathered = {}
        if any(layer is not None for layer in contents.hidden_layers):
            array = self._store.array(HIDDEN_STATES_FILE, np.int16, self.layout.hidden_width)
            gathered[CACHED_HIDDEN_STATES] = torch.from_numpy(self._padded(array, sequences, valid, 0))
        if any(layer is not None for layer in contents.attention_layers):
            array = self._store.array(ATTENTIONS_FILE, np.int16, self.layout.attention_width)
            gathered[CACHED_ATTENTIONS] = torch.from_numpy(self._padded(array, sequences, valid, 0))
        if contents.logits:
            logits = np.ascontiguousarray(self._logits(rows, sequences, valid))
            gathered[CACHED_LOGITS] = torch.from_numpy(logits.view(np.int32))
        return gathered

    def states(self, gathered: Mapping[str, Any], dtype: torch.dtype | None = None) -> CachedTeacherStates:
        """What `gather` gave, on whatever device it is now, as the teacher's states.

        Args:
            gathered: as returned, or a batch that holds it among other things.
            dtype: of hidden states and attentions; bfloat16 when None. Logits are always float32.
        """
        hidden_states, attentions = gathered.get(CACHED_HIDDEN_STATES), gathered.get(CACHED_ATTENTIONS)
        logits = gathered.get(CACHED_LOGITS)
        return CachedTeacherStates(
            () if hidden_states is None else self.layout.unpack_hidden_states(hidden_states, dtype),
            () if attentions is None else self.layout.unpack_attentions(attentions, dtype),
            None if logits is None else logits.view(torch.float32),
        )

    def batch(
        self,
        row_ids: Tensor | Sequence[int],
        inputs: Mapping[str, Any],
        device: torch.device | str = "cpu",
        *,
        contents: CacheContents | None = None,
        dtype: torch.dtype | None = None,
    ) -> CachedTeacherStates:
        """The teacher's states for a batch, in one call; arguments as of `gather` and `states`.

        With a data loader, `CachedTeacherCollator` does the reading in its workers instead.
        """
        gathered = self.gather(row_ids, inputs, contents)
        if torch.device(device).type == "cuda":
            gathered = {name: tensor.pin_memory() for name, tensor in gathered.items()}
        moved = {name: tensor.to(device, non_blocking=True) for name, tensor in gathered.items()}
        return self.states(moved, dtype)

    def _check(
        self, row_ids: Tensor | Sequence[int], inputs: Mapping[str, Any]
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
        """Valid positions `(rows, seq_len)`, numbers of the sequences `(rows,)` and of the data's rows `(batch,)`."""
        rows = np.asarray(row_ids if isinstance(row_ids, Sequence) else row_ids.cpu(), np.int64)
        if rows.size and not (rows.min() >= 0 and rows.max() < self.rows):
            raise ValueError(
                f"expected rows from 0 to {self.rows - 1} of the cached data, got {rows.min()} to {rows.max()}; "
                "because the cache was built for other data; open the cache of this data set"
            )
        index = self._index_of_rows()
        sequences = (rows[:, None] * self.sequences + np.arange(self.sequences)).ravel()
        token_ids, valid = batch_tokens(inputs, *self._columns)
        checksums = token_checksums(token_ids, valid) if len(token_ids) == len(sequences) else None
        if checksums is None or not np.array_equal(checksums, index.checksums[sequences]):
            differ = (
                rows
                if checksums is None
                else np.unique(sequences[checksums != index.checksums[sequences]] // self.sequences)
            )
            raise ValueError(
                f"expected the tokens that the teacher saw, got others in rows {differ[:5].tolist()}; because the "
                "collator draws at random (masked words) or the rows are not those of the cached data; set "
                "`teacher_cache_dir` to None"
            )
        return valid, sequences, rows

    def _logits(
        self, rows: NDArray[np.int64], sequences: NDArray[np.int64], valid: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        array = self._store.array(LOGITS_FILE, np.float32, self.layout.classes)
        if self.layout.logits is LogitsKind.TEXT:
            taken: NDArray[np.float32] = array[self._index_of_rows().places[rows]]
            return taken
        if self.layout.logits is LogitsKind.TOKEN:
            return self._padded(array, sequences, valid, 0)
        return self._padded(array, sequences, valid, -np.inf).transpose(0, 2, 1)

    def _padded(
        self, array: NDArray[Any], sequences: NDArray[np.int64], valid: NDArray[np.bool_], fill: float
    ) -> NDArray[Any]:
        """Entries `(tokens, width)` of some sequences at their valid positions, `(rows, seq_len, width)`."""
        index, seq_len = self._index_of_rows(), valid.shape[1]
        shape = (*valid.shape, array.shape[1])
        padded = np.full(shape, fill, array.dtype) if fill else np.zeros(shape, array.dtype)
        starts, lengths = index.starts[sequences], index.lengths[sequences]
        firsts = valid.argmax(axis=1)
        gaps = (seq_len - valid[:, ::-1].argmax(axis=1) - firsts != lengths) & (lengths > 0)
        for row, (start, length, first, gap) in enumerate(
            zip(starts.tolist(), lengths.tolist(), firsts.tolist(), gaps.tolist(), strict=True)
        ):
            where = valid[row] if gap else slice(first, first + length)
            padded[row, where] = array[start : start + length]
        return padded

    def _index_of_rows(self) -> _Index:
        if self._index is None:
            numbers, lengths, checksums = self._store.array(SEQUENCES_FILE, np.int64, SEQUENCE_ENTRIES).T
            order = np.argsort(numbers, kind="stable")  # they lie in the order in which they were computed
            starts = np.cumsum(lengths) - lengths
            places = order[:: self.sequences] // self.sequences
            self._index = _Index(starts[order], lengths[order], checksums[order], places)
        return self._index


class CachedTeacherCollator:
    """A collator that puts the teacher's outputs beside the batch: read where the batch is made, moved with it.

    Args:
        collator: makes the batch from features without row numbers.
        cache: of the data set whose features come; they carry `distillation_row`.
        contents: what is read; everything that is kept when None.
    """

    def __init__(
        self,
        collator: Callable[[list[dict[str, Any]]], Any],
        cache: TeacherCache,
        contents: CacheContents | None = None,
    ) -> None:
        self._collator, self._cache, self._contents = collator, cache, contents

    def __call__(self, features: list[dict[str, Any]]) -> Any:  # noqa: ANN401 (whatever the collator makes)
        """The collator's batch with the entries of `TeacherCache.gather`."""
        row_ids = [int(feature[ROW_COLUMN]) for feature in features]
        batch = self._collator([_without_row(feature) for feature in features])
        batch.update(self._cache.gather(row_ids, batch, self._contents))
        return batch


def holds_cached_states(batch: Mapping[str, Any]) -> bool:
    """Whether a batch brings the teacher's outputs along."""
    return any(name in batch for name in (CACHED_ATTENTIONS, CACHED_HIDDEN_STATES, CACHED_LOGITS))


def batch_tokens(
    inputs: Mapping[str, Any], token_column: str, mask_column: str
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Token ids and valid positions of a batch, `(rows, seq_len)` each; choices become rows."""
    token_ids = inputs[token_column].flatten(0, -2).cpu().numpy()
    mask = inputs.get(mask_column)
    valid = np.ones(token_ids.shape, bool) if mask is None else mask.flatten(0, -2).cpu().numpy() != 0
    return token_ids, valid


def _without_row(feature: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in feature.items() if name != ROW_COLUMN}


__all__ = [
    "CACHED_ATTENTIONS",
    "CACHED_HIDDEN_STATES",
    "CACHED_LOGITS",
    "CachedTeacherCollator",
    "CachedTeacherStates",
    "TeacherCache",
    "batch_tokens",
    "holds_cached_states",
]

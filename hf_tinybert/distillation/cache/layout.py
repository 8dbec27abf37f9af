"""The shape of what a cache keeps: how states become flat arrays of valid tokens, and states again."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hf_tinybert.distillation.attention import AttentionRecord
from hf_tinybert.distillation.cache.contents import CacheContents
from hf_tinybert.distillation.states import DistillationStates

ATTENTIONS_FILE = "attentions.bin"
HIDDEN_STATES_FILE = "hidden_states.bin"
LOGITS_FILE = "logits.bin"
SEQUENCES_FILE = "sequences.bin"

SEQUENCE_ENTRIES = 3  # of SEQUENCES_FILE: number of the sequence, its length, its checksum


class UncacheableError(ValueError):
    """States of a teacher that cannot be kept on disk."""


class LogitsKind(StrEnum):
    """What one prediction belongs to."""

    TEXT = "text"
    TOKEN = "token"
    SPAN = "span"


@dataclass(frozen=True)
class AttentionLayout:
    """The shape of one layer's record, and what is the same for every text.

    Attributes:
        heads: of query, key and value.
        head_width: of query and key.
        value_width: of one head's value; 0 where the record holds none.
        scaling: as in `AttentionRecord`.
        window: as in `AttentionRecord`.
    """

    heads: int
    head_width: int
    value_width: int
    scaling: float
    window: int | None


@dataclass(frozen=True)
class CacheLayout:
    """The shape of everything that is kept of a token or a text.

    Attributes:
        hidden_widths: of every entry of `hidden_states`; None where it is not kept.
        attentions: of every entry of `attentions`; None as above.
        value: whether the value is kept.
        logits: what a prediction belongs to; None where none is kept.
        classes: of a prediction; 2 (start, end) for a span.
    """

    hidden_widths: tuple[int | None, ...] = ()
    attentions: tuple[AttentionLayout | None, ...] = ()
    value: bool = False
    logits: LogitsKind | None = None
    classes: int = 0

    @property
    def hidden_width(self) -> int:
        """Numbers of hidden states per token."""
        return sum(width or 0 for width in self.hidden_widths)

    @property
    def attention_width(self) -> int:
        """Numbers of attention per token."""
        return sum(sum(_parts(layout, self.value)) for layout in self.attentions if layout is not None)

    def logits_only(self) -> "CacheLayout":
        """The same without states."""
        return CacheLayout(logits=self.logits, classes=self.classes)

    def file_bytes(self, rows: int, sequences: int, tokens: int) -> dict[str, int]:
        """The exact size of every file, bytes, for so many rows, sequences and valid tokens."""
        predictions = rows if self.logits is LogitsKind.TEXT else tokens
        sizes = {
            SEQUENCES_FILE: sequences * SEQUENCE_ENTRIES * 8,
            LOGITS_FILE: predictions * self.classes * 4,
            HIDDEN_STATES_FILE: tokens * self.hidden_width * 2,
            ATTENTIONS_FILE: tokens * self.attention_width * 2,
        }
        return {name: size for name, size in sizes.items() if size}

    def to_json(self) -> dict[str, Any]:
        """As JSON types, for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "CacheLayout":
        """What `to_json` gave, back from a file."""
        return cls(
            hidden_widths=tuple(fields["hidden_widths"]),
            attentions=tuple(None if entry is None else AttentionLayout(**entry) for entry in fields["attentions"]),
            value=fields["value"],
            logits=None if fields["logits"] is None else LogitsKind(fields["logits"]),
            classes=fields["classes"],
        )

    def pack(self, states: DistillationStates, mask: Tensor) -> dict[str, NDArray[Any]]:
        """The states of one padded batch as arrays without padding, by file name.

        Args:
            states: of the teacher.
            mask: `(rows, seq_len)`, non-zero at valid positions.

        Returns:
            Hidden states and attentions as the bits of bfloat16, int16 `(tokens, width)`, entry after entry, in each
            query, key and value, in each head after head; logits float32 `(rows or tokens, classes)`.
        """
        valid = mask.flatten().nonzero().squeeze(1).to(states.mask.device)
        arrays = {}
        if self.hidden_width:
            kept = _kept(states.hidden_states, self.hidden_widths)
            arrays[HIDDEN_STATES_FILE] = _bits([_flat(state.bfloat16(), valid) for state in kept])
        if self.attention_width:
            parts = [
                _flat(part.bfloat16().transpose(1, 2).flatten(2), valid)
                for record in _kept(states.attentions, self.attentions)
                for part in (record.query, record.key, record.value)[: 2 + self.value]
            ]
            arrays[ATTENTIONS_FILE] = _bits(parts)
        if self.logits is not None:
            logits = _logits(states).float()
            if self.logits is LogitsKind.SPAN:
                logits = logits.transpose(1, 2)
            logits = logits if self.logits is LogitsKind.TEXT else _flat(logits, valid)
            arrays[LOGITS_FILE] = logits.cpu().numpy()
        return arrays

    def unpack_hidden_states(self, bits: Tensor, dtype: torch.dtype | None) -> tuple[Tensor | None, ...]:
        """Padded bits, int16 `(rows, seq_len, width)`, as one state `(rows, seq_len, width)` per entry; no copies."""
        parts = iter(_floats(bits, dtype).split([width for width in self.hidden_widths if width is not None], dim=-1))
        return tuple(None if width is None else next(parts) for width in self.hidden_widths)

    def unpack_attentions(self, bits: Tensor, dtype: torch.dtype | None) -> tuple[AttentionRecord | None, ...]:
        """Padded bits, int16 `(rows, seq_len, width)`, as one record per entry; no copies.

        The value of a record is None where it is not kept.
        """
        widths = [width for layout in self.attentions if layout for width in _parts(layout, self.value)]
        parts = iter(_floats(bits, dtype).split(widths, dim=-1))
        records: list[AttentionRecord | None] = []
        for layout in self.attentions:
            if layout is None:
                records.append(None)
                continue
            query, key = (_heads(next(parts), layout.heads) for _ in range(2))
            value = _heads(next(parts), layout.heads) if self.value else None
            records.append(AttentionRecord(query, key, value, layout.scaling, layout.window))
        return tuple(records)


def layout_of(states: DistillationStates, contents: CacheContents) -> CacheLayout:
    """The layout of a cache with these contents, from the teacher's states of any batch.

    Raises:
        UncacheableError: attention maps in place of records, a state that is wanted and not there, or predictions of
            an unknown shape.
    """
    layout = CacheLayout(
        hidden_widths=tuple(
            None if state is None else int(state.shape[-1])
            for state in _wanted(states.hidden_states, contents.hidden_layers, "hidden states")
        ),
        attentions=tuple(
            None if record is None else _attention_layout(record)
            for record in _wanted(states.attentions, contents.attention_layers, "attentions")
        ),
        value=contents.value and any(layer is not None for layer in contents.attention_layers),
    )
    if not contents.logits:
        return layout
    logits, mask = _logits(states), states.mask
    if logits.ndim == 2:
        return replace(layout, logits=LogitsKind.TEXT, classes=logits.shape[1])
    if logits.ndim == 3 and logits.shape[:2] == mask.shape:
        return replace(layout, logits=LogitsKind.TOKEN, classes=logits.shape[2])
    if logits.ndim == 3 and logits.shape == (mask.shape[0], 2, mask.shape[1]):
        return replace(layout, logits=LogitsKind.SPAN, classes=2)
    raise UncacheableError(
        f"expected predictions per text, per token or of a span, got `(batch, ...)` {tuple(logits.shape)} for a mask "
        f"of {tuple(mask.shape)}; because the cache keeps them row by row; set `teacher_cache_dir` to None"
    )


def _wanted(entries: Sequence[Any], layers: Sequence[int | None], what: str) -> list[Any]:
    if not any(layer is not None for layer in layers):
        return []
    if len(entries) != len(layers) or any(
        entry is None and layer is not None for entry, layer in zip(entries, layers, strict=True)
    ):
        given = sum(entry is not None for entry in entries)
        raise UncacheableError(
            f"expected {what} of the teacher layers {list(layers)}, got {given} of {len(entries)} entries; because "
            "the cache keeps what the forward gives; run it with the same request"
        )
    return [None if layer is None else entry for entry, layer in zip(entries, layers, strict=True)]


def _attention_layout(record: Any) -> AttentionLayout:  # noqa: ANN401 (whatever stands in the states)
    if not isinstance(record, AttentionRecord):
        raise UncacheableError(
            f"expected attention records, got `{type(record).__name__}`; because the maps of a teacher off the "
            "attention interface grow with the square of the length; leave out `teacher_cache_dir`, or set "
            '`teacher_cache_contents` to "auto", which keeps predictions where they serve a phase'
        )
    heads, head_width = record.query.shape[1], record.query.shape[3]
    vectors = [record.key] if record.value is None else [record.key, record.value]
    if any(part.shape[1] != heads for part in vectors):
        raise UncacheableError(
            f"expected keys and values with the query's {heads} heads, got {[part.shape[1] for part in vectors]}"
        )
    value_width = 0 if record.value is None else record.value.shape[3]
    return AttentionLayout(heads, head_width, value_width, record.scaling, record.window)


def _kept(entries: Sequence[Any], layouts: Sequence[Any]) -> list[Any]:
    return [entry for entry, layout in zip(entries, layouts, strict=True) if layout is not None]


def _parts(layout: AttentionLayout, value: bool) -> list[int]:
    """Numbers per token of query, key and, where it is kept, value."""
    widths = [layout.head_width, layout.head_width, *([layout.value_width] if value else [])]
    return [layout.heads * width for width in widths]


def _logits(states: DistillationStates) -> Tensor:
    if states.logits is None:
        raise UncacheableError(
            "expected predictions of the teacher, got none; because it has no head; ask for states only, or give the "
            "teacher the head of the task"
        )
    return states.logits


def _flat(state: Tensor, valid: Tensor) -> Tensor:
    flat = state.flatten(0, 1)
    return flat if len(flat) == len(valid) else flat.index_select(0, valid)


def _bits(parts: Sequence[Tensor]) -> NDArray[np.int16]:
    bits: NDArray[np.int16] = torch.cat(list(parts), dim=-1).view(torch.int16).cpu().numpy()
    return bits


def _floats(bits: Tensor, dtype: torch.dtype | None) -> Tensor:
    floats = bits.view(torch.bfloat16)
    return floats if dtype is None else floats.to(dtype)


def _heads(part: Tensor, heads: int) -> Tensor:
    return part.view(*part.shape[:-1], heads, -1).transpose(1, 2)


__all__ = [
    "ATTENTIONS_FILE",
    "HIDDEN_STATES_FILE",
    "LOGITS_FILE",
    "SEQUENCES_FILE",
    "SEQUENCE_ENTRIES",
    "AttentionLayout",
    "CacheLayout",
    "LogitsKind",
    "UncacheableError",
    "layout_of",
]

"""Token sequences on which a student is fitted to its teacher in closed form."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from hf_tinybert.models.encoder_layout import EncoderLayer, EncoderLayout, layer_norm, linear, values

logger = logging.getLogger(__name__)

# Measured on all-MiniLM-L6-v2 -> 4 x 312 (benchmarks/results/initialization.json): fewer tokens fit worse on held-out
# text, and the fit takes time in proportion.
MAXIMUM_TOKENS = 16_384
_RANDOM_SEQUENCES, _RANDOM_LENGTH = 128, 64


@dataclass(frozen=True)
class CalibrationBatch:
    """Token ids, token types (both int64) and valid positions (bool), each `(sequences, seq_len)`."""

    input_ids: Tensor
    token_type_ids: Tensor
    mask: Tensor

    def split(self, sequences: int) -> "list[CalibrationBatch]":
        """The same sequences in batches of at most so many."""
        parts = (one.split(sequences) for one in (self.input_ids, self.token_type_ids, self.mask))
        return [CalibrationBatch(*part) for part in zip(*parts, strict=True)]

    def select(self, flags: Tensor) -> "CalibrationBatch":
        """The sequences whose flag, bool `(sequences,)`, is set."""
        return CalibrationBatch(self.input_ids[flags], self.token_type_ids[flags], self.mask[flags])


@dataclass(frozen=True)
class CalibrationTokens:
    """All calibration sequences; states of their valid tokens are kept in one flat `(tokens, width)` matrix."""

    batches: tuple[CalibrationBatch, ...]

    def select(self, flags: Tensor) -> "CalibrationTokens":
        """Some of the sequences.

        Args:
            flags: bool, `(sequences,)`, those of all batches.
        """
        parts = flags.split([len(batch.mask) for batch in self.batches])
        chosen = (batch.select(part) for batch, part in zip(self.batches, parts, strict=True))
        return CalibrationTokens(tuple(batch for batch in chosen if len(batch.mask)))

    @property
    def lengths(self) -> Tensor:
        """Valid tokens, int64 `(sequences,)`."""
        return torch.cat([batch.mask.sum(1) for batch in self.batches])

    @property
    def first_tokens(self) -> Tensor:
        """Flat positions, int64 `(sequences,)`, of the first tokens, which a pooler reads."""
        flags = [_first_flags(batch.mask)[batch.mask] for batch in self.batches]
        return torch.cat(flags).nonzero().squeeze(-1)

    def text_vectors(self, states: Tensor, *, mean: bool = False) -> Tensor:
        """One vector, `(sequences, width)`, of each sequence that begins with a valid token.

        Args:
            states: `(tokens, width)`.
            mean: The mean over the tokens instead of the first one.
        """
        first = self.first_tokens
        if not mean:
            return states[first]
        chunks = states.split(self.lengths.tolist())
        kept = torch.cat([batch.mask[:, 0] for batch in self.batches]).tolist()
        means = [chunk.mean(0) for chunk, one in zip(chunks, kept, strict=True) if one]
        return torch.stack(means) if means else states[first]

    def embedding_sums(self, layout: EncoderLayout) -> Tensor:
        """Sums of word, position and token-type embeddings before their LayerNorm, `(tokens, width)`."""
        return torch.cat([self._embedding_sum(layout, batch) for batch in self.batches])

    def attention_context(self, layer: EncoderLayer, states: Tensor) -> Tensor:
        """What the heads of a layer read from `states`, `(tokens, heads * head_width)`."""
        sizes = [int(batch.mask.sum()) for batch in self.batches]
        chunks = zip(self.batches, states.split(sizes), strict=True)
        return torch.cat([_attend(layer, chunk, batch.mask) for batch, chunk in chunks])

    def embedding_states(self, layout: EncoderLayout) -> Tensor:
        """The embedding output, `(tokens, width)`."""
        return layer_norm(layout.embedding_norm, self.embedding_sums(layout))

    def layer_states(self, layer: EncoderLayer, states: Tensor) -> Tensor:
        """A layer's output, `(tokens, width)`, from the states that it reads."""
        attended = linear(layer.attention_output, self.attention_context(layer, states))
        between = layer_norm(layer.attention_norm, attended + states)
        units = layer.activation(linear(layer.intermediate, between))
        return layer_norm(layer.output_norm, linear(layer.output, units) + between)

    def encoder_states(self, layout: EncoderLayout) -> Iterator[Tensor]:
        """The embedding output and then the output of every layer, each `(tokens, width)`."""
        states = self.embedding_states(layout)
        yield states
        for layer in layout.layers:
            states = self.layer_states(layer, states)
            yield states

    @staticmethod
    def _embedding_sum(layout: EncoderLayout, batch: CalibrationBatch) -> Tensor:
        words, mask = batch.input_ids, batch.mask
        if layout.padding_id is None:
            positions = torch.arange(words.shape[1], device=words.device).expand_as(words)
        else:
            counted = words != layout.padding_id
            positions = counted.cumsum(-1) * counted + layout.padding_id
        like = torch.empty(0, device=words.device)
        tables = (layout.word_embeddings, layout.position_embeddings, layout.token_type_embeddings)
        # an encoder that knows one token type only is not told of others in training either
        types = batch.token_type_ids if layout.token_type_embeddings.num_embeddings > 1 else words * 0
        rows = (words, positions, types)
        summed = [
            functional.embedding(row[mask], values(table.weight, like))
            for row, table in zip(rows, tables, strict=True)
        ]
        return summed[0] + summed[1] + summed[2]


def read_calibration(
    calibration: Iterable[Mapping[str, Tensor]] | None,
    teacher: EncoderLayout,
    *,
    student: EncoderLayout | None = None,
    device: torch.device | None = None,
    seed: int,
) -> CalibrationTokens:
    """Takes up to 16384 tokens of a data loader, or makes random sequences of the vocabulary.

    Args:
        calibration: Batches with `input_ids` (int64, `(batch, seq_len)` or `(batch, choices, seq_len)`) and perhaps
            `attention_mask` and `token_type_ids` of the same shape; anything else in them is ignored. Reading it
            leaves the global random state as it was, and is seeded, so a shuffling loader gives the same batches.
        teacher: Reads the sequences, on its device; the student where it alone is known.
        student: Reads them too, where it is given.
        device: Where the teacher runs, if it is not given.
        seed: Of the random sequences, and of the loader's shuffling.

    Raises:
        ValueError: If there is no batch, or a batch without token ids, or one that a model cannot read.
    """
    device = teacher.word_embeddings.weight.device if device is None else device
    readers = {"teacher": teacher, **({} if student is None else {"student": student})}
    if calibration is None:
        logger.warning(
            "No calibration sentences were given: the student is fitted on random sequences of the vocabulary. "
            "A few hundred real sentences (`calibration=`) give a much better start."
        )
        return CalibrationTokens((_random_batch(list(readers.values()), seed, device),))
    batches, tokens = [], 0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for inputs in calibration:
            whole = _checked_batch(inputs, readers, device)
            batch = _rows_within(whole, MAXIMUM_TOKENS - tokens)
            if batch.mask.any():
                batches.append(batch)
                tokens += int(batch.mask.sum())
            if len(batch.mask) < len(whole.mask):
                break
    if not batches:
        raise ValueError(
            "expected calibration batches with tokens in them, got none; because an empty or used-up iterable holds "
            "nothing to fit on; pass a DataLoader or a list of batches"
        )
    return CalibrationTokens(tuple(batches))


def _checked_batch(
    inputs: Mapping[str, Tensor], readers: Mapping[str, EncoderLayout], device: torch.device
) -> CalibrationBatch:
    if "input_ids" not in inputs:
        raise ValueError(
            f"expected calibration batches with `input_ids`, got {sorted(inputs)}; because the fit reads tokens; "
            "tokenise the texts first"
        )
    words = inputs["input_ids"].flatten(0, -2).to(device)
    mask = inputs["attention_mask"].flatten(0, -2).to(device) != 0 if "attention_mask" in inputs else words == words
    types = inputs["token_type_ids"].flatten(0, -2).to(device) if "token_type_ids" in inputs else words * 0
    for role, layout in readers.items():
        _check_readable(words, types, layout, role)
    return CalibrationBatch(words, types, mask)


def _check_readable(words: Tensor, types: Tensor, layout: EncoderLayout, role: str) -> None:
    """Refuse tokens, types and positions that an encoder has no embedding for."""
    for name, ids, limit in (
        ("input_ids", words, layout.word_embeddings.num_embeddings),
        ("token_type_ids", types, layout.token_type_embeddings.num_embeddings),
    ):
        ignored = name == "token_type_ids" and limit == 1
        if ids.numel() and int(ids.max()) >= limit and not ignored:
            raise ValueError(
                f"expected calibration `{name}` below {limit}, got {int(ids.max())}; because the {role}'s table has "
                f"{limit} rows; tokenise with the {role}'s tokenizer"
            )
    if words.shape[1] > layout.positions:
        raise ValueError(
            f"expected calibration sequences of at most {layout.positions} tokens, got {words.shape[1]}; because the "
            f"{role} has no more positions; truncate when tokenising"
        )


def _rows_within(batch: CalibrationBatch, tokens: int) -> CalibrationBatch:
    rows = int((batch.mask.sum(-1).cumsum(0) <= tokens).sum())
    rows = max(rows, 1) if tokens == MAXIMUM_TOKENS else rows  # one very long sequence is better than none
    return CalibrationBatch(batch.input_ids[:rows], batch.token_type_ids[:rows], batch.mask[:rows])


def _random_batch(readers: Sequence[EncoderLayout], seed: int, device: torch.device) -> CalibrationBatch:
    generator = torch.Generator().manual_seed(seed)
    shape = (_RANDOM_SEQUENCES, min(_RANDOM_LENGTH, *(layout.positions for layout in readers)))
    words = torch.randint(readers[0].word_embeddings.num_embeddings, shape, generator=generator).to(device)
    return CalibrationBatch(words, torch.zeros_like(words), torch.ones_like(words, dtype=torch.bool))


def _first_flags(mask: Tensor) -> Tensor:
    flags = torch.zeros_like(mask)
    flags[:, 0] = True
    return flags


def _attend(layer: EncoderLayer, states: Tensor, mask: Tensor) -> Tensor:
    query, key, value = (
        _padded(linear(module, states), mask).unflatten(-1, (layer.heads, -1)).transpose(1, 2)
        for module in (layer.query, layer.key, layer.value)
    )
    allowed = None if bool(mask.all()) else mask[:, None, None, :]
    context = functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
    return context.transpose(1, 2).flatten(-2)[mask]


def _padded(states: Tensor, mask: Tensor) -> Tensor:
    """States of valid tokens, `(tokens, width)`, as `(sequences, seq_len, width)`."""
    padded = states.new_zeros(*mask.shape, states.shape[-1])
    padded[mask] = states
    return padded


__all__ = ["MAXIMUM_TOKENS", "CalibrationBatch", "CalibrationTokens", "read_calibration"]

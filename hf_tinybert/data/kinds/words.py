"""Rows of words and tags as windows of tokens, each word read at one token."""

import logging
import math
from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from tokenizers import pre_tokenizers
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.column_values import column_values
from hf_tinybert.data.kinds.definition import ROW_NUMBER, TaskSettings
from hf_tinybert.data.kinds.encoded_rows import encode_rows
from hf_tinybert.data.kinds.gold import class_ids, gold_values
from hf_tinybert.data.kinds.texts import check_columns
from hf_tinybert.data.kinds.windows import IGNORED, NOT_READ, check_window_settings, window_tokenizer
from hf_tinybert.data.length_grouping import row_lengths

__all__ = ["WORD_NUMBERS", "encode_words", "gold_tags"]

WORD_NUMBERS = "word_numbers"
"""Column: at the token where a word is read the word's position in its row, elsewhere `NOT_READ`."""

logger = logging.getLogger(__name__)


def encode_words(rows: Dataset, tokenizer: PreTrainedTokenizerBase, settings: TaskSettings) -> Dataset:
    """Gives windows of at most `max_length` tokens in which every word is read once.

    A word is read at its first piece, which alone carries its tag. Windows of a long row share `stride` tokens; a
    word in several of them is read in the one where it has most context.

    Args:
        rows: `tokens` (list of string) and, where known, `tags` (list of ClassLabel).
        tokenizer: a fast one.
        settings: lengths and tag names.

    Returns:
        What the model reads, `labels` where the rows have tags, `word_numbers` and `row_number`; int lists
        (window_length,), unpadded.

    Raises:
        ValueError: A row has no word, tags of another number, or a tag outside the label set; or no window can be
            made.
    """
    check_columns(rows, ("tokens",))
    check_window_settings(tokenizer, settings)
    tags = gold_tags(rows, settings.labels)
    encoded = encode_rows(
        rows,
        _encode_batch,
        "Tokenising words",
        tokenizer=_with_spaces_before_words(window_tokenizer(tokenizer)),
        settings=settings,
    )
    words = sum(row_lengths(rows, "tokens") or ())
    read = sum(number != NOT_READ for numbers in column_values(encoded, WORD_NUMBERS) for number in numbers)
    if read < words:
        logger.warning(
            "%d of %d words are nothing to the tokenizer, such as invisible characters; they train nothing and are "
            "given `O`, or the tag that is most frequent in their row.",
            words - read,
            words,
        )
    if tags is None:
        return encoded
    labels = [
        [IGNORED if word == NOT_READ else tags[row][word] for word in numbers]
        for row, numbers in zip(encoded[ROW_NUMBER][:], column_values(encoded, WORD_NUMBERS), strict=True)
    ]
    return encoded.add_column("labels", labels)


def gold_tags(rows: Dataset, labels: Sequence[str]) -> list[list[int]] | None:
    """Gives the tags of every row by their positions in `labels`; None where the rows have none.

    Args:
        rows: `tokens` and a column `tags` of ClassLabel, tag names or tag ids for each of them.
        labels: tag names in the order of the model's outputs.

    Raises:
        ValueError: If a row has another number of tags than tokens, or a tag is none of the labels.
    """
    tags = gold_values(rows, "tags")
    if tags is None:
        return None
    for number, (tokens, row_tags) in enumerate(zip(column_values(rows, "tokens"), tags, strict=True)):
        if len(tokens) != len(row_tags):
            raise ValueError(
                f"expected a tag for each of {len(tokens)} tokens in row {number + 1:,}, got {len(row_tags)} tags for "
                f"{tokens!r}; because a shift would teach wrong tags; correct or remove the row."
            )
    return class_ids(tags, rows.features["tags"].feature, labels, "tags")


def _encode_batch(
    batch: dict[str, list[Any]], numbers: list[int], tokenizer: PreTrainedTokenizerBase, settings: TaskSettings
) -> dict[str, list[Any]]:
    _check_words(batch["tokens"], numbers)
    encoding = tokenizer(
        batch["tokens"],
        is_split_into_words=True,
        truncation=True,
        max_length=settings.max_length,
        stride=settings.stride,
        return_overflowing_tokens=True,
    )
    sources: list[int] = encoding.pop("overflow_to_sample_mapping")
    windows_of: list[list[int]] = [[] for _ in numbers]
    for window, source in enumerate(sources):
        windows_of[source].append(window)
    step = settings.max_length - tokenizer.num_special_tokens_to_add() - settings.stride
    word_numbers = [
        read for windows in windows_of for read in _words_read([encoding.word_ids(each) for each in windows], step)
    ]
    encoded: dict[str, list[Any]] = {**encoding, WORD_NUMBERS: word_numbers}
    encoded[ROW_NUMBER] = [numbers[source] for source in sources]
    return encoded


def _words_read(windows: Sequence[Sequence[int | None]], step: int) -> list[list[int]]:
    """Gives, for the windows of one row, which word is read at each token.

    Args:
        windows: for every token the position of its word; None at special tokens.
        step: pieces by which a window starts after the one before.
    """
    first_piece: dict[int, int] = {}
    places: dict[int, list[tuple[float, int, int]]] = {}
    for window, words in enumerate(windows):
        inside = [position for position, word in enumerate(words) if word is not None]
        for position in inside:
            word = words[position]
            if word is None:
                continue
            piece = window * step + position - inside[0]
            if piece > first_piece.setdefault(word, piece):
                continue
            # The ends of the row itself cut off nothing.
            before = math.inf if window == 0 else position - inside[0]
            after = math.inf if window == len(windows) - 1 else inside[-1] - position
            places.setdefault(word, []).append((min(before, after), -window, position))
    read = [[NOT_READ] * len(words) for words in windows]
    for word, found in places.items():
        _, window, position = max(found)
        read[-window][position] = word
    return read


def _with_spaces_before_words(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Makes byte-level tokenizers such as RoBERTa's read a word as it stands inside a sentence: after a space."""
    backend = tokenizer.backend_tokenizer
    split = backend.pre_tokenizer
    # Iterable by its items, which its stubs do not tell.
    parts = list(split) if isinstance(split, pre_tokenizers.Sequence) else [split]  # type: ignore[call-overload]
    for part in parts:
        if isinstance(part, pre_tokenizers.ByteLevel):
            part.add_prefix_space = True
    if isinstance(split, pre_tokenizers.Sequence):
        split = pre_tokenizers.Sequence(parts)
    if split is not None:
        backend.pre_tokenizer = split
    return tokenizer


def _check_words(rows: Sequence[Sequence[Any]], numbers: Sequence[int]) -> None:
    for number, tokens in zip(numbers, rows, strict=True):
        if not tokens or not all(isinstance(token, str) for token in tokens):
            raise ValueError(
                f"expected at least one token, and strings only, in row {number + 1:,}, got {tokens!r}; because there "
                "is nothing to tag; correct or remove the row."
            )

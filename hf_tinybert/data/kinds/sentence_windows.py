"""Documents as windows of whole sentences, each begun by a marker token, with the sentences to keep."""

from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.kinds.definition import ROW_NUMBER, TaskSettings
from hf_tinybert.data.kinds.encoded_rows import encode_rows
from hf_tinybert.data.kinds.gold import gold_values
from hf_tinybert.data.kinds.texts import check_columns, check_strings
from hf_tinybert.data.kinds.windows import IGNORED, NOT_READ, check_window_settings, window_tokenizer
from hf_tinybert.data.oracle import oracle_sentences
from hf_tinybert.data.sentences import split_sentences

__all__ = ["SENTENCE_NUMBERS", "encode_documents"]

SENTENCE_NUMBERS = "sentence_numbers"
"""Column: at the tokens of a sentence the sentence's position in its document, at those around it `NOT_READ`."""


_SHORTEST = 3
"""Tokens of a window: a marker, one of text, an end."""


def encode_documents(rows: Dataset, tokenizer: PreTrainedTokenizerBase, settings: TaskSettings) -> Dataset:
    """Gives windows of at most `max_length` tokens that hold whole sentences.

    Every sentence stands between the tokenizer's [CLS] and [SEP] and is judged at all its tokens, by their mean: an
    encoder whose texts are compared by the mean of their states tells there what a sentence says, and nothing at a
    [CLS] amid the text. One without any token is judged at its [CLS]. A window takes as many sentences as it can; the
    next one begins with the last sentences of it, `stride` tokens at most. A sentence longer than a window is cut to
    it. Segments (`token_type_ids`) are all 0, because not every encoder has two of them.

    Args:
        rows: `document` and, where known, `summaries` (list of string).
        tokenizer: a fast one with [CLS] and [SEP].
        settings: lengths and sentences of a summary.

    Returns:
        What the model reads, `labels` at the tokens of sentences (0 skip, 1 keep, `IGNORED` elsewhere) where the rows
        have summaries, `sentence_numbers` and `row_number`; int lists (window_length,), unpadded.

    Raises:
        ValueError: A document has no sentence, or summaries are missing or empty; or no window can be made.
    """
    check_columns(rows, ("document",))
    check_window_settings(tokenizer, settings)
    if tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
        raise ValueError(
            f"expected a tokenizer with `cls_token` and `sep_token`, got `{tokenizer.cls_token}` and "
            f"`{tokenizer.sep_token}`; because they mark the sentences of a document; use the tokenizer of a "
            "BERT-like model."
        )
    if settings.max_length < _SHORTEST:
        raise ValueError(
            f"expected `max_length` of at least {_SHORTEST}, got {settings.max_length}; because a sentence stands "
            "between two markers; choose a longer window."
        )
    return encode_rows(
        rows,
        _encode_batch,
        "Tokenising documents",
        tokenizer=window_tokenizer(tokenizer),
        settings=settings,
        with_summaries=gold_values(rows, "summaries") is not None,
    )


def _encode_batch(
    batch: dict[str, list[Any]],
    numbers: list[int],
    tokenizer: PreTrainedTokenizerBase,
    settings: TaskSettings,
    with_summaries: bool,
) -> dict[str, list[Any]]:
    check_strings(batch["document"], numbers, "document")
    encoded: dict[str, list[Any]] = {"input_ids": [], "attention_mask": [], SENTENCE_NUMBERS: [], ROW_NUMBER: []}
    if "token_type_ids" in tokenizer.model_input_names:
        encoded["token_type_ids"] = []
    if with_summaries:
        encoded["labels"] = []
    for index, (number, document) in enumerate(zip(numbers, batch["document"], strict=True)):
        sentences = _sentences(document, number)
        kept: list[int] = []
        if with_summaries:
            kept = oracle_sentences(
                sentences, _checked_summaries(batch["summaries"][index], number), settings.summary_sentences
            )
        pieces = _pieces(sentences, tokenizer, settings.max_length)
        for window in _windows([len(each) for each in pieces], settings.max_length, settings.stride):
            _add_window(encoded, [pieces[position] for position in window], window, kept)
            encoded[ROW_NUMBER].append(number)
    return encoded


def _add_window(encoded: dict[str, list[Any]], pieces: Sequence[list[int]], window: range, kept: list[int]) -> None:
    ids = [token for piece in pieces for token in piece]
    numbers = [number for sentence, piece in zip(window, pieces, strict=True) for number in _numbers(sentence, piece)]
    encoded["input_ids"].append(ids)
    encoded["attention_mask"].append([1] * len(ids))
    encoded[SENTENCE_NUMBERS].append(numbers)
    if "token_type_ids" in encoded:
        encoded["token_type_ids"].append([0] * len(ids))
    if "labels" in encoded:
        encoded["labels"].append([IGNORED if sentence == NOT_READ else int(sentence in kept) for sentence in numbers])


def _numbers(sentence: int, piece: Sequence[int]) -> list[int]:
    """What is read of the tokens of one sentence, marker and end around them."""
    tokens = len(piece) - 2
    return [NOT_READ, *[sentence] * tokens, NOT_READ] if tokens else [sentence, NOT_READ]


def _pieces(sentences: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[list[int]]:
    """Token ids of each sentence between its marker and its end."""
    # verbose: a sentence longer than the model reads is cut here, and needs no warning.
    tokens = tokenizer(list(sentences), add_special_tokens=False, verbose=False)["input_ids"]
    return [[tokenizer.cls_token_id, *ids[: max_length - 2], tokenizer.sep_token_id] for ids in tokens]


def _windows(lengths: Sequence[int], max_length: int, stride: int) -> list[range]:
    """Gives the sentences of each window.

    Args:
        lengths: tokens of each sentence, markers included.
        max_length: tokens of a window at most.
        stride: tokens that a window shares with the one before at most.
    """
    windows: list[range] = []
    start = end = 0
    while end < len(lengths):
        tokens = sum(lengths[start:end])
        while end < len(lengths) and tokens + lengths[end] <= max_length:
            tokens += lengths[end]
            end += 1
        windows.append(range(start, end))
        if end == len(lengths):
            break
        start, shared = end, 0
        # Back over the last sentences, as long as the next new one has room beside them.
        while start > windows[-1].start + 1 and shared + lengths[start - 1] <= min(stride, max_length - lengths[end]):
            start -= 1
            shared += lengths[start]
    return windows


def _sentences(document: str, number: int) -> list[str]:
    sentences = [document[start:end] for start, end in split_sentences(document)]
    if not any(letter.isalnum() for letter in document):
        raise ValueError(
            f"expected a document with at least one sentence in row {number + 1:,}, got {document[:80]!r}; because a "
            "summary is a choice of its sentences; remove the row."
        )
    return sentences


def _checked_summaries(summaries: Sequence[str | None], number: int) -> list[str]:
    texts = [summary for summary in summaries if summary and summary.strip()]
    if not texts or len(texts) < len(summaries):
        raise ValueError(
            f"expected one or more summaries with text in row {number + 1:,}, got {summaries!r}; because the "
            "sentences to keep are found from them; remove the row or its empty summaries."
        )
    return texts

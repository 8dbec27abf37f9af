"""Masked language modelling: which tokens stand behind the masks of a text."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from transformers import BatchEncoding, PreTrainedTokenizerBase

from hf_tinybert.data.column_values import column_values
from hf_tinybert.data.gathered_logits import rounded
from hf_tinybert.data.kinds.definition import (
    ROW_NUMBER,
    Collator,
    KindDefinition,
    Logits,
    Prediction,
    TaskSettings,
)
from hf_tinybert.data.kinds.encoded_rows import encode_rows
from hf_tinybert.data.kinds.masking import TO_FILL, TOKEN_POSITIONS, MaskingCollator, check_mask_token, fix_masks
from hf_tinybert.data.kinds.texts import check_columns, check_strings
from hf_tinybert.data.kinds.windows import IGNORED, NOT_READ, check_window_settings, token_logits, window_tokenizer
from hf_tinybert.data.length_grouping import row_lengths
from hf_tinybert.data.word_marks import CONTINUED, SENTENCE_PIECE, word_mark

__all__ = ["MASKED_LM", "encode_blocks", "reduce_vocabulary"]

_PARTS = 3


def encode_blocks(rows: Dataset, tokenizer: PreTrainedTokenizerBase, settings: TaskSettings) -> Dataset:
    """Cuts texts into blocks of `max_length` tokens at most, special tokens included; none holds two texts.

    Args:
        rows: with `text`; it may hold the mask token.
        tokenizer: a fast one with a mask token.
        settings: the length; blocks do not overlap, whatever the stride.

    Returns:
        What the model reads, `row_number`, and the columns that `decode` reads, which the collator leaves out.

    Raises:
        ValueError: If a column or a text is missing, the length is out of range, or the tokenizer does not fit.
    """
    check_mask_token(tokenizer)
    check_columns(rows, ("text",))
    without_overlap = TaskSettings(settings.kind, max_length=settings.max_length)
    check_window_settings(tokenizer, without_overlap)
    return encode_rows(
        rows,
        _encode_batch,
        "Tokenising",
        tokenizer=window_tokenizer(tokenizer),
        max_length=settings.max_length,
    )


def reduce_vocabulary(logits: Tensor | tuple[Tensor, ...], labels: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Gives of logits over the vocabulary what is scored and told; fits `Trainer(preprocess_logits_for_metrics=...)`.

    Args:
        logits: `(rows, longest, vocabulary)`; of several outputs the first.
        labels: `(rows, longest)`, -100 where there is nothing to predict; None where there is nothing at all.

    Returns:
        The likeliest token (int64), its probability, and the loss (cross entropy, nats) of the label, -100 where
        there is none; `(rows, longest)` each.
    """
    whole = logits[0] if isinstance(logits, tuple) else logits
    best = whole.new_zeros(whole.shape[:2], dtype=torch.int64)
    scores, losses = (whole.new_full(whole.shape[:2], IGNORED, dtype=torch.float32) for _ in range(2))
    for row, own in enumerate(whole):  # row by row, because a copy in float32 of all rows may not fit
        total = own.float().logsumexp(-1)
        highest, best[row] = own.float().max(-1)
        scores[row] = (highest - total).exp()
        if labels is not None:
            true = labels[row] != IGNORED
            losses[row, true] = total[true] - own[true, labels[row, true]].float()
    return best, scores, losses


def _encode_batch(
    batch: dict[str, list[Any]], numbers: list[int], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> dict[str, Any]:
    check_strings(batch["text"], numbers, "text")
    encoded: BatchEncoding = tokenizer(
        batch["text"],
        truncation=True,
        max_length=max_length,
        padding=False,
        return_overflowing_tokens=True,
        return_special_tokens_mask=True,
    )
    sources = encoded.pop("overflow_to_sample_mapping")
    positions: list[list[int]] = []
    read = dict.fromkeys(sources, 0)
    for source, added in zip(sources, encoded.pop("special_tokens_mask"), strict=True):
        own = []
        for special in added:
            own.append(NOT_READ if special else read[source])
            read[source] += not special
        positions.append(own)
    mask = tokenizer.mask_token_id
    return {
        **encoded,
        TOKEN_POSITIONS: positions,
        TO_FILL: [[token == mask for token in ids] for ids in encoded["input_ids"]],
        ROW_NUMBER: [numbers[source] for source in sources],
    }


def _collator(tokenizer: PreTrainedTokenizerBase, settings: TaskSettings, seed: int) -> Collator:
    return MaskingCollator(tokenizer, settings.masked_share)


def _fix(encoded: Dataset, tokenizer: PreTrainedTokenizerBase, settings: TaskSettings, seed: int | None) -> Dataset:
    return fix_masks(encoded, tokenizer, settings.masked_share, seed)


def _decode(logits: Logits, encoded: Dataset, rows: Dataset, settings: TaskSettings) -> list[Prediction]:
    """The tokens that were hidden or to be filled, as ids; `gold`, `right` and `loss` of those that were hidden."""
    if not isinstance(logits, tuple) or len(logits) != _PARTS:
        raise ValueError(
            f"expected tokens, probabilities and losses, got {type(logits).__name__}; because logits over the "
            "vocabulary are reduced batch by batch; give the Trainer `reduce_vocabulary` as "
            "`preprocess_logits_for_metrics`."
        )
    lengths = row_lengths(encoded) or []
    parts = [token_logits(part, encoded, lengths) for part in logits]
    predictions: list[Prediction] = [{"text": text, "tokens": []} for text in column_values(rows, "text")]
    for block, (row, *found) in enumerate(zip(_blocks(encoded), *parts, strict=True)):
        best, scores, losses = (part[: lengths[block]] for part in found)
        gold = row.get("labels", row["input_ids"])
        hidden = losses != IGNORED
        for place in np.flatnonzero(hidden | np.asarray(row[TO_FILL], dtype=bool)).tolist():
            token = {"position": row[TOKEN_POSITIONS][place], "token": int(best[place])}
            token["score"] = rounded(scores[place])
            if hidden[place]:
                right = int(best[place]) == gold[place]  # kept, because two tokens may be one word in letters
                token |= {"gold": gold[place], "right": right, "loss": rounded(losses[place])}
            predictions[row[ROW_NUMBER]]["tokens"].append(token)
    return predictions


def _blocks(encoded: Dataset) -> Iterator[dict[str, Any]]:
    """What of encoded rows is read to tell their tokens."""
    names = [
        name for name in ("input_ids", "labels", TO_FILL, TOKEN_POSITIONS, ROW_NUMBER) if name in encoded.features
    ]
    for values in zip(*(column_values(encoded, name) for name in names), strict=True):
        yield dict(zip(names, values, strict=True))


def _in_words(predictions: Sequence[Prediction], tokenizer: PreTrainedTokenizerBase) -> list[Prediction]:
    """Tokens by name, and the text with its masks filled."""
    named: list[Prediction] = []
    mark = word_mark(tokenizer.get_vocab())
    for prediction in predictions:
        tokens = [dict(token) for token in prediction["tokens"]]
        words: list[tuple[str, bool]] = []
        for token in tokens:
            goes_on = _goes_on_with_a_word(token["token"], tokenizer, mark)
            token["token"] = str(tokenizer.decode([token["token"]])).strip()
            if "gold" in token:
                token["gold"] = str(tokenizer.decode([token["gold"]])).strip()
            else:
                word = token["token"].removeprefix(CONTINUED) if goes_on and mark == CONTINUED else token["token"]
                words.append((word, goes_on))
        named.append({"text": _filled(prediction["text"], words, str(tokenizer.mask_token)), "tokens": tokens})
    return named


def _goes_on_with_a_word(token: int, tokenizer: PreTrainedTokenizerBase, mark: str | None) -> bool:
    """Whether the word before a mask goes on with a piece, white space between them or not."""
    piece = str(tokenizer.convert_ids_to_tokens(token))
    if mark is None or mark == CONTINUED:
        return mark is not None and piece.startswith(mark)
    # bytes are a piece of white space, unless the mask takes that as its own
    without_space = mark == SENTENCE_PIECE or tokenizer.added_tokens_decoder[int(tokenizer.mask_token_id)].lstrip
    return bool(without_space) and not piece.startswith(mark)


def _filled(text: str, words: Sequence[tuple[str, bool]], mask: str) -> str:
    """A text with words in the place of its masks; of each, whether it goes on with the word before it."""
    first, *others = text.split(mask)
    for (word, goes_on), rest in zip(words, others, strict=True):
        first = first.rstrip() + word + rest if goes_on else first + word + rest
    return first


def _score(predictions: Sequence[Prediction], rows: Dataset, settings: TaskSettings) -> dict[str, float]:
    hidden = [token for prediction in predictions for token in prediction["tokens"] if "gold" in token]
    if not hidden:
        raise ValueError(
            f"expected hidden tokens to score, got none in {len(predictions)} rows; because they are compared with "
            "what the model says; give texts that have words and no masks of their own."
        )
    loss = sum(token["loss"] for token in hidden) / len(hidden)
    return {"accuracy": sum(token["right"] for token in hidden) / len(hidden), "perplexity": float(np.exp(loss))}


MASKED_LM = KindDefinition(
    head="ForMaskedLM",
    problem_type=None,
    columns=("text",),
    label_columns=(),
    metrics=("accuracy", "perplexity"),
    encode=encode_blocks,
    collator=_collator,
    decode=_decode,
    score=_score,
    reduce_logits=reduce_vocabulary,
    fix_masks=_fix,
    in_words=_in_words,
)

"""Texts and pairs of texts as a model reads them, for every kind whose rows are texts."""

from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from transformers import BatchEncoding, DataCollatorWithPadding, PreTrainedTokenizerBase

from hf_tinybert.data.kinds.definition import ROW_NUMBER, Collator, TaskSettings
from hf_tinybert.data.kinds.encoded_rows import encode_rows

__all__ = [
    "TextCollator",
    "check_columns",
    "check_max_length",
    "check_strings",
    "encode_pairs",
    "encode_texts",
    "text_collator",
]

_CHARACTERS = 8  # for each token of a row: a pair of two longer texts is shortened before it is encoded


class TextCollator:
    """Pads encoded rows to the longest of their batch and leaves out the number of their raw row.

    Args:
        tokenizer: Knows the padding.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._pad = DataCollatorWithPadding(tokenizer)

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Gives tensors (rows, longest) of each input, and the labels where the rows have them."""
        padded: dict[str, Any] = self._pad(
            [{name: value for name, value in row.items() if name != ROW_NUMBER} for row in rows]
        )
        return padded


def text_collator(tokenizer: PreTrainedTokenizerBase, settings: TaskSettings, seed: int) -> Collator:
    """Gives what makes batches of encoded texts; nothing in it is random or depends on the settings."""
    return TextCollator(tokenizer)


def encode_texts(rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Dataset:
    """Turns texts into token ids: truncated, not padded, because the collator pads each batch to its longest row.

    Args:
        rows: Raw rows with the columns `text` (string) and, for pairs, `text_pair` (string).
        tokenizer: The tokenizer that student and teacher share.
        max_length: Longest row in tokens, special tokens included; of a pair, the longer text is shortened first.

    Returns:
        What the tokenizer makes: `input_ids`, `attention_mask` and, for BERT, `token_type_ids`, each one int list
        (row_length,) per row; and `row_number`.

    Raises:
        ValueError: If a column or a text is missing, or `max_length` is more than the tokenizer's model reads or
            leaves no room for text.
    """
    check_columns(rows, ("text",))
    check_max_length(max_length, tokenizer, pairs="text_pair" in rows.column_names)
    return encode_rows(
        rows,
        _encode_batch,
        "Tokenising",
        tokenizer=tokenizer,
        max_length=max_length,
    )


def check_columns(rows: Dataset, columns: Sequence[str]) -> None:
    """Refuses rows that lack a column.

    Raises:
        ValueError: If one is missing.
    """
    missing = [column for column in columns if column not in rows.column_names]
    if missing:
        raise ValueError(
            f"expected the columns {list(columns)}, got {rows.column_names}; because there is no {missing} to "
            "tokenise; rename the columns, or name them when the data is loaded."
        )


def check_strings(values: Sequence[Any], numbers: Sequence[int], column: str) -> None:
    """Refuses what is no text.

    Args:
        values: Cells of a column.
        numbers: Their rows.
        column: Named in errors.

    Raises:
        ValueError: If one of them is no string.
    """
    for value, number in zip(values, numbers, strict=True):
        if not isinstance(value, str):
            raise ValueError(
                f"expected a string in `{column}` of every row, got {value!r} in row {number + 1:,}; because there is "
                "no text to tokenise; correct or remove the row."
            )


def check_max_length(max_length: int, tokenizer: PreTrainedTokenizerBase, *, pairs: bool) -> None:
    """Refuses a length that the model cannot read or that leaves no room for text.

    Args:
        max_length: Longest row in tokens, special tokens included.
        tokenizer: Knows its special tokens and the longest row of its model.
        pairs: Whether rows are pairs of texts, which take more special tokens.

    Raises:
        ValueError: If the length is out of range.
    """
    shortest = tokenizer.num_special_tokens_to_add(pair=pairs) + 1
    if not shortest <= max_length <= tokenizer.model_max_length:
        raise ValueError(
            f"expected `max_length` from {shortest} (special tokens and one of text) to {tokenizer.model_max_length} "
            f"(the tokenizer's `model_max_length`), got {max_length}; because longer rows have no position embeddings "
            "and shorter ones no text; choose a length in this range."
        )


def encode_pairs(
    texts: Sequence[str], pairs: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> BatchEncoding:
    """Turns pairs of texts into token ids, the longer text of each shortened first.

    The tokenizers library makes an encoding of every part that it cuts off beside every other one, so that time and
    memory grow with the product of the lengths. So of two long texts the end is cut off before, where no token of it
    is read.

    Args:
        texts: First ones.
        pairs: Second ones, as many.
        tokenizer: Of the model.
        max_length: Longest row in tokens, special tokens included.

    Returns:
        Lists of ids, of `max_length` tokens at most, one for each pair; the same as without the cut.
    """
    both = list(zip(texts, pairs, strict=True))
    if tokenizer.is_fast and tokenizer.truncation_side == "right":
        both = [_without_ends(one, other, tokenizer, max_length) for one, other in both]
    first, second = [one for one, _ in both], [other for _, other in both]
    encoded: BatchEncoding = tokenizer(first, second, truncation="longest_first", max_length=max_length, padding=False)
    return encoded


def _without_ends(one: str, other: str, tokenizer: PreTrainedTokenizerBase, max_length: int) -> tuple[str, str]:
    if min(len(one), len(other)) <= _CHARACTERS * max_length:
        return one, other
    first, second = (_token_ends(text, tokenizer) for text in (one, other))
    # The longer one stays the longer, because it gets the odd token; a letter may be several tokens.
    longer = 3 * max_length
    if min(len(first), len(second)) <= longer:
        return one, other
    kept = (longer, 2 * max_length) if len(first) > len(second) else (2 * max_length, longer)
    return one[: first[kept[0]]], other[: second[kept[1]]]


def _token_ends(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The character after each token."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return [end for _, end in encoded["offset_mapping"]]


def _encode_batch(
    batch: dict[str, list[Any]], numbers: list[int], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> dict[str, Any]:
    for column in ("text", "text_pair"):
        check_strings(batch.get(column, [""] * len(numbers)), numbers, column)
    if "text_pair" in batch:
        encoded = encode_pairs(batch["text"], batch["text_pair"], tokenizer, max_length)
    else:
        encoded = tokenizer(batch["text"], truncation=True, max_length=max_length, padding=False)
    return {**encoded, ROW_NUMBER: numbers}

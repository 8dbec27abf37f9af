"""What the kinds have in common that cut long texts into windows: their checks and their collator."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from transformers import DataCollatorForTokenClassification, PreTrainedTokenizerBase

from hf_tinybert.data.gathered_logits import check_finite
from hf_tinybert.data.kinds.definition import ROW_NUMBER, TaskSettings
from hf_tinybert.data.kinds.texts import check_max_length

__all__ = ["IGNORED", "NOT_READ", "WindowCollator", "check_window_settings", "token_logits", "window_tokenizer"]

IGNORED = -100
"""Label of a token that the loss leaves out."""

NOT_READ = -1
"""Stands, in the columns that `decode` reads, at tokens from which no answer is read."""


class WindowCollator:
    """Pads encoded rows at their end, labels with `IGNORED`, and leaves out what only `decode` reads.

    At the end whatever the tokenizer's own side is, so that a token keeps its position in the gathered logits.

    Args:
        tokenizer: that encoded the rows.
        left_out: columns that neither model nor loss reads.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, left_out: Iterable[str]) -> None:
        if tokenizer.padding_side != "right":
            tokenizer = deepcopy(tokenizer)
            tokenizer.padding_side = "right"
        self._pad = DataCollatorForTokenClassification(tokenizer)
        self._left_out = frozenset({*left_out, ROW_NUMBER})

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """One batch: every column a tensor, `(rows, longest)` or `(rows,)`."""
        read = [{name: value for name, value in row.items() if name not in self._left_out} for row in rows]
        batch: dict[str, Any] = self._pad(read)
        return batch


def window_tokenizer(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Gives a copy that cuts at the end, so that the caller's own keeps its state."""
    own = deepcopy(tokenizer)
    own.truncation_side = "right"
    own.padding_side = "right"
    return own


def check_window_settings(tokenizer: PreTrainedTokenizerBase, settings: TaskSettings, *, pairs: bool = False) -> None:
    """Refuses a tokenizer or lengths with which no window can be made.

    Args:
        tokenizer: of the model.
        settings: `max_length` and `stride`, tokens.
        pairs: whether a window holds two texts.

    Raises:
        ValueError: The tokenizer does not tell where its tokens come from, or a length is out of its range.
    """
    if not tokenizer.is_fast:
        raise ValueError(
            f"expected a fast tokenizer, got `{type(tokenizer).__name__}`; because only those tell which word or "
            "character a token comes from; load it with `AutoTokenizer`, or use a model that has a `tokenizer.json`."
        )
    check_max_length(settings.max_length, tokenizer, pairs=pairs)
    special = tokenizer.num_special_tokens_to_add(pair=pairs)
    if not 0 <= settings.stride < settings.max_length - special:
        raise ValueError(
            f"expected `stride` from 0 to {settings.max_length - special - 1}, got {settings.stride}; because windows "
            f"of {settings.max_length} tokens that share more would never reach the end of a text; choose less."
        )


def token_logits(logits: NDArray[Any], encoded: Dataset, lengths: Sequence[int]) -> NDArray[Any]:
    """Gives the model's predictions for tokens, after checking that they belong to the encoded rows.

    Args:
        logits: (rows, longest, ...), padded at the end.
        encoded: the rows that the model has read.
        lengths: tokens of each encoded row.

    Raises:
        ValueError: If there are fewer of them than tokens, or a number is not finite.
    """
    found = np.asarray(logits)
    longest = max(lengths, default=0)
    if found.ndim < 2 or len(found) != len(encoded) or found.shape[1] < longest:
        raise ValueError(
            f"expected logits of at least {longest} tokens for {len(encoded)} encoded rows, got the shape "
            f"{found.shape}; because each token is read at its own position; let the model that was made for this "
            "task predict exactly the encoded rows."
        )
    check_finite(found)
    return found

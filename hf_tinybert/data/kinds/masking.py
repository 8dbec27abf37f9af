"""Which tokens masked LM hides, and what stands in their place."""

from typing import Any

import numpy as np
import torch
from datasets import Dataset, List, Value
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.kinds.definition import ROW_NUMBER
from hf_tinybert.data.kinds.windows import IGNORED, WindowCollator

__all__ = [
    "TOKEN_POSITIONS",
    "TO_FILL",
    "MaskingCollator",
    "check_mask_token",
    "fix_masks",
    "hide_tokens",
    "mask_tokens",
]

TO_FILL = "to_fill"
"""Column of encoded rows: whether a token is a mask of the text itself."""

TOKEN_POSITIONS = "token_positions"
"""Column of encoded rows: position of a token among those of its text, `NOT_READ` at special tokens around it."""

# Source: Devlin et al. 2019, 3.1: of the hidden tokens, so many become the mask, so many any token, the rest stay.
_MASKED, _REPLACED = 0.8, 0.1


class MaskingCollator:
    """Pads rows and hides some of their tokens, anew in every batch; rows whose masks are fixed stay as they are.

    It draws from torch's global random state, which the Trainer saves and restores: a resumed run masks as the one
    that was not interrupted.

    Args:
        tokenizer: has a mask token.
        share: of the tokens that are hidden.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, share: float) -> None:
        check_mask_token(tokenizer)
        self._pad = WindowCollator(tokenizer, [TO_FILL, TOKEN_POSITIONS, ROW_NUMBER])
        self._tokenizer, self._share = tokenizer, share

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """One batch: inputs and labels, `(rows, longest)`; labels are -100 at tokens that are not hidden."""
        batch = self._pad(rows)
        if "labels" not in batch:
            batch["input_ids"], batch["labels"] = mask_tokens(batch["input_ids"], self._tokenizer, self._share)
        return batch


def mask_tokens(
    input_ids: Tensor, tokenizer: PreTrainedTokenizerBase, share: float, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Hides tokens as BERT does: of those drawn, 80 % become the mask, 10 % any token, 10 % stay.

    At least one token of every row is drawn, because a row without labels has no loss. Special tokens, unknown ones
    among them, are never drawn.

    Args:
        input_ids: `(rows, longest)`, int64.
        tokenizer: knows the mask and the special tokens.
        share: of the tokens that are drawn, in (0, 1].
        generator: draws; None is torch's global one.

    Returns:
        New input ids, and labels: the old id where a token was drawn, -100 elsewhere; both `(rows, longest)`, int64.
    """
    hideable = ~torch.isin(input_ids, torch.tensor(tokenizer.all_special_ids))
    draws = torch.rand(input_ids.shape, generator=generator).masked_fill(~hideable, 2.0)
    drawn = draws < share
    drawn.scatter_(1, draws.argmin(1, keepdim=True), True)
    drawn &= hideable
    labels = input_ids.masked_fill(~drawn, IGNORED)
    fate = torch.rand(input_ids.shape, generator=generator)
    words = torch.randint(len(tokenizer), input_ids.shape, generator=generator)
    return hide_tokens(input_ids, drawn, fate, words, int(tokenizer.mask_token_id)), labels


def hide_tokens(input_ids: Tensor, drawn: Tensor, fate: Tensor, words: Tensor, mask: int) -> Tensor:
    """Gives tokens of which those drawn became the mask (80 %), another token (10 %), or stayed (10 %).

    Args:
        input_ids: `(rows, length)`, int64.
        drawn: which tokens are hidden, `(rows, length)`, bool.
        fate: what becomes of each, uniform in [0, 1), `(rows, length)`.
        words: the tokens that stand in for others, `(rows, length)`, int64.
        mask: id of the mask.
    """
    hidden = torch.where(drawn & (fate < _MASKED), mask, input_ids)
    return torch.where(drawn & (fate >= _MASKED) & (fate < _MASKED + _REPLACED), words, hidden)


def fix_masks(encoded: Dataset, tokenizer: PreTrainedTokenizerBase, share: float, seed: int | None) -> Dataset:
    """Gives rows whose hidden tokens are the same in every evaluation.

    Args:
        encoded: rows without `labels`.
        tokenizer: knows the mask and the special tokens.
        share: of the tokens that are hidden.
        seed: of the masks; with None nothing is hidden, for rows whose own masks are to be filled.

    Returns:
        The rows with `labels`; a row that has masks of its own gets no others.
    """
    if len(encoded) == 0:
        return encoded
    features = encoded.features.copy()
    features["labels"] = List(Value("int64"))
    return encoded.map(
        _fix_row,
        with_indices=True,
        fn_kwargs={"tokenizer": tokenizer, "share": share, "seed": seed},
        features=features,
        desc="Masking",
    )


def check_mask_token(tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuses a tokenizer that has no mask.

    Raises:
        ValueError: If it has none.
    """
    if tokenizer.mask_token_id is None:
        raise ValueError(
            f"expected a tokenizer with a mask token, got `{type(tokenizer).__name__}` without; because masked LM "
            "predicts what stands behind it; use a model that was trained on masked texts, or set "
            "`tokenizer.mask_token`."
        )


def _fix_row(
    row: dict[str, Any], number: int, tokenizer: PreTrainedTokenizerBase, share: float, seed: int | None
) -> dict[str, Any]:
    if seed is None or any(row[TO_FILL]):
        return {"labels": [IGNORED] * len(row["input_ids"])}
    # a generator per row, so that its masks do not depend on how many rows there are
    own_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    generator = torch.Generator().manual_seed(own_seed)
    hidden, labels = mask_tokens(torch.tensor([row["input_ids"]]), tokenizer, share, generator)
    return {"input_ids": hidden[0].tolist(), "labels": labels[0].tolist()}

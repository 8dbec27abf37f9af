"""Masked LM on packed blocks: which tokens of a block are hidden in which pass, whoever asks and whenever."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_tinybert.data.kinds.masking import check_mask_token, hide_tokens
from hf_tinybert.data.kinds.windows import IGNORED

__all__ = ["HIDDEN_SHARE", "BlockMaskingCollator", "MaskingPasses", "hidden_tokens"]

HIDDEN_SHARE = 0.15
"""Of the tokens of a block. Source: Devlin et al. 2019, section 3.1."""

_SPECIAL = 2  # tokens that every block begins and ends with
_NO_PASS = 0  # training counts from 1 here, so that no pass masks as the evaluation does


def hidden_tokens(length: int) -> int:
    """How many tokens of a block are hidden, fewer only where it has fewer words.

    Args:
        length: tokens of a block, its two special ones included.
    """
    return max(1, round(HIDDEN_SHARE * (length - _SPECIAL)))


class BlockMaskingCollator:
    """Batches of packed blocks with hidden tokens, and labels; blocks that have labels stay as they are.

    What is hidden depends on seed, pass and block alone, not on a random state that others draw from: a run that goes
    on after an interruption, and several processes, see the masks of one straight run. A block is told by its tokens,
    so that no number has to come along with it; every pass hides others. All blocks hide equally many tokens, as the
    data of BERT did, so that the mean over the hidden tokens of a batch is the mean over its blocks, however many
    processes share them.

    Args:
        tokenizer: has a mask token.
        seed: of the run.

    Raises:
        ValueError: If the tokenizer has no mask token.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, seed: int) -> None:
        check_mask_token(tokenizer)
        self._special = np.array(sorted(tokenizer.all_special_ids))
        self._mask, self._words, self._seed = int(tokenizer.mask_token_id), len(tokenizer), seed
        self._pass = _NO_PASS + 1

    def begin_pass(self, number: int) -> None:
        """From now on hide what this pass over the blocks hides; the first is 0."""
        self._pass = _NO_PASS + 1 + number

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """One batch: `input_ids` and `labels`, `(rows, length)`, int64; labels are -100 at tokens that are not hidden.

        Args:
            rows: of one length, with `input_ids`, and with `labels` where masks are fixed.
        """
        blocks = _stacked(rows, "input_ids")
        if "labels" in rows[0]:
            return {"input_ids": torch.from_numpy(blocks), "labels": torch.from_numpy(_stacked(rows, "labels"))}
        return self._hidden(blocks, self._pass)

    def with_fixed_masks(self, blocks: Dataset) -> Dataset:
        """Blocks to evaluate on: the same tokens are hidden in every evaluation."""
        batch = self._hidden(np.asarray(blocks["input_ids"][:], dtype=np.int64), _NO_PASS)
        return Dataset.from_dict({name: tensor.numpy() for name, tensor in batch.items()}).with_format("numpy")

    def _hidden(self, blocks: NDArray[np.int64], number: int) -> dict[str, Tensor]:
        order, fate = (np.empty(blocks.shape) for _ in range(2))
        words = np.empty_like(blocks)
        for place, block in enumerate(blocks):
            digest = hashlib.blake2b(block.astype("<i4").tobytes(), digest_size=8).digest()
            generator = np.random.default_rng([self._seed, number, int.from_bytes(digest, "little")])
            order[place], fate[place] = generator.random((2, len(block)))
            words[place] = generator.integers(self._words, size=len(block))
        hideable = ~np.isin(blocks, self._special)
        chosen = np.where(hideable, order, 1.0).argsort(axis=1)[:, : hidden_tokens(blocks.shape[1])]
        drawn = np.zeros_like(hideable)
        np.put_along_axis(drawn, chosen, True, axis=1)
        drawn &= hideable
        ids, places, fates, others = (torch.from_numpy(array) for array in (blocks, drawn, fate, words))
        labels = ids.masked_fill(~places, IGNORED)
        return {"input_ids": hide_tokens(ids, places, fates, others, self._mask), "labels": labels}


class MaskingPasses(TrainerCallback):
    """Tells a collator which pass a Trainer is in, also where that goes on in the middle of one.

    With several tasks a pass is one over the rows of all of them; a block that comes twice in it has the same masks.

    Args:
        collator: of the Trainer.
    """

    def __init__(self, collator: BlockMaskingCollator) -> None:
        self._collator = collator

    def on_epoch_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 (the interface of transformers)
    ) -> None:
        """A pass begins, or goes on."""
        self._collator.begin_pass(int(state.epoch or 0))


def _stacked(rows: Sequence[Mapping[str, Any]], column: str) -> NDArray[np.int64]:
    return np.stack([np.asarray(row[column], dtype=np.int64) for row in rows])

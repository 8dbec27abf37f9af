"""The raw text of a general distillation: enough of it, packed once for all processes, and split."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.blocks import PackedBlocks, check_block_folder, pack_documents
from hf_tinybert.data.long_texts import text_parts
from hf_tinybert.data.raw_text import check_sources, describe_sources, each_once, read_documents
from hf_tinybert.workflow.pretrain_settings import PretrainSettings

logger = logging.getLogger(__name__)

_MOST_HELD_OUT = 10  # of so many blocks one at most is held out
_MOST_UNKNOWN = 0.2  # of the tokens


def check_corpus(settings: PretrainSettings, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse texts that cannot be read, or that are too few; only as much is read as it takes.

    A warning tells of texts that the tokenizer does not know.

    Args:
        settings: of the run.
        tokenizer: of the teacher.

    Raises:
        FileNotFoundError: there is no such file or data set.
        ValueError: a file cannot be read, or the texts do not fill a step beside what is held out.
    """
    check_sources(settings.texts, settings.columns)
    step = settings.batch_size
    blocks = max(_MOST_HELD_OUT, step + min(settings.held_out_blocks, step // (_MOST_HELD_OUT - 1) + 1))
    wanted = blocks * (settings.block_length - 2)
    tokens = unknown = 0
    for document in _documents(settings):
        tokens += 1
        for text in text_parts(document):
            ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
            tokens += len(ids)
            unknown += ids.count(tokenizer.unk_token_id)
            if tokens >= wanted:
                _warn_of_unknown(unknown, tokens)
                return
    raise ValueError(
        f"expected texts of at least {wanted:,} tokens, {blocks} blocks of {settings.block_length}, got {tokens:,} in "
        f"{', '.join(f'`{text}`' for text in settings.texts)}; because a step takes {step} blocks, and one block in "
        f"{_MOST_HELD_OUT} is held out to compare on; bring more text, or lower `block_length` or `batch_size`"
    )


def _warn_of_unknown(unknown: int, tokens: int) -> None:
    if unknown > _MOST_UNKNOWN * tokens:
        logger.warning(
            "%d of the first %d tokens are unknown to the teacher's tokenizer, of which nothing can be learnt. Is the "
            "teacher of the language of the texts?", unknown, tokens,
        )  # fmt: skip


def pack_corpus(
    settings: PretrainSettings, tokenizer: PreTrainedTokenizerBase, folder: Path, num_proc: int
) -> PackedBlocks:
    """The texts as blocks on disk, see `pack_documents`."""
    return pack_documents(
        _documents(settings), tokenizer, settings.block_length, folder, source=_source(settings), num_proc=num_proc
    )


def check_kept_blocks(settings: PretrainSettings, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Refuse a folder of blocks of other texts, see `check_block_folder`."""
    check_block_folder(folder, tokenizer, settings.block_length, _source(settings))


def split_corpus(rows: Dataset, settings: PretrainSettings) -> tuple[Dataset, Dataset]:
    """Blocks to train on, and blocks held out, drawn by the seed; the same for any number of processes.

    Blocks to train on fill whole steps, because processes that share a smaller last step see some of its blocks twice.
    What is over is held out, and of that again whole steps are compared on, if there is one.
    """
    drawn = np.random.default_rng(settings.seed).permutation(len(rows))
    step = settings.batch_size
    trained = (len(rows) - min(settings.held_out_blocks, len(rows) // _MOST_HELD_OUT)) // step * step
    held_out = len(rows) - trained
    compared = held_out // step * step or held_out
    train, compare = drawn[held_out:], drawn[:compared]
    return rows.select(np.sort(train)), rows.select(np.sort(compare))


def _source(settings: PretrainSettings) -> dict[str, Any]:
    return {
        "texts": describe_sources(settings.texts),
        "columns": list(settings.columns),
        "deduplicate": settings.deduplicate,
    }


def _documents(settings: PretrainSettings) -> Iterator[str]:
    documents = read_documents(settings.texts, settings.columns)
    return each_once(documents) if settings.deduplicate else documents


__all__ = ["check_corpus", "check_kept_blocks", "pack_corpus", "split_corpus"]

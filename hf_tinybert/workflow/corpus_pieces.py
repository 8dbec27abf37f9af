"""A corpus as a tokenizer cuts it: how often each piece comes, and what a smaller vocabulary makes of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.long_texts import text_parts

_DOCUMENTS_AT_ONCE = 500
_PARTS_AT_ONCE = 32  # of texts, to tokenise


@dataclass(frozen=True)
class PieceCounts:
    """How often each piece stands in a corpus.

    Attributes:
        counts: by id, int64 `(ids,)`; special tokens around texts are left out.
        documents: that were read.
    """

    counts: NDArray[np.int64]
    documents: int

    @property
    def tokens(self) -> int:
        """Of all documents."""
        return int(self.counts.sum())

    def share(self, kept: Sequence[int]) -> float:
        """The share of the tokens that are among some pieces, by their ids."""
        return int(self.counts[list(kept)].sum()) / self.tokens


def count_pieces(documents: Iterable[str], tokenizer: PreTrainedTokenizerBase) -> PieceCounts:
    """How often each piece stands in some documents.

    Raises:
        ValueError: not one token.
    """
    counts, read = np.zeros(max(tokenizer.get_vocab().values()) + 1, dtype=np.int64), 0
    for texts in _batches(documents):
        ids = np.concatenate(list(_encoded(tokenizer, texts)))
        counts += np.bincount(ids, minlength=len(counts))
        read += len(texts)
    if not counts.any():
        raise ValueError(
            f"expected texts to count pieces in, got {read} documents without one; because the vocabulary would be "
            "nothing but special tokens; name files that hold text, and their columns"
        )
    return PieceCounts(counts, read)


def compare_pieces(
    documents: Iterable[str],
    tokenizer: PreTrainedTokenizerBase,
    trimmed: PreTrainedTokenizerBase,
    kept: Sequence[int],
) -> dict[str, int]:
    """What a smaller vocabulary makes of documents, and a proof on them that it cuts what it covers as before.

    Args:
        documents: the same as were counted, or others.
        tokenizer: with all pieces.
        trimmed: with those of `kept`.
        kept: old ids in rising order.

    Returns:
        Tokens and unknown ones before and after, documents, and how many of them are cut as before.

    Raises:
        ValueError: a document of kept pieces alone, none of them unknown, that is cut otherwise.
    """
    old_ids = np.asarray(kept)
    stays = np.zeros(max(tokenizer.get_vocab().values()) + 1, dtype=bool)
    stays[old_ids] = True
    totals = dict.fromkeys(("documents", "same", "tokens", "tokens_after", "unknown", "unknown_after"), 0)
    for texts in _batches(documents):
        pairs = zip(texts, _encoded(tokenizer, texts), _encoded(trimmed, texts), strict=True)
        for text, before, after in pairs:
            same = np.array_equal(before, old_ids[after])
            unknown, unknown_after = before == tokenizer.unk_token_id, after == trimmed.unk_token_id
            if not same and not unknown.any() and stays[before].all():
                raise ValueError(
                    f"expected a text of kept pieces to be cut as before, got other pieces for {text[:60]!r}; because "
                    "the model would read what it was not trained on; keep the whole vocabulary of this model"
                )
            totals["documents"] += 1
            totals["same"] += same
            totals["tokens"] += len(before)
            totals["tokens_after"] += len(after)
            totals["unknown"] += int(unknown.sum())
            totals["unknown_after"] += int(unknown_after.sum())
    return totals


def _encoded(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> Iterator[NDArray[np.int64]]:
    """The ids of each text."""
    found: list[list[NDArray[np.int64]]] = [[] for _ in texts]
    parts = ((place, part) for place, text in enumerate(texts) for part in text_parts(text))
    while some := list(islice(parts, _PARTS_AT_ONCE)):
        places, read = zip(*some, strict=True)
        encoded = tokenizer(list(read), add_special_tokens=False, return_attention_mask=False, verbose=False)
        for place, ids in zip(places, encoded["input_ids"], strict=True):
            found[place].append(np.asarray(ids, dtype=np.int64))
    return (np.concatenate(arrays) for arrays in found)


def _batches(documents: Iterable[str]) -> Iterator[list[str]]:
    left = iter(documents)
    while texts := list(islice(left, _DOCUMENTS_AT_ONCE)):
        yield texts


__all__ = ["PieceCounts", "compare_pieces", "count_pieces"]

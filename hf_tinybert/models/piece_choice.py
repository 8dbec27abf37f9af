"""Which pieces of a vocabulary a corpus needs."""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hf_tinybert.models.pieces import PieceInventory


@dataclass(frozen=True)
class PieceChoice:
    """How pieces are chosen, the most frequent ones first; all limits hold at once.

    Attributes:
        coverage: share of the corpus's tokens, as the whole vocabulary cuts it, at which choosing ends.
        min_count: times that a piece stands in the corpus at least.
        size: pieces at most, those that always stay among them; None for no limit.
        all_characters: whether all pieces of one character stay, and not only those of kept pieces.
    """

    coverage: float = 1.0
    min_count: int = 1
    size: int | None = None
    all_characters: bool = False

    def __post_init__(self) -> None:
        """Check every range."""
        if not 0 < self.coverage <= 1:
            raise ValueError(f"expected `coverage` above 0 and up to 1, a share of the corpus, got {self.coverage}")
        for name in ("min_count", "size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"expected `{name}` of at least 1, got {value}")


def choose_pieces(
    inventory: PieceInventory,
    counts: NDArray[np.int64],
    choice: PieceChoice,
    *,
    also: Collection[str] = (),
    required_ids: Collection[int] = (),
) -> tuple[int, ...]:
    """The ids of the pieces that stay, in rising order, which becomes their new one.

    A piece brings along what it needs (see `PieceInventory.with_needs`). Of equally frequent ones the lower id wins.

    Args:
        inventory: all pieces.
        counts: how often each id stands in the corpus, `(ids,)`.
        choice: how many.
        also: pieces that stay however rare they are.
        required_ids: ids that stay because a model names them.

    Raises:
        ValueError: a piece of `also` that is not there, fewer pieces allowed than must stay, no piece that is chosen,
            or nothing left out.
    """
    pieces = {index: piece for piece, index in inventory.ids.items()}
    kept = {inventory.ids[piece] for piece in _needed(inventory, choice, also)} | set(required_ids)
    if choice.size is not None and len(kept) > choice.size:
        raise ValueError(
            f"expected `size` of at least {len(kept):,}, got {choice.size:,}; because special tokens, listed pieces "
            "and what they need must not be lost; raise `size`, or list fewer"
        )
    must_stay = len(kept)
    wanted = math.ceil(choice.coverage * int(counts.sum()) - 1e-6)
    covered = int(sum(counts[index] for index in kept if index < len(counts)))
    for index in np.argsort(-counts, kind="stable").tolist():
        if covered >= wanted or counts[index] < choice.min_count:
            break
        new = {inventory.ids[piece] for piece in inventory.with_needs(pieces[index])} - kept
        if choice.size is not None and len(kept) + len(new) > choice.size:
            break
        kept |= new
        covered += int(sum(counts[one] for one in new))
    if len(kept) == must_stay and not also and not choice.all_characters:
        known = int(counts.sum()) - int(sum(counts[index] for index in kept if index < len(counts)))
        raise ValueError(
            f"expected a choice that keeps pieces of the corpus, got none of {known:,} tokens beside those that "
            "always stay; because a vocabulary of special tokens reads nothing; lower `min_count`, raise `coverage` "
            "or `size`, or bring texts that the tokenizer knows"
        )
    if len(kept) >= len(pieces):
        raise ValueError(
            f"expected a choice that leaves pieces out, got all {len(pieces):,}; because the vocabulary would stay "
            "as it is; lower `coverage` or `size`, or raise `min_count`"
        )
    return tuple(sorted(kept))


def _needed(inventory: PieceInventory, choice: PieceChoice, also: Collection[str]) -> frozenset[str]:
    """Pieces that stay whatever the corpus holds."""
    missing = [piece for piece in also if piece not in inventory.ids]
    if missing:
        raise ValueError(
            f"expected pieces of the vocabulary, got {', '.join(f'`{piece}`' for piece in missing[:5])}; because "
            "there is no embedding of such a piece; write pieces as the tokenizer does (`##ing`, `Ġthe`)"
        )
    needed = inventory.always | (inventory.characters if choice.all_characters else frozenset())
    return needed.union(*(inventory.with_needs(piece) for piece in also))


__all__ = ["PieceChoice", "choose_pieces"]

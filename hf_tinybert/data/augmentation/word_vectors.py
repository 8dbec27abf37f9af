"""Word vectors, and the nearest words of many words at once."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["WordVectors"]

_WORDS_AT_ONCE = 128
_SIMILARITIES_AT_ONCE = 1 << 25  # 128 MiB of float32
_GROUP = 128  # similarities whose largest is looked at first


class WordVectors:
    """Words by the directions of their vectors.

    Args:
        words: each once.
        matrix: (words, width), finite; words whose vector is zero are near to none.
        source: where they come from, in words.
        pieces: of a word that is not among `words`, the positions of rows of `piece_matrix` whose mean is its vector;
            None leaves such a word without neighbours.
        piece_matrix: (pieces, width).

    Raises:
        ValueError: If the shapes do not fit, or a value is not finite.
    """

    def __init__(
        self,
        words: Sequence[str],
        matrix: NDArray[np.floating],
        *,
        source: str,
        pieces: Callable[[str], Sequence[int]] | None = None,
        piece_matrix: NDArray[np.floating] | None = None,
    ) -> None:
        if (
            matrix.ndim != 2
            or len(matrix) != len(words)
            or not len(words)
            or not np.issubdtype(matrix.dtype, np.floating)
        ):
            raise ValueError(
                f"expected a matrix of numbers with a row for each of {len(words):,} words, got {matrix.dtype} of "
                f"shape {matrix.shape} in {source}; because every word has one vector; bring its words."
            )
        vectors = torch.tensor(matrix, dtype=torch.float32)
        if not torch.isfinite(vectors).all():
            raise ValueError(f"expected finite vectors in {source}, got others; because the file is damaged; mend it.")
        self.source = source
        self._words = list(words)
        self._rows = {word: row for row, word in enumerate(self._words)}
        directions = torch.nn.functional.normalize(vectors, dim=1)
        self._without_direction = set((~directions.any(dim=1)).nonzero()[:, 0].tolist())
        self._directions = torch.nn.functional.pad(directions, (0, 0, 0, -len(directions) % _GROUP))
        self._pieces, self._piece_matrix = pieces, piece_matrix

    def __len__(self) -> int:
        """Number of words."""
        return len(self._words)

    @property
    def words(self) -> list[str]:
        """In the order of `directions`."""
        return list(self._words)

    @property
    def directions(self) -> torch.Tensor:
        """(words, width) of length 1, or 0."""
        return self._directions[: len(self)]

    def neighbours(self, words: Sequence[str], count: int) -> dict[str, list[str]]:
        """Gives the nearest words by the cosine, the nearest first; the word itself is none, as in the published code.

        Args:
            words: as they stand in texts; where one is not known as it is, its lower-case form is looked up.
            count: neighbours of each.

        Returns:
            Word -> neighbours, for the words that have a vector.
        """
        found = [(word, *query) for word in words if (query := self._query(word)) is not None]
        count = min(count, len(self) - 1)
        at_once = max(1, min(_WORDS_AT_ONCE, _SIMILARITIES_AT_ONCE // len(self._directions)))
        # All products have one shape: another would round otherwise, and the neighbours depend on who else is asked.
        queries = torch.zeros(at_once, self._directions.shape[1])
        similarities = torch.empty(at_once, len(self._directions))
        neighbours: dict[str, list[str]] = {}
        for start in range(0, len(found), at_once):
            block = found[start : start + at_once]
            torch.stack([direction for _, _, direction in block], out=queries[: len(block)])
            torch.mm(queries, self._directions.T, out=similarities)
            similarities[:, len(self) :] = -torch.inf
            own = [(position, row) for position, (_, row, _) in enumerate(block) if row is not None]
            if own:
                similarities[tuple(zip(*own, strict=True))] = -torch.inf
            nearest = _largest(similarities[: len(block)], count).tolist()
            for (word, _, _), rows in zip(block, nearest, strict=True):
                neighbours[word] = [self._words[row] for row in rows]
        return neighbours

    def _query(self, word: str) -> tuple[int | None, torch.Tensor] | None:
        """The row of a word, None where its pieces speak for it, and (width,) its direction."""
        row = self._rows.get(word, self._rows.get(word.lower()))
        if row is not None:
            return None if row in self._without_direction else (row, self._directions[row])
        if self._pieces is None or self._piece_matrix is None or not (rows := list(self._pieces(word))):
            return None
        direction = torch.nn.functional.normalize(torch.tensor(self._piece_matrix[rows].mean(axis=0)), dim=0)
        return (None, direction) if bool(direction.any()) else None


def _largest(similarities: torch.Tensor, count: int) -> torch.Tensor:
    """Positions of the largest numbers of each row, the largest first.

    They stand in the groups of the largest maxima, as many groups as numbers: only these are sorted.

    Args:
        similarities: (rows, numbers), a multiple of `_GROUP` numbers.
        count: numbers of each row.

    Returns:
        (rows, count) of int64.
    """
    groups: torch.Tensor = similarities.unflatten(1, (-1, _GROUP))
    first = groups.amax(dim=2).topk(min(count, groups.shape[1]), dim=1).indices
    chosen = groups.gather(1, first[:, :, None].expand(-1, -1, _GROUP)).flatten(1)
    best = chosen.topk(count, dim=1).indices
    positions: torch.Tensor = first.gather(1, best // _GROUP) * _GROUP + best % _GROUP
    return positions

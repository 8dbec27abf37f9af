"""Word vectors, and the nearest words of many words at once."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["WordVectors"]

_SIMILARITIES_AT_ONCE = 1 << 24  # 64 MiB of float32


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
        self._directions = torch.nn.functional.normalize(vectors, dim=1)
        self._pieces, self._piece_matrix = pieces, piece_matrix

    def __len__(self) -> int:
        """Number of words."""
        return len(self._words)

    def neighbours(self, words: Sequence[str], count: int) -> dict[str, list[str]]:
        """Gives the nearest words by the cosine, the nearest first: the word itself is one, as in the published code.

        Args:
            words: as they stand in texts; where one is not known as it is, its lower-case form is looked up.
            count: neighbours of each.

        Returns:
            Word -> neighbours, for the words that have a vector.
        """
        found = [(word, query) for word in words if (query := self._query(word)) is not None]
        count = min(count, len(self))
        at_once = max(1, _SIMILARITIES_AT_ONCE // len(self))
        neighbours: dict[str, list[str]] = {}
        for start in range(0, len(found), at_once):
            block = found[start : start + at_once]
            similarities = torch.stack([query for _, query in block]) @ self._directions.T
            nearest = similarities.topk(count, dim=1).indices.tolist()
            for (word, _), rows in zip(block, nearest, strict=True):
                neighbours[word] = [self._words[row] for row in rows]
        return neighbours

    def _query(self, word: str) -> torch.Tensor | None:
        """(width,) the direction of a word."""
        row = self._rows.get(word, self._rows.get(word.lower()))
        if row is not None:
            query = self._directions[row]
        elif self._pieces is None or self._piece_matrix is None or not (rows := list(self._pieces(word))):
            return None
        else:
            query = torch.nn.functional.normalize(torch.tensor(self._piece_matrix[rows].mean(axis=0)), dim=0)
        return query if bool(query.any()) else None

"""Which words are replaced, and by which of their candidates: the draws of an augmentation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hf_tinybert.data.augmentation.passages import Passage

__all__ = ["Replacement"]


@dataclass(frozen=True)
class Replacement:
    """How words are replaced.

    Attributes:
        copies: draws for each row; those that change nothing, or the same as one before, give no row.
        probability: of each word to be replaced. Source: TinyBERT, section 4.2, takes 0.4.
        candidates: of each word, one of which is taken, all alike. Source: TinyBERT, section 4.2, takes 15.
        seed: of the draws.
    """

    copies: int = 20
    probability: float = 0.4
    candidates: int = 15
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every range."""
        for name in ("copies", "candidates"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected `{name}` of at least 1, got {getattr(self, name)}")
        if not 0 < self.probability <= 1:
            raise ValueError(f"expected a `probability` above 0 and at most 1, got {self.probability}")

    def draw(
        self, passage: Passage, candidates: Mapping[int, Sequence[str]], key: Sequence[int], copies: int
    ) -> list[dict[int, str]]:
        """Gives the new words of a text, for each of some copies.

        Args:
            passage: the text.
            candidates: position of a word -> words that may take its place.
            key: numbers from 0 that, with the seed, decide the draws: which row, which text of it, ...
            copies: how many; the first of them are the same however many there are.

        Returns:
            Of each copy: position of a word -> the word that takes its place.
        """
        # (copies, words, 2) in [0, 1): whether a word is replaced, and by which candidate
        drawn = np.random.default_rng((self.seed, *key)).random((copies, len(passage.words), 2))
        written = [
            _written_as(passage.text[slice(*span)], candidates.get(position, ()))
            for position, span in enumerate(passage.words)
        ]
        known = np.array([len(words) for words in written], dtype=np.int64)
        chosen = (drawn[:, :, 1] * known).astype(np.int64)
        replaced: list[dict[int, str]] = [{} for _ in drawn]
        rows, positions = np.nonzero((drawn[:, :, 0] < self.probability) & (known > 0))
        for row, position, index in zip(
            rows.tolist(), positions.tolist(), chosen[rows, positions].tolist(), strict=True
        ):
            replaced[row][position] = written[position][index]
        return replaced


def _written_as(word: str, candidates: Sequence[str]) -> Sequence[str]:
    """Candidates with the capitals of the word that they replace; uncased vocabularies have none."""
    if word.islower():
        return candidates
    write = str.upper if word.isupper() and len(word) > 1 else str.capitalize if word[0].isupper() else str
    return [write(candidate) if candidate.islower() else candidate for candidate in candidates]

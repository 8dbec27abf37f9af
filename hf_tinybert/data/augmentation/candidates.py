"""Which words may take the place of each word of a row: found once, whatever is drawn of them."""

import logging
from collections.abc import Callable, Sequence

from datasets import Dataset, Features, List, Value, concatenate_datasets

from hf_tinybert.data.augmentation.masked_words import MaskedWords
from hf_tinybert.data.augmentation.passages import Passage, PassageReader
from hf_tinybert.data.augmentation.word_vectors import WordVectors

__all__ = ["ROWS_AT_ONCE", "CandidateFinder", "Candidates", "candidates_of"]

Candidates = list[dict[int, list[str]]]
"""Of each passage of a row: position of a word -> words that may take its place."""

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 256
_MOST_UNCHANGING = 0.5
_COLUMN = "candidates"
_FEATURES = Features({_COLUMN: List(List(List(Value("string"))))})  # passages, words, candidates


class CandidateFinder:
    """Finds candidates.

    A word of one piece gets those of the masked language model, every other word those of the vectors; with no masked
    language model all words do.

    Args:
        count: of each word, at most.
        vectors: nearest words; None leaves words without a candidate of the masked language model alone.
        masked_words: candidates of a masked language model, or None.

    Raises:
        ValueError: If there is neither a model nor vectors.
    """

    def __init__(
        self, count: int, *, vectors: WordVectors | None = None, masked_words: MaskedWords | None = None
    ) -> None:
        if vectors is None and masked_words is None:
            raise ValueError(
                "expected word vectors, a masked language model or both, got neither; because candidates come from "
                "them; bring one."
            )
        self._count, self._vectors, self._masked_words = count, vectors, masked_words
        self._neighbours: dict[str, list[str]] = {}

    def find(self, rows: Sequence[Sequence[Passage]]) -> list[Candidates]:
        """Gives the candidates of rows; those of one row do not depend on the others.

        Args:
            rows: passages of each.
        """
        passages = [passage for own in rows for passage in own]
        if self._masked_words is None:
            found: Candidates = [{} for _ in passages]
        else:
            texts = [passage.text for passage in passages]
            found = self._masked_words.candidates(texts, [passage.words for passage in passages], self._count)
        wanted = [
            [
                (position, passage.text[slice(*span)])
                for position, span in enumerate(passage.words)
                if position not in known
            ]
            for passage, known in zip(passages, found, strict=True)
        ]
        self._look_up({word for words in wanted for _, word in words})
        for known, words in zip(found, wanted, strict=True):
            known.update((position, self._neighbours[word]) for position, word in words if self._neighbours[word])
        # In an order of their own: that of their closeness hangs on the last digits of sums, which batches change.
        remaining = iter([{position: sorted(words) for position, words in known.items()} for known in found])
        return [[next(remaining) for _ in own] for own in rows]

    def find_all(
        self, rows: Dataset, reader: PassageReader, on_rows: Callable[[int], object] | None = None
    ) -> Dataset:
        """Gives the candidates of every row of a data set, to keep: in memory, or by `save_to_disk`.

        Args:
            rows: with standard columns.
            reader: of the rows.
            on_rows: called with a number of rows when so many more are done.

        Returns:
            A row for each row, for `candidates_of`.

        Raises:
            ValueError: If no word of any row has candidates.
        """
        parts: list[Dataset] = []
        unchanging = 0
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows.select(range(start, min(start + ROWS_AT_ONCE, len(rows)))).to_list()
            passages = [reader.read(row) for row in part]
            found = self.find(passages)
            unchanging += sum(not any(own) for own in found)
            lists = [
                [
                    [known.get(position, []) for position in range(len(passage.words))]
                    for passage, known in zip(own, of_row, strict=True)
                ]
                for own, of_row in zip(passages, found, strict=True)
            ]
            parts.append(Dataset.from_dict({_COLUMN: lists}, features=_FEATURES))
            if on_rows is not None:
                on_rows(len(part))
        _check(unchanging, len(rows))
        return concatenate_datasets(parts)

    def _look_up(self, words: set[str]) -> None:
        """Every word of the data is looked up once."""
        new = sorted(words - self._neighbours.keys())
        found = self._vectors.neighbours(new, self._count) if self._vectors is not None and new else {}
        self._neighbours.update((word, found.get(word, [])) for word in new)


def candidates_of(found: Dataset, rows: Sequence[int]) -> list[Candidates]:
    """Gives what `CandidateFinder.find_all` found for some rows.

    Args:
        found: for all rows.
        rows: their numbers.
    """
    return [
        [dict(enumerate(words)) for words in passages]  # a word without candidates has an empty list
        for passages in found[list(rows)][_COLUMN]
    ]


def _check(unchanging: int, rows: int) -> None:
    """Refuse what can change nothing, and warn of what can change little."""
    said = f"{unchanging:,} of {rows:,} rows without a word that has candidates"
    if unchanging == rows:
        raise ValueError(
            f"expected rows that can change, got {said}; because only words with candidates are replaced; name "
            "vectors or a masked language model of the data's language, and its stop words."
        )
    if unchanging > _MOST_UNCHANGING * rows:
        logger.warning("The augmentation changes little: %s. Are vectors and stop words of its language?", said)

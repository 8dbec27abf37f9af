"""New rows of known ones: words replaced at random by words that fit.

Source: TinyBERT (arXiv 1909.10351), section 4.2 and algorithm 1; huawei-noah/Pretrained-Language-Model,
TinyBERT/data_augmentation.py. As there, candidates are those of the row as it is, found once for all copies.
Where this differs from it: candidates are words of letters (there the best tokens without pieces, so fewer of them,
and punctuation too); letters of any script (there a to z); all vectors of a file (there its first 100,000); cased
words are looked up in lower case too; a text keeps its spaces; the source row is not written again; both sides of a
pair vary in each copy (there one side at a time, and the second beside the last variant of the first).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hf_tinybert.data.augmentation.masked_words import MaskedWords
from hf_tinybert.data.augmentation.passages import Passage, PassageReader, Row, replaced_row
from hf_tinybert.data.augmentation.word_vectors import WordVectors

__all__ = ["COPY", "SOURCE_ROW", "Augmenter", "Replacement"]

SOURCE_ROW, COPY = "source_row", "copy"
"""Columns that say where a new row comes from."""

Candidates = list[dict[int, list[str]]]
"""Of each passage of a row: position of a word -> words that may take its place."""


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


class Augmenter:
    """Makes new rows.

    A word of one piece gets the candidates of the masked language model, every other word those of the vectors; with
    no masked language model all words do. What is drawn for a copy of a row depends on the seed, the number of the
    row, the text within it and the number of the copy, and on nothing else: neither on the batch nor on other rows.

    Args:
        reader: of the rows.
        replacement: how words are replaced.
        vectors: nearest words; None leaves words without a candidate of the masked language model alone.
        masked_words: candidates of a masked language model, or None.

    Attributes:
        counts: over all rows so far: `rows`, `words` that may be replaced, of which `words_with_candidates`,
            `new_rows`, and `unchanged_rows`, which gave no new row.

    Raises:
        ValueError: If there is neither a model nor vectors.
    """

    def __init__(
        self,
        reader: PassageReader,
        replacement: Replacement,
        *,
        vectors: WordVectors | None = None,
        masked_words: MaskedWords | None = None,
    ) -> None:
        if vectors is None and masked_words is None:
            raise ValueError(
                "expected word vectors, a masked language model or both, got neither; because candidates come from "
                "them; bring one."
            )
        self.counts: Counter[str] = Counter()
        self._reader, self._replacement = reader, replacement
        self._vectors, self._masked_words = vectors, masked_words
        self._neighbours: dict[str, list[str]] = {}

    def new_rows(self, rows: Sequence[Row], first: int = 0) -> Iterator[Row]:
        """Gives the new rows of some rows; candidates of all of them are found together.

        Args:
            rows: with standard columns; whoever has many gives them in parts.
            first: number of the first of them in the data.

        Returns:
            Rows with the columns of their source, and `source_row` and `copy`, counted from 0.
        """
        passages = [self._reader.read(row) for row in rows]
        for number, (row, own, candidates) in enumerate(
            zip(rows, passages, self._candidates(passages), strict=True), start=first
        ):
            yield from self._copies(row, number, own, candidates)

    def _copies(self, row: Row, number: int, passages: Sequence[Passage], candidates: Candidates) -> Iterator[Row]:
        seen = {tuple(passage.text for passage in passages)}
        made = 0
        replaced = [
            _replacements(passage, known, self._draws(number, index, passage), self._replacement.probability)
            for index, (passage, known) in enumerate(zip(passages, candidates, strict=True))
        ]
        for copy in range(self._replacement.copies):
            new = replaced_row(row, passages, [copies[copy] for copies in replaced])
            texts = tuple(_text(new, passage) for passage in passages)
            if texts not in seen:
                seen.add(texts)
                made += 1
                yield {**new, SOURCE_ROW: number, COPY: copy}
        self.counts.update(
            rows=1,
            words=sum(len(passage.words) for passage in passages),
            words_with_candidates=sum(map(len, candidates)),
            new_rows=made,
            unchanged_rows=int(not made),
        )

    def _draws(self, number: int, index: int, passage: Passage) -> np.ndarray:
        """(copies, words, 2) in [0, 1): whether a word is replaced, and by which candidate."""
        generator = np.random.default_rng((self._replacement.seed, number, index))
        return generator.random((self._replacement.copies, len(passage.words), 2))

    def _candidates(self, rows: Sequence[Sequence[Passage]]) -> list[Candidates]:
        passages = [passage for own in rows for passage in own]
        count = self._replacement.candidates
        if self._masked_words is None:
            found: Candidates = [{} for _ in passages]
        else:
            texts = [passage.text for passage in passages]
            found = self._masked_words.candidates(texts, [passage.words for passage in passages], count)
        wanted = [
            [
                (position, passage.text[slice(*span)])
                for position, span in enumerate(passage.words)
                if position not in known
            ]
            for passage, known in zip(passages, found, strict=True)
        ]
        self._look_up({word for words in wanted for _, word in words}, count)
        for known, words in zip(found, wanted, strict=True):
            known.update((position, self._neighbours[word]) for position, word in words if self._neighbours[word])
        # In an order of their own: that of their closeness hangs on the last digits of sums, which batches change.
        remaining = iter([{position: sorted(words) for position, words in known.items()} for known in found])
        return [[next(remaining) for _ in own] for own in rows]

    def _look_up(self, words: set[str], count: int) -> None:
        """Every word of the data is looked up once."""
        new = sorted(words - self._neighbours.keys())
        found = {} if self._vectors is None else self._vectors.neighbours(new, count)
        self._neighbours.update((word, found.get(word, [])) for word in new)


def _replacements(
    passage: Passage, candidates: dict[int, list[str]], drawn: np.ndarray, probability: float
) -> list[dict[int, str]]:
    """Of every copy: position of a word -> the word that takes its place."""
    written = [
        _written_as(passage.text[slice(*span)], candidates.get(position, []))
        for position, span in enumerate(passage.words)
    ]
    known = np.array([len(words) for words in written], dtype=np.int64)
    chosen = (drawn[:, :, 1] * known).astype(np.int64)
    replaced: list[dict[int, str]] = [{} for _ in drawn]
    copies, positions = np.nonzero((drawn[:, :, 0] < probability) & (known > 0))
    for copy, position, index in zip(
        copies.tolist(), positions.tolist(), chosen[copies, positions].tolist(), strict=True
    ):
        replaced[copy][position] = written[position][index]
    return replaced


def _written_as(word: str, candidates: list[str]) -> list[str]:
    """Candidates with the capitals of the word that they replace; uncased vocabularies have none."""
    if word.islower():
        return candidates
    write = str.upper if word.isupper() and len(word) > 1 else str.capitalize if word[0].isupper() else str
    return [write(candidate) if candidate.islower() else candidate for candidate in candidates]


def _text(row: Row, passage: Passage) -> str:
    value = row[passage.column]
    if passage.tokens is not None:
        return " ".join(value)
    text: str = value if passage.item is None else value[passage.item]
    return text

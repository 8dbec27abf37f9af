"""New rows of known ones: words replaced at random by words that fit.

Source: TinyBERT (arXiv 1909.10351), section 4.2 and algorithm 1; huawei-noah/Pretrained-Language-Model,
TinyBERT/data_augmentation.py. As there, candidates are those of the row as it is, found once for all copies.
Where this differs from it: candidates of the masked language model are words of letters (there the best tokens without
pieces, so fewer of them, and punctuation too); letters of any script (there a to z); all vectors of a file (there its
first 100,000); cased words are looked up in lower case too; a text keeps its spaces; the source row is not written
again; both sides of a pair vary in each copy (there one side at a time, and the second beside the last variant of the
first).
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from hf_tinybert.data.augmentation.candidates import CandidateFinder, Candidates
from hf_tinybert.data.augmentation.masked_words import MaskedWords
from hf_tinybert.data.augmentation.passages import Passage, PassageReader, Row, replaced_row
from hf_tinybert.data.augmentation.replacement import Replacement
from hf_tinybert.data.augmentation.word_vectors import WordVectors

__all__ = ["COPY", "SOURCE_ROW", "Augmenter"]

SOURCE_ROW, COPY = "source_row", "copy"
"""Columns that say where a new row comes from."""


class Augmenter:
    """Makes new rows.

    Candidates are those of `CandidateFinder`. What is drawn for a copy of a row depends on the seed, the number of the
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
        self.counts: Counter[str] = Counter()
        self._reader, self._replacement = reader, replacement
        self._finder = CandidateFinder(replacement.candidates, vectors=vectors, masked_words=masked_words)

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
            zip(rows, passages, self._finder.find(passages), strict=True), start=first
        ):
            yield from self._copies(row, number, own, candidates)

    def _copies(self, row: Row, number: int, passages: Sequence[Passage], candidates: Candidates) -> Iterator[Row]:
        seen = {tuple(passage.text for passage in passages)}
        made = 0
        count = self._replacement.copies
        replaced = [
            self._replacement.draw(passage, known, (number, index), count)
            for index, (passage, known) in enumerate(zip(passages, candidates, strict=True))
        ]
        for copy in range(count):
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


def _text(row: Row, passage: Passage) -> str:
    value = row[passage.column]
    if passage.tokens is not None:
        return " ".join(value)
    text: str = value if passage.item is None else value[passage.item]
    return text

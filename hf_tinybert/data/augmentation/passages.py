"""The texts of a row whose words may change, and the row made anew of other words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from hf_tinybert.data.augmentation.word_spans import Segmenter, is_word, word_spans
from hf_tinybert.data.kinds.definition import TaskKind

__all__ = ["Passage", "PassageReader", "Row", "replaced_row"]

Row = dict[str, Any]
Span = tuple[int, int]

_COLUMNS: Mapping[TaskKind, tuple[str, ...]] = {
    TaskKind.TEXT_CLASSIFICATION: ("text",),
    TaskKind.PAIR_CLASSIFICATION: ("text", "text_pair"),
    TaskKind.MULTI_LABEL_CLASSIFICATION: ("text", "text_pair"),
    TaskKind.REGRESSION: ("text", "text_pair"),
    TaskKind.TOKEN_CLASSIFICATION: ("tokens",),
    TaskKind.QUESTION_ANSWERING: ("question", "context"),
    TaskKind.MULTIPLE_CHOICE: ("text", "choices"),
    TaskKind.MASKED_LM: ("text",),
    TaskKind.EXTRACTIVE_SUMMARIZATION: ("document",),
    TaskKind.SENTENCE_EMBEDDING: ("text", "text_pair"),
}


@dataclass(frozen=True)
class Passage:
    """One text of a row.

    Attributes:
        column: that it stands in.
        item: its position where the column holds a list of texts; None where it is the text, or the words of one.
        text: as the models read it.
        words: (start, end) of the words that may be replaced.
        tokens: (start, end) of every word where the column holds words; else None.
    """

    column: str
    item: int | None
    text: str
    words: tuple[Span, ...]
    tokens: tuple[Span, ...] | None = None

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """The text cut around its `words`: word i is piece 2 i + 1."""
        cuts = [0, *(bound for span in self.words for bound in span), len(self.text)]
        return tuple(self.text[start:end] for start, end in pairwise(cuts))


class PassageReader:
    """Finds the words of rows that may be replaced.

    They are of letters only, no stop words, and in question answering no part of an answer.

    Args:
        kind: of the rows.
        stop_words: in lower case.
        segmenter: see `word_spans`; of rows whose words are given it is not asked.
    """

    def __init__(
        self, kind: TaskKind, stop_words: frozenset[str] = frozenset(), segmenter: Segmenter | None = None
    ) -> None:
        self._kind, self._stop_words, self._segmenter = kind, stop_words, segmenter

    def read(self, row: Row) -> list[Passage]:
        """Gives the texts of a row, with standard columns.

        Args:
            row: of the kind.
        """
        passages: list[Passage] = []
        for column in _COLUMNS[self._kind]:
            value = row.get(column)
            if column == "tokens":
                passages.append(self._of_tokens(row["tokens"]))
            elif isinstance(value, list):
                passages += [self._of_text(column, item, text, ()) for item, text in enumerate(value)]
            elif value:
                answers = _answer_spans(row) if column == "context" else ()
                passages.append(self._of_text(column, None, value, answers))
        return passages

    def _of_text(self, column: str, item: int | None, text: str, kept: Sequence[Span]) -> Passage:
        spans = word_spans(text, self._segmenter)
        free = [span for span in spans if not any(span[0] < end and start < span[1] for start, end in kept)]
        return Passage(column, item, text, self._replaceable(text, free))

    def _of_tokens(self, tokens: Sequence[str]) -> Passage:
        spans: list[Span] = []
        position = 0
        for token in tokens:
            spans.append((position, position + len(token)))
            position += len(token) + 1
        text = " ".join(tokens)
        return Passage("tokens", None, text, self._replaceable(text, spans), tuple(spans))

    def _replaceable(self, text: str, spans: Sequence[Span]) -> tuple[Span, ...]:
        found = ((span, text[slice(*span)]) for span in spans)
        return tuple(span for span, word in found if is_word(word) and word.lower() not in self._stop_words)


def replaced_row(row: Row, passages: Sequence[Passage], replaced: Sequence[Mapping[int, str]]) -> Row:
    """Gives a row with other words; tags stay with their words, and answers are found where they moved to.

    Args:
        row: with standard columns; it is not changed.
        passages: of the row.
        replaced: of each passage: position in its `words` -> new word.
    """
    new = dict(row)
    for passage, words in zip(passages, replaced, strict=True):
        if passage.tokens is not None:
            by_span = {passage.words[position]: word for position, word in words.items()}
            new["tokens"] = [by_span.get(span, passage.text[slice(*span)]) for span in passage.tokens]
            continue
        pieces = list(passage.pieces)
        for position, word in words.items():
            pieces[2 * position + 1] = word
        text = "".join(pieces)
        if passage.item is None:
            new[passage.column] = text
        else:
            texts = list(new[passage.column])
            texts[passage.item] = text
            new[passage.column] = texts
        if passage.column == "context" and row.get("answers"):
            changes = [(passage.words[position], word) for position, word in words.items()]
            starts = [start + _shift(changes, start) for start in row["answers"]["answer_start"]]
            new["answers"] = {**row["answers"], "answer_start": starts}
    return new


def _answer_spans(row: Row) -> list[Span]:
    answers = row.get("answers") or {"text": [], "answer_start": []}
    return [(start, start + len(text)) for start, text in zip(answers["answer_start"], answers["text"], strict=True)]


def _shift(changes: Sequence[tuple[Span, str]], position: int) -> int:
    return sum(len(word) - (end - start) for (start, end), word in changes if end <= position)

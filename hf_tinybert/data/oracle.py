"""The sentences of a document that a perfect extractive summary would take, found from its reference summaries."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from hf_tinybert.data.metrics.rouge import rouge_words

__all__ = ["oracle_sentences"]

_ORDERS = (1, 2)

Words = tuple[str, ...]


class _Sentence(NamedTuple):
    """What a sentence brings to a summary.

    Attributes:
        counts: those of its n-grams that a reference has too, for each order.
        totals: all its n-grams, for each order.
    """

    counts: tuple[Counter[Words], ...]
    totals: tuple[int, ...]


def oracle_sentences(sentences: Sequence[str], summaries: Sequence[str], count: int) -> list[int]:
    """Gives the positions of the sentences whose ROUGE against the summaries is highest, picked one after the other.

    Each step takes the sentence with which the mean of ROUGE-1 and ROUGE-2 (F1, best over the summaries) is highest,
    the earlier one of equals, and stops where no sentence raises it. At least one sentence is taken, because every
    summary has one. Two-word sequences across the joint of two sentences are not counted.

    Args:
        sentences: of a document, in its order.
        summaries: references.
        count: sentences to take at most.

    Returns:
        Positions in the order of the document.
    """
    references = [_ngrams(summary) for summary in summaries]
    known = [set().union(*(reference[order] for reference in references)) for order in range(len(_ORDERS))]
    candidates = [_sentence(text, known) for text in sentences]
    totals = [tuple(counts.total() for counts in reference) for reference in references]
    chosen: list[int] = []
    so_far, best = _Sentence(tuple(Counter() for _ in _ORDERS), (0,) * len(_ORDERS)), 0.0
    while len(chosen) < min(count, len(sentences)):
        left = [position for position in range(len(sentences)) if position not in chosen]
        scores = [_score(_joined(so_far, candidates[position]), references, totals) for position in left]
        highest = max(scores)
        if chosen and highest <= best:
            break
        best, position = highest, left[scores.index(highest)]
        chosen.append(position)
        so_far = _joined(so_far, candidates[position])
    return sorted(chosen)


def _ngrams(text: str) -> tuple[Counter[Words], ...]:
    words = rouge_words(text)
    return tuple(Counter(zip(*(words[skip:] for skip in range(order)), strict=False)) for order in _ORDERS)


def _sentence(text: str, known: Sequence[set[Words]]) -> _Sentence:
    found = _ngrams(text)
    shared = tuple(
        Counter({ngram: times for ngram, times in counts.items() if ngram in wanted})
        for counts, wanted in zip(found, known, strict=True)
    )
    return _Sentence(shared, tuple(counts.total() for counts in found))


def _joined(first: _Sentence, second: _Sentence) -> _Sentence:
    return _Sentence(
        tuple(one + other for one, other in zip(first.counts, second.counts, strict=True)),
        tuple(one + other for one, other in zip(first.totals, second.totals, strict=True)),
    )


def _score(
    summary: _Sentence, references: Sequence[tuple[Counter[Words], ...]], totals: Sequence[tuple[int, ...]]
) -> float:
    """Mean of ROUGE-1 and ROUGE-2 F1, best over the references, in [0, 1]."""
    return max(
        sum(
            2 * (counts & reference).total() / max(length + total, 1)
            for counts, length, reference, total in zip(summary.counts, summary.totals, found, lengths, strict=True)
        )
        / len(_ORDERS)
        for found, lengths in zip(references, totals, strict=True)
    )

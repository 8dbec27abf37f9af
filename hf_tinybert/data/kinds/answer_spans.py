"""The best answers that start and end scores of windows give."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hf_tinybert.data.kinds.windows import NOT_READ

__all__ = ["AnswerSpan", "best_spans", "merge_spans"]


class AnswerSpan(NamedTuple):
    """A candidate.

    Attributes:
        score: start logit plus end logit.
        start: first character in the context.
        end: last character plus one.
    """

    score: float
    start: int
    end: int


def best_spans(
    start_logits: NDArray[Any],
    end_logits: NDArray[Any],
    starts: Sequence[int],
    ends: Sequence[int],
    longest: int,
    count: int,
) -> list[AnswerSpan]:
    """Gives the spans of one window with the highest scores; every span of allowed tokens is looked at.

    Args:
        start_logits: (tokens or more,).
        end_logits: (tokens or more,).
        starts: first character of each token of the context, elsewhere `NOT_READ`.
        ends: end of each token of the context in characters, elsewhere `NOT_READ`.
        longest: tokens that an answer has at most.
        count: spans to give at most.

    Returns:
        Spans in falling order of score.
    """
    allowed = np.asarray(starts) != NOT_READ
    inside = np.flatnonzero(allowed)
    if not len(inside):
        return []
    first, last = inside[0], inside[-1] + 1
    barred = np.where(allowed[first:last], 0.0, -np.inf)
    from_start = start_logits[first:last].astype(np.float64) + barred
    to_end = end_logits[first:last].astype(np.float64) + barred
    width = min(longest, len(from_start))
    padded = np.concatenate([to_end, np.full(width - 1, -np.inf)])
    # sums[start, more] is the score of the span of `more + 1` tokens from `start` on.
    sums = from_start[:, None] + np.lib.stride_tricks.sliding_window_view(padded, width)
    flat = sums.ravel()
    chosen = np.argpartition(-flat, count - 1)[:count] if count < flat.size else np.arange(flat.size)
    chosen = chosen[np.isfinite(flat[chosen])]
    chosen = chosen[np.argsort(-flat[chosen], kind="stable")]
    begin, more = np.unravel_index(chosen, sums.shape)
    return [
        AnswerSpan(float(flat[index]), int(starts[first + one]), int(ends[first + one + length]))
        for index, one, length in zip(chosen, begin, more, strict=True)
    ]


def merge_spans(spans: Sequence[AnswerSpan], context: str, count: int) -> list[AnswerSpan]:
    """Gives the best different spans of all windows of a context, without white space around them.

    Args:
        spans: candidates; those of neighbouring windows may be the same.
        context: that they are parts of.
        count: spans to give at most.

    Returns:
        Spans in falling order of score; of equal ones the earlier and shorter first.
    """
    best: dict[tuple[int, int], float] = {}
    for span in spans:
        text = context[span.start : span.end]
        start = span.start + len(text) - len(text.lstrip())
        end = span.end - len(text) + len(text.rstrip())
        best[start, end] = max(span.score, best.get((start, end), -np.inf))
    ordered = sorted(best.items(), key=lambda item: (-item[1], item[0]))
    return [AnswerSpan(score, start, end) for (start, end), score in ordered[:count]]

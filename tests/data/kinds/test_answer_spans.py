"""The best spans against a search of every pair."""

import numpy as np
import pytest

from hf_tinybert.data.kinds.answer_spans import AnswerSpan, best_spans, merge_spans
from hf_tinybert.data.kinds.windows import NOT_READ

LONGEST = 3


@pytest.mark.parametrize("count", [1, 4, 20, 500])
@pytest.mark.parametrize("hidden", [(), (5,), (3, 4, 9)])
def test_the_best_spans_are_those_of_a_slow_search(count, hidden):
    """Prevents spans that are missed, too long, backwards, or outside the context."""
    starts = [NOT_READ, NOT_READ, *range(0, 20, 2), NOT_READ]
    ends = [NOT_READ, NOT_READ, *range(1, 21, 2), NOT_READ]
    for token in hidden:
        starts[token] = ends[token] = NOT_READ
    start_logits, end_logits = np.random.normal(size=(2, len(starts) + 4))  # four of padding
    slow = [
        AnswerSpan(start_logits[start] + end_logits[end], starts[start], ends[end])
        for start in range(len(starts))
        for end in range(start, min(start + LONGEST, len(starts)))
        if NOT_READ not in (starts[start], starts[end])
    ]
    slow.sort(reverse=True)
    found = best_spans(start_logits, end_logits, starts, ends, LONGEST, count)
    assert [span[1:] for span in found] == [span[1:] for span in slow[:count]]
    assert [span.score for span in found] == pytest.approx([span.score for span in slow[:count]])


def test_a_window_without_context_has_no_span():
    """Prevents a crash on a window that holds only the question."""
    assert best_spans(np.zeros(4), np.zeros(4), [NOT_READ] * 4, [NOT_READ] * 4, LONGEST, 5) == []


def test_spans_of_two_windows_are_merged():
    """Prevents one answer that fills the list twice and takes half of its own probability."""
    spans = [AnswerSpan(1.0, 3, 7), AnswerSpan(4.0, 0, 2), AnswerSpan(2.0, 3, 8), AnswerSpan(4.0, 0, 1)]
    spans.append(AnswerSpan(3.0, 0, 2))
    assert merge_spans(spans, "ab  cde fgh", 5) == [
        AnswerSpan(4.0, 0, 1),
        AnswerSpan(4.0, 0, 2),
        AnswerSpan(2.0, 4, 7),
    ]
    assert merge_spans(spans, "ab  cde fgh", 1) == [AnswerSpan(4.0, 0, 1)]

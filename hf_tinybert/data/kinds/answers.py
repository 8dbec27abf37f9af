"""Extractive question answering: an answer is a part of its context, or there is none."""

import math
from collections.abc import Sequence

import numpy as np
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.column_values import column_values
from hf_tinybert.data.gathered_logits import rounded
from hf_tinybert.data.kinds.answer_spans import AnswerSpan, best_spans, merge_spans
from hf_tinybert.data.kinds.answer_windows import (
    CONTEXT_ENDS,
    CONTEXT_STARTS,
    NO_ANSWER_POSITION,
    encode_questions,
)
from hf_tinybert.data.kinds.definition import (
    ROW_NUMBER,
    Collator,
    KindDefinition,
    Logits,
    Prediction,
    TaskSettings,
)
from hf_tinybert.data.kinds.gold import gold_values, required
from hf_tinybert.data.kinds.windows import WindowCollator, token_logits
from hf_tinybert.data.length_grouping import row_lengths
from hf_tinybert.data.metrics.answers import Squad

__all__ = [
    "LONGEST_ANSWER",
    "N_BEST",
    "QUESTION_ANSWERING",
    "decode_answers",
    "holds_unanswerable",
    "score_answers",
]

LONGEST_ANSWER = 30
"""Tokens of an answer at most, as in BERT's SQuAD runs."""

N_BEST = 20
"""Answers of a row that share its probability, as in BERT's SQuAD runs."""


def decode_answers(logits: Logits, encoded: Dataset, rows: Dataset, settings: TaskSettings) -> list[Prediction]:
    """Gives the best part of the context over all its windows.

    Where questions may have no answer, as the setting says, the answer is empty if no span scores higher than "no
    answer"; that score is the lowest of the row's windows, because a window that does not hold the answer rightly says
    "no answer".

    Args:
        logits: start and end logits, (windows, longest) each, padded at the end.
        encoded: of `encode_questions`.
        rows: raw rows that they come from.
        settings: whether questions may be unanswerable.

    Returns:
        `id`, `answer`, `score` (its share of the probability of the `N_BEST` answers), `start` and `end` in
        characters of the context, the end exclusive; -1 where the answer is empty.

    Raises:
        ValueError: The logits are not those of the encoded rows.
    """
    if not isinstance(logits, tuple) or len(logits) < 2:
        raise ValueError(
            f"expected start and end logits, got {type(logits).__name__}; because an answer is a span; use a model "
            "for question answering."
        )
    start_logits, end_logits = (token_logits(part, encoded, row_lengths(encoded) or ()) for part in logits[:2])
    spans: list[list[AnswerSpan]] = [[] for _ in range(len(rows))]
    no_answer = [math.inf] * len(rows)
    columns = (column_values(encoded, name) for name in (ROW_NUMBER, NO_ANSWER_POSITION, CONTEXT_STARTS, CONTEXT_ENDS))
    for start, end, number, none, starts, ends in zip(start_logits, end_logits, *columns, strict=True):
        spans[number] += best_spans(start, end, starts, ends, LONGEST_ANSWER, N_BEST)
        no_answer[number] = min(no_answer[number], float(start[none]) + float(end[none]))
    return [
        _prediction(row_id, context, merge_spans(found, context, N_BEST), none if settings.unanswerable else None)
        for row_id, context, found, none in zip(
            rows["id"][:], column_values(rows, "context"), spans, no_answer, strict=True
        )
    ]


def score_answers(predictions: Sequence[Prediction], rows: Dataset, settings: TaskSettings) -> dict[str, float]:
    """Gives `f1` and `exact_match`, best over the gold answers of a row and mean over rows, in [0, 100]."""
    true = required(gold_values(rows, "answers"), rows, "answers")
    scores = Squad(keep_in_memory=True).compute(
        predictions=[{"id": each["id"], "prediction_text": each["answer"]} for each in predictions],
        references=[{"id": row_id, "answers": answers} for row_id, answers in zip(rows["id"][:], true, strict=True)],
    )
    return {"f1": scores["f1"], "exact_match": scores["exact_match"]}


def holds_unanswerable(rows: Dataset) -> bool:
    """Whether one of the rows is known to have no answer, as in SQuAD 2.0."""
    return any(not answers["text"] for answers in gold_values(rows, "answers") or ())


def _collator(tokenizer: PreTrainedTokenizerBase, settings: TaskSettings, seed: int) -> Collator:
    return WindowCollator(tokenizer, [CONTEXT_STARTS, CONTEXT_ENDS, NO_ANSWER_POSITION])


def _prediction(row_id: str, context: str, spans: Sequence[AnswerSpan], no_answer: float | None) -> Prediction:
    scores = np.array([span.score for span in spans] + ([] if no_answer is None else [no_answer]))
    if not len(scores):
        return {"id": row_id, "answer": "", "score": 0.0, "start": -1, "end": -1}
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    if not spans or (no_answer is not None and no_answer > spans[0].score):
        return {"id": row_id, "answer": "", "score": rounded(shares[-1]), "start": -1, "end": -1}
    best = spans[0]
    return {
        "id": row_id,
        "answer": context[best.start : best.end],
        "score": rounded(shares[0]),
        "start": best.start,
        "end": best.end,
    }


QUESTION_ANSWERING = KindDefinition(
    head="ForQuestionAnswering",
    problem_type=None,
    columns=("id", "question", "context"),
    label_columns=("answers",),
    metrics=("f1", "exact_match"),
    encode=encode_questions,
    collator=_collator,
    decode=decode_answers,
    score=score_answers,
    windows=True,
)

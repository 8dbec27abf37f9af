"""Scores of answers that are parts of a text, as SQuAD defines them."""

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

__all__ = ["Squad", "answer_f1", "answer_words"]

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


class Squad(evaluate.Metric):
    """Exact match and F1 of words, best over the true answers of a question and mean over questions, in [0, 100].

    Called as `evaluate.load("squad")` would be: a prediction has `id` and `prediction_text`, a reference `id` and
    `answers` with `text` and `answer_start`. Beyond that one, a question without a true answer is right where the
    prediction is empty, as in SQuAD 2.0.

    Source: the evaluation of SQuAD 1.1 and 2.0 (Rajpurkar et al. 2016 and 2018), rewritten.
    """

    def _info(self) -> evaluate.MetricInfo:
        text, place = datasets.Value("string"), datasets.Value("int64")
        answers = {"text": datasets.List(text), "answer_start": datasets.List(place)}
        return evaluate.MetricInfo(
            description="Exact match and F1 of the words of answers.",
            citation="",
            inputs_description="predictions: id, prediction_text; references: id, answers (text, answer_start).",
            features=datasets.Features(
                {
                    "predictions": {"id": text, "prediction_text": text},
                    "references": {"id": text, "answers": answers},
                }
            ),
        )

    def _compute(self, predictions: list[dict[str, Any]], references: list[dict[str, Any]]) -> dict[str, float]:
        exact, f1 = 0.0, 0.0
        for number, (prediction, reference) in enumerate(zip(predictions, references, strict=True)):
            if prediction["id"] != reference["id"]:
                raise ValueError(
                    f"expected the prediction for `{reference['id']}` in row {number + 1:,}, got the one for "
                    f"`{prediction['id']}`; because answers are compared in order; give them in the order of the rows."
                )
            true = reference["answers"]["text"] or [""]
            predicted = answer_words(prediction["prediction_text"])
            exact += max(float(predicted == answer_words(each)) for each in true)
            f1 += max(answer_f1(predicted, answer_words(each)) for each in true)
        rows = max(len(predictions), 1)
        return {"exact_match": 100.0 * exact / rows, "f1": 100.0 * f1 / rows}


def answer_words(answer: str) -> list[str]:
    """Gives the words that count: lower case, without ASCII punctuation and the articles a, an, the."""
    return _ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split()


def answer_f1(predicted: Sequence[str], true: Sequence[str]) -> float:
    """Gives the F1 of two bags of words, in [0, 1]; where one is empty, 1 if both are."""
    if not predicted or not true:
        return float(not predicted and not true)
    shared = (Counter(predicted) & Counter(true)).total()
    return 2.0 * shared / (len(predicted) + len(true))

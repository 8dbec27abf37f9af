"""Scores of entities that IOB2 tags mark."""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

__all__ = ["OUTSIDE", "Seqeval", "find_entities", "is_iob2"]

OUTSIDE = "O"
"""Tag of a word that belongs to no entity."""


class Seqeval(evaluate.Metric):
    """Precision, recall and F1 of entities whose limits and type are both right, in [0, 1].

    Called as `evaluate.load("seqeval")` would be, and answers with the same names: `overall_precision`,
    `overall_recall`, `overall_f1`, `overall_accuracy` (over words), and for each type `precision`, `recall`, `f1` and
    `number` of true entities. Different from there: the mode is always strict and the scheme IOB2, so that a run of
    `I-` tags without a `B-` before it is no entity.
    """

    def _info(self) -> evaluate.MetricInfo:
        tags = datasets.List(datasets.Value("string"))
        return evaluate.MetricInfo(
            description="Precision, recall and F1 of entities, strict IOB2.",
            citation="",
            inputs_description="predictions, references: a list of tags (string) per row.",
            features=datasets.Features({"predictions": tags, "references": tags}),
        )

    def _compute(self, predictions: list[list[str]], references: list[list[str]]) -> dict[str, Any]:
        from seqeval.metrics import accuracy_score
        from seqeval.metrics.v1 import precision_recall_fscore_support
        from seqeval.scheme import IOB2, Entities

        for number, (predicted, true) in enumerate(zip(predictions, references, strict=True)):
            if len(predicted) != len(true):
                raise ValueError(
                    f"expected a prediction for each of {len(true)} tags in row {number + 1:,}, got {len(predicted)}; "
                    "because entities are compared by their positions; give one tag for each word."
                )
        count = {"scheme": IOB2, "zero_division": 0}
        types = sorted(Entities(references, IOB2).unique_tags | Entities(predictions, IOB2).unique_tags)
        scores: dict[str, Any] = {}
        if types:
            columns = precision_recall_fscore_support(references, predictions, average=None, **count)
            scores = {
                name: {"precision": float(precision), "recall": float(recall), "f1": float(f1), "number": int(number)}
                for name, precision, recall, f1, number in zip(types, *columns, strict=True)
            }
        precision, recall, f1, _ = precision_recall_fscore_support(references, predictions, average="micro", **count)
        scores |= {"overall_precision": float(precision), "overall_recall": float(recall), "overall_f1": float(f1)}
        scores["overall_accuracy"] = float(accuracy_score(references, predictions))
        return scores


def is_iob2(labels: Sequence[str]) -> bool:
    """Whether tag names mark entities in IOB2: `O`, `B-` and a type at its first word, `I-` and the type after it."""
    marks = [name for name in labels if name != OUTSIDE]
    return (
        OUTSIDE in labels
        and bool(marks)
        and all(name[:2] in ("B-", "I-") and len(name) > 2 for name in marks)
        and {name[2:] for name in marks if name.startswith("I-")}
        <= {name[2:] for name in marks if name.startswith("B-")}
    )


def find_entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Gives type, start and end (exclusive, word positions) of every entity, as the strict scores count them."""
    entities: list[tuple[str, int, int]] = []
    position = 0
    while position < len(tags):
        start, position = position, position + 1
        if not tags[start].startswith("B-"):
            continue
        kind = tags[start][2:]
        while position < len(tags) and tags[position] == f"I-{kind}":
            position += 1
        entities.append((kind, start, position))
    return entities

"""A teacher's answers on a sample of labelled rows, and how good they are against chance."""

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

import torch
from torch import Tensor

from hf_tinybert.distillation.preflight.setup import Rows, Setup, evaluating, spread
from hf_tinybert.distillation.states import IGNORED_LABEL
from hf_tinybert.distillation.task_head import predicts_vocabulary

_BATCH_SIZE = 32


class AnswerKind(StrEnum):
    """What an answer is: one class, any number of labels, or a quantity."""

    CLASS = "class"
    LABELS = "labels"
    QUANTITY = "quantity"


@dataclass(frozen=True)
class Answers:
    """Predictions beside their labels.

    Attributes:
        kind: what an answer is.
        scores: `(answers, classes)`; of a quantity `(answers,)`.
        labels: class ids `(answers,)`, 0/1 `(answers, classes)`, or quantities `(answers,)`.
    """

    kind: AnswerKind
    scores: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Score:
    """How good answers are.

    Attributes:
        name: of the score.
        value: the higher the better.
        chance: what answers without any knowledge reach.
        margin: two standard deviations of chance on as many answers.
    """

    name: str
    value: float
    chance: float
    margin: float


def teacher_answers(setup: Setup) -> Answers | str:
    """The teacher's answers on labelled rows of the evaluation set, else of the training set; or why there are none.

    Reads up to `setup.score_rows` rows, evenly spread, in batches of similar length.

    Raises:
        ValueError: the teacher gives no predictions.
    """
    if setup.score_rows < 1:
        return "left out"
    dataset = _labelled(setup)
    if dataset is None:
        return "no labelled rows given"
    rows = spread(len(dataset), setup.score_rows)
    rows.sort(key=lambda row: len(dataset[row].get("input_ids", ())))
    answers: list[Answers] = []
    with evaluating(setup.teacher), torch.no_grad():
        for start in range(0, len(rows), _BATCH_SIZE):
            batch = setup.batch(dataset, rows[start : start + _BATCH_SIZE])
            output = setup.teacher(**setup.teacher_inputs(batch), return_dict=True)
            if output.get("start_logits") is not None:
                ends = _answers(output["end_logits"], batch["end_positions"])
                answers += [_answers(output["start_logits"], batch["start_positions"]), ends]
                continue
            logits = output.get("logits") if output.get("logits") is not None else output.get("prediction_logits")
            if logits is None:
                return f"`{type(setup.teacher).__name__}` gives no predictions"
            if batch.get("labels") is None:
                return "the collator gives no labels"
            if setup.token_map is not None and predicts_vocabulary(setup.teacher):
                logits = logits[..., setup.token_map.to(logits.device)]
            answers.append(_answers(logits, batch["labels"]))
    if not any(len(part.labels) for part in answers):
        return f"all labels are {IGNORED_LABEL}, which counts for none"
    classes = max(part.scores.shape[-1] for part in answers) if answers[0].kind is AnswerKind.CLASS else 0
    scores = [_widened(part.scores, classes) if classes else part.scores for part in answers]
    return Answers(answers[0].kind, torch.cat(scores).cpu(), torch.cat([part.labels for part in answers]).cpu())


def score(answers: Answers) -> Score:
    """Accuracy against the largest class, mean area under the ROC curve against a half, or rank correlation against 0.

    The area also for two classes: a teacher of sentences to keep may never say the rare one, and rank them well.

    Source: standard deviations under chance: binomial; Mann-Whitney, `sqrt((p + n + 1) / (12 p n))`; `1 / sqrt(n - 1)`
    for Spearman's rank correlation.
    """
    if answers.kind is AnswerKind.QUANTITY:
        count = len(answers.labels)
        value = _correlation(_ranks(answers.scores), _ranks(answers.labels))
        return Score("rank correlation", value, 0.0, 2 / sqrt(max(count - 1, 1)))
    if answers.kind is AnswerKind.LABELS:
        return _area_under_curve(answers.scores, answers.labels)
    if answers.scores.shape[-1] == 2 and len(answers.labels.unique()) == 2:
        return _area_under_curve(answers.scores.diff(), answers.labels[:, None])
    count = len(answers.labels)
    chance = float(answers.labels.unique(return_counts=True)[1].max()) / count
    value = int((answers.scores.argmax(-1) == answers.labels).sum()) / count
    return Score("accuracy", value, chance, 2 * sqrt(chance * (1 - chance) / count))


def better_order(answers: Answers) -> dict[int, int] | None:
    """An order of the teacher's classes that fits the labels much better than theirs; None without one.

    The order is found on one half of the answers and judged on the other, so that many classes and few rows do not
    make one up. It must also be better than chance, three standard deviations both.

    Returns:
        The class of the data that each class of the teacher stands for, of the classes that move.
    """
    if answers.kind is not AnswerKind.CLASS:
        return None
    predicted, labels = answers.scores.argmax(-1), answers.labels
    classes = answers.scores.shape[-1]
    if int(labels.max()) >= classes:
        return None
    order = torch.tensor(_greedy_order(predicted[::2], labels[::2], classes))
    held_out, held_labels = predicted[1::2], labels[1::2]
    if len(held_labels) == 0:
        return None
    count = len(held_labels)
    fit = float((order[held_out] == held_labels).float().mean())
    gain = fit - float((held_out == held_labels).float().mean())
    # a teacher that always says the same gains by any order that makes it say the most frequent class
    chance = float(held_labels.unique(return_counts=True)[1].max()) / count
    if gain <= 3 * sqrt(0.25 / count) or fit <= chance + 3 * sqrt(chance * (1 - chance) / count):
        return None
    return {old: new for old, new in enumerate(order.tolist()) if old != new}


def _answers(logits: Tensor, labels: Tensor) -> Answers:
    logits = logits.float()
    if labels.is_floating_point():
        if logits.shape[-1] == 1 or logits.shape != labels.shape:
            return Answers(AnswerKind.QUANTITY, logits.flatten(), labels.flatten().float())
        return Answers(AnswerKind.LABELS, logits, labels)
    if logits.shape == labels.shape:  # yes or no for every class, as integers
        return Answers(AnswerKind.LABELS, logits, labels.float())
    labels = labels.flatten()
    kept = labels != IGNORED_LABEL
    return Answers(AnswerKind.CLASS, logits.flatten(0, -2)[kept], labels[kept])


def _labelled(setup: Setup) -> Rows | None:
    for dataset in (setup.eval_dataset, setup.train_dataset):
        if dataset is None or len(dataset) == 0:
            continue
        batch = setup.batch(dataset, [0])
        if batch.get("labels") is not None or batch.get("start_positions") is not None:
            return dataset
    return None


def _greedy_order(predicted: Tensor, labels: Tensor, classes: int) -> list[int]:
    """The class of the data that each predicted class meets most often, the surest pairs first, each class once."""
    counts = torch.zeros(classes, classes, dtype=torch.long)
    counts.index_put_((predicted, labels), torch.ones_like(labels), accumulate=True)
    order, taken = dict[int, int](), set[int]()
    for cell in counts.flatten().argsort(descending=True, stable=True).tolist():
        old, new = divmod(cell, classes)
        if counts[old, new] > 0 and old not in order and new not in taken:
            order[old] = new
            taken.add(new)
    # classes that were never predicted keep their place, or take what is left
    free = [new for new in range(classes) if new not in taken]
    for old in (old for old in range(classes) if old not in order):
        order[old] = free.pop(free.index(old) if old in free else 0)
    return [order[old] for old in range(classes)]


def _area_under_curve(all_scores: Tensor, all_labels: Tensor) -> Score:
    areas, deviations = list[float](), list[float]()
    for scores, labels in zip(all_scores.T, all_labels.T, strict=True):
        positive = int((labels > 0.5).sum())
        negative = len(labels) - positive
        if not positive or not negative:
            continue
        ranks = float(_ranks(scores)[labels > 0.5].sum())
        areas.append((ranks - positive * (positive + 1) / 2) / (positive * negative))
        deviations.append(sqrt((positive + negative + 1) / (12 * positive * negative)))
    if not areas:
        return Score("area under the ROC curve", 0.5, 0.5, 1.0)
    mean_deviation = sum(deviations) / len(deviations) / sqrt(len(deviations))
    return Score("area under the ROC curve", sum(areas) / len(areas), 0.5, 2 * mean_deviation)


def _ranks(values: Tensor) -> Tensor:
    """Ranks from 1, ties at their mean."""
    _, inverse, counts = values.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0)
    ranks: Tensor = last - (counts - 1) / 2
    return ranks[inverse]


def _correlation(left: Tensor, right: Tensor) -> float:
    """Pearson's correlation; 0 where one side does not vary."""
    left, right = left - left.mean(), right - right.mean()
    scale = float(left.norm() * right.norm())
    return float(left @ right) / scale if scale > 0 else 0.0


def _widened(scores: Tensor, classes: int) -> Tensor:
    """Answer positions of a shorter batch, brought to the width of the longest."""
    missing = classes - scores.shape[-1]
    return torch.nn.functional.pad(scores, (0, missing), value=-torch.inf) if missing else scores


__all__ = ["AnswerKind", "Answers", "Score", "better_order", "score", "teacher_answers"]

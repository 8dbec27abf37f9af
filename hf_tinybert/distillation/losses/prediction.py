"""Terms that compare predictions: the student's logits with the teacher's, or with gold labels.

Classes at -inf, such as padded positions of question answering, take no part; values and gradients stay finite.
"""

from enum import StrEnum

import torch
from torch import Tensor
from torch.nn import functional

from hf_tinybert.distillation.losses.reduction import Reduction, in_float32, mean_over_valid

IGNORED_LABEL = -100  # as in transformers
# Logits at least this wide are narrowed to the counted predictions before the cast to float32: a vocabulary of 30k
# makes every copy of the padding expensive, a handful of classes does not
SELECTED_FROM_CLASSES = 1024


class ProblemType(StrEnum):
    """What gold labels say.

    `single_label`: one class of each prediction; `multi_label`: yes or no for every class; `regression`: a number;
    `span`: start and end position of an answer, classes being the positions of the text; `embedding`: nothing, as a
    vector of a text has no gold value; `vector`: likewise, of one whose length counts.
    """

    SINGLE_LABEL = "single_label"
    MULTI_LABEL = "multi_label"
    REGRESSION = "regression"
    SPAN = "span"
    EMBEDDING = "embedding"
    VECTOR = "vector"


@in_float32
def prediction_loss(
    student: Tensor,
    teacher: Tensor,
    mask: Tensor | None = None,
    *,
    temperature: float = 1.0,
    reduction: Reduction = Reduction.MEAN,
) -> Tensor:
    """Soft cross-entropy between teacher and student predictions.

    `L_pred = -softmax(z_teacher / T) . log_softmax(z_student / T)`, summed over classes, averaged over valid
    predictions and multiplied by T^2, so that gradients keep their size at any temperature.

    Args:
        student: logits, `(..., classes)`; a class at -inf is left out.
        teacher: logits, `(..., classes)`.
        mask: `(...)`, non-zero where a prediction counts; None counts all.
        temperature: T > 0.
        reduction: `reference` averages over classes too, counts masked predictions and has no T^2.

    Returns:
        `()`, float32.

    Raises:
        ValueError: the shapes differ or `temperature` is not positive.

    Source: TinyBERT, equation 10; T^2 as in Hinton et al. 2015, section 2.
    """
    _check_logits(student, teacher, temperature)
    if reduction is Reduction.REFERENCE:
        return (-_soft_target(teacher, temperature).exp() * _log_probabilities(student, temperature)).mean()
    student, teacher, mask = _counted(student, teacher, mask)
    target = _soft_target(teacher, temperature).exp()
    return _mean(-(target * _log_probabilities(student, temperature)).sum(-1), mask, temperature)


@in_float32
def prediction_kl_loss(
    student: Tensor, teacher: Tensor, mask: Tensor | None = None, *, temperature: float = 1.0
) -> Tensor:
    """Kullback-Leibler divergence of the student's predictions from the teacher's.

    `KL(softmax(z_teacher / T) || softmax(z_student / T)) T^2`, averaged over valid predictions: `prediction_loss` less
    the teacher's entropy, with the same gradient and zero where both agree.

    Args:
        student: logits, `(..., classes)`; a class at -inf is left out.
        teacher: logits, `(..., classes)`.
        mask: `(...)`, non-zero where a prediction counts; None counts all.
        temperature: T > 0.

    Returns:
        `()`, float32.

    Raises:
        ValueError: the shapes differ or `temperature` is not positive.

    Source: Hinton et al. 2015, section 2; the form of DistilBERT's `L_ce`.
    """
    _check_logits(student, teacher, temperature)
    student, teacher, mask = _counted(student, teacher, mask)
    target_log = _soft_target(teacher, temperature)
    log_probabilities = _log_probabilities(student, temperature)
    open_log = target_log.masked_fill(torch.isneginf(student), 0.0)
    return _mean((target_log.exp() * (open_log - log_probabilities)).sum(-1), mask, temperature)


@in_float32
def logits_mse_loss(student: Tensor, teacher: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared error between logits, averaged over classes, then over valid predictions.

    Args:
        student: logits, `(..., classes)`; a class at -inf on either side is left out.
        teacher: logits, `(..., classes)`.
        mask: `(...)`, non-zero where a prediction counts; None counts all.

    Returns:
        `()`, float32.

    Raises:
        ValueError: the shapes differ.

    Source: Ba and Caruana 2014, equation 1 (there with a factor 1/2).
    """
    _check_logits(student, teacher)
    student, teacher, mask = _counted(student, teacher, mask)
    closed = torch.isneginf(student) | torch.isneginf(teacher)
    error = student.float().masked_fill(closed, 0.0) - teacher.detach().float().masked_fill(closed, 0.0)
    return _mean(error.square().sum(-1) / (~closed).sum(-1).clamp(min=1), mask)


@in_float32
def multi_label_prediction_loss(
    student: Tensor, teacher: Tensor, mask: Tensor | None = None, *, temperature: float = 1.0
) -> Tensor:
    """Binary cross-entropy of every label against the teacher's probability of it.

    `BCE(sigmoid(z_student / T), sigmoid(z_teacher / T)) T^2`, averaged over labels and valid predictions.

    Args:
        student: logits, `(..., labels)`.
        teacher: logits, `(..., labels)`.
        mask: `(...)`, non-zero where a prediction counts; None counts all.
        temperature: T > 0.

    Returns:
        `()`, float32.

    Raises:
        ValueError: the shapes differ or `temperature` is not positive.

    Source: Hinton et al. 2015, section 2, label by label.
    """
    _check_logits(student, teacher, temperature)
    target = torch.sigmoid(_tempered(teacher.detach(), temperature))
    closed = torch.isneginf(student)
    logits = _tempered(student, temperature).masked_fill(closed, 0.0)
    per_label = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").masked_fill(closed, 0.0)
    return _mean(per_label.sum(-1) / (~closed).sum(-1).clamp(min=1), mask, temperature)


@in_float32
def regression_prediction_loss(student: Tensor, teacher: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared error between the student's and the teacher's values, averaged over values and valid predictions.

    Args:
        student: `(..., values)`, one value for most tasks.
        teacher: `(..., values)`.
        mask: `(...)`, non-zero where a prediction counts; None counts all.

    Returns:
        `()`, float32.

    Raises:
        ValueError: the shapes differ.
    """
    _check_logits(student, teacher)
    return _mean((student.float() - teacher.detach().float()).square().mean(-1), mask)


@in_float32
def label_loss(
    student: Tensor,
    labels: Tensor,
    *,
    problem: ProblemType,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """The task's own loss against gold labels.

    Cross-entropy for `single_label` and `span`, binary cross-entropy averaged over labels for `multi_label`, mean
    squared error for `regression`. Labels of -100 do not count (but for regression, where it is a number); neither do
    answers outside the text's tokens and classes at -inf.

    Args:
        student: logits, `(..., classes)`; `span`: `(batch, 2, seq_len)`; `regression`: `(..., values)`, where a single
            value may lack in `labels`.
        labels: int, `(...)`; `span`: `(batch, 2)`; `multi_label`: 0 or 1, `(..., classes)`; `regression`: float.
        problem: what the labels say.
        class_weights: `(classes,)`, for `single_label`; the loss is then the weighted mean.
        label_smoothing: share of the target spread evenly over classes, at least 0 and below 1; not with
            `multi_label` and `regression`.

    Returns:
        `()`, float32.

    Raises:
        RuntimeError: a class id that is none, such as the -1 of test sets without labels.
        ValueError: the shapes do not belong together, the problem has no labels, or weights or smoothing were given to
            a problem without them.
    """
    _check_options(problem, class_weights, label_smoothing)
    if problem in (ProblemType.EMBEDDING, ProblemType.VECTOR):
        raise ValueError(
            f"expected a problem with labels, got `{problem}`; because no label says what a text's vector is; leave "
            "`label_loss` out: the teacher's embeddings are the target"
        )
    if problem == ProblemType.REGRESSION:
        values = student.squeeze(-1) if student.dim() == labels.dim() + 1 and student.shape[-1] == 1 else student
        _check_labels(values.shape, labels, problem)
        return (values.float() - labels.float()).square().mean()
    if problem == ProblemType.MULTI_LABEL:
        _check_labels(student.shape, labels, problem)
        counted = (labels != IGNORED_LABEL) & ~torch.isneginf(student)
        logits, targets = student.float().masked_fill(~counted, 0.0), labels.float().masked_fill(~counted, 0.0)
        return mean_over_valid(functional.binary_cross_entropy_with_logits(logits, targets, reduction="none"), counted)
    _check_labels(student.shape[:-1], labels, problem)
    classes = student.shape[-1]
    if class_weights is not None and class_weights.shape != (classes,):
        raise ValueError(f"expected `class_weights` of shape {(classes,)}, got {tuple(class_weights.shape)}")
    if problem == ProblemType.SPAN:
        labels = labels.masked_fill((labels < 0) | (labels >= classes), IGNORED_LABEL)
    return _cross_entropy(student, labels, class_weights, label_smoothing)


@in_float32
def masked_lm_loss(student: Tensor, labels: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of a masked language model, averaged over labelled positions.

    Args:
        student: logits, `(batch, seq_len, vocab)`, of which only labelled rows are cast to float32; or
            `(chosen positions, vocab)`.
        labels: int, `(batch, seq_len)` or `(chosen positions,)`, -100 where nothing was masked.
        label_smoothing: share of the target spread evenly over the vocabulary, at least 0 and below 1.

    Returns:
        `()`, float32; zero without any labelled position.

    Raises:
        ValueError: the shapes do not belong together, or a smoothing that is none.

    Source: BERT (Devlin et al. 2019), section 3.1.
    """
    _check_smoothing(label_smoothing)
    _check_labels(student.shape[:-1], labels, "masked_lm")
    labelled = labels != IGNORED_LABEL
    if labels.dim() > 1:  # to choose rows, the device has to be waited for
        student, labels = student[labelled], labels[labelled]
    total = functional.cross_entropy(
        student.float(), labels, ignore_index=IGNORED_LABEL, reduction="sum", label_smoothing=label_smoothing
    )
    return total / labelled.sum().clamp(min=1)


def _cross_entropy(student: Tensor, labels: Tensor, class_weights: Tensor | None, label_smoothing: float) -> Tensor:
    """Stock weighted and smoothed cross-entropy, but over open classes only."""
    log_probabilities = _log_probabilities(student, temperature=1.0)
    closed = torch.isneginf(student)
    target = labels.masked_fill(labels == IGNORED_LABEL, 0)[..., None]  # -1 stays out of range, as in the stock loss
    counted = (labels != IGNORED_LABEL) & ~closed.gather(-1, target).squeeze(-1)
    per_label = -log_probabilities.gather(-1, target).squeeze(-1)
    if class_weights is None:
        class_weights = log_probabilities.new_ones(student.shape[-1])
    label_weights = class_weights.float()[target.squeeze(-1)] * counted
    smooth = -(log_probabilities * class_weights).sum(-1) / (~closed).sum(-1).clamp(min=1)
    total = (1 - label_smoothing) * (per_label * label_weights).sum() + label_smoothing * (smooth * counted).sum()
    return total / torch.where(label_weights.sum() > 0, label_weights.sum(), 1.0)


def _log_probabilities(student: Tensor, temperature: float) -> Tensor:
    """Log-probabilities in float32, zero at classes that are left out; the gradient there is zero too."""
    closed = torch.isneginf(student)
    logits = _tempered(student, temperature).masked_fill(closed, torch.finfo(torch.float32).min)
    return functional.log_softmax(logits, dim=-1).masked_fill(closed, 0.0)


def _soft_target(teacher: Tensor, temperature: float) -> Tensor:
    """The teacher's log-probabilities in float32, finite everywhere."""
    logits = _tempered(teacher.detach(), temperature)
    return functional.log_softmax(logits.clamp(min=torch.finfo(torch.float32).min), dim=-1)


def _counted(student: Tensor, teacher: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Logits and mask, of wide logits only the rows that count."""
    if mask is None or student.shape[-1] < SELECTED_FROM_CLASSES:
        return student, teacher, mask
    counted = mask != 0
    return student[counted], teacher[counted], None


def _mean(per_prediction: Tensor, mask: Tensor | None, temperature: float = 1.0) -> Tensor:
    """Over the predictions that count, times T^2; zero without any."""
    count = max(per_prediction.numel(), 1)
    mean = per_prediction.sum() / count if mask is None else mean_over_valid(per_prediction, mask)
    return mean if temperature == 1 else mean * temperature**2


def _tempered(logits: Tensor, temperature: float) -> Tensor:
    """Logits in float32 over T."""
    return logits.float() if temperature == 1 else logits.float() / temperature


def _check_logits(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> None:
    if student.shape != teacher.shape:
        raise ValueError(
            f"expected logits of one shape, got student {tuple(student.shape)} and teacher {tuple(teacher.shape)}; "
            "because classes are compared one by one; give the student the teacher's label names"
        )
    if temperature <= 0:
        raise ValueError(f"expected a positive temperature, got {temperature}")


def _check_labels(expected: torch.Size, labels: Tensor, problem: str) -> None:
    if labels.shape != expected:
        raise ValueError(
            f"expected labels of shape {tuple(expected)} for `{problem}`, got {tuple(labels.shape)}; because each "
            "prediction is compared with its own label"
        )


def _check_smoothing(label_smoothing: float) -> None:
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"expected `label_smoothing` of at least 0 and below 1, got {label_smoothing}")


def _check_options(problem: ProblemType, class_weights: Tensor | None, label_smoothing: float) -> None:
    _check_smoothing(label_smoothing)
    if class_weights is not None and problem != ProblemType.SINGLE_LABEL:
        raise ValueError(
            f"expected no `class_weights` for `{problem}`, got some; because only classes that exclude each other are "
            "weighted; leave them out"
        )
    if label_smoothing and problem not in (ProblemType.SINGLE_LABEL, ProblemType.SPAN):
        raise ValueError(
            f"expected `label_smoothing` of 0 for `{problem}`, got {label_smoothing}; because it spreads the target "
            "over classes that exclude each other; leave it out"
        )


__all__ = [
    "IGNORED_LABEL",
    "SELECTED_FROM_CLASSES",
    "ProblemType",
    "label_loss",
    "logits_mse_loss",
    "masked_lm_loss",
    "multi_label_prediction_loss",
    "prediction_kl_loss",
    "prediction_loss",
    "regression_prediction_loss",
]

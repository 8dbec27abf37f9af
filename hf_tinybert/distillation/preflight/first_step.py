"""Checks of the losses before the first step: one batch through both models.

Two bounds come from the objective itself, whatever its terms: a student that answers exactly as its teacher (`floor`),
and one whose states and predictions are all zero, which knows nothing (`silent`): for errors that is the teacher's
mean square, for cross-entropies the logarithm of the number of classes. A student that starts from its teacher lies
between the two, a random one near the second.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hf_tinybert.distillation.attention import AttentionRecord, AttentionScores
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.preflight.report import Check, Status, skipped
from hf_tinybert.distillation.preflight.setup import Rows, Setup, spread
from hf_tinybert.distillation.states import DistillationStates
from hf_tinybert.distillation.terms import Reads, Term

_BATCH_SIZE = 8
_FACTOR = 3.0  # over a silent student: a random one has the variance of its own answers on top of the teacher's
_NEARLY = 0.9  # of a silent student's attention term: 1.0 at a random start, 0.1 to 0.3 at those that were tried
_HEAVY = 10.0  # times the predictions: rotten_tomatoes is at chance for 1.4 passes at 30, 1.0 at 3, 0.7 without
_NOTHING = 1e-6
_UNSURE = 1e-5  # of a cross-entropy in float32
_GENTLER = (
    'start the student by `initialize_from_teacher`, or take `recipe="tinybert-scratch"` or a lower factor of '
    "`attention_scores_loss`"
)
_LABEL_TERMS = frozenset({Term.LABEL, Term.MASKED_LM})


class TermStart(NamedTuple):
    """One term before the first step.

    Attributes:
        value: of the student.
        floor: of a student that answers as its teacher; None where it cannot be had.
        silent: of a student whose states are all zero; None where it cannot be had.
    """

    value: float
    floor: float | None
    silent: float | None


def first_losses(setup: Setup, objective: DistillationObjective) -> dict[str, TermStart]:
    """Every term of an objective on one batch of up to 8 rows, with its bounds.

    Raises:
        ValueError: there are no rows, or the states cannot be compared.
    """
    dataset = _dataset(setup)
    if dataset is None:
        raise ValueError("expected tokenised rows, got none; give a training set")
    inputs = setup.batch(dataset, spread(len(dataset), _BATCH_SIZE))
    student, teacher = setup.forward(objective, inputs)
    learned = objective.learned_mapping is not None
    # a learned mapping keeps count of its weights, in which these batches have no place
    objective = replace(objective, learned_mapping=copy.deepcopy(objective.learned_mapping))
    with torch.no_grad():
        values = _floats(objective.losses(student, teacher))
        floor = {} if learned else _if_possible(lambda: objective.losses(_speaking_as(student, teacher), teacher))
        silent = _if_possible(lambda: objective.losses(_silenced(student), teacher))
    return {name: TermStart(value, floor.get(name), silent.get(name)) for name, value in values.items()}


def check_first_losses(setup: Setup) -> tuple[Check, ...]:
    """The losses of every phase's first batch, a row each: NaN, nothing to learn, or far more than nothing known."""
    if _dataset(setup) is None:
        return (skipped("losses at step 0", "no tokenised rows given"),)
    return tuple(
        _check_phase(setup, objective, f"losses at step 0{_number(setup, position)}")
        for position, objective in enumerate(setup.objectives)
    )


def check_mean_loss(setup: Setup) -> Check:
    """A loss that grows with the batch: a row twice must cost what it costs once, or accumulation is not a batch."""
    name, dataset = "batch mean", _dataset(setup)
    if dataset is None:
        return skipped(name, "no tokenised rows given")
    for objective in setup.objectives:
        try:
            row = setup.batch(dataset, [0])  # once: a collator may draw masks
            once, twice = (_floats(_losses(setup, objective, row, copies)) for copies in (1, 2))
        except (ValueError, IndexError, RuntimeError) as error:
            return skipped(name, f"no forward: {error}")
        for term, value in once.items():
            # half precision keeps 3 digits
            if abs(twice[term] - value) > 1e-2 * max(abs(value), _NOTHING):
                return Check(
                    name,
                    Status.FAIL,
                    f"expected `{term}` to be a mean over the batch, got {value:.4g} for a row and {twice[term]:.4g} "
                    "for the same row twice; because two batches of 1 would train otherwise than one of 2",
                    "divide the term by the rows, tokens or pairs it sums over",
                )
    return Check(name, Status.OK, "the same row twice costs as much as once: 2 x 1 accumulated is 1 x 2")


def _check_phase(setup: Setup, objective: DistillationObjective, name: str) -> Check:
    try:
        starts = first_losses(setup, objective)
    except (ValueError, IndexError, RuntimeError) as error:
        return Check(
            name,
            Status.FAIL,
            f"expected losses of one batch, got {type(error).__name__}: {error}; because a forward or a comparison "
            "failed",
            "see the checks above",
        )
    found = ", ".join(f"{term} {_shown(start)}" for term, start in starts.items())
    for term, start in starts.items():
        problem = None if _has_embeddings_of_teacher(term, starts) else _problem(term, start)
        if problem is not None:
            status, why, cure = problem
            return Check(name, status, f"{why}; {found}", cure)
    heavy = _heavy_attention(objective, starts)
    if heavy is not None:
        return Check(name, Status.WARN, f"{heavy}; {found}", _GENTLER)
    return Check(name, Status.OK, found)


def _has_embeddings_of_teacher(term: str, starts: Mapping[str, TermStart]) -> bool:
    """Whether only the states behind the embeddings are to be learned, as where a student has its teacher's layers."""
    hidden = starts.get(Term.HIDDEN_STATES)
    return term == Term.EMBEDDING and starts[term].value <= _NOTHING and hidden is not None and hidden.value > _NOTHING


def _heavy_attention(objective: DistillationObjective, starts: Mapping[str, TermStart]) -> str | None:
    """Why predictions would be learned late: beside them, a student that attends to nothing learns to attend."""
    attention = starts.get(Term.ATTENTION_SCORES)
    if attention is None or attention.silent is None or attention.value < _NEARLY * attention.silent:
        return None
    weights = objective.weights_at(0.0)
    own = weights[str(Term.ATTENTION_SCORES)] * attention.value
    predictions = sum(
        weights[name] * start.value for name, start in starts.items() if objective.reads_of(name) & Reads.LOGITS
    )
    if not predictions or own <= _HEAVY * predictions:
        return None
    return (
        f"expected the attention term up to {_HEAVY:g} x the predictions' at a random start, got {own:.4g} and "
        f"{predictions:.4g}; because a student stays at chance the longer the more it weighs"
    )


def _problem(term: str, start: TermStart) -> tuple[Status, str, str] | None:
    value, floor, silent = start
    if not torch.isfinite(torch.tensor(value)):
        why = f"expected a finite `{term}`, got {value}; because every gradient would be NaN"
        return Status.FAIL, why, "look for NaN or overflow in the weights, and train in bf16 or float32, not fp16"
    if floor is None or silent is None or term in _LABEL_TERMS:
        return None
    if abs(value - floor) <= _NOTHING * max(abs(silent - floor), _NOTHING):
        why, cure = "student and teacher are the same, or nothing was captured", "check that they are different models"
        if floor and silent - floor <= _UNSURE * floor:  # of states the floor is 0
            why, cure = (
                "the teacher's own answers are those of a model that knows nothing",
                "fine-tune the teacher first",
            )
        got = f"{value:.4g}, what the teacher itself would score"
        return Status.WARN, f"expected something to learn in `{term}`, got {got}; because {why}", cure
    if value - floor > _FACTOR * (silent - floor):
        why = (
            f"expected `{term}` up to {_FACTOR:g} x {silent:.4g}, what a student that knows nothing has, got "
            f"{value:.4g}; because the student's states are far larger than its teacher's"
        )
        cure = "start the student by `initialize_from_teacher`, and pass its result as `initialization`"
        return Status.WARN, why, cure
    return None


def _losses(
    setup: Setup, objective: DistillationObjective, row: Mapping[str, Tensor], copies: int
) -> dict[str, Tensor]:
    repeated = {name: torch.cat([tensor] * copies) for name, tensor in row.items()}
    with torch.no_grad():
        states = setup.forward(objective, repeated)
        return replace(objective, learned_mapping=copy.deepcopy(objective.learned_mapping)).losses(*states)


def _speaking_as(student: DistillationStates, teacher: DistillationStates) -> DistillationStates:
    """The student's batch with the teacher's states."""
    return replace(
        student,
        hidden_states=teacher.hidden_states,
        own_hidden_states=teacher.hidden_states,
        attentions=teacher.attentions,
        logits=teacher.logits,
    )


def _silenced(states: DistillationStates) -> DistillationStates:
    """The same batch with states of zero; impossible positions stay so."""
    logits = states.logits
    return replace(
        states,
        hidden_states=_silent_states(states.hidden_states),
        own_hidden_states=_silent_states(states.own_hidden_states),
        attentions=tuple(_silent_attention(entry) for entry in states.attentions),
        logits=None if logits is None else logits.masked_fill(~torch.isneginf(logits), 0.0),
    )


def _silent_states(states: Iterable[Tensor | None]) -> tuple[Tensor | None, ...]:
    return tuple(None if state is None else torch.zeros_like(state) for state in states)


def _silent_attention(entry: object) -> Any:  # noqa: ANN401 (a record, a score map or None, as it came)
    if isinstance(entry, AttentionRecord):
        return entry._replace(
            query=torch.zeros_like(entry.query),
            key=torch.zeros_like(entry.key),
            value=None if entry.value is None else torch.zeros_like(entry.value),
        )
    return AttentionScores(torch.zeros_like(entry.scores)) if isinstance(entry, AttentionScores) else None


def _if_possible(losses: Callable[[], Mapping[str, Tensor]]) -> dict[str, float]:
    """A bound, or nothing where the terms cannot take such a student (learned mappings, custom terms)."""
    try:
        return _floats(losses())
    except (ValueError, IndexError, RuntimeError, TypeError):
        return {}


def _floats(losses: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: float(loss) for name, loss in losses.items()}


def _shown(start: TermStart) -> str:
    silent = "" if start.silent is None else f" (knowing nothing: {start.silent:.4g})"
    return f"{start.value:.4g}{silent}"


def _number(setup: Setup, position: int) -> str:
    return f", phase {position + 1}" if len(setup.objectives) > 1 else ""


def _dataset(setup: Setup) -> Rows | None:
    for dataset in (setup.train_dataset, setup.eval_dataset):
        if dataset is not None and len(dataset) > 0:
            return dataset
    return None


__all__ = ["TermStart", "check_first_losses", "check_mean_loss", "first_losses"]

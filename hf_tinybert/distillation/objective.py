"""What is compared, where, at what weight and when: aligned states in, named losses out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import gcd
from typing import TypeVar

import torch
from torch import Tensor

from hf_tinybert.distillation.attention import Attention, AttentionScores
from hf_tinybert.distillation.learned_mapping import LearnedMapping
from hf_tinybert.distillation.losses import (
    AttentionForm,
    ProblemType,
    Reduction,
    Vectors,
    attention_probabilities_loss,
    attention_scores_loss,
    hidden_cosine_loss,
    hidden_states_loss,
    label_loss,
    logits_mse_loss,
    masked_lm_loss,
    multi_label_prediction_loss,
    normalized_hidden_states_loss,
    prediction_kl_loss,
    prediction_loss,
    regression_prediction_loss,
    relations_loss,
    sentence_embedding_loss,
)
from hf_tinybert.distillation.schedules import ScheduleKind, WeightSchedule, parse_weight
from hf_tinybert.distillation.states import DistillationStates, StateRequest
from hf_tinybert.distillation.terms import LABEL_TERMS, MAPPED_STATES, CustomTerm, Reads, Term, reads_of

_MOST_RELATION_HEADS = 48  # MiniLMv2's choice for a base-size teacher; more heads are finer relations
_State = TypeVar("_State")


_HIDDEN_STATE_LOSSES = {
    Term.HIDDEN_COSINE: hidden_cosine_loss,
    Term.NORMALIZED_HIDDEN_STATES: normalized_hidden_states_loss,
}
_RELATIONS = {
    Term.QUERY_RELATIONS: Vectors.QUERY,
    Term.KEY_RELATIONS: Vectors.KEY,
    Term.VALUE_RELATIONS: Vectors.VALUE,
}
_LEARNED = frozenset({Term.HIDDEN_STATES, Term.ATTENTION_SCORES})


@dataclass(frozen=True)
class DistillationObjective:
    """The weighted sum of the terms of one phase.

    `L = sum_k w_k(progress) sum_m L_k(m)`: a term is summed over the student layers `m` it compares, as in the paper;
    a weight may change with the progress of the phase.

    Attributes:
        weights: the terms that are computed and their factors; what `parse_weight` reads will do.
        layers: student layers that a term of hidden states, attention or relations compares, from 1, negative from
            the end; all for a term that is not named.
        temperature: of the prediction terms.
        reduction: of the terms of TinyBERT.
        attention_form: of the attention-scores term.
        relation_heads: heads of the relation terms; 0 takes the most up to 48 that divide both widths.
        problem: what the labels are; decides the label term.
        label_smoothing: of the label term with exclusive classes, 0 to 1.
        learned_mapping: weighs teacher layers in place of a fixed mapping, for hidden states and attention scores;
            the teacher's states are then all of its layers.
        custom_terms: terms of one's own, weighted under their names.

    Raises:
        ValueError: a weight without a term, a custom term that takes a built-in name or that is given twice.

    Source: TinyBERT, equations 6 and 11.
    """

    weights: Mapping[str, WeightSchedule]
    layers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    temperature: float = 1.0
    reduction: Reduction = Reduction.MEAN
    attention_form: AttentionForm = AttentionForm.AUTO
    relation_heads: int = 0
    problem: ProblemType = ProblemType.SINGLE_LABEL
    label_smoothing: float = 0.0
    learned_mapping: LearnedMapping | None = None
    custom_terms: tuple[CustomTerm, ...] = ()

    def __post_init__(self) -> None:
        """Parse the weights and check the names."""
        parsed = {str(name): parse_weight(weight) for name, weight in self.weights.items()}
        object.__setattr__(self, "weights", {name: weight for name, weight in parsed.items() if not weight.is_zero})
        custom = [term.name for term in self.custom_terms]
        if len(set(custom)) != len(custom) or set(custom) & set(Term):
            raise ValueError(f"expected custom terms with names of their own, got {custom}")
        unknown = sorted(name for name in self.weights if name not in set(Term) and name not in custom)
        if unknown:
            raise ValueError(f"expected weights of {', '.join([*Term, *custom])}, got {', '.join(unknown)}")
        if self.learned_mapping is not None and self.reduction is Reduction.REFERENCE:
            raise ValueError(
                "expected the reduction `mean` with a learned layer mapping, got `reference`; because the published "
                "code has no learned mapping whose arithmetic could be followed; choose `mean`"
            )
        if self.learned_mapping is not None:
            single = sorted(
                name for name in self.weights if self.reads_of(name) & MAPPED_STATES and name not in _LEARNED
            )
            if single:
                raise ValueError(
                    f"expected a fixed layer mapping with {', '.join(single)}, got a learned one; because these terms "
                    "compare one teacher layer with each student layer; choose `uniform` or name the layers"
                )

    def reads_of(self, name: str) -> Reads:
        """What a term reads."""
        custom = {term.name: term.reads for term in self.custom_terms}
        return custom[name] if name in custom else reads_of(Term(name))

    @property
    def reads(self) -> Reads:
        """What any term reads."""
        total = Reads(0)
        for name in self.weights:
            total |= self.reads_of(name)
        return total

    @property
    def reads_hidden_states(self) -> bool:
        """Whether any term compares embedding outputs or hidden states."""
        return bool(self.reads & (Reads.EMBEDDING | Reads.HIDDEN_STATES))

    @property
    def reads_attention(self) -> bool:
        """Whether any term compares attention scores, probabilities or relations."""
        return bool(self.reads & (Reads.ATTENTION | Reads.VALUES))

    @property
    def reads_values(self) -> bool:
        """Whether any term reads queries, keys and values themselves, which score maps do not have."""
        return bool(self.reads & Reads.VALUES)

    @property
    def reads_logits(self) -> bool:
        """Whether any term reads predictions."""
        return bool(self.reads & Reads.LOGITS)

    @property
    def reads_labels(self) -> bool:
        """Whether any term reads labels."""
        return bool(self.reads & Reads.LABELS)

    @property
    def reads_teacher(self) -> bool:
        """Whether any term compares with the teacher; the label terms alone do not."""
        return any(name not in LABEL_TERMS for name in self.weights)

    @property
    def compares_predictions(self) -> bool:
        """Whether any term compares the student's predictions with the teacher's."""
        return any(self.reads_of(name) & Reads.LOGITS and name not in LABEL_TERMS for name in self.weights)

    @property
    def counts_labelled_alone(self) -> bool:
        """Whether predictions at positions without a label are in no term, where others have one."""
        custom = any(term.reads & (Reads.LOGITS | Reads.LABELS) for term in self.custom_terms)
        return self.reduction is not Reduction.REFERENCE and not custom

    def request(self, student_layers: int) -> StateRequest:
        """What both forwards must give, in the student's layers.

        Args:
            student_layers: transformer layers of the student.

        Raises:
            ValueError: a term is told to compare a layer that the student does not have.
        """
        hidden_states, attentions = set[int](), set[int]()
        for name in self.weights:
            reads = self.reads_of(name)
            if reads & Reads.EMBEDDING:
                hidden_states.add(0)
            if reads & Reads.HIDDEN_STATES:
                hidden_states |= set(self._layers_of(name, student_layers))
            if reads & (Reads.ATTENTION | Reads.VALUES):
                attentions |= set(self._layers_of(name, student_layers))
        return StateRequest(
            tuple(sorted(hidden_states)), tuple(sorted(attentions)), self.reads_logits, values=self.reads_values
        )

    def teacher_request(self, student_layers: int, mapping: Sequence[int]) -> StateRequest:
        """What the teacher's forward must give, in the teacher's layers.

        Args:
            student_layers: transformer layers of the student.
            mapping: `mapping[student_layer] = teacher_layer`, 0 = embedding output; under a learned mapping all of
                the teacher's layers, which it weighs.
        """
        own = self.request(student_layers)
        if self.learned_mapping is None:
            hidden_states, attentions = own.hidden_states, own.attentions
        else:
            every = range(1, len(mapping))
            hidden_states = (*own.hidden_states[:1], *every) if own.hidden_states[:1] == (0,) else tuple(every)
            hidden_states = hidden_states if self.reads & Reads.HIDDEN_STATES else own.hidden_states
            attentions = tuple(every) if own.attentions else ()
        return StateRequest(
            tuple(mapping[layer] for layer in hidden_states),
            tuple(mapping[layer] for layer in attentions),
            logits=self.compares_predictions,
            values=own.values,
        )

    def losses(self, student: DistillationStates, teacher: DistillationStates) -> dict[str, Tensor]:
        """Every term's unweighted value, `()`, under its name."""
        custom = {term.name: term for term in self.custom_terms}
        return {
            str(name): custom[name].compute(student, teacher)
            if name in custom
            else self._term(Term(name), student, teacher)
            for name in self.weights
        }

    def weights_at(self, progress: float) -> dict[str, float]:
        """Every term's factor at a point of the phase, 0 at its start and 1 at its end."""
        return {str(name): weight.at(progress) for name, weight in self.weights.items()}

    def moving_weights_at(self, progress: float) -> dict[str, float]:
        """The factors that change over the phase, under their terms' names followed by `_weight`."""
        weights = self.weights_at(progress)
        return {
            f"{name}_weight": weights[str(name)]
            for name, weight in self.weights.items()
            if weight.kind is not ScheduleKind.CONSTANT
        }

    def total(self, losses: Mapping[str, Tensor], progress: float = 0.0) -> Tensor:
        """The weighted sum of what `losses` returned, `()`, at a point of the phase."""
        weights = self.weights_at(progress)
        return torch.stack([weight * losses[name] for name, weight in weights.items()]).sum()

    def _layers_of(self, name: str, student_layers: int) -> tuple[int, ...]:
        given = self.layers.get(name)
        if given is None:
            return tuple(range(1, student_layers + 1))
        layers = tuple(sorted({layer + student_layers + 1 if layer < 0 else layer for layer in given}))
        if not layers or layers[0] < 1 or layers[-1] > student_layers:
            raise ValueError(
                f"expected layers from 1 to {student_layers} (or from -1 to -{student_layers}) for `{name}`, got "
                f"{list(given)}; because the student has {student_layers} layers"
            )
        return layers

    def _term(self, term: Term, student: DistillationStates, teacher: DistillationStates) -> Tensor:
        reads = reads_of(term)
        if reads & Reads.EMBEDDING:
            (pair,) = _pairs(student.hidden_states, teacher.hidden_states, (0,), term)
            return hidden_states_loss(*pair, student.mask, reduction=self.reduction)
        if reads & Reads.HIDDEN_STATES:
            return self._hidden_states(term, student, teacher)
        if reads & Reads.ATTENTION:
            return self._attention(term, student, teacher)
        if reads & Reads.LABELS:
            return self._labels(term, student)
        return self._prediction(term, student, teacher)

    def _hidden_states(self, term: Term, student: DistillationStates, teacher: DistillationStates) -> Tensor:
        layers = self._layers_of(term, len(student.hidden_states) - 1)
        if self.learned_mapping is not None:
            states = _present((student.hidden_states[layer] for layer in layers), term)
            return self.learned_mapping.hidden_states_loss(
                states, _present(teacher.hidden_states[1:], term), student.mask
            )
        values = []
        for pair in _pairs(student.hidden_states, teacher.hidden_states, layers, term):
            if term is Term.HIDDEN_STATES:
                values.append(hidden_states_loss(*pair, student.mask, reduction=self.reduction))
            else:
                values.append(_HIDDEN_STATE_LOSSES[term](*pair, student.mask))
        return torch.stack(values).sum()

    def _attention(self, term: Term, student: DistillationStates, teacher: DistillationStates) -> Tensor:
        layers = self._layers_of(term, len(student.attentions))
        entries = tuple(layer - 1 for layer in layers)
        if self.learned_mapping is not None:
            own: tuple[Attention, ...] = _present((student.attentions[entry] for entry in entries), term)
            every: tuple[Attention, ...] = _present(teacher.attentions, term)
            return self.learned_mapping.attention_scores_loss(own, every, student.mask, self.attention_form)
        values = []
        pairs: list[tuple[Attention, Attention]] = _pairs(student.attentions, teacher.attentions, entries, term)
        for own_record, other in pairs:
            if term is Term.ATTENTION_SCORES:
                loss = attention_scores_loss(
                    own_record, other, student.mask, reduction=self.reduction, form=self.attention_form
                )
            elif term is Term.ATTENTION_PROBABILITIES:
                loss = attention_probabilities_loss(own_record, other, student.mask)
            else:
                heads = self.relation_heads or most_relation_heads(own_record, other)
                loss = relations_loss(own_record, other, student.mask, vectors=_RELATIONS[term], relation_heads=heads)
            values.append(loss)
        return torch.stack(values).sum()

    def _prediction(self, term: Term, student: DistillationStates, teacher: DistillationStates) -> Tensor:
        if student.logits is None or teacher.logits is None:
            raise _no_logits("student" if student.logits is None else "teacher", term)
        logits, mask = (student.logits, teacher.logits), student.logits_mask
        match term:
            case Term.PREDICTION:
                return prediction_loss(*logits, mask, temperature=self.temperature, reduction=self.reduction)
            case Term.PREDICTION_KL:
                return prediction_kl_loss(*logits, mask, temperature=self.temperature)
            case Term.MULTI_LABEL_PREDICTION:
                return multi_label_prediction_loss(*logits, mask, temperature=self.temperature)
            case Term.REGRESSION_PREDICTION:
                return regression_prediction_loss(*logits, mask)
            case Term.SENTENCE_EMBEDDING:
                return sentence_embedding_loss(*logits)
            case _:
                return logits_mse_loss(*logits, mask)

    def _labels(self, term: Term, student: DistillationStates) -> Tensor:
        if student.logits is None:
            raise _no_logits("student", term)
        if student.labels is None:
            raise ValueError(
                f"expected labels in the batch, got none; because `{term}` compares with them; add a `labels` column "
                f"or leave `{term}` out"
            )
        if term is Term.MASKED_LM:
            return masked_lm_loss(student.logits, student.labels)
        return label_loss(student.logits, student.labels, problem=self.problem, label_smoothing=self.label_smoothing)


def most_relation_heads(student: Attention, teacher: Attention, most: int = _MOST_RELATION_HEADS) -> int:
    """The most relation heads up to `most` into which the widths of both records divide; 1 for score maps."""
    if isinstance(student, AttentionScores) or isinstance(teacher, AttentionScores):
        return 1
    widths = [record.query.shape[1] * record.query.shape[3] for record in (student, teacher)]
    common = gcd(*widths)
    return max(heads for heads in range(1, min(most, common) + 1) if common % heads == 0)


def _pairs(
    student: tuple[_State | None, ...], teacher: tuple[_State | None, ...], entries: Iterable[int], term: Term
) -> list[tuple[_State, _State]]:
    """The entries of both sides, side by side."""
    chosen = list(entries)
    own = _present((student[entry] for entry in chosen if entry < len(student)), term)
    other = _present((teacher[entry] for entry in chosen if entry < len(teacher)), term)
    return list(zip(own, other, strict=True))


def _present(states: Iterable[_State | None], term: Term) -> tuple[_State, ...]:
    given = tuple(states)
    present = tuple(state for state in given if state is not None)
    if len(present) != len(given) or not present:
        raise ValueError(
            f"expected the states that `{term}` compares, got {len(present)} of {max(len(given), 1)}; because nothing "
            "would be learned from the others; run both forwards with this objective's `request`"
        )
    return present


def _no_logits(side: str, term: Term) -> ValueError:
    return ValueError(
        f"expected logits of the {side}, got none; because `{term}` reads predictions; give the {side} the head of "
        "the task"
    )


__all__ = ["DistillationObjective", "most_relation_heads"]

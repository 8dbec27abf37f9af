"""What is compared, where, at what weight and when: aligned states in, named losses out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from hf_tinybert.distillation.attention import Attention
from hf_tinybert.distillation.layer_terms import attention_term, hidden_states_term, summed
from hf_tinybert.distillation.learned_mapping import LearnedMapping
from hf_tinybert.distillation.losses import (
    AttentionForm,
    ProblemType,
    Reduction,
    hidden_states_loss,
    label_loss,
    logits_mse_loss,
    masked_lm_loss,
    multi_label_prediction_loss,
    prediction_kl_loss,
    prediction_loss,
    regression_prediction_loss,
    sentence_embedding_loss,
    shifted_to_labels,
)
from hf_tinybert.distillation.schedules import Schedule, Written, parse_temperature, parse_weight
from hf_tinybert.distillation.states import DistillationStates, StateRequest, paired_states, present_states
from hf_tinybert.distillation.terms import (
    LABEL_TERMS,
    MAPPED_STATES,
    SHIFTED_TERMS,
    TEMPERED_TERMS,
    TERMS_OF_ANY_STATE,
    CustomTerm,
    Reads,
    Term,
    reads_of,
)

_EXCLUSIVE = frozenset({ProblemType.SINGLE_LABEL, ProblemType.SPAN})
_LEARNED = frozenset({Term.HIDDEN_STATES, Term.ATTENTION_SCORES})


@dataclass(frozen=True)
class DistillationObjective:
    """The weighted sum of the terms of one phase.

    `L = sum_k w_k(progress) sum_m L_k(m)`: a term is summed over the student layers `m` it compares, as in the paper;
    a weight may change with the progress of the phase.

    Attributes:
        weights: the terms that are computed and their factors; what `parse_weight` reads will do.
        layers: student layers that a term of hidden states, attention or relations compares, from 1, negative from
            the end; all for a term that is not named. Terms of products of states take 0 too, the embedding output.
        temperature: of the prediction terms; what `parse_temperature` reads will do.
        reduction: of the terms of TinyBERT.
        attention_form: of the attention-scores term.
        relation_heads: heads of the relation terms; 0 takes the most up to 48 that divide both widths.
        problem: what the labels are; decides the label term.
        label_smoothing: of the label terms with exclusive classes, 0 to 1.
        learned_mapping: weighs teacher layers in place of a fixed mapping, for hidden states and attention scores;
            the teacher's states are then all of its layers.
        custom_terms: terms of one's own, weighted under their names.
        probability_shift: whether the teacher's highest logit is swapped with that of the gold class where this is
            another one, for terms of predictions of exclusive classes; see `shifted_to_labels`.

    Raises:
        ValueError: a weight without a term, a custom term that takes a built-in name or that is given twice, a
            temperature that is not positive, or a probability shift of predictions that are no exclusive classes.

    Source: TinyBERT, equations 6 and 11.
    """

    weights: Mapping[str, Schedule]
    layers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    temperature: Written = 1.0
    reduction: Reduction = Reduction.MEAN
    attention_form: AttentionForm = AttentionForm.AUTO
    relation_heads: int = 0
    problem: ProblemType = ProblemType.SINGLE_LABEL
    label_smoothing: float = 0.0
    learned_mapping: LearnedMapping | None = None
    custom_terms: tuple[CustomTerm, ...] = ()
    probability_shift: bool = False

    def __post_init__(self) -> None:
        """Parse the weights and check the names."""
        parsed = {str(name): parse_weight(weight) for name, weight in self.weights.items()}
        object.__setattr__(self, "weights", {name: weight for name, weight in parsed.items() if not weight.is_zero})
        self.temperatures  # noqa: B018 (checks them)
        if self.probability_shift and self.problem not in _EXCLUSIVE:
            raise ValueError(
                f"expected `probability_shift` with classes of which one is right, got `{self.problem}`; because no "
                "other prediction has a most probable class that a label could correct; leave it out"
            )
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
    def temperatures(self) -> Schedule:
        """The temperature over the phase."""
        return parse_temperature(self.temperature)

    @property
    def reads_hidden_states(self) -> bool:
        """Whether any term compares embedding outputs or hidden states."""
        return self.reads_projections or bool(self.reads & Reads.OWN_HIDDEN_STATES)

    @property
    def reads_projections(self) -> bool:
        """Whether any term compares the student's states at the teacher's width."""
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
        """Whether any term reads labels, or the teacher's predictions are shifted to them."""
        return bool(self.reads & Reads.LABELS) or self.shifts_predictions

    @property
    def shifts_predictions(self) -> bool:
        """Whether there is a term whose teacher is corrected by the labels."""
        return self.probability_shift and bool(SHIFTED_TERMS & set(self.weights))

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
            if reads & (Reads.HIDDEN_STATES | Reads.OWN_HIDDEN_STATES):
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

    def losses(
        self, student: DistillationStates, teacher: DistillationStates, progress: float = 0.0
    ) -> dict[str, Tensor]:
        """Every term's unweighted value, `()`, under its name, at the temperature of a point of the phase."""
        custom = {term.name: term for term in self.custom_terms}
        return {
            str(name): custom[name].compute(student, teacher)
            if name in custom
            else self._term(Term(name), student, teacher, progress)
            for name in self.weights
        }

    def weights_at(self, progress: float) -> dict[str, float]:
        """Every term's factor at a point of the phase, 0 at its start and 1 at its end."""
        return {str(name): weight.at(progress) for name, weight in self.weights.items()}

    def moving_at(self, progress: float) -> dict[str, float]:
        """What changes over the phase: factors, under their terms' names followed by `_weight`, and `temperature`."""
        moving = {f"{name}_weight": weight.at(progress) for name, weight in self.weights.items() if weight.moves}
        if self.temperature_moves:
            moving["temperature"] = self.temperatures.at(progress)
        return moving

    @property
    def temperature_moves(self) -> bool:
        """Whether there is a term whose temperature changes over the phase."""
        return self.temperatures.moves and bool(TEMPERED_TERMS & set(self.weights))

    def total(self, losses: Mapping[str, Tensor], progress: float = 0.0) -> Tensor:
        """The weighted sum of what `losses` returned, `()`, at a point of the phase."""
        weights = self.weights_at(progress).items()
        return summed([losses[name] if weight == 1 else weight * losses[name] for name, weight in weights])

    def _layers_of(self, name: str, student_layers: int) -> tuple[int, ...]:
        given = self.layers.get(name)
        if given is None:
            return tuple(range(1, student_layers + 1))
        layers = tuple(sorted({layer + student_layers + 1 if layer < 0 else layer for layer in given}))
        lowest = 0 if name in TERMS_OF_ANY_STATE else 1
        if not layers or layers[0] < lowest or layers[-1] > student_layers:
            raise ValueError(
                f"expected layers from {lowest} to {student_layers} (or from -1 to -{student_layers}) for `{name}`, "
                f"got {list(given)}; because the student has {student_layers} layers"
            )
        return layers

    def _term(self, term: Term, student: DistillationStates, teacher: DistillationStates, progress: float) -> Tensor:
        reads = reads_of(term)
        if term is Term.EMBEDDING:
            (pair,) = paired_states(student.hidden_states, teacher.hidden_states, (0,), term)
            return hidden_states_loss(*pair, student.mask, reduction=self.reduction)
        if reads & (Reads.HIDDEN_STATES | Reads.OWN_HIDDEN_STATES):
            return self._hidden_states(term, student, teacher)
        if reads & Reads.ATTENTION:
            return self._attention(term, student, teacher)
        if reads & Reads.LABELS:
            return self._labels(term, student)
        return self._prediction(term, student, teacher, self.temperatures.at(progress))

    def _hidden_states(self, term: Term, student: DistillationStates, teacher: DistillationStates) -> Tensor:
        unprojected = reads_of(term) & Reads.OWN_HIDDEN_STATES
        own, mask = student.own_hidden_states if unprojected else student.hidden_states, student.mask
        layers = self._layers_of(term, len(own) - 1)
        if self.learned_mapping is not None:
            states = present_states((own[layer] for layer in layers), term)
            return self.learned_mapping.hidden_states_loss(
                states, present_states(teacher.hidden_states[1:], term), mask
            )
        first = (0,) if term is Term.SOLUTION_FLOW else ()  # which begins at the embedding output
        pairs = paired_states(own, teacher.hidden_states, (*first, *layers), term)
        return hidden_states_term(term, pairs, mask, self.reduction)

    def _attention(self, term: Term, student: DistillationStates, teacher: DistillationStates) -> Tensor:
        layers = self._layers_of(term, len(student.attentions))
        entries = tuple(layer - 1 for layer in layers)
        if self.learned_mapping is not None:
            own: tuple[Attention, ...] = present_states((student.attentions[entry] for entry in entries), term)
            every: tuple[Attention, ...] = present_states(teacher.attentions, term)
            return self.learned_mapping.attention_scores_loss(own, every, student.mask, self.attention_form)
        pairs: list[tuple[Attention, Attention]] = paired_states(student.attentions, teacher.attentions, entries, term)
        return attention_term(
            term, pairs, student.mask, self.reduction, form=self.attention_form, relation_heads=self.relation_heads
        )

    def _prediction(
        self, term: Term, student: DistillationStates, teacher: DistillationStates, temperature: float
    ) -> Tensor:
        if student.logits is None or teacher.logits is None:
            raise _no_logits("student" if student.logits is None else "teacher", term)
        target = teacher.logits
        if self.probability_shift and term in SHIFTED_TERMS:
            target = shifted_to_labels(target, _labels_for("probability_shift", student))
        logits, mask = (student.logits, target), student.logits_mask
        match term:
            case Term.PREDICTION:
                return prediction_loss(*logits, mask, temperature=temperature, reduction=self.reduction)
            case Term.PREDICTION_KL:
                return prediction_kl_loss(*logits, mask, temperature=temperature)
            case Term.MULTI_LABEL_PREDICTION:
                return multi_label_prediction_loss(*logits, mask, temperature=temperature)
            case Term.REGRESSION_PREDICTION:
                return regression_prediction_loss(*logits, mask)
            case Term.SENTENCE_EMBEDDING:
                return sentence_embedding_loss(*logits, lengths=self.problem is ProblemType.VECTOR)
            case _:
                return logits_mse_loss(*logits, mask)

    def _labels(self, term: Term, student: DistillationStates) -> Tensor:
        if student.logits is None:
            raise _no_logits("student", term)
        labels = _labels_for(term, student)
        if term is Term.MASKED_LM:
            return masked_lm_loss(student.logits, labels, label_smoothing=self.label_smoothing)
        return label_loss(student.logits, labels, problem=self.problem, label_smoothing=self.label_smoothing)


def _labels_for(reader: str, student: DistillationStates) -> Tensor:
    if student.labels is None:
        raise ValueError(
            f"expected labels in the batch, got none; because `{reader}` compares with them; add a `labels` column "
            f"or leave `{reader}` out"
        )
    return student.labels


def _no_logits(side: str, term: Term) -> ValueError:
    return ValueError(
        f"expected logits of the {side}, got none; because `{term}` reads predictions; give the {side} the head of "
        "the task"
    )


__all__ = ["DistillationObjective"]

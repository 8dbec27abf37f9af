"""What can be compared: the terms of an objective, what each reads, and in which phase it is trained."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, StrEnum, auto

from torch import Tensor

from hf_tinybert.distillation.states import DistillationStates


class Term(StrEnum):
    """The built-in terms; each value is its key in the logs."""

    EMBEDDING = "embedding_loss"
    HIDDEN_STATES = "hidden_states_loss"
    HIDDEN_COSINE = "hidden_cosine_loss"
    NORMALIZED_HIDDEN_STATES = "normalized_hidden_states_loss"
    HIDDEN_SIMILARITY = "hidden_similarity_loss"
    NEURON_SELECTIVITY = "neuron_selectivity_loss"
    HIDDEN_GRAM = "hidden_gram_loss"
    SOLUTION_FLOW = "solution_flow_loss"
    ATTENTION_SCORES = "attention_scores_loss"
    ATTENTION_PROBABILITIES = "attention_probabilities_loss"
    QUERY_RELATIONS = "query_relations_loss"
    KEY_RELATIONS = "key_relations_loss"
    VALUE_RELATIONS = "value_relations_loss"
    PREDICTION = "prediction_loss"
    PREDICTION_KL = "prediction_kl_loss"
    LOGITS_MSE = "logits_mse_loss"
    MULTI_LABEL_PREDICTION = "multi_label_prediction_loss"
    REGRESSION_PREDICTION = "regression_prediction_loss"
    SENTENCE_EMBEDDING = "sentence_embedding_loss"
    LABEL = "label_loss"
    MASKED_LM = "masked_lm_loss"


class Reads(Flag):
    """What a term reads of the states of both models.

    `EMBEDDING` and `HIDDEN_STATES` are the student's states projected to the teacher's width, `OWN_HIDDEN_STATES`
    those at its own width, for which no projection is made.
    """

    EMBEDDING = auto()
    HIDDEN_STATES = auto()
    OWN_HIDDEN_STATES = auto()
    ATTENTION = auto()
    VALUES = auto()
    LOGITS = auto()
    LABELS = auto()


class Phase(StrEnum):
    """Stages of a distillation. TinyBERT runs the first two in turn; `joint` takes all terms at once."""

    INTERMEDIATE = "intermediate-layer"
    PREDICTION = "prediction-layer"
    JOINT = "joint"


@dataclass(frozen=True)
class CustomTerm:
    """A term of one's own.

    Attributes:
        name: its key in the logs and among the weights; not one of `Term`.
        reads: what it reads; nothing else is captured for it.
        compute: student's and teacher's states to a loss, `()`; a mean over the batch, in float32.
    """

    name: str
    reads: Reads
    compute: Callable[[DistillationStates, DistillationStates], Tensor]


# of the layers that a mapping assigns; the embedding output always imitates the embedding output
MAPPED_STATES = Reads.HIDDEN_STATES | Reads.OWN_HIDDEN_STATES | Reads.ATTENTION | Reads.VALUES
INTERMEDIATE_STATES = Reads.EMBEDDING | MAPPED_STATES

_READS = {
    Term.EMBEDDING: Reads.EMBEDDING,
    Term.HIDDEN_STATES: Reads.HIDDEN_STATES,
    Term.HIDDEN_COSINE: Reads.HIDDEN_STATES,
    Term.NORMALIZED_HIDDEN_STATES: Reads.HIDDEN_STATES,
    Term.HIDDEN_SIMILARITY: Reads.OWN_HIDDEN_STATES,
    Term.NEURON_SELECTIVITY: Reads.OWN_HIDDEN_STATES,
    Term.HIDDEN_GRAM: Reads.HIDDEN_STATES,
    Term.SOLUTION_FLOW: Reads.EMBEDDING | Reads.HIDDEN_STATES,
    Term.ATTENTION_SCORES: Reads.ATTENTION,
    Term.ATTENTION_PROBABILITIES: Reads.ATTENTION,
    Term.QUERY_RELATIONS: Reads.ATTENTION | Reads.VALUES,
    Term.KEY_RELATIONS: Reads.ATTENTION | Reads.VALUES,
    Term.VALUE_RELATIONS: Reads.ATTENTION | Reads.VALUES,
    Term.PREDICTION: Reads.LOGITS,
    Term.PREDICTION_KL: Reads.LOGITS,
    Term.LOGITS_MSE: Reads.LOGITS,
    Term.MULTI_LABEL_PREDICTION: Reads.LOGITS,
    Term.REGRESSION_PREDICTION: Reads.LOGITS,
    Term.SENTENCE_EMBEDDING: Reads.LOGITS,
    Term.LABEL: Reads.LOGITS | Reads.LABELS,
    Term.MASKED_LM: Reads.LOGITS | Reads.LABELS,
}
# may be told to compare layer 0, for which no term of its own stands beside them
TERMS_OF_ANY_STATE = frozenset({Term.HIDDEN_SIMILARITY, Term.NEURON_SELECTIVITY, Term.HIDDEN_GRAM})
# read the temperature
TEMPERED_TERMS = frozenset({Term.PREDICTION, Term.PREDICTION_KL, Term.MULTI_LABEL_PREDICTION})
# compare the teacher's probabilities of classes of which one is right
SHIFTED_TERMS = frozenset({Term.PREDICTION, Term.PREDICTION_KL, Term.LOGITS_MSE})
# compare with labels in place of the teacher
LABEL_TERMS = frozenset({Term.LABEL, Term.MASKED_LM})


def reads_of(term: Term) -> Reads:
    """What a built-in term reads."""
    return _READS[term]


def belongs_to(reads: Reads, phase: Phase) -> bool:
    """Whether a term that reads this is trained in a phase."""
    if phase is Phase.JOINT:
        return True
    return bool(reads & INTERMEDIATE_STATES) is (phase is Phase.INTERMEDIATE)


__all__ = [
    "INTERMEDIATE_STATES",
    "LABEL_TERMS",
    "MAPPED_STATES",
    "SHIFTED_TERMS",
    "TEMPERED_TERMS",
    "TERMS_OF_ANY_STATE",
    "CustomTerm",
    "Phase",
    "Reads",
    "Term",
    "belongs_to",
    "reads_of",
]

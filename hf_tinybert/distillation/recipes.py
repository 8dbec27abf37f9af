"""Published ways of distilling encoders, as data: what each compares, where and at what weight."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hf_tinybert.distillation.layer_mapping import MappingStrategy
from hf_tinybert.distillation.losses import ProblemType
from hf_tinybert.distillation.terms import Phase, Term


class RecipeName(StrEnum):
    """The recipes, by the name of their method."""

    TINYBERT_JOINT = "tinybert-joint"
    TINYBERT_SEVERAL = "tinybert-several"
    TINYBERT_SCRATCH = "tinybert-scratch"
    TINYBERT = "tinybert"
    MINILMV2 = "minilmv2"
    DISTILBERT = "distilbert"
    PKD = "pkd"


@dataclass(frozen=True)
class Recipe:
    """One way of distilling; every part can be overridden by `DistillationArguments`.

    Attributes:
        phases: stages in order.
        weights: terms and their factors; all others are 0.
        layer_mapping: rule or layers.
        layers: student layers that a term compares, negative from the end; all for a term that is not named.
        temperature: of the prediction terms.
        num_train_epochs: of the prediction-layer or joint phase.
        learning_rate: peak, of the same.
        source: the paper, or the measurement.
    """

    phases: tuple[Phase, ...]
    weights: Mapping[str, float]
    source: str
    layer_mapping: str = str(MappingStrategy.UNIFORM)
    layers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    temperature: float = 1.0
    num_train_epochs: float = 3.0
    learning_rate: float = 1e-4


RECIPES: Mapping[RecipeName, Recipe] = {
    RecipeName.TINYBERT_JOINT: Recipe(
        phases=(Phase.JOINT,),
        weights={Term.EMBEDDING: 1.0, Term.HIDDEN_STATES: 1.0, Term.ATTENTION_SCORES: 1.0, Term.PREDICTION: 1.0},
        num_train_epochs=4.0,
        learning_rate=3e-4,
        source="terms of TinyBERT, all at once; benchmarks/results/tasks.json and tasks_validation.json",
    ),
    # for a student of several teachers: each has projections of its own, so that states can be near to all of them,
    # but one encoder attends in one way, and attention terms of teachers that attend otherwise pull it apart
    RecipeName.TINYBERT_SEVERAL: Recipe(
        phases=(Phase.JOINT,),
        weights={Term.EMBEDDING: 1.0, Term.HIDDEN_STATES: 1.0, Term.PREDICTION: 1.0},
        num_train_epochs=4.0,
        learning_rate=3e-4,
        source="tinybert-joint without its attention term; benchmarks/results/multitask.json",
    ),
    # from random weights a student answers at chance at first, the longer the more the attention term weighs
    RecipeName.TINYBERT_SCRATCH: Recipe(
        phases=(Phase.JOINT,),
        weights={Term.EMBEDDING: 1.0, Term.HIDDEN_STATES: 1.0, Term.ATTENTION_SCORES: 0.1, Term.PREDICTION: 1.0},
        num_train_epochs=4.0,
        learning_rate=3e-4,
        source="tinybert-joint with a tenth of its attention term; benchmarks/results/tasks_validation.json",
    ),
    RecipeName.TINYBERT: Recipe(
        phases=(Phase.INTERMEDIATE, Phase.PREDICTION),
        weights={Term.EMBEDDING: 1.0, Term.HIDDEN_STATES: 1.0, Term.ATTENTION_SCORES: 1.0, Term.PREDICTION: 1.0},
        source="Jiao et al. 2020, TinyBERT, equations 6 to 11",
    ),
    # the last student layer imitates the last teacher layer; for a teacher of 24 layers the paper takes layer 21
    RecipeName.MINILMV2: Recipe(
        phases=(Phase.INTERMEDIATE,),
        weights={Term.QUERY_RELATIONS: 1.0, Term.KEY_RELATIONS: 1.0, Term.VALUE_RELATIONS: 1.0},
        layer_mapping=str(MappingStrategy.LAST),
        layers={
            Term.QUERY_RELATIONS: (-1,),
            Term.KEY_RELATIONS: (-1,),
            Term.VALUE_RELATIONS: (-1,),
        },
        source="Wang et al. 2021, MiniLMv2, section 3",
    ),
    # factors of the published code; with a head that is not a masked-LM head the label term is the task's
    RecipeName.DISTILBERT: Recipe(
        phases=(Phase.JOINT,),
        weights={Term.PREDICTION_KL: 5.0, Term.MASKED_LM: 2.0, Term.HIDDEN_COSINE: 1.0},
        layers={Term.HIDDEN_COSINE: (-1,)},
        temperature=2.0,
        source="Sanh et al. 2019, DistilBERT, section 3",
    ),
    # PKD-Skip: every k-th layer but the last, whose work the prediction terms do
    RecipeName.PKD: Recipe(
        phases=(Phase.JOINT,),
        weights={Term.LABEL: 0.5, Term.PREDICTION_KL: 0.5, Term.NORMALIZED_HIDDEN_STATES: 100.0},
        temperature=10.0,
        source="Sun et al. 2019, Patient Knowledge Distillation, equations 3 to 8; factors within its search grid",
    ),
}

_OF_EMBEDDINGS = {Term.PREDICTION: Term.SENTENCE_EMBEDDING, Term.PREDICTION_KL: Term.SENTENCE_EMBEDDING}

# What a term becomes where the task's predictions are not one of several exclusive classes.
_TERMS_OF_PROBLEM: Mapping[ProblemType, Mapping[Term, Term]] = {
    ProblemType.SINGLE_LABEL: {},
    ProblemType.SPAN: {},
    ProblemType.MULTI_LABEL: {
        Term.PREDICTION: Term.MULTI_LABEL_PREDICTION,
        Term.PREDICTION_KL: Term.MULTI_LABEL_PREDICTION,
    },
    ProblemType.REGRESSION: {
        Term.PREDICTION: Term.REGRESSION_PREDICTION,
        Term.PREDICTION_KL: Term.REGRESSION_PREDICTION,
    },
    ProblemType.EMBEDDING: _OF_EMBEDDINGS,
    ProblemType.VECTOR: _OF_EMBEDDINGS,
}


def term_for_task(name: str, problem: ProblemType, *, masked_lm: bool) -> str:
    """The term that does a term's work on a task.

    Args:
        name: the term asked for.
        problem: what the predictions are: exclusive classes, independent labels, numbers, or embeddings.
        masked_lm: whether the student has a masked-LM head; without one, masked-LM labels are the task's labels.
    """
    if name == Term.MASKED_LM and not masked_lm:
        return str(Term.LABEL)
    return str(_TERMS_OF_PROBLEM[problem].get(Term(name), name)) if name in set(Term) else name


__all__ = ["RECIPES", "Recipe", "RecipeName", "term_for_task"]

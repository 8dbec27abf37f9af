"""The metadata at the top of a model card: what the Hub sorts and shows models by, with scores as model-index."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from huggingface_hub import EvalResult, ModelCardData
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public, without an alias

from hf_tinybert.hub.model_facts import ModelFacts

_HUB_NAME = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")


@dataclass(frozen=True)
class CardDetails:
    """What of a card no folder knows.

    Attributes:
        repo_id: where the model will lie; the folder's name until it is known.
        license: identifier of the Hub, such as `apache-2.0`.
        language: ISO code, such as `en`; several separated by commas.
        dataset: Hub name of the training data; in the folder there may be a file name only.
        base_model: Hub name of the teacher, likewise.
        teacher_license: identifier.
        tags: more of them, for searching.
        intended_use: a sentence or two.
    """

    repo_id: str | None = None
    license: str | None = None
    language: str | None = None
    dataset: str | None = None
    base_model: str | None = None
    teacher_license: str | None = None
    tags: tuple[str, ...] = ()
    intended_use: str | None = None

    def __post_init__(self) -> None:
        """Check the names before anything is written."""
        named = {"repo_id": self.repo_id, "base_model": self.base_model, "dataset": self.dataset}
        for field, value in named.items():
            if value is None:
                continue
            try:
                validate_repo_id(value)
            except HFValidationError as error:
                raise ValueError(
                    f"expected a Hub name such as `owner/name` as `{field}`, got `{value}`; because the card links to "
                    f"it ({error}); leave it out for data or models that are not there"
                ) from error


@dataclass(frozen=True)
class Head:
    """How a head is loaded and found.

    Attributes:
        auto_class: of transformers, that gives the model.
        pipeline_tag: the Hub's name of what it does; None where it has none.
    """

    auto_class: str
    pipeline_tag: str | None


HEADS: Mapping[str, Head] = {
    "Model": Head("AutoModel", "feature-extraction"),
    "ForCausalLM": Head("AutoModelForCausalLM", "text-generation"),
    "LMHeadModel": Head("AutoModelForCausalLM", "text-generation"),
    # plain BERT labels sentence starts as tokens
    "ForExtractiveSummarization": Head("AutoModelForTokenClassification", "token-classification"),
    "ForMaskedLM": Head("AutoModelForMaskedLM", "fill-mask"),
    "ForMultiTask": Head("AutoModel", None),
    "ForMultipleChoice": Head("AutoModelForMultipleChoice", "multiple-choice"),
    "ForNextSentencePrediction": Head("AutoModelForNextSentencePrediction", None),
    "ForPreTraining": Head("AutoModelForPreTraining", "fill-mask"),
    "ForQuestionAnswering": Head("AutoModelForQuestionAnswering", "question-answering"),
    "ForSentenceEmbedding": Head("AutoModelForTextEncoding", "sentence-similarity"),
    "ForSequenceClassification": Head("AutoModelForSequenceClassification", "text-classification"),
    "ForTokenClassification": Head("AutoModelForTokenClassification", "token-classification"),
}

# The Hub's name of the task of a score, by the kind of the figures.
_TASK_TYPES: Mapping[str, str] = {
    "text-classification": "text-classification",
    "pair-classification": "text-classification",
    "multi-label-classification": "text-classification",
    "regression": "text-classification",
    "token-classification": "token-classification",
    "question-answering": "question-answering",
    "multiple-choice": "multiple-choice",
    "masked-lm": "fill-mask",
    "extractive-summarization": "summarization",
    "sentence-embedding": "sentence-similarity",
}

# The Hub's name of a metric that gives several scores, by the score; others go by their own.
_METRIC_TYPES: Mapping[str, str] = {"f1_macro": "f1", "rouge1": "rouge", "rouge2": "rouge", "rougeL": "rouge"}


def head_of(facts: ModelFacts) -> Head:
    """Of the model; one that has no line in the table is loaded as an encoder."""
    return HEADS.get(facts.head, HEADS["Model"])


def teacher_of(facts: ModelFacts, details: CardDetails) -> str | None:
    """The teacher's Hub name where there is one, else its folder's name; None without a teacher."""
    return details.base_model or facts.teacher


def teachers_of(facts: ModelFacts, details: CardDetails) -> list[str]:
    """As `teacher_of`; of several teachers of one task the name of each."""
    teacher = teacher_of(facts, details)
    joined = [] if details.base_model else [str(one.get("teacher")) for one in facts.joined_teachers]
    return joined or ([] if teacher is None else [teacher])


def is_hub_name(name: str | None) -> bool:
    """Whether a name can only be one of the Hub; a folder's name could stand for anything."""
    return name is not None and _HUB_NAME.fullmatch(name) is not None


def card_metadata(facts: ModelFacts, details: CardDetails, *, library: str) -> ModelCardData:
    """The metadata of a card; what is not known is left out.

    Args:
        facts: of the folder.
        details: of its maker.
        library: that loads the published form.

    Raises:
        ValueError: metadata that huggingface_hub refuses.
    """
    teachers = teachers_of(facts, details)
    scored = [(score, details.dataset or score.data or "unknown") for score in facts.scores]
    results = [
        EvalResult(
            task_type=_TASK_TYPES.get(score.kind, score.kind),
            task_name=score.task,
            dataset_type=dataset,
            # results of one task and data set are put together by these
            dataset_name=dataset if score.task is None else f"{dataset}: {score.task}",
            dataset_split=score.split,
            metric_type=_METRIC_TYPES.get(score.metric, score.metric),
            metric_value=score.student,
            metric_name=score.metric,
        )
        for score, dataset in scored
    ]
    datasets = [details.dataset] if details.dataset else [name for name in facts.datasets if is_hub_name(name)]
    languages = [code.strip() for code in (details.language or "").split(",") if code.strip()]
    return ModelCardData(
        base_model=_base_model(teachers) if details.base_model or all(map(is_hub_name, teachers)) else None,
        datasets=datasets or None,
        eval_results=results or None,
        language=languages or None,
        library_name=library,
        license=details.license,
        metrics=list(dict.fromkeys(_METRIC_TYPES.get(score.metric, score.metric) for score in facts.scores)) or None,
        model_name=card_name(facts, details) if results else None,
        pipeline_tag=head_of(facts).pipeline_tag,
        tags=list(dict.fromkeys(["tinybert", *(["distillation"] if facts.record else []), *details.tags])),
    )


def _base_model(teachers: list[str]) -> str | list[str] | None:
    return teachers if len(teachers) > 1 else next(iter(teachers), None)


def card_name(facts: ModelFacts, details: CardDetails) -> str:
    """The model's name in its own card."""
    return details.repo_id.split("/")[-1] if details.repo_id else facts.name


__all__ = [
    "HEADS",
    "CardDetails",
    "Head",
    "card_metadata",
    "card_name",
    "head_of",
    "is_hub_name",
    "teacher_of",
    "teachers_of",
]

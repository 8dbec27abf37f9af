"""The kinds of heads that a teacher may have: how each is loaded, and when one cannot teach."""

from typing import Any, NamedTuple

from transformers import (
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_MULTIPLE_CHOICE_MAPPING,
    MODEL_FOR_PRETRAINING_MAPPING,
    MODEL_FOR_QUESTION_ANSWERING_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    MODEL_FOR_TEXT_ENCODING_MAPPING,
    MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING,
    MODEL_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForPreTraining,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTextEncoding,
    AutoModelForTokenClassification,
    PreTrainedConfig,
    PreTrainedModel,
)


class Head(NamedTuple):
    """A kind of head: the Auto class that loads it, the families that have it, what peft calls the task."""

    auto_class: Any
    families: Any
    task_type: str | None = None


ENCODER = Head(AutoModel, MODEL_MAPPING, "FEATURE_EXTRACTION")
# an embedding student that teaches another one, linear layer and all
EMBEDDING_STUDENT = Head(AutoModelForTextEncoding, MODEL_FOR_TEXT_ENCODING_MAPPING)
_TOKENS = Head(AutoModelForTokenClassification, MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING, "TOKEN_CLS")
# by the kind of the student's head: that of its teacher, which any family may have
HEADS = {
    "ForExtractiveSummarization": _TOKENS,
    "ForMaskedLM": Head(AutoModelForMaskedLM, MODEL_FOR_MASKED_LM_MAPPING),
    "ForMultipleChoice": Head(AutoModelForMultipleChoice, MODEL_FOR_MULTIPLE_CHOICE_MAPPING),
    "ForPreTraining": Head(AutoModelForPreTraining, MODEL_FOR_PRETRAINING_MAPPING),
    "ForQuestionAnswering": Head(AutoModelForQuestionAnswering, MODEL_FOR_QUESTION_ANSWERING_MAPPING, "QUESTION_ANS"),
    "ForSentenceEmbedding": ENCODER,
    "ForSequenceClassification": Head(
        AutoModelForSequenceClassification, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, "SEQ_CLS"
    ),
    "ForTokenClassification": _TOKENS,
}
VOCABULARY_HEADS = ("ForMaskedLM", "ForPreTraining")
LABELLED_HEADS = ("ForExtractiveSummarization", "ForSequenceClassification", "ForTokenClassification")


def load_config(name: str, revision: str | None = None) -> PreTrainedConfig:
    """The configuration of a teacher; code that a folder brings along is never run.

    Args:
        name: Hub name or folder.
        revision: of a Hub name; None takes the main one.

    Raises:
        ValueError: it is of no family that transformers knows.
    """
    try:
        # False and not None: with None transformers asks on the terminal
        config = AutoConfig.from_pretrained(name, revision=revision or "main", trust_remote_code=False)
    except ValueError as error:
        raise ValueError(
            f"expected a teacher of a family that transformers knows, got `{name}`; because its configuration names "
            "none, or one whose code it brings along, and such code is not run unasked; load the teacher yourself and "
            "pass the model"
        ) from error
    if not isinstance(config, PreTrainedConfig):
        raise ValueError(f"expected a configuration of transformers, got `{type(config).__name__}`")
    return config


def head_alone(kind: str | None) -> Head:
    """The head of a kind; of None an encoder without any."""
    return HEADS[kind] if kind else ENCODER


def head_of(kind: str | None, config: PreTrainedConfig, name: str) -> Head:
    """As `head_alone`, of a family that has it.

    Args:
        kind: out of `HEADS`, or None.
        config: of the teacher.
        name: of the teacher, for messages.

    Raises:
        ValueError: transformers has no such head of the family.
    """
    head = head_alone(kind)
    if type(config) not in head.families:
        wanted = f"a head of the kind {kind}" if kind else "an encoder"
        raise ValueError(
            f"expected a teacher with {wanted}, got `{name}` of the family `{config.model_type}`, which has none in "
            "transformers; because like is compared with like; take a teacher of another family, or train the "
            "intermediate-layer phase only"
        )
    return head


def check_trained(missing: list[str], wanted_class: str, name: str) -> None:
    """Refuse a teacher with a head that was never trained.

    Args:
        missing: names of weights that are not in its file.
        wanted_class: of the student.
        name: of the teacher, for messages.

    Raises:
        ValueError: a weight is missing.
    """
    if missing:
        raise ValueError(
            f"expected a teacher fine-tuned with a head like `{wanted_class}`'s, got `{name}` without "
            f"{', '.join(f'`{key}`' for key in missing)}; because a head that was never trained teaches noise; "
            "fine-tune the teacher on the task first, or train the intermediate-layer phase only"
        )


def check_vocabulary_head(teacher: PreTrainedModel, kind: str | None) -> None:
    """Refuse a head that predicts no tokens: ELECTRA's of pre-training, for one, tells replaced tokens apart.

    Args:
        teacher: loaded.
        kind: of the student's head.

    Raises:
        ValueError: the student predicts tokens and the teacher does not.
    """
    if kind in VOCABULARY_HEADS and teacher.get_output_embeddings() is None:
        raise ValueError(
            f"expected a teacher that predicts masked tokens, got `{type(teacher).__name__}`, which does not; because "
            "the student's predictions are over the vocabulary; give the student a head of the kind ForMaskedLM, or "
            "train the intermediate-layer phase only"
        )


def pretrained(model: object) -> PreTrainedModel:
    """The same model: the Auto classes are untyped.

    Raises:
        ValueError: it is no model of transformers.
    """
    if not isinstance(model, PreTrainedModel):
        raise ValueError(f"expected a model of transformers, got `{type(model).__name__}`")
    return model


__all__ = [
    "EMBEDDING_STUDENT",
    "ENCODER",
    "HEADS",
    "LABELLED_HEADS",
    "VOCABULARY_HEADS",
    "Head",
    "check_trained",
    "check_vocabulary_head",
    "head_alone",
    "head_of",
    "load_config",
    "pretrained",
]

"""Which class carries the head of a task: a TinyBERT's own, or that of any family."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoModel, BertConfig, PreTrainedConfig, PreTrainedModel

from hf_tinybert.data.tasks import Task, TaskKind
from hf_tinybert.distillation.adapted_model import load_adapted_model
from hf_tinybert.distillation.embedding_teacher import Pooling, pool_states
from hf_tinybert.distillation.teacher_heads import HEADS
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.modeling_tinybert import (
    TinyBertForMaskedLM,
    TinyBertForMultipleChoice,
    TinyBertForQuestionAnswering,
    TinyBertForSequenceClassification,
    TinyBertForTokenClassification,
)
from hf_tinybert.models.modeling_tinybert_sentence_embedding import TinyBertForSentenceEmbedding
from hf_tinybert.models.modeling_tinybert_summarization import TinyBertForExtractiveSummarization
from hf_tinybert.models.sentence_transformer_settings import read_pooled_states
from hf_tinybert.models.sentence_transformers import load_sentence_transformer

STUDENT_CLASSES: Mapping[str, type[PreTrainedModel]] = {
    "ForExtractiveSummarization": TinyBertForExtractiveSummarization,
    "ForMaskedLM": TinyBertForMaskedLM,
    "ForMultipleChoice": TinyBertForMultipleChoice,
    "ForQuestionAnswering": TinyBertForQuestionAnswering,
    "ForSentenceEmbedding": TinyBertForSentenceEmbedding,
    "ForSequenceClassification": TinyBertForSequenceClassification,
    "ForTokenClassification": TinyBertForTokenClassification,
}
"""By the end of the class name, as in `KindDefinition.head`."""


def head_class(head: str, config: PreTrainedConfig) -> Any:  # noqa: ANN401 (Auto classes have no common type)
    """What loads a model with a head: the TinyBERT class of a TinyBERT, else the Auto class of its family.

    Args:
        head: end of the class name, as in `KindDefinition.head`.
        config: of the model.

    Raises:
        ValueError: the family has no such head.
    """
    if isinstance(config, TinyBertConfig):
        return STUDENT_CLASSES[head]
    if type(config) not in HEADS[head].families:
        raise ValueError(
            f"expected a model of a family with a head `{head}`, got one of the family `{config.model_type}`, which "
            "has none in transformers; because the task is answered by it; take a model of another family"
        )
    return HEADS[head].auto_class


def load_with_head(name: str | Path, config: PreTrainedConfig, task: Task) -> PreTrainedModel:
    """A model with a trained head of a task, in evaluation mode.

    Args:
        name: Hub name or folder.
        config: of the model.
        task: that it answers.

    Raises:
        ValueError: the head is not among the weights.
    """
    if task.kind is TaskKind.SENTENCE_EMBEDDING and not isinstance(config, TinyBertConfig):
        return _embedder(name, config)
    model, info = head_class(task.definition.head, config).from_pretrained(name, output_loading_info=True)
    missing = sorted(info["missing_keys"])
    if missing:
        raise ValueError(
            f"expected a model trained for {task.kind}, got `{name}` without {_listed(missing)}; "
            "because an untrained head answers at random; fine-tune it first: `hf-tinybert finetune`"
        )
    loaded: PreTrainedModel = model.eval()
    return loaded


def load_adapted(name: str | Path, task: Task) -> PreTrainedModel:
    """A model whose folder holds an adapter alone, merged into its base, with the trained head of a task.

    Args:
        name: Hub name or folder.
        task: that it answers.

    Raises:
        ValueError: the base is not found, or no such head was trained with the adapter.
    """
    model = load_adapted_model(name, task.definition.head)
    if task.kind is TaskKind.SENTENCE_EMBEDDING:
        _pool_as_said(model, name)
    return model


def _embedder(name: str | Path, config: PreTrainedConfig) -> PreTrainedModel:
    """An encoder as it is published, whose states are pooled as its folder says, else by mean."""
    if config.model_type == BertConfig.model_type:
        return load_sentence_transformer(name)
    loaded, info = AutoModel.from_pretrained(name, output_loading_info=True)
    missing = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))  # no embedding reads it
    if missing:
        raise ValueError(
            f"expected the weights of an encoder in `{name}`, got none of {_listed(missing[:5])}; because they would "
            "be drawn at random; name the folder of a whole model"
        )
    encoder: PreTrainedModel = loaded.eval()
    _pool_as_said(encoder, name)
    return encoder


def _pool_as_said(encoder: PreTrainedModel, name: str | Path) -> None:
    said = read_pooled_states(name)
    if said is None:
        pool_states(encoder, Pooling.MEAN)
    else:
        pool_states(encoder, Pooling(said.pooling), normalize=said.normalize)


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


__all__ = ["STUDENT_CLASSES", "head_class", "load_adapted", "load_with_head"]

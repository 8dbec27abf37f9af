"""A teacher of any family, loaded with the student's kind of head, and its tokenizer."""

import inspect
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.hub import cached_file

from hf_tinybert.distillation.adapted_model import IF_THERE, base_of_adapter, load_adapted
from hf_tinybert.distillation.adapters import is_adapter
from hf_tinybert.distillation.checkpoints import check_weights
from hf_tinybert.distillation.embedding_teacher import teach_embeddings
from hf_tinybert.distillation.frozen_weights import freeze
from hf_tinybert.distillation.head_kinds import head_kind
from hf_tinybert.distillation.teacher_heads import (
    EMBEDDING_STUDENT,
    HEADS,
    VOCABULARY_HEADS,
    check_trained,
    check_vocabulary_head,
    head_of,
    load_config,
    pretrained,
)

_EMBEDDING = "ForSentenceEmbedding"
_TOKENIZER_FILE = "tokenizer_config.json"


def load_teacher(
    name: str | Path, student: PreTrainedModel, *, needs_head: bool, dtype: torch.dtype | None = None
) -> PreTrainedModel:
    """A pretrained teacher of any family with the same kind of head as the student.

    The teacher of an embedding student is an encoder, pooled as the student pools; or such a student, with its head.
    Code that a folder brings along is never run. An adapter folder is loaded on its base and merged in float32.

    Args:
        name: Hub name or folder, of a model or of a peft adapter.
        student: decides the head; of a student with an adapter, the model inside.
        needs_head: whether any loss reads the teacher's predictions; if not, only its encoder is loaded, without
            pooler (in multiple choice with an untrained head, which is what takes the choices apart).
        dtype: of the weights, such as `torch.bfloat16`; None for that of the file.

    Raises:
        ValueError: the weights are truncated, there is no trained head of that kind among them, the family has none,
            the student's kind of head is unknown, transformers does not know the family, or an adapter's base cannot
            be found or does not take it.
    """
    check_weights(Path(name))
    kind = head_kind(student)
    if needs_head and kind is None:
        raise ValueError(
            f"expected a student with a head of {', '.join(sorted(HEADS))} for the prediction loss, got "
            f"`{type(student).__name__}`; pass the teacher as a loaded model, or train the intermediate-layer phase "
            "only"
        )
    if is_adapter(name):
        teacher = load_adapted(str(name), type(student).__name__, kind, needs_head=needs_head, dtype=dtype)
        teach_embeddings(teacher, student)
        return teacher
    config = load_config(str(name))
    if kind == _EMBEDDING:
        return freeze(_load_embedder(str(name), config, student, dtype))
    if not needs_head:
        return freeze(_load_encoder(str(name), config, kind, dtype))
    head = head_of(kind, config, str(name))
    teacher, info = head.auto_class.from_pretrained(
        name, config=config, output_loading_info=True, **_dtype_argument(dtype)
    )
    check_trained(sorted(info["missing_keys"]), type(student).__name__, str(name))
    check_vocabulary_head(teacher, kind)
    return freeze(teacher)


def load_teacher_with_trained_head(
    name: str | Path, student: PreTrainedModel, *, dtype: torch.dtype | None = None
) -> PreTrainedModel | None:
    """A teacher with the student's kind of head, if that is trained: for terms that do without it.

    Args:
        name: Hub name or folder of a model.
        student: decides the head.
        dtype: as of `load_teacher`.

    Returns:
        None where the family has no such head or its weights are not in the file, and for the folder of an adapter.

    Raises:
        ValueError: the weights are truncated, or transformers does not know the family.
    """
    check_weights(Path(name))
    kind = head_kind(student)
    if kind is None or is_adapter(name):
        return None
    config = load_config(str(name))
    if type(config) not in HEADS[kind].families:
        return None
    teacher, info = HEADS[kind].auto_class.from_pretrained(
        name, config=config, output_loading_info=True, **_dtype_argument(dtype)
    )
    predicts = kind not in VOCABULARY_HEADS or teacher.get_output_embeddings() is not None
    return freeze(teacher) if predicts and not info["missing_keys"] else None


def load_teacher_tokenizer(name: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a teacher's folder; of an adapter folder without one, its base's.

    Args:
        name: as of `load_teacher`.

    Raises:
        ValueError: an adapter's base cannot be found.
    """
    source = str(name)
    if is_adapter(source) and cached_file(source, _TOKENIZER_FILE, **IF_THERE) is None:
        source = base_of_adapter(source)
    tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise ValueError(f"expected a tokenizer of transformers, got `{type(tokenizer).__name__}`")
    return tokenizer


def _load_encoder(name: str, config: PreTrainedConfig, kind: str | None, dtype: torch.dtype | None) -> PreTrainedModel:
    """The encoder without its pooler, which no term reads; of multiple choice the whole model."""
    if kind == "ForMultipleChoice":
        head = head_of(kind, config, name)
        return pretrained(head.auto_class.from_pretrained(name, config=config, **_dtype_argument(dtype)))
    encoder_class = head_of(None, config, name).families[type(config)]
    pooler = {"add_pooling_layer": False} if _takes_pooler(encoder_class) else {}
    return pretrained(AutoModel.from_pretrained(name, config=config, **pooler, **_dtype_argument(dtype)))


def _load_embedder(
    name: str, config: PreTrainedConfig, student: PreTrainedModel, dtype: torch.dtype | None
) -> PreTrainedModel:
    """A teacher of embeddings; every weight that they depend on is in the file."""
    has_head = any(str(architecture).endswith(_EMBEDDING) for architecture in config.architectures or ())
    head = EMBEDDING_STUDENT if has_head else head_of(None, config, name)
    takes_pooler = not has_head and _takes_pooler(head.families[type(config)])
    pooler = {"add_pooling_layer": False} if takes_pooler else {}
    teacher, info = head.auto_class.from_pretrained(
        name, config=config, output_loading_info=True, **pooler, **_dtype_argument(dtype)
    )
    check_trained(sorted(info["missing_keys"]), type(student).__name__, name)
    teach_embeddings(teacher, student)
    return pretrained(teacher)


def _takes_pooler(encoder_class: object) -> bool:
    return inspect.isclass(encoder_class) and "add_pooling_layer" in inspect.signature(encoder_class).parameters


def _dtype_argument(dtype: torch.dtype | None) -> dict[str, torch.dtype]:
    return {} if dtype is None else {"dtype": dtype}


__all__ = ["load_teacher", "load_teacher_tokenizer", "load_teacher_with_trained_head"]

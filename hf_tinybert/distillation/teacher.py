"""The teacher: loaded with the student's task head, frozen, in evaluation mode, and told apart by its weights."""

import hashlib
import inspect
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
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
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import CONFIG_NAME
from transformers.utils.hub import cached_file

from hf_tinybert.distillation.adapters import (
    ADAPTER_CONFIG_FILE,
    check_not_quantised,
    is_adapter,
    load_adapter,
    merged_teacher,
)
from hf_tinybert.distillation.checkpoints import check_weights
from hf_tinybert.distillation.embedding_teacher import teach_embeddings
from hf_tinybert.distillation.head_kinds import head_kind
from hf_tinybert.distillation.sharding import whole_tensors
from hf_tinybert.distillation.weight_type import cast_weights


class Head(NamedTuple):
    """A kind of head: the Auto class that loads it, the families that have it, what peft calls the task."""

    auto_class: Any
    families: Any
    task_type: str | None = None


_ENCODER = Head(AutoModel, MODEL_MAPPING, "FEATURE_EXTRACTION")
# an embedding student that teaches another one, linear layer and all
_EMBEDDING_STUDENT = Head(AutoModelForTextEncoding, MODEL_FOR_TEXT_ENCODING_MAPPING)
_TOKENS = Head(AutoModelForTokenClassification, MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING, "TOKEN_CLS")
# by the kind of the student's head: that of its teacher, which any family may have
HEADS = {
    "ForExtractiveSummarization": _TOKENS,
    "ForMaskedLM": Head(AutoModelForMaskedLM, MODEL_FOR_MASKED_LM_MAPPING),
    "ForMultipleChoice": Head(AutoModelForMultipleChoice, MODEL_FOR_MULTIPLE_CHOICE_MAPPING),
    "ForPreTraining": Head(AutoModelForPreTraining, MODEL_FOR_PRETRAINING_MAPPING),
    "ForQuestionAnswering": Head(AutoModelForQuestionAnswering, MODEL_FOR_QUESTION_ANSWERING_MAPPING, "QUESTION_ANS"),
    "ForSentenceEmbedding": _ENCODER,
    "ForSequenceClassification": Head(
        AutoModelForSequenceClassification, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, "SEQ_CLS"
    ),
    "ForTokenClassification": _TOKENS,
}
_VOCABULARY_HEADS = ("ForMaskedLM", "ForPreTraining")
_LABELLED_HEADS = ("ForExtractiveSummarization", "ForSequenceClassification", "ForTokenClassification")
_EMBEDDING = "ForSentenceEmbedding"
_TOKENIZER_FILE = "tokenizer_config.json"
_IF_THERE: dict[str, Any] = {
    "_raise_exceptions_for_missing_entries": False,
    "_raise_exceptions_for_connection_errors": False,
}
_CLASS_LAYERS = ("classifier.weight", "classifier.out_proj.weight", "score.weight")  # of every family's classifiers


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
        teacher = _load_adapted(str(name), type(student).__name__, kind, needs_head=needs_head, dtype=dtype)
        teach_embeddings(teacher, student)
        return teacher
    config = _load_config(str(name))
    if kind == _EMBEDDING:
        return freeze(_load_embedder(str(name), config, student, dtype))
    if not needs_head:
        return freeze(_load_encoder(str(name), config, kind, dtype))
    head = _head_of(kind, config, str(name))
    teacher, info = head.auto_class.from_pretrained(
        name, config=config, output_loading_info=True, **_dtype_argument(dtype)
    )
    _check_trained(sorted(info["missing_keys"]), type(student).__name__, str(name))
    _check_vocabulary_head(teacher, kind)
    return freeze(teacher)


def load_adapted_model(name: str | Path, kind: str) -> PreTrainedModel:
    """The model of an adapter folder: its base with the trained head, and the adapter merged into it.

    Args:
        name: Hub name or folder of a peft adapter.
        kind: of the head, out of `HEADS`.

    Raises:
        ValueError: the base cannot be found or does not take it, or no head of that kind was trained with it.
    """
    check_weights(Path(name))
    return _load_adapted(str(name), kind, kind, needs_head=True, dtype=None)


def load_adapted_config(name: str | Path) -> PreTrainedConfig:
    """The configuration of an adapter's base, with as many classes as the adapter's head.

    Adapters are saved without the names of their classes: those of a `config.json` beside it are taken, else the
    base's.

    Args:
        name: Hub name or folder of a peft adapter.

    Raises:
        ValueError: the base cannot be found.
    """
    from peft import PeftConfig
    from peft.utils import load_peft_weights

    adapter = PeftConfig.from_pretrained(str(name))
    config = _load_config(base_of_adapter(name), adapter.revision)
    if _adapter_kind(adapter) in _LABELLED_HEADS:
        _set_classes(config, load_peft_weights(str(name), device="cpu"), str(name))
    return config


def base_of_adapter(name: str | Path) -> str:
    """Folder or Hub name of the model that an adapter was trained on.

    Args:
        name: Hub name or folder of a peft adapter.

    Raises:
        ValueError: the adapter names none, or a folder that is not there.
    """
    from peft import PeftConfig

    return _base_name(str(name), PeftConfig.from_pretrained(str(name)).base_model_name_or_path)


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
    config = _load_config(str(name))
    if type(config) not in HEADS[kind].families:
        return None
    teacher, info = HEADS[kind].auto_class.from_pretrained(
        name, config=config, output_loading_info=True, **_dtype_argument(dtype)
    )
    predicts = kind not in _VOCABULARY_HEADS or teacher.get_output_embeddings() is not None
    return freeze(teacher) if predicts and not info["missing_keys"] else None


def load_teacher_tokenizer(name: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a teacher's folder; of an adapter folder without one, its base's.

    Args:
        name: as of `load_teacher`.

    Raises:
        ValueError: an adapter's base cannot be found.
    """
    source = str(name)
    if is_adapter(source) and cached_file(source, _TOKENIZER_FILE, **_IF_THERE) is None:
        source = base_of_adapter(source)
    tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise ValueError(f"expected a tokenizer of transformers, got `{type(tokenizer).__name__}`")
    return tokenizer


def freeze(teacher: PreTrainedModel) -> PreTrainedModel:
    """Evaluation mode and no gradients, in place (the published code leaves the teacher's dropout on)."""
    teacher.requires_grad_(False)
    teacher.train(False)
    return teacher


def weights_sha256(model: PreTrainedModel) -> str:
    """A hash of all weights, names and types included: two teachers are the same when it is.

    Of a teacher that ZeRO-3 has partitioned it is the hash of the whole; every process calls this.
    """
    digest = hashlib.sha256()
    for name, tensor in whole_tensors(model):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _load_config(name: str, revision: str | None = None) -> PreTrainedConfig:
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


def _load_encoder(name: str, config: PreTrainedConfig, kind: str | None, dtype: torch.dtype | None) -> PreTrainedModel:
    """The encoder without its pooler, which no term reads; of multiple choice the whole model."""
    if kind == "ForMultipleChoice":
        head = _head_of(kind, config, name)
        return _pretrained(head.auto_class.from_pretrained(name, config=config, **_dtype_argument(dtype)))
    encoder_class = _head_of(None, config, name).families[type(config)]
    pooler = {"add_pooling_layer": False} if _takes_pooler(encoder_class) else {}
    return _pretrained(AutoModel.from_pretrained(name, config=config, **pooler, **_dtype_argument(dtype)))


def _load_embedder(
    name: str, config: PreTrainedConfig, student: PreTrainedModel, dtype: torch.dtype | None
) -> PreTrainedModel:
    """A teacher of embeddings; every weight that they depend on is in the file."""
    has_head = any(str(architecture).endswith(_EMBEDDING) for architecture in config.architectures or ())
    head = _EMBEDDING_STUDENT if has_head else _head_of(None, config, name)
    takes_pooler = not has_head and _takes_pooler(head.families[type(config)])
    pooler = {"add_pooling_layer": False} if takes_pooler else {}
    teacher, info = head.auto_class.from_pretrained(
        name, config=config, output_loading_info=True, **pooler, **_dtype_argument(dtype)
    )
    _check_trained(sorted(info["missing_keys"]), type(student).__name__, name)
    teach_embeddings(teacher, student)
    return _pretrained(teacher)


def _takes_pooler(encoder_class: object) -> bool:
    return inspect.isclass(encoder_class) and "add_pooling_layer" in inspect.signature(encoder_class).parameters


def _load_adapted(
    name: str, wanted_class: str, kind: str | None, *, needs_head: bool, dtype: torch.dtype | None
) -> PreTrainedModel:
    """The base of an adapter with the head that the adapter was trained with, merged."""
    from peft import PeftConfig
    from peft.utils import load_peft_weights

    adapter = PeftConfig.from_pretrained(name)
    trained_kind = _adapter_kind(adapter)
    needed = needs_head or kind == "ForMultipleChoice"
    if needed and _head_alone(trained_kind) != _head_alone(kind):
        raise ValueError(
            f"expected an adapter trained with a head like `{wanted_class}`'s, got `{name}` of task type "
            f"{adapter.task_type}; because a head that was never trained teaches noise; train the adapter on the "
            "student's task, or train the intermediate-layer phase only"
        )
    base_name = _base_name(name, adapter.base_model_name_or_path)
    check_weights(Path(base_name))
    config = _load_config(base_name, adapter.revision)
    wanted = config.dtype if dtype is None else dtype  # from_pretrained writes its own into the configuration
    weights = load_peft_weights(name, device="cpu")
    if trained_kind in _LABELLED_HEADS:
        _set_classes(config, weights, name)
    head = _head_of(trained_kind, config, base_name) if trained_kind else _ENCODER
    base, info = head.auto_class.from_pretrained(
        base_name,
        config=config,
        revision=adapter.revision or "main",
        dtype=torch.float32,  # in half precision the merged weights would lose the adapter's digits
        ignore_mismatched_sizes=True,  # a head for other classes, which the adapter replaces
        output_loading_info=True,
    )
    check_not_quantised(base)
    if needs_head:
        untrained = {*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])}
        _check_trained(
            sorted(key for key in untrained if f"base_model.model.{key}" not in weights), wanted_class, name
        )
    merged = merged_teacher(load_adapter(base, name))
    teacher = merged if needs_head or kind == "ForMultipleChoice" else _pretrained(merged.base_model)
    if needs_head:
        _check_vocabulary_head(teacher, kind)
    if isinstance(wanted, torch.dtype):
        cast_weights(teacher, wanted)
    return freeze(teacher)


def _adapter_kind(adapter: Any) -> str | None:  # noqa: ANN401 (a PeftConfig; peft is imported where it is needed)
    """The head an adapter was trained with: by its task type, else by the class that it was put on."""
    for kind, head in HEADS.items():
        if adapter.task_type is not None and adapter.task_type == head.task_type:
            return kind
    trained_class = str((adapter.auto_mapping or {}).get("base_model_class", ""))
    return next((kind for kind in HEADS if trained_class.endswith(kind)), None)


def _base_name(adapter: str, base: str | None) -> str:
    """Where an adapter's base is: the path as written, or beside the adapter; else a name of the Hub."""
    beside = Path(adapter) / (base or "")
    if base and Path(base).exists():
        return base
    if base and beside.exists():
        return str(beside)
    if not base or Path(base).is_absolute() or base.startswith(".") or base.count("/") > 1:
        got = f"`{base}`, which does not exist" if base else "none"
        raise ValueError(
            f"expected the base of the adapter `{adapter}`, got {got}; because an adapter is a change to its base and "
            f"nothing alone; set `base_model_name_or_path` in its `{ADAPTER_CONFIG_FILE}`, or pass a `PeftModel`"
        )
    return base


def _set_classes(config: PreTrainedConfig, weights: dict[str, torch.Tensor], adapter: str) -> None:
    """As many classes as the adapter's head, by the names beside it; else the base's, if they are as many."""
    counts = {len(tensor) for name, tensor in weights.items() if name.endswith(_CLASS_LAYERS)}
    if len(counts) == 1 and config.num_labels not in counts:
        config.num_labels = counts.pop()
    beside = cached_file(adapter, CONFIG_NAME, **_IF_THERE)
    told = {} if beside is None else json.loads(Path(beside).read_text(encoding="utf-8"))
    named = {int(index): str(label) for index, label in (told.get("id2label") or {}).items()}
    if len(named) == config.num_labels:
        config.id2label = named
        config.label2id = {label: index for index, label in named.items()}


def _head_alone(kind: str | None) -> Head:
    return HEADS[kind] if kind else _ENCODER


def _head_of(kind: str | None, config: PreTrainedConfig, name: str) -> Head:
    head = _head_alone(kind)
    if type(config) not in head.families:
        wanted = f"a head of the kind {kind}" if kind else "an encoder"
        raise ValueError(
            f"expected a teacher with {wanted}, got `{name}` of the family `{config.model_type}`, which has none in "
            "transformers; because like is compared with like; take a teacher of another family, or train the "
            "intermediate-layer phase only"
        )
    return head


def _check_trained(missing: list[str], wanted_class: str, name: str) -> None:
    if missing:
        raise ValueError(
            f"expected a teacher fine-tuned with a head like `{wanted_class}`'s, got `{name}` without "
            f"{', '.join(f'`{key}`' for key in missing)}; because a head that was never trained teaches noise; "
            "fine-tune the teacher on the task first, or train the intermediate-layer phase only"
        )


def _check_vocabulary_head(teacher: PreTrainedModel, kind: str | None) -> None:
    """ELECTRA's pre-training head, for one, tells replaced tokens apart and predicts none."""
    if kind in _VOCABULARY_HEADS and teacher.get_output_embeddings() is None:
        raise ValueError(
            f"expected a teacher that predicts masked tokens, got `{type(teacher).__name__}`, which does not; because "
            "the student's predictions are over the vocabulary; give the student a head of the kind ForMaskedLM, or "
            "train the intermediate-layer phase only"
        )


def _dtype_argument(dtype: torch.dtype | None) -> dict[str, torch.dtype]:
    return {} if dtype is None else {"dtype": dtype}


def _pretrained(model: object) -> PreTrainedModel:
    """The Auto classes are untyped."""
    if not isinstance(model, PreTrainedModel):
        raise ValueError(f"expected a model of transformers, got `{type(model).__name__}`")
    return model


__all__ = [
    "HEADS",
    "Head",
    "base_of_adapter",
    "freeze",
    "load_adapted_config",
    "load_adapted_model",
    "load_teacher",
    "load_teacher_tokenizer",
    "load_teacher_with_trained_head",
    "weights_sha256",
]

"""The model of an adapter's folder: its base with the head that was trained, and the adapter merged into it."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import CONFIG_NAME
from transformers.utils.hub import cached_file

from hf_tinybert.distillation.adapters import (
    ADAPTER_CONFIG_FILE,
    check_not_quantised,
    load_adapter,
    merged_teacher,
)
from hf_tinybert.distillation.checkpoints import check_weights
from hf_tinybert.distillation.frozen_weights import freeze
from hf_tinybert.distillation.teacher_heads import (
    ENCODER,
    HEADS,
    LABELLED_HEADS,
    check_trained,
    check_vocabulary_head,
    head_alone,
    head_of,
    load_config,
    pretrained,
)
from hf_tinybert.distillation.weight_type import cast_weights

IF_THERE: dict[str, Any] = {
    "_raise_exceptions_for_missing_entries": False,
    "_raise_exceptions_for_connection_errors": False,
}
"""How `cached_file` is asked for a file that need not be there."""
_CLASS_LAYERS = ("classifier.weight", "classifier.out_proj.weight", "score.weight")  # of every family's classifiers


def load_adapted_model(name: str | Path, kind: str) -> PreTrainedModel:
    """The model of an adapter folder: its base with the trained head, and the adapter merged into it.

    Args:
        name: Hub name or folder of a peft adapter.
        kind: of the head, out of `HEADS`.

    Raises:
        ValueError: the base cannot be found or does not take it, or no head of that kind was trained with it.
    """
    check_weights(Path(name))
    return load_adapted(str(name), kind, kind, needs_head=True, dtype=None)


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
    config = load_config(base_of_adapter(name), adapter.revision)
    if _adapter_kind(adapter) in LABELLED_HEADS:
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


def load_adapted(
    name: str, wanted_class: str, kind: str | None, *, needs_head: bool, dtype: torch.dtype | None
) -> PreTrainedModel:
    """The base of an adapter with the head that the adapter was trained with, merged and frozen.

    Args:
        name: Hub name or folder of a peft adapter.
        wanted_class: of the student, for messages.
        kind: of the student's head.
        needs_head: as of `load_teacher`.
        dtype: likewise.

    Raises:
        ValueError: the base cannot be found or does not take it, or no head of that kind was trained with it.
    """
    from peft import PeftConfig
    from peft.utils import load_peft_weights

    adapter = PeftConfig.from_pretrained(name)
    trained_kind = _adapter_kind(adapter)
    needed = needs_head or kind == "ForMultipleChoice"
    if needed and head_alone(trained_kind) != head_alone(kind):
        raise ValueError(
            f"expected an adapter trained with a head like `{wanted_class}`'s, got `{name}` of task type "
            f"{adapter.task_type}; because a head that was never trained teaches noise; train the adapter on the "
            "student's task, or train the intermediate-layer phase only"
        )
    base_name = _base_name(name, adapter.base_model_name_or_path)
    check_weights(Path(base_name))
    config = load_config(base_name, adapter.revision)
    wanted = config.dtype if dtype is None else dtype  # from_pretrained writes its own into the configuration
    weights = load_peft_weights(name, device="cpu")
    if trained_kind in LABELLED_HEADS:
        _set_classes(config, weights, name)
    head = head_of(trained_kind, config, base_name) if trained_kind else ENCODER
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
        check_trained(sorted(key for key in untrained if f"base_model.model.{key}" not in weights), wanted_class, name)
    merged = merged_teacher(load_adapter(base, name))
    teacher = merged if needs_head or kind == "ForMultipleChoice" else pretrained(merged.base_model)
    if needs_head:
        check_vocabulary_head(teacher, kind)
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
    beside = cached_file(adapter, CONFIG_NAME, **IF_THERE)
    told = {} if beside is None else json.loads(Path(beside).read_text(encoding="utf-8"))
    named = {int(index): str(label) for index, label in (told.get("id2label") or {}).items()}
    if len(named) == config.num_labels:
        config.id2label = named
        config.label2id = {label: index for index, label in named.items()}


__all__ = ["IF_THERE", "base_of_adapter", "load_adapted", "load_adapted_config", "load_adapted_model"]

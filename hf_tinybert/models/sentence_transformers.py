"""Folders of sentence-transformers: written for an embedding student, read for how a teacher pools.

Neither needs that library. The layout is the one that all its versions since 2.0 load: modules.json names the modules
in order, the first one lies in the folder itself, each other one in a folder of its own.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import BertModel, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.hub import cached_file

from hf_tinybert.models.checkpoint_folder import check_output_folder, staged_folder
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.conversion import plain_bert_config
from hf_tinybert.models.modeling_tinybert_sentence_embedding import TinyBertForSentenceEmbedding

MODULES_FILE = "modules.json"
_TRANSFORMER_FILE = "sentence_bert_config.json"
_MODULE_FILE = "config.json"
_TYPES = "sentence_transformers.models."
_SIZES = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size")
# The names of a way of pooling: ours (and the library's since 6.0), and the one that earlier versions wrote.
_POOLINGS = {"cls": "pooling_mode_cls_token", "mean": "pooling_mode_mean_tokens"}


@dataclass(frozen=True)
class SentenceTransformerSettings:
    """How a folder of sentence-transformers makes an embedding of an encoder's last hidden states.

    Attributes:
        pooling: "mean" or "cls".
        normalize: whether embeddings have length 1.
        max_length: tokens that it reads of a text; None where the tokenizer decides.
    """

    pooling: str
    normalize: bool
    max_length: int | None = None


def save_as_sentence_transformer(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: str | Path
) -> Path:
    """Write an embedding model as a folder that sentence-transformers loads without this package; same embeddings.

    Args:
        model: A `TinyBertForSentenceEmbedding`.
        tokenizer: Its tokenizer.
        folder: Folder to write: plain BERT weights, the tokenizer, and the modules of the head. Written as a whole or
            not at all.

    Returns:
        `folder`.

    Raises:
        FileExistsError: `folder` holds something already.
        ValueError: The model is of another class.
    """
    if not isinstance(model, TinyBertForSentenceEmbedding):
        raise ValueError(
            f"expected a `TinyBertForSentenceEmbedding`, got `{type(model).__name__}`; because the folder says how "
            "texts become vectors; take the one-task model of a multi-task model with `for_task(name)`"
        )
    folder = Path(folder)
    check_output_folder(folder, overwrite=None)
    with staged_folder(folder, overwrite=None) as staged:
        encoder = BertModel(plain_bert_config(model.config), add_pooling_layer=False)
        nn.Module.to(encoder, model.dtype)
        encoder.load_state_dict(model.bert.state_dict())
        encoder.save_pretrained(staged)
        tokenizer.save_pretrained(staged)
        length = min(tokenizer.model_max_length, model.config.max_position_embeddings)
        _write(
            staged / _TRANSFORMER_FILE,
            # without its pooler, which no embedding reads, and which would be drawn at random
            {"max_seq_length": length, "do_lower_case": False, "model_args": {"add_pooling_layer": False}},
        )
        _write_modules(staged, model)
    return folder


def read_sentence_transformer(name: str | Path) -> SentenceTransformerSettings | None:
    """How a folder or Hub model of sentence-transformers pools; None where it is no such model.

    Args:
        name: Folder or Hub name.

    Raises:
        ValueError: It does more than pool the last hidden states by mean or first token and normalise, so that its
            encoder alone does not give its embeddings.
    """
    modules = _read(name, MODULES_FILE)
    if modules is None:
        return None
    kinds = _kinds(modules)
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise ValueError(
            f"expected the modules Transformer, Pooling and perhaps Normalize in `{name}`, got {', '.join(kinds)}; "
            "because a teacher of embeddings is an encoder whose states are pooled; take another teacher, or pass a "
            "`TinyBertForSentenceEmbedding`, which has a linear layer"
        )
    folder, *_ = module_folders(modules[1:2], name)
    pooling = _read(name, f"{folder}/{_MODULE_FILE}") or {}
    transformer = _read(name, _TRANSFORMER_FILE) or {}
    return SentenceTransformerSettings(
        pooling=_pooling(pooling, name), normalize=len(kinds) == 3, max_length=transformer.get("max_seq_length")
    )


def pools_states(name: str | Path) -> bool:
    """Whether a folder or Hub model is one of sentence-transformers that makes an embedding of an encoder's states."""
    return "Pooling" in _kinds(_read(name, MODULES_FILE) or [])


def load_sentence_transformer(name: str | Path) -> TinyBertForSentenceEmbedding:
    """The embedding model of a folder of BERT, as `save_as_sentence_transformer` writes it: the same embeddings.

    Args:
        name: Folder or Hub name; one that does not say how it pools is pooled by mean and normalised.

    Raises:
        ValueError: Weights are missing, or a module is no Pooling, linear Dense or Normalize, in this order.
    """
    modules = _read(name, MODULES_FILE) or []
    kinds, folders = _kinds(modules), module_folders(modules[1:], name)
    dense = _read(name, f"{folders[1]}/{_MODULE_FILE}") if "Dense" in kinds[2:] else {}
    linear = str(dense.get("activation_function", "Identity")).endswith("Identity")
    if kinds and (kinds[2:] not in ([], ["Dense"], ["Normalize"], ["Dense", "Normalize"]) or not linear):
        raise ValueError(
            f"expected a linear Dense and Normalize at most behind the Pooling of `{name}`, got {', '.join(kinds)}; "
            "because its embeddings would be others here; load it with sentence-transformers"
        )
    loader: Any = BertModel  # its return type leaves out the loading info
    encoder, info = loader.from_pretrained(name, add_pooling_layer=False, output_loading_info=True)
    if info["missing_keys"]:
        raise ValueError(
            f"expected the weights of a BERT in `{name}`, got none of {', '.join(sorted(info['missing_keys'])[:5])}; "
            "because they would be drawn at random; name the folder of a whole model"
        )
    pooling = _read(name, f"{folders[0]}/{_MODULE_FILE}") if folders else {"pooling_mode": "mean"}
    config = TinyBertConfig.from_teacher(
        encoder.config,
        **{size: getattr(encoder.config, size) for size in _SIZES},
        pooling=_pooling(pooling or {}, name),
        normalize=not kinds or "Normalize" in kinds,
        embedding_size=dense.get("out_features"),
    )
    model = TinyBertForSentenceEmbedding(config)
    model.bert.load_state_dict(encoder.state_dict())
    if isinstance(model.embedding.projection, nn.Linear):
        weights = load_file(str(cached_file(str(name), f"{folders[1]}/model.safetensors")))
        own = {key.removeprefix("linear."): value for key, value in weights.items()}
        model.embedding.projection.load_state_dict({"bias": torch.zeros(dense["out_features"]), **own})
    nn.Module.eval(model)
    return model


def module_folders(modules: Sequence[Mapping[str, Any]], name: str | Path) -> list[str]:
    """The folders of modules, none of them outside the model.

    Args:
        modules: entries of modules.json that have a folder of their own.
        name: folder or Hub name that they are of.

    Raises:
        ValueError: a path that is not the name of a folder.
    """
    folders = [str(module["path"]) for module in modules]
    for folder in folders:
        if not re.fullmatch(r"\w[\w-]*", folder):
            raise ValueError(
                f"expected the name of a folder for the modules of `{name}`, got `{folder}`; because files outside "
                f"the model are not read for it; correct `{MODULES_FILE}`"
            )
    return folders


def _kinds(modules: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(module["type"]).rsplit(".", 1)[-1] for module in modules]


def _write_modules(folder: Path, model: TinyBertForSentenceEmbedding) -> None:
    """Write modules.json and a folder for each module behind the encoder."""
    width, projection = model.config.hidden_size, model.embedding.projection
    pooling = {f"{key}": name == model.config.pooling for name, key in _POOLINGS.items()}
    modules: list[tuple[str, dict[str, Any]]] = [("Pooling", {"word_embedding_dimension": width, **pooling})]
    if isinstance(projection, nn.Linear):
        settings = {
            "in_features": projection.in_features,
            "out_features": projection.out_features,
            "bias": True,
            "activation_function": "torch.nn.modules.linear.Identity",
        }
        modules.append(("Dense", settings))
    if model.config.normalize:
        modules.append(("Normalize", {}))
    listed = [{"idx": 0, "name": "0", "path": "", "type": f"{_TYPES}Transformer"}]
    for index, (kind, settings) in enumerate(modules, start=1):
        own = folder / f"{index}_{kind}"
        own.mkdir()
        _write(own / _MODULE_FILE, settings)
        if kind == "Dense":
            weights = {f"linear.{name}": value.cpu().contiguous() for name, value in projection.state_dict().items()}
            save_file(weights, own / "model.safetensors")
        listed.append({"idx": index, "name": str(index), "path": own.name, "type": f"{_TYPES}{kind}"})
    _write(folder / MODULES_FILE, listed)
    _write(
        folder / "config_sentence_transformers.json",
        {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"},
    )


def _pooling(settings: dict[str, Any], name: str | Path) -> str:
    modes = settings.get("pooling_mode")
    if modes is None:
        old = {key for key, value in settings.items() if key.startswith("pooling_mode_") and value}
        modes = [ours for ours, key in _POOLINGS.items() if key in old] + sorted(old - set(_POOLINGS.values()))
    modes = [modes] if isinstance(modes, str) else list(modes)
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise ValueError(
            f"expected one way of pooling out of {', '.join(_POOLINGS)} in `{name}`, got {', '.join(modes) or 'none'}"
            "; because the student pools as its teacher does; take another teacher"
        )
    return str(modes[0])


def _read(name: str | Path, file: str) -> Any:  # noqa: ANN401 (JSON)
    """A JSON file of a folder or a Hub model; None without."""
    found = cached_file(
        str(name),
        file,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
        _raise_exceptions_for_gated_repo=False,
    )
    return None if found is None else json.loads(Path(found).read_text(encoding="utf-8"))


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


__all__ = [
    "MODULES_FILE",
    "SentenceTransformerSettings",
    "load_sentence_transformer",
    "module_folders",
    "pools_states",
    "read_sentence_transformer",
    "save_as_sentence_transformer",
]

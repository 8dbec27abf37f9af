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

from safetensors.torch import save_file
from torch import nn
from transformers import BertModel, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.hub import cached_file

from hf_tinybert.models.checkpoint_folder import check_output_folder, staged_folder
from hf_tinybert.models.conversion import plain_bert_config
from hf_tinybert.models.modeling_tinybert_sentence_embedding import TinyBertForSentenceEmbedding

MODULES_FILE = "modules.json"
_TRANSFORMER_FILE = "sentence_bert_config.json"
_MODULE_FILE = "config.json"
_TYPES = "sentence_transformers.models."
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
    kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
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
    "module_folders",
    "read_sentence_transformer",
    "save_as_sentence_transformer",
]

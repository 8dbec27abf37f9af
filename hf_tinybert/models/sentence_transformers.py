"""Folders of sentence-transformers: written for an embedding student, and read back as one.

Neither needs that library. The layout is the one that all its versions since 2.0 load: modules.json names the modules
in order, the first one lies in the folder itself, each other one in a folder of its own.
"""

import json
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
from hf_tinybert.models.sentence_transformer_settings import (
    MODEL_FILE,
    MODULE_FILE,
    MODULES_FILE,
    POOLINGS,
    TRANSFORMER_FILE,
    SentenceTransformerSettings,
    read_sentence_transformer,
)

_TYPES = "sentence_transformers.models."
_SIZES = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size")


def save_as_sentence_transformer(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: str | Path, *, max_length: int | None = None
) -> Path:
    """Write an embedding model as a folder that sentence-transformers loads without this package; same embeddings.

    Args:
        model: A `TinyBertForSentenceEmbedding`.
        tokenizer: Its tokenizer.
        folder: Folder to write: plain BERT weights, the tokenizer, and the modules of the head. Written as a whole or
            not at all.
        max_length: Tokens that are read of a text, as the student reads them (`max_length` of its `task.json`); None
            takes as many as the tokenizer and the positions allow.

    Returns:
        `folder`.

    Raises:
        FileExistsError: `folder` holds something already.
        ValueError: The model is of another class, or has no positions for `max_length` tokens.
    """
    if not isinstance(model, TinyBertForSentenceEmbedding):
        raise ValueError(
            f"expected a `TinyBertForSentenceEmbedding`, got `{type(model).__name__}`; because the folder says how "
            "texts become vectors; take the one-task model of a multi-task model with `for_task(name)`"
        )
    longest = min(tokenizer.model_max_length, model.config.max_position_embeddings)
    if max_length is not None and not 0 < max_length <= longest:
        raise ValueError(
            f"expected `max_length` from 1 to {longest}, got {max_length}; because the model has no positions for "
            "more tokens; leave it out"
        )
    folder = Path(folder)
    check_output_folder(folder, overwrite=None)
    with staged_folder(folder, overwrite=None) as staged:
        encoder = BertModel(plain_bert_config(model.config), add_pooling_layer=False)
        nn.Module.to(encoder, model.dtype)
        encoder.load_state_dict(model.bert.state_dict())
        encoder.save_pretrained(staged)
        tokenizer.save_pretrained(staged)
        length = max_length or longest
        _write(
            staged / TRANSFORMER_FILE,
            # without its pooler, which no embedding reads, and which would be drawn at random
            {"max_seq_length": length, "do_lower_case": False, "model_args": {"add_pooling_layer": False}},
        )
        _write_modules(staged, model)
    return folder


def load_sentence_transformer(name: str | Path) -> TinyBertForSentenceEmbedding:
    """The embedding model of a folder of BERT, as `save_as_sentence_transformer` writes it: the same embeddings.

    Args:
        name: Folder or Hub name; one that does not say how it pools is pooled by mean and normalised.

    Raises:
        ValueError: Weights are missing, or it does more than pool, map linearly and normalise.
    """
    said = read_sentence_transformer(name) or SentenceTransformerSettings("mean", normalize=True)
    loader: Any = BertModel  # its return type leaves out the loading info
    encoder, info = loader.from_pretrained(name, add_pooling_layer=False, output_loading_info=True)
    if info["missing_keys"]:
        raise ValueError(
            f"expected the weights of a BERT in `{name}`, got none of {', '.join(sorted(info['missing_keys'])[:5])}; "
            "because they would be drawn at random; name the folder of a whole model"
        )
    config = TinyBertConfig.from_teacher(
        encoder.config,
        **{size: getattr(encoder.config, size) for size in _SIZES},
        pooling=said.pooling,
        normalize=said.normalize,
        similarity=said.similarity,
        embedding_size=said.linear_size,
    )
    model = TinyBertForSentenceEmbedding(config)
    model.bert.load_state_dict(encoder.state_dict())
    if isinstance(model.embedding.projection, nn.Linear):
        weights = load_file(str(cached_file(str(name), f"{said.linear_folder}/model.safetensors")))
        own = {key.removeprefix("linear."): value for key, value in weights.items()}
        model.embedding.projection.load_state_dict({"bias": torch.zeros(said.linear_size or 0), **own})
    nn.Module.eval(model)
    return model


def _write_modules(folder: Path, model: TinyBertForSentenceEmbedding) -> None:
    """Write modules.json and a folder for each module behind the encoder."""
    width, projection = model.config.hidden_size, model.embedding.projection
    pooling = {f"{key}": name == model.config.pooling for name, key in POOLINGS.items()}
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
        _write(own / MODULE_FILE, settings)
        if kind == "Dense":
            weights = {f"linear.{name}": value.cpu().contiguous() for name, value in projection.state_dict().items()}
            save_file(weights, own / "model.safetensors")
        listed.append({"idx": index, "name": str(index), "path": own.name, "type": f"{_TYPES}{kind}"})
    _write(folder / MODULES_FILE, listed)
    _write(
        folder / MODEL_FILE,
        {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": model.config.similarity},
    )


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


__all__ = ["load_sentence_transformer", "save_as_sentence_transformer"]

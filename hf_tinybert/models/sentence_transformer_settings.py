"""What a folder of sentence-transformers says of its embeddings; what would make other ones here is refused."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.utils.hub import cached_file

from hf_tinybert.models.configuration_tinybert import SIMILARITIES

MODULES_FILE = "modules.json"
TRANSFORMER_FILE = "sentence_bert_config.json"
MODULE_FILE = "config.json"
MODEL_FILE = "config_sentence_transformers.json"
# The names of a way of pooling: ours (and the library's since 6.0), and the one that earlier versions wrote.
POOLINGS = {"cls": "pooling_mode_cls_token", "mean": "pooling_mode_mean_tokens"}
# as versions before 2.0 called the settings of some families
_TRANSFORMER_FILES = (
    TRANSFORMER_FILE,
    *(f"sentence_{name}_config.json" for name in ("roberta", "distilbert", "camembert", "albert", "xlm-roberta")),
)
_BEHIND_POOLING: tuple[list[str], ...] = ([], ["Dense"], ["Normalize"], ["Dense", "Normalize"])


@dataclass(frozen=True)
class SentenceTransformerSettings:
    """How a folder of sentence-transformers makes an embedding of a text.

    Attributes:
        pooling: "mean" or "cls", of the encoder's last hidden states.
        normalize: whether embeddings have length 1.
        max_length: tokens that it reads of a text; None where the tokenizer decides.
        lowercases: whether texts are lower-cased before the tokenizer sees them.
        linear_folder: folder of the linear layer behind the pooling; None without.
        linear_size: width of the embeddings, where there is such a layer.
        similarity: by what embeddings are compared, as of `TinyBertConfig`.
    """

    pooling: str
    normalize: bool
    max_length: int | None = None
    lowercases: bool = False
    linear_folder: str | None = None
    linear_size: int | None = None
    similarity: str = "cosine"


def read_sentence_transformer(name: str | Path) -> SentenceTransformerSettings | None:
    """How a folder or Hub model of sentence-transformers makes embeddings; None where it is no such model.

    Args:
        name: Folder or Hub name.

    Raises:
        ValueError: It does something with a text, a state or a vector that is not done here.
    """
    modules = read_json_of(name, MODULES_FILE)
    if modules is None:
        return None
    kinds = _kinds(modules)
    if kinds[:2] != ["Transformer", "Pooling"] or kinds[2:] not in _BEHIND_POOLING:
        raise ValueError(
            f"expected the modules Transformer, Pooling and perhaps a linear Dense and Normalize in `{name}`, got "
            f"{', '.join(kinds)}; because its embeddings would be others here; take another model"
        )
    folders = module_folders(modules[1:], name)
    transformer: dict[str, Any] = next(filter(None, (read_json_of(name, file) for file in _TRANSFORMER_FILES)), {})
    model: dict[str, Any] = read_json_of(name, MODEL_FILE) or {}
    _check_texts(name, transformer, model)
    linear = folders[1] if "Dense" in kinds else None
    return SentenceTransformerSettings(
        pooling=_pooling(read_json_of(name, f"{folders[0]}/{MODULE_FILE}") or {}, name),
        normalize="Normalize" in kinds,
        max_length=transformer.get("tokenizer_args", {}).get("model_max_length", transformer.get("max_seq_length")),
        lowercases=bool(transformer.get("do_lower_case")),
        linear_folder=linear,
        linear_size=None if linear is None else _linear_size(name, linear),
        similarity=_similarity(name, model),
    )


def read_pooled_states(name: str | Path) -> SentenceTransformerSettings | None:
    """As `read_sentence_transformer`, of a model whose embeddings are its encoder's pooled states.

    Raises:
        ValueError: It has a linear layer besides, or does something that is not done here.
    """
    said = read_sentence_transformer(name)
    if said is not None and said.linear_folder is not None:
        raise ValueError(
            f"expected the modules Transformer, Pooling and perhaps Normalize in `{name}`, got a Dense besides; "
            "because the states of an encoder alone are pooled here; take another model, or one of the class "
            "`TinyBertForSentenceEmbedding`, which has a linear layer"
        )
    return said


def pools_states(name: str | Path) -> bool:
    """Whether a folder or Hub model is one of sentence-transformers that makes an embedding of an encoder's states."""
    return "Pooling" in _kinds(read_json_of(name, MODULES_FILE) or [])


def check_same_letters(
    said: SentenceTransformerSettings, tokenizer: PreTrainedTokenizerBase, name: str | Path
) -> None:
    """Refuse a tokenizer that tells letters apart which its folder of sentence-transformers does not.

    Args:
        said: Of the folder.
        tokenizer: Of the folder.
        name: Folder or Hub name.

    Raises:
        ValueError: The folder lower-cases texts before the tokenizer, and the tokenizer does not do so itself.
    """
    normalizer = tokenizer.backend_tokenizer.normalizer if tokenizer.is_fast else None
    lowers = normalizer is not None and normalizer.normalize_str("A") == normalizer.normalize_str("a")
    if said.lowercases and not lowers:
        raise ValueError(
            f"expected a tokenizer that lower-cases in `{name}`, whose `{TRANSFORMER_FILE}` says `do_lower_case`, got "
            "one that tells capital letters apart; because texts with capitals would get other embeddings here; put "
            "`Lowercase` into the normalizer of its `tokenizer.json`"
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


def read_json_of(name: str | Path, file: str) -> Any:  # noqa: ANN401 (JSON)
    """A JSON file of a folder or a Hub model; None without."""
    found = cached_file(
        str(name),
        file,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
        _raise_exceptions_for_gated_repo=False,
    )
    return None if found is None else json.loads(Path(found).read_text(encoding="utf-8"))


def _kinds(modules: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(module["type"]).rsplit(".", 1)[-1] for module in modules]


def _check_texts(name: str | Path, transformer: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    """Refuse what changes texts before, or vectors after the modules."""
    prompt = (model.get("prompts") or {}).get(model.get("default_prompt_name"))
    if prompt:
        raise ValueError(
            f"expected a model that reads texts as they are, got `{name}`, which puts `{prompt}` before each "
            f"(`default_prompt_name` of its `{MODEL_FILE}`); because texts without it would get other embeddings; "
            "write it into the texts of the data, and take it out of a copy of the folder"
        )
    if model.get("truncate_dim"):
        raise ValueError(
            f"expected whole embeddings of `{name}`, got `truncate_dim` {model['truncate_dim']} in its "
            f"`{MODEL_FILE}`; because they are not cut here; take it out of a copy of the folder"
        )
    if transformer.get("processing_kwargs"):
        raise ValueError(
            f"expected a model whose tokenizer alone reads texts, got `{name}` with `processing_kwargs` "
            f"{transformer['processing_kwargs']}; because they are not heeded here; take another model"
        )


def _similarity(name: str | Path, model: Mapping[str, Any]) -> str:
    said = str(model.get("similarity_fn_name") or "cosine")  # versions before 3.0 did not say, and took the cosine
    if said not in SIMILARITIES:
        raise ValueError(
            f"expected a `similarity_fn_name` out of {', '.join(SIMILARITIES)} in the `{MODEL_FILE}` of `{name}`, got "
            f"`{said}`; because texts would be compared otherwise here; take another model"
        )
    return said


def _linear_size(name: str | Path, folder: str) -> int:
    dense = read_json_of(name, f"{folder}/{MODULE_FILE}") or {}
    activation = str(dense.get("activation_function", "Tanh")).rsplit(".", 1)[-1]  # without a word the library's
    if activation != "Identity" or dense.get("use_residual"):
        raise ValueError(
            f"expected a linear Dense behind the Pooling of `{name}`, got one with {activation}"
            f"{' and the sum with what it reads' if dense.get('use_residual') else ''}; because its embeddings would "
            "be others here; load it with sentence-transformers"
        )
    return int(dense["out_features"])


def _pooling(settings: Mapping[str, Any], name: str | Path) -> str:
    modes = settings.get("pooling_mode")
    if modes is None:
        old = {key for key, value in settings.items() if key.startswith("pooling_mode_") and value}
        modes = [ours for ours, key in POOLINGS.items() if key in old] + sorted(old - set(POOLINGS.values()))
    modes = [modes] if isinstance(modes, str) else list(modes)
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise ValueError(
            f"expected one way of pooling out of {', '.join(POOLINGS)} in `{name}`, got {', '.join(modes) or 'none'}"
            "; because the student pools as its teacher does; take another teacher"
        )
    return str(modes[0])


__all__ = [
    "MODEL_FILE",
    "MODULES_FILE",
    "MODULE_FILE",
    "POOLINGS",
    "TRANSFORMER_FILE",
    "SentenceTransformerSettings",
    "check_same_letters",
    "module_folders",
    "pools_states",
    "read_json_of",
    "read_pooled_states",
    "read_sentence_transformer",
]

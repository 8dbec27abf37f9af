"""Hashes of what lies under the name of a model: its weights, and the files that say how it reads and answers."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hf_tinybert.data.data_files import file_sha256
from hf_tinybert.data.tasks import TASK_FILE
from hf_tinybert.distillation.adapted_model import base_of_adapter
from hf_tinybert.distillation.adapters import ADAPTER_CONFIG_FILE
from hf_tinybert.models.checkpoint_folder import CONFIG_FILE, weight_files_sha256
from hf_tinybert.models.sentence_transformer_settings import MODEL_FILE, MODULE_FILE, MODULES_FILE
from hf_tinybert.workflow.model_folder import stored_folder
from hf_tinybert.workflow.teacher_source import TeacherSource

_TOKENIZER_FILE = "tokenizer.json"
# All that is read of a model beside its weights. Cards, pictures, logs, figures and what only training needs are not.
_READ_FILES = (
    CONFIG_FILE,
    ADAPTER_CONFIG_FILE,
    TASK_FILE,
    f"tasks/*/{TASK_FILE}",
    _TOKENIZER_FILE,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "bpe.codes",
    "*.model",  # of SentencePiece
    MODULES_FILE,
    MODEL_FILE,
    "sentence_*_config.json",
)
# Where and by what a file was written.
_OF_NO_CONSEQUENCE = frozenset(
    {
        "__version__",
        "_name_or_path",
        "cache_dir",
        "is_local",
        "local_files_only",
        "name_or_path",
        "peft_version",
        "special_tokens_map_file",
        "tokenizer_file",
        "transformers_version",
    }
)
# Every call says how long it cuts and pads; the file keeps what the last one said.
_OF_EVERY_CALL = frozenset({"padding", "truncation"})


def stored_weights_sha256(name: str | Path | TeacherSource, *, all_bin: bool = False) -> str | None:
    """A hash of the weight files of a folder, or of a Hub model in the local cache; no model is loaded for it.

    Args:
        name: folder or Hub name; of an adapter its base counts too, of several teachers all and their shares.
        all_bin: as of `weight_files_sha256`.

    Returns:
        None where there are none.
    """
    if isinstance(name, TeacherSource):
        if not name.is_joined:
            return stored_weights_sha256(name.first, all_bin=all_bin)
        every = [stored_weights_sha256(one, all_bin=all_bin) for one in name.names]
        return None if None in every else hashlib.sha256(f"{every} {list(name.shares)}".encode()).hexdigest()
    folder = stored_folder(name)
    own = None if folder is None else weight_files_sha256(folder, all_bin=all_bin)
    if folder is None or own is None or not (folder / ADAPTER_CONFIG_FILE).is_file():
        return own
    name_of_base = _base(folder)
    base = None if name_of_base is None else stored_weights_sha256(name_of_base, all_bin=all_bin)
    return None if base is None else hashlib.sha256(f"{own} on {base}".encode()).hexdigest()


def read_files_sha256(name: str) -> dict[str, str]:
    """Hashes of the files beside the weights that decide what a model makes of a text: configuration, tokenizer, task.

    Of JSON files the content counts, without what says where and by what it was written.

    Args:
        name: folder or Hub name; of an adapter the files of its base count too.

    Returns:
        By `name/file`, and of a folder by its name which files there are: of a Hub model more may be in the cache at a
        later call. Nothing where the model is not on this machine.
    """
    folder = stored_folder(name)
    if folder is None:
        return {}
    files = sorted(set(_read_files(folder)))
    told = {f"{name}/{file}": _content_sha256(folder / file) for file in files}
    if Path(name).is_dir():
        told[name] = hashlib.sha256("\n".join(files).encode()).hexdigest()
    base = _base(folder)
    return told if base is None else told | read_files_sha256(base)


def _base(folder: Path) -> str | None:
    """The name of the model that an adapter was trained on; None of another folder, and where the base is gone."""
    if not (folder / ADAPTER_CONFIG_FILE).is_file():
        return None
    try:
        return base_of_adapter(folder)
    except ValueError:
        return None


def _read_files(folder: Path) -> Iterator[str]:
    """Those that are there, by their path within the model."""
    for pattern in _READ_FILES:
        yield from (file.relative_to(folder).as_posix() for file in folder.glob(pattern) if file.is_file())
    modules = _json(folder / MODULES_FILE) if (folder / MODULES_FILE).is_file() else None
    for module in modules if isinstance(modules, list) else ():
        own = str(module.get("path", "")) if isinstance(module, Mapping) else ""
        # the layers behind the encoder, whose own files lie beside `modules.json`
        found = (f"{own}/{name}" for name in (MODULE_FILE, "model.safetensors", "pytorch_model.bin"))
        yield from (file for file in found if own and (folder / file).is_file())


def _content_sha256(file: Path) -> str:
    content = _json(file) if file.suffix == ".json" else None
    if not isinstance(content, dict):
        return file_sha256(file)
    passed_over = _OF_NO_CONSEQUENCE | (_OF_EVERY_CALL if file.name == _TOKENIZER_FILE else frozenset())
    told = {key: value for key, value in content.items() if key not in passed_over}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _json(file: Path) -> Any:  # noqa: ANN401 (JSON)
    """Its content; None of a damaged one."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return None


__all__ = ["read_files_sha256", "stored_weights_sha256"]

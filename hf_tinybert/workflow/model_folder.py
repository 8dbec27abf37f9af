"""A model folder as the workflow writes and reads it: weights, tokenizer, task."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from transformers import (
    AutoConfig,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.utils.hub import cached_file

from hf_tinybert.data.tasks import KINDS, TASK_FILE, Task, TaskKind, TaskSettings
from hf_tinybert.distillation.adapted_model import load_adapted_config
from hf_tinybert.distillation.adapters import ADAPTER_CONFIG_FILE, is_adapter, unknown_model
from hf_tinybert.distillation.checkpoints import check_weights
from hf_tinybert.distillation.teacher import load_teacher_tokenizer
from hf_tinybert.models.checkpoint_folder import CONFIG_FILE
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.exported_runtime import ExportedRuntime, is_exported
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.models.sentence_transformer_settings import (
    check_same_letters,
    pools_states,
    read_sentence_transformer,
)
from hf_tinybert.workflow.heads import load_adapted, load_with_head
from hf_tinybert.workflow.task_data import longest_input, task_kind, usual_lengths

_TASKS_FOLDER = "tasks"
_TOKENIZER_FILE = "tokenizer.json"
_SENTENCE_PIECE = ("spm.model", "sentencepiece.bpe.model", "spiece.model", "sentencepiece.model")


@dataclass(frozen=True)
class ModelFolder:
    """A model with all that its task needs.

    Attributes:
        name: Hub name or folder.
        model: with the head of the task; of an exported folder, the graph in its runtime.
        tokenizer: of the model.
        task: kind, label names and lengths.
    """

    name: str
    model: PreTrainedModel | ExportedRuntime
    tokenizer: PreTrainedTokenizerBase
    task: Task


def load_model_folder(name: str | Path, *, task: str | None = None, kind: str | None = None) -> ModelFolder:
    """A model that evaluates and predicts, exported ones and adapters among them.

    Args:
        name: Hub name or folder; an adapter is loaded on its base and merged.
        task: of a multi-task folder, the head that answers.
        kind: of a model without `task.json`, as others publish them; its label names are those of its configuration.
            A folder of sentence-transformers says it by its modules.

    Raises:
        FileNotFoundError: no such folder or Hub name.
        ValueError: truncated weights, a head that is not there or was never trained, no kind.
        ModuleNotFoundError: the runtime of an exported folder is not installed.
    """
    config = answering_config(name)
    tokenizer = load_tokenizer(str(name))
    check_weights(Path(name))
    known = _known_task(name, config, tokenizer, task, kind)
    if is_adapter(name):
        return ModelFolder(str(name), load_adapted(name, known), tokenizer, known)
    tasks = heads_of(config)
    if tasks:
        model = TinyBertForMultiTask.from_pretrained(name).for_task(_chosen(tasks, task, name))
        return ModelFolder(str(name), model, tokenizer, known)
    if is_exported(name):
        return ModelFolder(str(name), ExportedRuntime(name), tokenizer, known)
    return ModelFolder(str(name), load_with_head(str(name), config, known), tokenizer, known)


def load_task(name: str | Path, *, task: str | None = None, kind: str | None = None) -> Task:
    """The task of a model that is not loaded for it; arguments and errors as of `load_model_folder`."""
    return _known_task(name, answering_config(name), load_tokenizer(str(name)), task, kind)


def task_of_folder(name: str, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase, kind: str | None) -> Task:
    """The task of `task.json`; without such a file the task of a kind with the label names of the configuration.

    Its lengths are then the usual ones of the kind. A folder of sentence-transformers reads as many tokens as it says.
    """
    own = folder_of_file(name, TASK_FILE)
    if own is not None:
        task = Task.load(own)
        _check_kind(f"`{name}`", task, kind)
        return task
    if kind is None:
        return Task.load(Path(name))  # says what is missing
    chosen = task_kind(kind)
    if chosen is TaskKind.SENTENCE_EMBEDDING and pools_states(name):
        return embedding_task(name, config, tokenizer)
    named = {int(index): str(label) for index, label in (config.id2label or {}).items()}
    labels = tuple(named[index] for index in sorted(named)) if has_label_names(chosen) else ()
    length, stride = usual_lengths(chosen, longest_input(tokenizer, config))
    similarity = config.similarity if isinstance(config, TinyBertConfig) else TaskSettings.similarity
    return Task(TaskSettings(chosen, labels, max_length=length, stride=stride, similarity=similarity))


def embedding_task(name: str | Path, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> Task:
    """The task of a folder of sentence-transformers: it reads as many tokens of a text as that library does.

    Args:
        name: Hub name or folder.
        config: of its encoder.
        tokenizer: of the folder.

    Raises:
        ValueError: it makes its embeddings otherwise than is done here.
    """
    said, longest = read_sentence_transformer(name), longest_input(tokenizer, config)
    if said is not None:
        check_same_letters(said, tokenizer, name)
        longest = min(longest, said.max_length or longest)
    similarity = TaskSettings.similarity if said is None else said.similarity
    return Task(TaskSettings(TaskKind.SENTENCE_EMBEDDING, max_length=longest, similarity=similarity))


def heads_of(config: PreTrainedConfig) -> Mapping[str, Mapping[str, Any]]:
    """The heads of a multi-task model by name, as its configuration describes them; none of any other model.

    A `tasks` of another model's configuration means something else, and its names are not checked.
    """
    tasks = config.tasks if isinstance(config, TinyBertConfig) else None
    return tasks or {}


def answering_config(name: str | Path) -> PreTrainedConfig:
    """As `load_config`, of an adapter too: that of its base, with the classes of the adapter."""
    return load_adapted_config(name) if is_adapter(name) else load_config(str(name))


def load_config(name: str) -> PreTrainedConfig:
    """The configuration of a Hub name or folder.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is of no model that transformers knows, or the folder holds an adapter alone.
    """
    if (Path(name) / ADAPTER_CONFIG_FILE).is_file() and not (Path(name) / CONFIG_FILE).is_file():
        raise ValueError(
            f"expected the folder of a whole model, got the adapter `{name}`; because its base is not in it; merge "
            "them: `merge_and_unload()` of its `PeftModel`, then `save_pretrained` of model and tokenizer"
        )
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(name, trust_remote_code=False)
    except OSError as error:
        raise unknown_model(name, error) from error
    except ValueError as error:
        raise ValueError(
            f"expected a model folder or a Hub name, got `{name}`; because it has no configuration of a known model "
            f"({error}); name a folder as `hf-tinybert finetune` or `distill` write it"
        ) from error
    return config


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a Hub name or folder; of a folder without its files transformers would make an empty one.

    Of an adapter without one it is the base's.

    Raises:
        ValueError: there is none, or none that can be read.
        ModuleNotFoundError: it is a model of SentencePiece alone, as of DeBERTa-v3, and that package is not installed.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = (
            load_teacher_tokenizer(name)
            if is_adapter(name)
            else AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        )
    except (ValueError, ImportError) as error:
        _check_sentence_piece(name, error)
        raise ValueError(
            f"expected a tokenizer in `{name}`, got none that can be read ({' '.join(str(error).split())}); because "
            "texts cannot be encoded without; save the tokenizer beside the model, as `tokenizer.json`"
        ) from error
    if len(tokenizer.get_vocab()) <= len(tokenizer.all_special_tokens):
        raise ValueError(
            f"expected tokenizer files in `{name}`, got a vocabulary of {len(tokenizer.get_vocab())} tokens; because "
            "texts cannot be encoded without; save the tokenizer beside the model"
        )
    return tokenizer


def _check_sentence_piece(name: str, error: Exception) -> None:
    """Say which package reads the only file of a tokenizer: transformers names another one."""
    alone = not folder_of_file(name, _TOKENIZER_FILE) and any(folder_of_file(name, one) for one in _SENTENCE_PIECE)
    if alone and importlib.util.find_spec("sentencepiece") is None:
        raise ModuleNotFoundError(
            f"expected the package `sentencepiece` for the tokenizer of `{name}`, got none; because it has no "
            f"`{_TOKENIZER_FILE}` and is read from the model of SentencePiece; "
            '`pip install "hf-tinybert[sentencepiece]"`',
            name="sentencepiece",
        ) from error


def stored_folder(name: str | Path) -> Path | None:
    """Where the files of a model lie on this machine: its folder, or the local cache of the Hub; None if nowhere."""
    if Path(name).is_dir():
        return Path(name)
    try:
        cached = try_to_load_from_cache(str(name), CONFIG_FILE)
    except ValueError:  # a name that the Hub cannot have
        return None
    return Path(cached).parent if isinstance(cached, str) else None


def folder_of_file(name: str | Path, file: str) -> Path | None:
    """Where a file of a folder or of a Hub model lies on this machine; of the latter it is fetched where it can be.

    Args:
        name: folder or Hub name.
        file: its path within the model.

    Returns:
        The folder that holds it; None where the model has no such file.
    """
    if Path(name).is_dir():
        found = Path(name) / file
        return found.parent if found.is_file() else None
    fetched = cached_file(
        str(name),
        file,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
        _raise_exceptions_for_gated_repo=False,
    )
    return None if fetched is None else Path(fetched).parent


def save_model_folder(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, task: Task) -> None:
    """Write weights, tokenizer and `task.json`."""
    model.save_pretrained(folder)
    ready_to_save(tokenizer, model.config)
    tokenizer.save_pretrained(folder)
    task.save(folder)


def ready_to_save(tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig) -> None:
    """Have a tokenizer cut and pad by what a call asks for alone, and say how many tokens its model reads.

    Its file would keep what the last call asked for: programs that read `tokenizer.json` without transformers would
    cut by it, and what the last call was depends on whether the run was interrupted. That of a teacher with relative
    positions, such as DeBERTa-v3, knows no limit; its student has one.

    Args:
        tokenizer: about to be saved; changed in place.
        config: of the model that is saved with it.
    """
    tokenizer.model_max_length = longest_input(tokenizer, config)
    if isinstance(tokenizer, PreTrainedTokenizerFast):
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()


def task_folder(folder: Path, task: str) -> Path:
    """Where a multi-task folder keeps the `task.json` of a task; made if it does not exist."""
    own = folder / _TASKS_FOLDER / task
    own.mkdir(parents=True, exist_ok=True)
    return own


def _known_task(
    name: str | Path, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase, task: str | None, kind: str | None
) -> Task:
    tasks = heads_of(config)
    if tasks:
        chosen = _chosen(tasks, task, name)
        known = _task_of_head(name, chosen, config, tokenizer)
        _check_kind(f"the head `{chosen}` of `{name}`", known, kind)
        return known
    if task is not None:
        raise ValueError(
            f"expected a multi-task model for `--task {task}`, got `{name}`, which has one head; leave the task out"
        )
    if kind is None and folder_of_file(name, TASK_FILE) is None and pools_states(name):
        kind = str(TaskKind.SENTENCE_EMBEDDING)
    return task_of_folder(str(name), config, tokenizer, kind)


def _check_kind(who: str, task: Task, kind: str | None) -> None:
    if kind not in (None, str(task.kind)):
        raise ValueError(f"expected the kind `{task.kind}` that {who} was trained for, got `{kind}`; leave it out")


def _chosen(tasks: Mapping[str, Any], task: str | None, name: str | Path) -> str:
    if task is None and len(tasks) == 1:
        return next(iter(tasks))
    if task is None or task not in tasks:
        got = "none" if task is None else f"`{task}`"
        raise ValueError(
            f"expected one of the tasks {', '.join(f'`{one}`' for one in sorted(tasks))} of `{name}`, got {got}; "
            "because each has a head of its own; name one by `--task`"
        )
    return task


def _task_of_head(model: str | Path, name: str, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> Task:
    """Of `tasks/<name>/task.json`; without it, of what the configuration says of the head."""
    own = folder_of_file(model, f"{_TASKS_FOLDER}/{name}/{TASK_FILE}")
    if own is not None:
        return Task.load(own)
    head = heads_of(config)[name]
    named = head.get("id2label") or {}
    labels = tuple(str(named[key]) for key in sorted(named, key=int))
    kind = TaskKind(head["kind"])
    length, stride = usual_lengths(kind, longest_input(tokenizer, config))
    similarity = head.get("similarity") or TaskSettings.similarity
    names = labels if has_label_names(kind) else ()
    return Task(TaskSettings(kind, names, max_length=length, stride=stride, similarity=similarity))


def has_label_names(kind: TaskKind) -> bool:
    """Whether a kind has named classes or tags."""
    columns = KINDS[kind].label_columns
    return kind is not TaskKind.MULTIPLE_CHOICE and any(name in ("label", "labels", "tags") for name in columns)


__all__ = [
    "ModelFolder",
    "answering_config",
    "embedding_task",
    "folder_of_file",
    "has_label_names",
    "heads_of",
    "load_config",
    "load_model_folder",
    "load_task",
    "load_tokenizer",
    "ready_to_save",
    "save_model_folder",
    "stored_folder",
    "task_folder",
    "task_of_folder",
]

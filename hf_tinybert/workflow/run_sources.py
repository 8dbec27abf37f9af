"""What lies under the names that the settings of a run give: models with what they read, files and data."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hf_tinybert.data.data_files import file_sha256
from hf_tinybert.data.raw_splits import local_files
from hf_tinybert.run_folder import RunFolder
from hf_tinybert.workflow.model_contents import read_files_sha256, stored_weights_sha256

_STAGE = "sources"
_MODELS, _MODEL_FILES, _FILES, _DATA = "models", "model_files", "files", "data"
_BEGUN_WITH = (_MODELS, _MODEL_FILES, _FILES)
_Contents = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class RunSources:
    """The names of what a run is made of: something else may lie under them at a later call.

    Attributes:
        models: Hub names or folders of those that it starts with, learns from or makes smaller.
        files: of texts, words and vectors.
        data: data sets as of `load_task_data`, and files of rows, which `check_same_rows` compares in a run that goes
            on.
    """

    models: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    data: tuple[str, ...] = ()

    def contents(self) -> dict[str, dict[str, str]]:
        """Hashes by name of weights, what models read beside them, files and data; of what is not here none."""
        weights = {name: stored_weights_sha256(name) for name in self.models}
        read = [read_files_sha256(name) for name in self.models]
        return {
            _MODELS: {name: told for name, told in weights.items() if told is not None},
            _MODEL_FILES: {file: told for of_model in read for file, told in of_model.items()},
            _FILES: {name: file_sha256(Path(name)) for name in self.files if Path(name).is_file()},
            _DATA: {name: _files_sha256(files) for name in self.data if (files := local_files(name))},
        }


def check_finished(folder: RunFolder, sources: RunSources) -> None:
    """Refuse to take a finished run for one of what lies under its names now; what is gone passes.

    Args:
        folder: of the run, finished.
        sources: of the run.

    Raises:
        ValueError: a model, a file or data have changed.
    """
    before = folder.finished(_STAGE)
    changed = [] if before is None else _changed(before, sources.contents(), (*_BEGUN_WITH, _DATA))
    if changed:
        raise ValueError(
            f"expected what the finished run in `{folder.path}` was made of, got another content of "
            f"{', '.join(changed)}; because the model there is of the former; name another folder, or remove it"
        )


def keep_sources(folder: RunFolder, sources: RunSources, *, leads: bool) -> None:
    """Remember what a run is made of, and refuse other models and files than those of an earlier call.

    Of data the rows are compared, by `check_same_rows`: those of a file that was written anew may be the same.

    Args:
        folder: of the run, claimed.
        sources: of the run.
        leads: whether this process is the first of a run, which looks and writes.

    Raises:
        ValueError: a model or a file has changed.
    """
    if not leads:
        return
    now, before = sources.contents(), folder.finished(_STAGE) or {}
    changed = _changed(before, now, _BEGUN_WITH)
    if changed:
        raise ValueError(
            f"expected what the run in `{folder.path}` began with, got another content of {', '.join(changed)}; "
            "because what it has learnt is of the former; bring it back, name another folder, or remove it"
        )
    folder.finish(_STAGE, {what: {**before.get(what, {}), **told} for what, told in now.items()})


def _changed(before: _Contents, now: _Contents, kinds: Iterable[str]) -> list[str]:
    """What has another content now, each once; a run of before there were such hashes knows none."""
    known = {what: before.get(what, {}) for what in kinds}
    changed = (
        name
        for what in known
        for name, told in now[what].items()
        if known[what].get(name, told) != told and not (what == _MODELS and _was_told(known[what][name], name))
    )
    return [f"`{name}`" for name in dict.fromkeys(changed)]


def _was_told(known: str, name: str) -> bool:
    """Whether an earlier version told these weights by another hash."""
    return known == stored_weights_sha256(name, all_bin=True)


def _files_sha256(files: Iterable[Path]) -> str:
    told = "\n".join(f"{file.name} {file_sha256(file)}" for file in files)
    return hashlib.sha256(told.encode()).hexdigest()


__all__ = ["RunSources", "check_finished", "keep_sources"]

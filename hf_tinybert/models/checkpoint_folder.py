"""Reads the files of a checkpoint folder with clear errors, and replaces such a folder as a whole or not at all."""

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

CONFIG_FILE = "config.json"
_WEIGHT_FILES = ("*.safetensors", "*.bin")
# what Trainer and accelerate write beside them
_OF_TRAINING = frozenset({"optimizer.bin", "scheduler.bin", "training_args.bin"})
_CHUNK = 2**20
_REPLACING = ", or have the whole folder replaced (`overwrite=True`, on the command line `--overwrite`)"

# In the order of preference: a folder that has both was converted by its owner.
_WEIGHTS_READERS: dict[str, Callable[[Path], Any]] = {
    "model.safetensors": load_file,
    "pytorch_model.bin": partial(torch.load, map_location="cpu", weights_only=True),
}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not JSON, or holds something other than an object.
    """
    _require_file(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"expected JSON in `{path}`, got text that cannot be parsed ({error}); because the file is truncated or "
            "damaged; copy or download it again"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(
            f"expected a JSON object in `{path}`, got {type(content).__name__}; because its settings are read by "
            "name; copy or download the file again"
        )
    return content


def read_vocabulary(path: Path) -> dict[str, int]:
    """Read a vocabulary file with one token per line.

    Args:
        path: The file, usually vocab.txt.

    Returns:
        Token -> id, the id being the number of its line.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not UTF-8 text.
    """
    _require_file(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"expected UTF-8 text in `{path}`, got other bytes ({error}); because the file is damaged or not a "
            "vocabulary; copy or download it again"
        ) from error
    # Not splitlines(): vocabularies may hold tokens that are Unicode line separators.
    return {token: index for index, token in enumerate(text.rstrip("\n").split("\n"))}


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read the weights of a checkpoint folder; pickled files are read without running code from them.

    Args:
        folder: Folder with a model.safetensors (preferred) or a pytorch_model.bin.

    Returns:
        Parameter name -> tensor on the CPU, as stored.

    Raises:
        FileNotFoundError: The folder has neither file.
        ValueError: The file is truncated, damaged, or holds something other than named tensors.
    """
    path = next((folder / name for name in _WEIGHTS_READERS if (folder / name).is_file()), None)
    if path is None:
        raise FileNotFoundError(
            f"expected {' or '.join(f'`{name}`' for name in _WEIGHTS_READERS)} in `{folder}`, got neither; because "
            "the weights are read from there; check the folder, or download the checkpoint again"
        )
    try:
        weights = _WEIGHTS_READERS[path.name](path)
    except (
        Exception
    ) as error:  # A damaged pickle raises anything: nine types were seen when cutting and flipping bytes.
        raise ValueError(
            f"expected named tensors in `{path}`, got a file of {path.stat().st_size} bytes that cannot be read "
            f"({type(error).__name__}: {error}); because it is truncated, a placeholder of a large-file store, or "
            "holds Python objects, which are never loaded; copy or download it again"
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ValueError(
            f"expected named tensors in `{path}`, got {type(weights).__name__} with other content; because only a "
            "model's own state is a checkpoint; save `model.state_dict()` instead of the whole training state"
        )
    return dict(weights)


def weight_files_sha256(folder: Path, *, all_bin: bool = False) -> str | None:
    """A hash of the weight files of a folder, names and bytes; no weight is loaded for it.

    Args:
        folder: Of a model.
        all_bin: Whether `.bin` files that only training has count too, as in what earlier versions wrote down.

    Returns:
        None where there are none.
    """
    found = sorted(file for pattern in _WEIGHT_FILES for file in folder.glob(pattern))
    digest, files = hashlib.sha256(), [file for file in found if all_bin or file.name not in _OF_TRAINING]
    for file in files:
        digest.update(file.name.encode())
        with file.open("rb") as content:
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest() if files else None


def check_output_folder(output: Path, *, overwrite: bool | None) -> None:
    """Refuse an output folder whose content would be lost against the caller's will.

    Args:
        output: Folder to be written. It may be missing or empty.
        overwrite: Whether a folder that holds one checkpoint may be replaced; None where the caller offers no such
            choice, so that none is advised.

    Raises:
        FileExistsError: `output` is a file, or holds something that must not be replaced: anything at all without
            `overwrite`, and with it anything but a single checkpoint (a config.json and no folders inside).
    """
    if not output.exists():
        return
    if not output.is_dir():
        raise FileExistsError(
            f"expected a folder as output, got the file `{output}`; because a checkpoint is several files; name "
            "another folder"
        )
    entries = sorted(output.iterdir())
    if not entries:
        return
    if not overwrite:
        raise FileExistsError(
            f"expected a missing or empty output folder, got `{output}` with {len(entries)} entries; because they "
            f"would be lost; name another folder{'' if overwrite is None else _REPLACING}"
        )
    if not (output / CONFIG_FILE).is_file() or any(entry.is_dir() for entry in entries):
        raise FileExistsError(
            f"expected a checkpoint folder to overwrite, got `{output}` with `{entries[0].name}` among "
            f"{len(entries)} entries; because a folder without `{CONFIG_FILE}`, or with folders inside, holds more "
            "than one checkpoint and would be lost; empty it yourself or name another folder"
        )


@contextmanager
def staged_folder(output: Path, *, overwrite: bool | None) -> Iterator[Path]:
    """Give a folder to write into that takes the place of `output` only when the block ends without an error.

    Args:
        output: Folder to be written; its parents are created.
        overwrite: Whether a checkpoint in `output` may be replaced as a whole, see `check_output_folder`.

    Yields:
        An empty folder beside `output`. It is gone afterwards, and after an error `output` is as it was.

    Raises:
        FileExistsError: `output` must not be replaced.
    """
    check_output_folder(output, overwrite=overwrite)
    output = output.resolve()
    output.parent.mkdir(parents=True, exist_ok=True)
    unique = uuid.uuid4().hex[:8]
    staged = output.with_name(f".{output.name}.{unique}.partial")
    staged.mkdir()
    try:
        yield staged
        _put_in_place(staged, output, previous=output.with_name(f".{output.name}.{unique}.previous"))
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _put_in_place(staged: Path, output: Path, *, previous: Path) -> None:
    """Rename `staged` to `output`; what was there is kept as `previous` until that has worked."""
    if not output.exists():
        staged.rename(output)
        return
    output.rename(previous)
    try:
        staged.rename(output)
    except OSError:
        previous.rename(output)
        raise
    shutil.rmtree(previous)


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(
            f"expected the file `{path}`, got no such file; because a checkpoint folder is not complete without it; "
            "check the folder, or download the checkpoint again"
        )

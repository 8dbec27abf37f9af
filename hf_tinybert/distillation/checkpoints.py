"""Training checkpoints on disk: which are whole, and which is the last one that is."""

import json
import logging
import struct
import zipfile
from pathlib import Path

from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from hf_tinybert.weight_index import check_weight_index

logger = logging.getLogger(__name__)

TRAINER_STATE_FILE = "trainer_state.json"
# of a model, an adapter, FSDP2 and DeepSpeed
_WEIGHTS = ("model*.safetensors", "adapter_model*", "*/adapter_model*", "pytorch_model*", "global_step*")


def check_checkpoint(folder: Path) -> None:
    """Refuse a checkpoint that a killed or failed process left unfinished.

    Checks that every `.safetensors` file is as long as its header says, every `.pt`, `.pth` and `.bin` archive has
    its end, `trainer_state.json`, which is written last, is readable, and neither weights nor one of optimizer and
    schedule are gone, as after a deletion that was stopped.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: a file is missing or truncated.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a checkpoint folder, got `{folder}`, which does not exist")
    damage = _damage(folder)
    if damage:
        raise ValueError(
            f"expected a whole checkpoint, got `{folder}` with {damage}; because its writer was stopped; delete it "
            "and resume from the checkpoint before"
        )


def last_whole_checkpoint(folder: Path) -> Path | None:
    """The whole checkpoint with the most steps in a folder; damaged ones are passed over with a warning."""
    numbered = [
        (int(step), path)
        for path in folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*")
        if path.is_dir() and (step := path.name.rpartition("-")[2]).isdigit()
    ]
    for _, path in sorted(numbered, reverse=True):
        damage = _damage(path)
        if damage is None:
            return path
        logger.warning("passing over checkpoint `%s`: %s; its writer was stopped", path, damage)
    return None


def check_weights(folder: Path) -> None:
    """Refuse a model folder whose weights were cut off, by download or by a full disk, or lie outside it.

    Raises:
        ValueError: a `.safetensors` file is shorter than its header says, or unreadable, or a part is missing.
    """
    check_weight_index(folder)
    for path in sorted(folder.glob("*.safetensors")):
        damage = safetensors_damage(path)
        if damage:
            raise ValueError(
                f"expected whole weights in `{folder}`, got {damage}; because its writing or download was cut off; "
                "fetch or save it again"
            )


def safetensors_damage(path: Path) -> str | None:
    """What is wrong with a safetensors file, read from its header and length only; None when it is whole."""
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        header_length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
        if 8 + header_length > size:
            return f"a truncated `{path.name}`"
        try:
            header = json.loads(file.read(header_length))
        except ValueError:
            return f"an unreadable `{path.name}`"
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return None if 8 + header_length + max(ends, default=0) == size else f"a truncated `{path.name}`"


def _damage(folder: Path) -> str | None:
    for path in sorted(folder.glob("*.safetensors")):
        damage = safetensors_damage(path)
        if damage:
            return damage
    archives = ("*.pt", "*.pth", "*.bin", "global_step*/*.pt")  # the last are DeepSpeed's
    for path in sorted(path for pattern in archives for path in folder.glob(pattern)):
        if not zipfile.is_zipfile(path):
            return f"a truncated `{path.name}`"
    try:
        json.loads((folder / TRAINER_STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"no readable `{TRAINER_STATE_FILE}`"
    # a checkpoint whose deletion was stopped has lost any of its files
    if not any(any(folder.glob(pattern)) for pattern in _WEIGHTS):
        return "no weights"
    state = [any(folder.glob(pattern)) for pattern in ("scheduler.pt", "optimizer*")]
    if any(state) and not all(state) and not any(folder.glob("global_step*")):
        return "no `scheduler.pt`" if state[1] else "no optimizer state"
    return None


__all__ = ["TRAINER_STATE_FILE", "check_checkpoint", "check_weights", "last_whole_checkpoint", "safetensors_damage"]

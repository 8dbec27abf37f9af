"""Before anything is written: what a cache is called, how large it gets, and whether it may be there."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from transformers import PreTrainedModel

from hf_tinybert.distillation.cache.contents import CacheContents
from hf_tinybert.distillation.cache.layout import CacheLayout
from hf_tinybert.distillation.cache.rows import RowTable
from hf_tinybert.distillation.cache.store import FORMAT_VERSION, folder_bytes
from hf_tinybert.distillation.embedding_teacher import pooling_of
from hf_tinybert.distillation.teacher_ensemble import teachers_of

GIGABYTE = 10**9

# of a configuration, what can change without changing any output
_INCONSEQUENTIAL = frozenset(
    {
        "_name_or_path",
        "architectures",
        "dtype",
        "id2label",
        "label2id",
        "output_attentions",
        "output_hidden_states",
        "problem_type",
        "return_dict",
        "transformers_version",
        "use_cache",
    }
)


class CacheSpaceError(ValueError):
    """A cache that is larger than it may be, or than the disk."""


@dataclass(frozen=True)
class CachePlan:
    """A cache that is not there yet.

    Attributes:
        table: the rows.
        layout: what is kept of them.
        file_bytes: the exact size of every array, bytes.
    """

    table: RowTable
    layout: CacheLayout
    file_bytes: Mapping[str, int]

    @property
    def bytes(self) -> int:
        """The exact size of all arrays, bytes."""
        return sum(self.file_bytes.values())

    def fits(self, max_gb: float, *, taken: int = 0) -> bool:
        """Whether all arrays, beside so many bytes taken, take no more than so many gigabytes (1e9 bytes)."""
        return taken + self.bytes <= max_gb * GIGABYTE


def plan_cache(table: RowTable, layout: CacheLayout) -> CachePlan:
    """The sizes of a cache of these rows."""
    return CachePlan(table, layout, layout.file_bytes(table.rows, len(table.lengths), table.tokens))


def teacher_identity(teacher: PreTrainedModel, weights_sha256: str, precision: str = "float32") -> dict[str, str]:
    """What decides a teacher's outputs: weights, class, configuration, pooling and the precision it runs in.

    Args:
        teacher: any, of several joined all count; the attention implementation does not.
        weights_sha256: as `distillation.teacher.weights_sha256` gives it.
        precision: in which the forward computes: the type of the weights, or that of autocast.
    """
    models = teachers_of(teacher)
    fields = [
        {name: value for name, value in one.config.to_dict().items() if name not in _INCONSEQUENTIAL} | pooling_of(one)
        for one in models
    ]
    configuration = json.dumps(fields if len(fields) > 1 else fields[0], sort_keys=True, default=str)
    return {
        "class": " + ".join(type(one).__name__ for one in models),
        "configuration_sha256": hashlib.sha256(configuration.encode()).hexdigest(),
        "precision": precision,
        "weights_sha256": weights_sha256,
    }


def cache_key(teacher: Mapping[str, str], table: RowTable, contents: CacheContents) -> str:
    """The name of a cache, 64 hexadecimal digits: the same exactly when everything that decides its contents is.

    Args:
        teacher: as `teacher_identity` gives it.
        table: the rows.
        contents: what is kept of them.
    """
    fields = {
        "contents": asdict(contents),
        "format": FORMAT_VERSION,
        "rows": [table.rows, table.sequences, table.sha256],
        "teacher": dict(teacher),
    }
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def check_cache_folder(directory: Path) -> None:
    """Make the folder and write in it, before a step is spent.

    Raises:
        ValueError: that is not possible.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(b"\0")
    except OSError as error:
        raise ValueError(
            f"expected a folder to write the teacher cache to, got `{directory}`: {error.strerror or error}; because "
            "the teacher's outputs are kept there; set `teacher_cache_dir` to a folder of yours, or to None"
        ) from error


def check_cache_space(plan: CachePlan, directory: Path, max_gb: float, *, written: int = 0, taken: int = 0) -> None:
    """Compare the exact size of a cache with what it may take and with the free disk.

    Args:
        plan: of the cache.
        directory: where it goes; exists.
        max_gb: what all caches of the run may take, gigabytes (1e9 bytes).
        written: bytes of it that lie there already, from a build that was killed.
        taken: bytes of the caches of other tasks of the run.

    Raises:
        CacheSpaceError: it does not fit.
    """
    free = shutil.disk_usage(directory).free + written
    if plan.fits(max_gb, taken=taken) and plan.bytes <= free:
        return
    others, left = folder_bytes(directory) - written, max(0, int(max_gb * GIGABYTE) - taken)
    of_tasks = f", of which other tasks take {_gigabytes(taken)} GB," if taken else ""
    enough = (taken + plan.bytes) / GIGABYTE * 1.01
    raise CacheSpaceError(
        f"expected at most {_gigabytes(min(free, left))} GB for the teacher cache, got {_gigabytes(plan.bytes)} GB "
        f"({_parts(plan)}); because `teacher_cache_max_gb` allows {max_gb:g} GB{of_tasks} and `{directory}` has "
        f"{_gigabytes(free)} GB free; "
        + (
            f"raise `teacher_cache_max_gb` to {enough:.3g}, or set `teacher_cache_dir` to None"
            if plan.bytes <= free
            else f"make room (other caches there hold {_gigabytes(others)} GB), or choose another `teacher_cache_dir`"
        )
    )


def _parts(plan: CachePlan) -> str:
    sizes = (f"{name.removesuffix('.bin')} {_gigabytes(size)}" for name, size in plan.file_bytes.items())
    return f"{plan.table.rows} rows, {plan.table.tokens} tokens: {', '.join(sizes)}"


def _gigabytes(size: int) -> str:
    return f"{size / GIGABYTE:.3g}"


__all__ = [
    "GIGABYTE",
    "CachePlan",
    "CacheSpaceError",
    "cache_key",
    "check_cache_folder",
    "check_cache_space",
    "plan_cache",
    "teacher_identity",
]

"""Whether a run that goes on has the rows with which it began."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import xxhash
from datasets import Dataset

from hf_tinybert.data.raw_text import describe_sources
from hf_tinybert.run_folder import RunFolder

_STAGE = "rows"
_AT_ONCE = 1000  # rows


def fingerprint(rows: Dataset) -> str:
    """What rows are told apart by: all values of all columns, in their order."""
    digest = xxhash.xxh3_128()
    for row in _each(rows):
        digest.update(json.dumps(row, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def check_same_rows(
    folder: RunFolder, data: Mapping[str, Mapping[str, Dataset]], unlabeled: Sequence[str] = (), *, leads: bool
) -> None:
    """Refuses other rows than those of an earlier call, whose checkpoints have learnt from them.

    Args:
        folder: of the run, claimed.
        data: raw rows by split, by the name of the data set.
        unlabeled: files of texts.
        leads: whether this process is the first of a run, which looks and writes.

    Raises:
        ValueError: rows have changed.
    """
    if not leads:
        return
    now = {name: {split: fingerprint(rows) for split, rows in splits.items()} for name, splits in data.items()}
    texts = zip(unlabeled, describe_sources(unlabeled), strict=True)
    now |= {f"{name} (unlabeled)": {"content": content} for name, content in texts}
    before = folder.finished(_STAGE)
    if before is None:
        folder.finish(_STAGE, now)
        return
    changed = [name for name in now if before.get(name) != now[name]]
    if changed:
        raise ValueError(
            f"expected the rows with which the run in `{folder.path}` began, got others in "
            f"{', '.join(f'`{name}`' for name in changed)}; because what it has learnt and scored is of the former; "
            "bring them back, name another folder, or remove it"
        )


def _each(rows: Dataset) -> Iterator[dict[str, Any]]:
    for start in range(0, len(rows), _AT_ONCE):
        yield from rows.select(range(start, min(start + _AT_ONCE, len(rows)))).to_list()


__all__ = ["check_same_rows", "fingerprint"]

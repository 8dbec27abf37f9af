"""The teacher cache of a data set: opened where it is whole, computed once by one process where it is not."""

import errno
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from datasets import Dataset
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from torch import Tensor
from transformers.utils.logging import tqdm

from hf_tinybert.distillation.cache.contents import CacheContents
from hf_tinybert.distillation.cache.layout import (
    SEQUENCES_FILE,
    CacheLayout,
    UncacheableError,
    layout_of,
)
from hf_tinybert.distillation.cache.plan import (
    GIGABYTE,
    CachePlan,
    CacheSpaceError,
    cache_key,
    check_cache_folder,
    check_cache_space,
    plan_cache,
)
from hf_tinybert.distillation.cache.rows import ROW_COLUMN, RowTable, read_rows, token_checksums
from hf_tinybert.distillation.cache.store import (
    MANIFEST_FILE,
    PARTIAL_SUFFIX,
    DamagedStoreError,
    StoreWriter,
    folder_bytes,
    open_store,
    published_description,
)
from hf_tinybert.distillation.cache.teacher_cache import TeacherCache, batch_tokens
from hf_tinybert.distillation.states import DistillationStates

logger = logging.getLogger(__name__)

_PATIENCE = 0.2  # seconds until a process says that it waits for another
_POLL = 0.5  # seconds between its looks


class TeacherForward(Protocol):
    """One forward of the teacher, in whatever precision, on whatever hardware it runs."""

    def __call__(self, inputs: dict[str, Tensor], /) -> DistillationStates:
        """The teacher's states of a padded batch on the teacher's device, in the student's order."""
        ...


@dataclass(frozen=True)
class CacheSource:
    """Where the outputs come from.

    Attributes:
        dataset: as the data loader gets it: what is not collated is removed.
        collator: makes a padded batch of its features; always the same of the same.
        forward: the teacher; called without gradient.
        teacher: as `teacher_identity` gives it.
        columns: that the teacher reads.
        device: on which `forward` takes its batches.
        token_column: token ids of the teacher.
        mask_column: non-zero at valid tokens.
    """

    dataset: Dataset
    collator: Callable[[list[dict[str, Any]]], Mapping[str, Any]]
    forward: TeacherForward
    teacher: Mapping[str, str]
    columns: Sequence[str]
    device: torch.device | str = "cpu"
    token_column: str = "input_ids"
    mask_column: str = "attention_mask"


def open_teacher_cache(
    source: CacheSource,
    contents: CacheContents,
    directory: Path,
    *,
    max_gb: float,
    taken: int = 0,
    fall_back: bool = False,
    logits_alone: bool = True,
    tokens_per_batch: int = 8192,
    commit_seconds: float = 30.0,
) -> TeacherCache | None:
    """A cache of these contents, from disk or from the teacher; one that keeps more serves as well.

    Several processes may call this at once: the first to get the lock computes, the others wait for it without any
    collective call, and open what it wrote. A process killed in between is taken up where it stopped.

    Args:
        source: of the outputs.
        contents: what all phases that read the cache need.
        directory: of all caches; one folder per key.
        max_gb: what all caches of the run may take, gigabytes (1e9 bytes).
        taken: bytes of those of its other tasks.
        fall_back: where not everything can be kept, keep the logits alone, or nothing, in place of raising.
        logits_alone: whether a cache of logits alone would serve a phase.
        tokens_per_batch: padded tokens per forward.
        commit_seconds: seconds of work that a kill may cost.

    Returns:
        The cache, whose own contents may be more; None only with `fall_back`: the teacher has to run live.

    Raises:
        ValueError: the folder cannot be written, the collator draws at random, or the data cannot be cached.
        UncacheableError: without `fall_back`, the teacher gives something that cannot be kept.
        CacheSpaceError: without `fall_back`, it does not fit into `max_gb` or on the disk.
    """
    table = read_rows(source.dataset, source.columns, token_column=source.token_column, mask_column=source.mask_column)
    build = _Build(source, table, directory, max_gb, taken, tokens_per_batch, commit_seconds)
    candidates = [contents]
    if fall_back and contents.has_states and contents.logits and logits_alone:
        candidates.append(contents.logits_only())
    for candidate in candidates:
        try:
            return build.open_or_build(candidate)
        except (CacheSpaceError, UncacheableError) as error:
            if not fall_back:
                raise
            kept = "everything" if candidate.has_states else "the logits"
            logger.warning("the teacher cache does not keep %s: %s", kept, error)
    logger.warning("no teacher cache: the teacher runs at every step")
    return None


@dataclass(frozen=True)
class _Build:
    """What is the same for every candidate."""

    source: CacheSource
    table: RowTable
    directory: Path
    max_gb: float
    taken: int
    tokens_per_batch: int
    commit_seconds: float

    def open_or_build(self, contents: CacheContents) -> TeacherCache:
        key = cache_key(self.source.teacher, self.table, contents)
        # without a lock: the folder may be one that can only be read
        cache = self._open(key, say=logging.DEBUG)
        if cache is None:
            cache = self._open_wider(contents)
        if cache is not None:
            return cache
        check_cache_folder(self.directory)
        lock = FileLock(self.directory / f"{key}.lock")
        try:
            lock.acquire(timeout=_PATIENCE)
        except Timeout:
            logger.info("waiting for the process that computes the teacher cache `%s`", self.directory / key)
            lock.acquire(poll_interval=_POLL)
        try:
            cache = self._open(key, say=logging.WARNING)
            if cache is None:
                self._build(key, contents)
                cache = self._open(key, say=logging.WARNING)
        finally:
            lock.release()
        if cache is None:
            raise DamagedStoreError(
                f"expected the teacher cache just written to `{self.directory / key}`, got another; because the disk "
                "does not give back what it was given; choose another `teacher_cache_dir`"
            )
        return cache

    def _open(self, key: str, *, say: int) -> TeacherCache | None:
        folder = self.directory / key
        try:
            cache = TeacherCache(open_store(folder, key))
        except FileNotFoundError:
            return None
        except DamagedStoreError as error:
            logger.log(say, "the teacher cache `%s` is damaged and computed anew: %s", folder, error)
            return None
        logger.info("teacher cache `%s`: %d rows", folder, cache.rows)
        return cache

    def _open_wider(self, contents: CacheContents) -> TeacherCache | None:
        """The smallest whole cache of these rows and this teacher that keeps more than these contents."""
        found = []
        for folder in (manifest.parent for manifest in self.directory.glob(f"*/{MANIFEST_FILE}")):
            try:
                description, size = published_description(folder)
                kept = CacheContents.from_json(description["contents"])
            except (DamagedStoreError, LookupError, TypeError, OSError):  # or a folder of others, which may be locked
                continue
            # the name is a hash of what it holds: rows and teacher are these if they give that name
            wider = kept != contents and kept.covers(contents)
            if wider and cache_key(self.source.teacher, self.table, kept) == folder.name:
                found.append((size, folder.name))
        opened = (self._open(key, say=logging.DEBUG) for _, key in sorted(found))
        return next((cache for cache in opened if cache is not None), None)

    def _build(self, key: str, contents: CacheContents) -> None:
        partial = self.directory / f"{key}{PARTIAL_SUFFIX}"
        layout = self._layout(contents)
        plan = plan_cache(self.table, layout)
        check_cache_space(plan, self.directory, self.max_gb, written=folder_bytes(partial), taken=self.taken)
        logger.info("computing the teacher cache `%s`: %.3g GB", self.directory / key, plan.bytes / GIGABYTE)
        try:
            with StoreWriter(partial, list(plan.file_bytes), f"{key} {self.tokens_per_batch}") as writer:
                self._write(writer, plan)
                writer.publish(self.directory / key, key, self._description(layout, contents))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise CacheSpaceError(
                f"expected {plan.bytes / GIGABYTE:.3g} GB of disk for the teacher cache, got a full one; because "
                f"something else wrote to it; make room and start again, which goes on with `{partial}`, or delete it"
            ) from error

    def _write(self, writer: StoreWriter, plan: CachePlan) -> None:
        order = np.argsort(-self.table.longest(), kind="stable")  # longest first: what is too long shows at once
        dataset = _without_row_ids(self.source.dataset)
        if writer.done:
            logger.info("going on after %d of %d rows", writer.done, len(order))
        committed = time.monotonic()
        with tqdm(total=len(order), initial=writer.done, desc="teacher cache", unit="row") as progress:
            for start, stop in self._batches(order, writer.done):
                rows = order[start:stop]
                inputs = self.source.collator(dataset.__getitems__(rows.tolist()))
                self._append(writer, plan.layout, rows, inputs)
                progress.update(stop - start)
                if time.monotonic() - committed >= self.commit_seconds:
                    writer.commit(stop)
                    committed = time.monotonic()

    def _append(
        self, writer: StoreWriter, layout: CacheLayout, rows: NDArray[np.int64], inputs: Mapping[str, Any]
    ) -> None:
        sequences, token_ids, valid = self._tokens(rows, inputs)
        checksums = token_checksums(token_ids, valid)
        writer.append(SEQUENCES_FILE, np.stack([sequences, valid.sum(axis=1), checksums], axis=1))
        for name, array in layout.pack(self._forward(inputs), torch.from_numpy(valid)).items():
            writer.append(name, array)

    def _tokens(
        self, rows: NDArray[np.int64], inputs: Mapping[str, Any]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Numbers of the sequences of a batch, its token ids and valid positions, as planned."""
        token_ids, valid = batch_tokens(inputs, self.source.token_column, self.source.mask_column)
        sequences = (rows[:, None] * self.table.sequences + np.arange(self.table.sequences)).ravel()
        planned, lengths = self.table.lengths[sequences], valid.sum(axis=1)
        if not np.array_equal(lengths, planned):
            raise ValueError(
                f"expected batches of the data's own lengths, got {lengths[:5].tolist()} for {planned[:5].tolist()} "
                "tokens; because the collator cuts, adds or masks; do so in the data, or set `teacher_cache_dir` to "
                "None"
            )
        return sequences, token_ids, valid

    def _batches(self, order: NDArray[np.int64], start: int) -> Iterator[tuple[int, int]]:
        longest = self.table.longest()
        while start < len(order):
            room = self.tokens_per_batch // max(1, int(longest[order[start]]) * self.table.sequences)
            stop = min(len(order), start + max(1, room))
            yield start, stop
            start = stop

    def _layout(self, contents: CacheContents) -> CacheLayout:
        """From a forward of the longest row; collated twice, because a collator that draws cannot be cached."""
        row = np.array([self.table.longest().argmax()])
        features = _without_row_ids(self.source.dataset).__getitems__(row.tolist())
        inputs, again = (self.source.collator([dict(feature) for feature in features]) for _ in range(2))
        self._tokens(row, inputs)
        columns = set(self.source.columns) & set(inputs)
        if not all(torch.equal(torch.as_tensor(inputs[name]), torch.as_tensor(again[name])) for name in columns):
            raise ValueError(
                "expected a collator that makes the same batch of the same rows, got two different ones; because it "
                "draws at random (masked words), and the teacher's outputs are kept for one; set `teacher_cache_dir` "
                "to None"
            )
        return layout_of(self._forward(inputs), contents)

    def _forward(self, inputs: Mapping[str, Any]) -> DistillationStates:
        moved = {name: value.to(self.source.device) for name, value in inputs.items() if isinstance(value, Tensor)}
        with torch.inference_mode():
            return self.source.forward(moved)

    def _description(self, layout: CacheLayout, contents: CacheContents) -> dict[str, Any]:
        return {
            "contents": asdict(contents),
            "layout": layout.to_json(),
            "mask_column": self.source.mask_column,
            "rows": self.table.rows,
            "sequences": self.table.sequences,
            "teacher": dict(self.source.teacher),
            "token_column": self.source.token_column,
        }


def _without_row_ids(dataset: Dataset) -> Dataset:
    return dataset.remove_columns(ROW_COLUMN) if ROW_COLUMN in dataset.column_names else dataset


__all__ = ["CacheSource", "TeacherForward", "open_teacher_cache"]

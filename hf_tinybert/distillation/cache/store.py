"""Raw arrays in a folder that is either whole or not there: appended, checksummed, published in one step, verified."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import xxhash
from numpy.typing import DTypeLike, NDArray

FORMAT_VERSION = 1
MANIFEST_FILE = "manifest.json"
PARTIAL_SUFFIX = ".partial"
PROGRESS_FILE = "progress.json"

_CHUNK = 1 << 24  # bytes read at a time while checking
_BUFFER = 1 << 20  # bytes buffered per file while writing


class DamagedStoreError(ValueError):
    """A folder that is not, or not all of, what was written there."""


class Store:
    """A verified folder of arrays, mapped into memory when first read and in every process anew.

    Args:
        folder: as published.
        description: what the writer said of the arrays, JSON types.
    """

    def __init__(self, folder: Path, description: Mapping[str, Any]) -> None:
        self.folder = folder
        self.description = description
        self._arrays: dict[str, NDArray[Any]] = {}

    def array(self, name: str, dtype: DTypeLike, width: int) -> NDArray[Any]:
        """The read-only array `(entries, width)` of a file; nothing is read from disk before it is indexed."""
        if name not in self._arrays:
            file = self.folder / name
            if file.stat().st_size == 0:  # which cannot be mapped
                self._arrays[name] = np.empty((0, width), dtype)
            else:
                # a plain array: slicing the memmap class costs microseconds each
                self._arrays[name] = np.memmap(file, dtype, mode="r").reshape(-1, width).view(np.ndarray)
        return self._arrays[name]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": {}}


class StoreWriter:
    """Appends to the files of a folder that is not published yet, and goes on where a killed writer stopped.

    Only one process may write a folder at a time; the caller holds a lock. Leaving the `with` block by an exception
    keeps what was committed.

    Args:
        partial: where to write until `publish`.
        names: of the files.
        identity: what is written; a folder begun for anything else is started anew.

    Attributes:
        done: what the last `commit` of the writer before said, 0 at the start.
    """

    def __init__(self, partial: Path, names: Sequence[str], identity: str) -> None:
        self._partial, self._identity = partial, identity
        self._digests = {name: xxhash.xxh3_128() for name in names}
        self._sizes = dict.fromkeys(names, 0)
        self.done = self._resume()
        if self.done == 0:
            self._digests = {name: xxhash.xxh3_128() for name in names}
            self._sizes = dict.fromkeys(names, 0)
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        self._files = {name: self._open(name) for name in names}

    def append(self, name: str, array: NDArray[Any]) -> None:
        """Add the array's bytes, in C order, to the end of a file."""
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        self._files[name].write(data)
        self._digests[name].update(data)
        self._sizes[name] += data.nbytes

    def commit(self, done: int) -> None:
        """Bring everything appended so far to the disk; a writer killed later goes on from `done`."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        content = {"identity": self._identity, "done": done, "files": self._file_table()}
        _write_signed(self._partial / PROGRESS_FILE, content)

    def publish(self, folder: Path, key: str, description: Mapping[str, Any]) -> None:
        """Make the folder whole under its name, in place of whatever is there.

        Args:
            folder: on the same file system as the partial one.
            key: that `open_store` must be given.
            description: of the arrays, JSON types.
        """
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()
        (self._partial / PROGRESS_FILE).unlink(missing_ok=True)
        content = {"format": FORMAT_VERSION, "key": key, "description": description, "files": self._file_table()}
        _write_signed(self._partial / MANIFEST_FILE, content)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(self._partial, folder)
        _sync_folder(folder.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for file in self._files.values():
            try:
                file.close()
            except OSError:  # a full disk: the rest of the buffer is not committed, so nothing is lost by dropping it
                continue

    def _file_table(self) -> dict[str, dict[str, Any]]:
        return {
            name: {"bytes": size, "xxh3_128": self._digests[name].hexdigest()} for name, size in self._sizes.items()
        }

    def _resume(self) -> int:
        """Take over what a writer of the same thing committed; 0 where that is nothing, or not what it was."""
        try:
            progress = _read_signed(self._partial / PROGRESS_FILE)
            if progress["identity"] != self._identity or set(progress["files"]) != set(self._sizes):
                return 0
            for name, entry in progress["files"].items():
                self._digests[name] = _digest(self._partial / name, entry["bytes"])
                if self._digests[name].hexdigest() != entry["xxh3_128"]:
                    return 0
                self._sizes[name] = entry["bytes"]
            return int(progress["done"])
        except (DamagedStoreError, OSError):
            return 0

    def _open(self, name: str) -> IO[bytes]:
        file = (self._partial / name).open("ab", buffering=_BUFFER)
        file.truncate(self._sizes[name])  # what was written after the last commit
        return file


def published_description(folder: Path) -> tuple[dict[str, Any], int]:
    """What the writer said of the arrays of a published folder, and their bytes; the arrays are not looked at.

    Raises:
        DamagedStoreError: it is no published folder, or of another format.
    """
    manifest = _read_manifest(folder)
    return manifest["description"], sum(entry["bytes"] for entry in manifest["files"].values())


def open_store(folder: Path, key: str) -> Store:
    """A published folder, every byte of it checked.

    Args:
        folder: as given to `StoreWriter.publish`.
        key: as given there.

    Raises:
        FileNotFoundError: there is no such folder.
        DamagedStoreError: it is incomplete, changed, or not of this key or format; the message says how.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a cache in `{folder}`, got no such folder")
    manifest = _read_manifest(folder)
    if manifest["key"] != key:
        raise DamagedStoreError(f"expected the contents of key {key}, got those of {manifest['key']}")
    for name, entry in manifest["files"].items():
        file = folder / name
        size = file.stat().st_size if file.is_file() else None
        if size != entry["bytes"]:
            got = "no such file" if size is None else f"{size}"
            raise DamagedStoreError(f"expected {entry['bytes']} bytes in `{name}`, got {got}")
    for name, entry in manifest["files"].items():
        if _digest(folder / name, entry["bytes"]).hexdigest() != entry["xxh3_128"]:
            raise DamagedStoreError(f"expected the bytes of `{name}` as they were written, got others")
    return Store(folder, manifest["description"])


def folder_bytes(folder: Path) -> int:
    """The size of all files under a folder, bytes; 0 where there is none."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:  # another process removed it meanwhile
            continue
    return total


def _read_manifest(folder: Path) -> dict[str, Any]:
    manifest = _read_signed(folder / MANIFEST_FILE)
    if manifest.get("format") != FORMAT_VERSION:
        raise DamagedStoreError(f"expected format {FORMAT_VERSION}, got {manifest.get('format')!r}")
    return manifest


def _digest(file: Path, size: int) -> xxhash.xxh3_128:
    """The running checksum of the first `size` bytes; raises where the file has fewer."""
    digest, left = xxhash.xxh3_128(), size
    with file.open("rb", buffering=0) as stream:
        while left:
            chunk = stream.read(min(_CHUNK, left))
            if not chunk:
                raise DamagedStoreError(f"expected {size} bytes in `{file.name}`, got {size - left}")
            digest.update(chunk)
            left -= len(chunk)
    return digest


def _signed(content: Mapping[str, Any]) -> bytes:
    """Readable JSON with a checksum of itself."""
    digest = xxhash.xxh3_128(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return (json.dumps({"content": content, "xxh3_128": digest}, sort_keys=True, indent=1) + "\n").encode()


def _write_signed(file: Path, content: Mapping[str, Any]) -> None:
    draft = file.with_suffix(".draft")
    with draft.open("wb") as stream:
        stream.write(_signed(content))
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(draft, file)
    _sync_folder(file.parent)


def _read_signed(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise DamagedStoreError(f"expected `{file.name}`, got no such file")
    raw = file.read_bytes()
    try:
        content: dict[str, Any] = json.loads(raw)["content"]
        same = _signed(content) == raw  # byte for byte, so that no changed byte can pass
    except (ValueError, KeyError, TypeError, AttributeError):
        same = False
    if not same:
        raise DamagedStoreError(f"expected `{file.name}` as it was written, got a changed or truncated one")
    return content


def _sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


__all__ = [
    "FORMAT_VERSION",
    "MANIFEST_FILE",
    "PARTIAL_SUFFIX",
    "PROGRESS_FILE",
    "DamagedStoreError",
    "Store",
    "StoreWriter",
    "folder_bytes",
    "open_store",
    "published_description",
]

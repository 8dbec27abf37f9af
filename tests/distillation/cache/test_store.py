import errno
import json
import pickle

import numpy as np
import pytest

from hf_tinybert.distillation.cache.store import (
    MANIFEST_FILE,
    PROGRESS_FILE,
    DamagedStoreError,
    StoreWriter,
    folder_bytes,
    open_store,
)

KEY = "a" * 64
NUMBERS = np.arange(24, dtype=np.int16).reshape(6, 4)
FLOATS = np.linspace(0, 1, 5, dtype=np.float32)[:, None]


@pytest.fixture
def folder(tmp_path):
    """A published folder of two arrays."""
    with StoreWriter(tmp_path / "partial", ["numbers.bin", "floats.bin"], KEY) as writer:
        writer.append("numbers.bin", NUMBERS[:2])
        writer.append("floats.bin", FLOATS)
        writer.append("numbers.bin", NUMBERS[2:])
        writer.publish(tmp_path / "store", KEY, {"width": 4, "scaling": 0.25})
    return tmp_path / "store"


def _check(store):
    np.testing.assert_array_equal(store.array("numbers.bin", np.int16, 4), NUMBERS)
    np.testing.assert_array_equal(store.array("floats.bin", np.float32, 1), FLOATS)


def test_what_was_appended_comes_back_with_its_description(folder):
    """Prevents pieces in another order, and a description that JSON changes."""
    store = open_store(folder, KEY)
    _check(store)
    assert store.description == {"width": 4, "scaling": 0.25}
    assert sorted(file.name for file in folder.iterdir()) == ["floats.bin", MANIFEST_FILE, "numbers.bin"]


def test_nothing_has_the_final_name_before_it_is_published(tmp_path):
    """Prevents another process from opening half a cache."""
    with StoreWriter(tmp_path / "partial", ["numbers.bin"], KEY) as writer:
        writer.append("numbers.bin", NUMBERS)
        writer.commit(1)
        with pytest.raises(FileNotFoundError):
            open_store(tmp_path / "store", KEY)
        with pytest.raises(DamagedStoreError, match=f"expected `{MANIFEST_FILE}`"):
            open_store(tmp_path / "partial", KEY)


@pytest.mark.parametrize("name", ["numbers.bin", "floats.bin", MANIFEST_FILE])
def test_a_change_of_any_byte_is_noticed(folder, name):
    """Prevents a bad sector, or an editor's line ending, from being trained on."""
    file = folder / name
    original = file.read_bytes()
    for place in range(len(original)):
        changed = bytearray(original)
        changed[place] ^= 1 << (place % 8)
        file.write_bytes(bytes(changed))
        with pytest.raises(DamagedStoreError, match=name):
            open_store(folder, KEY)
    file.write_bytes(original)
    _check(open_store(folder, KEY))


@pytest.mark.parametrize("name", ["numbers.bin", "floats.bin", MANIFEST_FILE])
def test_truncated_longer_and_missing_files_are_noticed(folder, name):
    """Prevents a copy that was cut off from being read as far as it goes."""
    file = folder / name
    original = file.read_bytes()
    for content in (original[:-1], b"", original + b"\0"):
        file.write_bytes(content)
        with pytest.raises(DamagedStoreError, match=name):
            open_store(folder, KEY)
    file.unlink()
    with pytest.raises(DamagedStoreError, match=name):
        open_store(folder, KEY)


def test_a_folder_of_another_key_or_format_is_not_read(folder, monkeypatch):
    """Prevents a renamed folder, or one of another release, from being taken for this one."""
    with pytest.raises(DamagedStoreError, match="expected the contents of key b+, got those of a+"):
        open_store(folder, "b" * 64)
    monkeypatch.setattr("hf_tinybert.distillation.cache.store.FORMAT_VERSION", 2)
    with pytest.raises(DamagedStoreError, match="expected format 2, got 1"):
        open_store(folder, KEY)


def test_a_writer_goes_on_after_the_last_commit(tmp_path):
    """Prevents hours of work from being lost with the process, and what came after the commit from being doubled."""
    names = ["numbers.bin", "floats.bin"]
    with StoreWriter(tmp_path / "partial", names, KEY) as writer:
        assert writer.done == 0
        writer.append("numbers.bin", NUMBERS[:3])
        writer.append("floats.bin", FLOATS)
        writer.commit(3)
        writer.append("numbers.bin", NUMBERS[:1])  # on the disk, not committed
    with StoreWriter(tmp_path / "partial", names, KEY) as writer:
        assert writer.done == 3
        writer.append("numbers.bin", NUMBERS[3:])
        writer.publish(tmp_path / "store", KEY, {})
    _check(open_store(tmp_path / "store", KEY))
    assert not (tmp_path / "partial").exists()


@pytest.mark.parametrize("damage", ["identity", "flip", "cut", "progress", "no progress"])
def test_a_damaged_or_foreign_beginning_is_thrown_away(tmp_path, damage):
    """Prevents a cache that is whole by its checksums and half of something else."""
    partial = tmp_path / "partial"
    with StoreWriter(partial, ["numbers.bin"], KEY) as writer:
        writer.append("numbers.bin", NUMBERS)
        writer.commit(6)
    if damage == "flip":
        data = bytearray((partial / "numbers.bin").read_bytes())
        data[5] ^= 1
        (partial / "numbers.bin").write_bytes(bytes(data))
    elif damage == "cut":
        (partial / "numbers.bin").write_bytes(b"\0")
    elif damage == "progress":
        (partial / PROGRESS_FILE).write_text((partial / PROGRESS_FILE).read_text().replace('"done": 6', '"done": 5'))
    elif damage == "no progress":
        (partial / PROGRESS_FILE).unlink()
    with StoreWriter(partial, ["numbers.bin"], "other" if damage == "identity" else KEY) as writer:
        assert writer.done == 0
        writer.append("numbers.bin", NUMBERS)
        writer.append("numbers.bin", NUMBERS)
        writer.publish(tmp_path / "store", KEY, {})
    array = open_store(tmp_path / "store", KEY).array("numbers.bin", np.int16, 4)
    np.testing.assert_array_equal(array, np.concatenate([NUMBERS, NUMBERS]))


def test_publishing_takes_the_place_of_what_is_damaged(folder, tmp_path):
    """Prevents a damaged cache from standing in the way of its own repair."""
    (folder / MANIFEST_FILE).unlink()
    (folder / "stray").mkdir()
    with StoreWriter(tmp_path / "partial", ["numbers.bin", "floats.bin"], KEY) as writer:
        writer.append("numbers.bin", NUMBERS)
        writer.append("floats.bin", FLOATS)
        writer.publish(folder, KEY, {})
    _check(open_store(folder, KEY))


def test_a_full_disk_keeps_what_was_committed(tmp_path, monkeypatch):
    """Prevents a disk that fills up from costing what fitted, and the error from being another one on closing."""
    with pytest.raises(OSError, match="full") as error, StoreWriter(tmp_path / "p", ["numbers.bin"], KEY) as writer:
        writer.append("numbers.bin", NUMBERS[:2])
        writer.commit(2)
        writer.append("numbers.bin", NUMBERS[2:4])
        raise OSError(errno.ENOSPC, "full")
    assert error.value.errno == errno.ENOSPC
    with StoreWriter(tmp_path / "p", ["numbers.bin"], KEY) as writer:
        assert writer.done == 2


def test_a_store_is_small_when_pickled_and_maps_its_files_anew(folder):
    """Prevents the workers of a data loader from getting a copy of the whole cache each."""
    store = open_store(folder, KEY)
    _check(store)
    pickled = pickle.dumps(store)
    assert NUMBERS.tobytes() not in pickled
    _check(pickle.loads(pickled))


def test_an_array_without_entries_is_empty(tmp_path):
    """Prevents a crash in the mapping of a file of zero bytes."""
    with StoreWriter(tmp_path / "partial", ["numbers.bin"], KEY) as writer:
        writer.append("numbers.bin", NUMBERS[:0])
        writer.publish(tmp_path / "store", KEY, {})
    assert open_store(tmp_path / "store", KEY).array("numbers.bin", np.int16, 4).shape == (0, 4)


def test_arrays_cannot_be_written_to(folder):
    """Prevents a loss computed in place from changing the teacher's outputs on disk."""
    with pytest.raises(ValueError, match="read-only"):
        open_store(folder, KEY).array("numbers.bin", np.int16, 4)[0] = 1


def test_the_size_of_a_folder_is_that_of_its_files(folder):
    """Prevents other caches from being left out of what the message on a full disk says."""
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    arrays = sum(entry["bytes"] for entry in manifest["content"]["files"].values())
    assert folder_bytes(folder.parent) == arrays + (folder / MANIFEST_FILE).stat().st_size
    assert arrays == NUMBERS.nbytes + FLOATS.nbytes
    assert folder_bytes(folder / "nothing") == 0

"""Whatever happens to a cache, it is never read wrong: damage, other weights or data, kills, several processes."""

import errno
import logging
import multiprocessing
import os
import signal
import time
from dataclasses import replace

import pytest
import torch
from datasets import Dataset
from transformers import default_data_collator

from hf_tinybert.distillation.attention import AttentionScores
from hf_tinybert.distillation.cache.builder import CacheSource, open_teacher_cache
from hf_tinybert.distillation.cache.contents import CacheContents
from hf_tinybert.distillation.cache.layout import (
    ATTENTIONS_FILE,
    HIDDEN_STATES_FILE,
    LOGITS_FILE,
    SEQUENCES_FILE,
    UncacheableError,
)
from hf_tinybert.distillation.cache.plan import CacheSpaceError
from hf_tinybert.distillation.cache.rows import read_rows, with_row_ids
from hf_tinybert.distillation.cache.store import MANIFEST_FILE, PARTIAL_SUFFIX, PROGRESS_FILE, StoreWriter
from hf_tinybert.distillation.states import DistillationStates

EVERYTHING = CacheContents((0, 2, 4), (2, 4))
FILES = [ATTENTIONS_FILE, HIDDEN_STATES_FILE, LOGITS_FILE, SEQUENCES_FILE, MANIFEST_FILE]


def _share(directory, seconds, calls):
    """Opens or builds the cache of 40 rows, so many seconds a forward, and checks every row of it."""
    dataset = Dataset.from_dict({"input_ids": [[row, row + 1, row + 2] for row in range(40)]})

    def forward(inputs):
        time.sleep(seconds)
        with calls.open("a") as file:
            file.write("x")
        ids = inputs["input_ids"].float()
        return DistillationStates(torch.ones_like(ids), (ids[..., None].repeat(1, 1, 4),), (), ids[:, :1])

    source = CacheSource(dataset, default_data_collator, forward, {"weights_sha256": "0"}, ("input_ids",))
    cache = _open(source, directory, CacheContents((0,)), tokens_per_batch=3, commit_seconds=0.0)
    rows = list(range(39, -1, -1))
    states = cache.batch(rows, default_data_collator([dataset[row] for row in rows]))
    assert states.logits[:, 0].tolist() == rows
    assert states.hidden_states[0][:, 2, 3].tolist() == [row + 2 for row in rows]


@pytest.fixture
def source(build_teacher, build_rows, build_cache_source):
    """11 rows of ragged lengths and a teacher."""
    return build_cache_source(build_teacher(), build_rows(11, lengths=(5, 9, 3)))


@pytest.fixture
def start(tmp_path):
    """`start(seconds)`: a process of its own that runs `_share`."""
    processes = []

    def run(seconds):
        process = multiprocessing.get_context("fork").Process(
            target=_share, args=(tmp_path / "cache", seconds, tmp_path / "calls")
        )
        process.start()
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.join()


def _open(source, folder, contents=EVERYTHING, **options):
    return open_teacher_cache(source, contents, folder, **{"max_gb": 1, "tokens_per_batch": 24, **options})


def _folder(directory):
    (folder,) = (path for path in directory.iterdir() if path.is_dir())
    return folder


@torch.no_grad()
def _check(cache, source):
    rows = list(range(len(cache)))
    inputs = source.collator(source.dataset.__getitems__(rows))
    live = source.forward(dict(inputs))
    cached = cache.batch(rows, inputs)
    torch.testing.assert_close(cached.logits, live.logits, rtol=1e-5, atol=1e-6)
    mask = live.mask.bool()
    torch.testing.assert_close(
        cached.hidden_states[2][mask].float(), live.hidden_states[2][mask], rtol=2**-8, atol=1e-4
    )


def test_the_second_opening_asks_the_teacher_nothing(source, tmp_path):
    """Prevents a cache that is written again in every run."""
    _check(_open(source, tmp_path), source)
    calls = source.forward.calls
    cache = _open(source, tmp_path)
    assert source.forward.calls == calls
    _check(cache, source)
    numbered = replace(source, dataset=with_row_ids(source.dataset))
    _open(numbered, tmp_path)
    assert numbered.forward.calls == calls + 1  # that of the check


def test_a_cache_that_keeps_more_serves_less(source, tmp_path):
    """Prevents the teacher from answering anew where a phase of another run kept it beside other states."""
    _open(source, tmp_path)
    calls, wanted = source.forward.calls, CacheContents((None, None, 4), logits=False)
    rows = list(range(len(source.dataset)))
    inputs = source.collator(source.dataset.__getitems__(rows))
    for contents in (CacheContents(), wanted):
        cache = _open(source, tmp_path, contents)
        assert cache.contents == EVERYTHING and source.forward.calls == calls
        _check(cache, source)
        calls = source.forward.calls
    states = cache.batch(rows, inputs, contents=wanted)
    assert states.logits is None and states.hidden_states[2] is not None and not states.attentions


def test_of_several_that_keep_more_the_smallest_whole_one_serves(source, tmp_path):
    """Prevents gigabytes from being read for predictions, a damaged cache from being trusted, and another teacher."""
    small = CacheContents((0, None, None))
    _open(source, tmp_path, small)
    of_small = _folder(tmp_path)
    _open(source, tmp_path)
    assert _open(source, tmp_path, CacheContents()).contents == small
    (of_small / LOGITS_FILE).write_bytes(b"")
    assert _open(source, tmp_path, CacheContents()).contents == EVERYTHING
    other = replace(source, teacher={**source.teacher, "weights_sha256": "0"})
    calls = source.forward.calls
    assert _open(other, tmp_path, CacheContents()).contents == CacheContents() and source.forward.calls > calls


def test_what_cannot_be_read_beside_a_cache_is_passed_over(source, tmp_path, monkeypatch):
    """Prevents a folder that only somebody else may read from ending a run that shares its place."""
    _open(source, tmp_path)

    def refuse(folder):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("hf_tinybert.distillation.cache.builder.published_description", refuse)
    assert _open(source, tmp_path, CacheContents()).contents == CacheContents()


def test_sizes_on_disk_are_those_that_were_planned(source, tmp_path):
    """Prevents a budget that is checked against another number than what is written."""
    _open(source, tmp_path)
    folder = _folder(tmp_path)
    tokens = read_rows(source.dataset, source.columns).tokens
    sizes = {file.name: file.stat().st_size for file in folder.iterdir() if file.name != MANIFEST_FILE}
    assert sizes == {
        ATTENTIONS_FILE: tokens * 2 * 2 * 32 * 2,
        HIDDEN_STATES_FILE: tokens * 3 * 32 * 2,
        LOGITS_FILE: 11 * 3 * 4,
        SEQUENCES_FILE: 11 * 24,
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name, f"{folder.name}.lock"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_a_damaged_cache_is_computed_anew_with_a_warning(source, tmp_path, caplog, name, damage):
    """Prevents a bad sector, a full disk or a stray delete from being trained on."""
    _open(source, tmp_path)
    file = _folder(tmp_path) / name
    content = bytearray(file.read_bytes())
    if damage == "delete":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(content[:-1])
    else:
        content[len(content) // 2] ^= 4
        file.write_bytes(content)
    calls = source.forward.calls
    with caplog.at_level(logging.WARNING):
        cache = _open(source, tmp_path)
    assert source.forward.calls > calls
    assert "is damaged and computed anew: expected" in caplog.text
    assert name in caplog.text
    _check(cache, source)


def test_a_whole_cache_says_nothing_alarming(source, tmp_path, caplog):
    """Prevents warnings that are there in every run from hiding the one that matters."""
    with caplog.at_level(logging.WARNING):
        _open(source, tmp_path)
        _open(source, tmp_path)
    assert caplog.text == ""


def test_another_teacher_token_or_mapping_has_a_cache_of_its_own(
    build_teacher, build_rows, build_cache_source, tmp_path
):
    """Prevents the outputs of yesterday's teacher, data or mapping from being read for today's."""
    rows = build_rows(6, lengths=(5, 9))
    source = build_cache_source(build_teacher(), rows)
    _open(source, tmp_path)

    teacher = build_teacher()
    with torch.no_grad():
        teacher.classifier.weight.mul_(2)
    heavier = build_cache_source(teacher, rows)
    _check(_open(heavier, tmp_path), heavier)

    def change(row, at):
        return {"input_ids": [*row["input_ids"][:2], 7, *row["input_ids"][3:]]} if at == 4 else row

    edited = build_cache_source(build_teacher(), rows.map(change, with_indices=True))
    _check(_open(edited, tmp_path), edited)

    mapped = build_cache_source(build_teacher(), rows, mapping=(0, 1, 3))
    _check(_open(mapped, tmp_path, CacheContents((0, 1, 3), (1, 3))), mapped)
    assert sum(path.is_dir() for path in tmp_path.iterdir()) == 4


def test_a_build_that_failed_goes_on_where_it_stopped(source, tmp_path):
    """Prevents the longest texts from being computed again after every failure of the machine."""
    whole = source.forward

    def failing(inputs):
        if whole.calls == 4:
            raise RuntimeError("out of memory")
        return whole(inputs)

    with pytest.raises(RuntimeError, match="out of memory"):
        _open(replace(source, forward=failing), tmp_path, tokens_per_batch=9, commit_seconds=0.0)
    assert (_folder(tmp_path) / PROGRESS_FILE).is_file()
    whole.calls = 0
    _check(_open(source, tmp_path, tokens_per_batch=9, commit_seconds=0.0), source)
    resumed, whole.calls = whole.calls, 0
    _open(source, tmp_path / "new", tokens_per_batch=9)
    assert resumed == whole.calls - 3 + 1  # three batches less; the check


def test_a_build_with_other_batches_starts_anew(source, tmp_path):
    """Prevents rows from being left out or doubled because batches are cut elsewhere after a resume."""

    def failing(inputs):
        if source.forward.calls == 4:
            raise RuntimeError("out of memory")
        return source.forward(inputs)

    with pytest.raises(RuntimeError):
        _open(replace(source, forward=failing), tmp_path, tokens_per_batch=9, commit_seconds=0.0)
    _check(_open(source, tmp_path, tokens_per_batch=30), source)


@pytest.mark.distributed
def test_a_killed_build_is_taken_up_by_the_next_process(start, tmp_path):
    """Prevents half a cache from being opened, and a lock of a dead process from standing in the way for ever."""
    calls = tmp_path / "calls"
    process = start(0.02)
    deadline = time.monotonic() + 60
    while not calls.exists() or len(calls.read_text()) < 12:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert _folder(tmp_path / "cache").name.endswith(PARTIAL_SUFFIX)
    assert len(calls.read_text()) < 40
    other = start(0)
    other.join(60)
    assert other.exitcode == 0
    # every batch once, the forward of the layout twice, and what was under way at the kill
    assert 41 < len(calls.read_text()) <= 43
    assert not _folder(tmp_path / "cache").name.endswith(PARTIAL_SUFFIX)


@pytest.mark.distributed
def test_processes_share_one_build(start, tmp_path):
    """Prevents eight GPUs from computing the same cache eight times, or over each other."""
    processes = [start(0.02) for _ in range(3)]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len((tmp_path / "calls").read_text()) == 41


def test_a_read_only_folder_with_a_whole_cache_is_enough(source, tmp_path, monkeypatch):
    """Prevents a shared cache that one may only read from being refused."""
    _open(source, tmp_path)

    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr("hf_tinybert.distillation.cache.builder.FileLock", refuse)
    _check(_open(source, tmp_path), source)
    calls = source.forward.calls
    with pytest.raises(ValueError, match="expected a folder to write the teacher cache to, got .* Read-only"):
        _open(source, tmp_path, CacheContents((0,)))
    assert source.forward.calls == calls


def test_nothing_is_written_over_budget(source, tmp_path):
    """Prevents a full disk from being the first to say that the cache is too large."""
    with pytest.raises(CacheSpaceError, match="raise `teacher_cache_max_gb` to"):
        _open(source, tmp_path, max_gb=1e-6)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == []
    assert source.forward.calls == 1


def test_a_cache_that_is_there_needs_no_budget(source, tmp_path):
    """Prevents a smaller allowance from throwing away what was computed."""
    _open(source, tmp_path)
    assert _open(source, tmp_path, max_gb=1e-9).contents == EVERYTHING


def test_falling_back_keeps_what_fits(source, tmp_path, caplog):
    """Prevents `auto` from keeping what no phase can use, and from keeping nothing where the logits fit."""
    with caplog.at_level(logging.WARNING):
        cache = _open(source, tmp_path, max_gb=1e-6, fall_back=True)
        assert cache.contents == CacheContents()
        assert "does not keep everything: expected at most 1e-06 GB" in caplog.text
        assert _open(source, tmp_path, max_gb=1e-6, fall_back=True, logits_alone=False) is None
        assert "the teacher runs at every step" in caplog.text
        assert _open(source, tmp_path / "new", max_gb=1e-9, fall_back=True) is None
    assert _open(source, tmp_path, fall_back=True).contents == EVERYTHING


def test_a_teacher_of_score_maps_is_cached_without_them(source, tmp_path):
    """Prevents maps that grow with the square of the length, and an error where the logits could be kept."""
    forward = source.forward

    def maps(inputs):
        states = forward(inputs)
        return replace(states, attentions=tuple(AttentionScores(record.scores()) for record in states.attentions))

    mapped = replace(source, forward=maps)
    with pytest.raises(UncacheableError, match='got `AttentionScores`.*`teacher_cache_contents` to "auto"'):
        _open(mapped, tmp_path)
    cache = _open(mapped, tmp_path, fall_back=True)
    assert cache.contents == CacheContents()
    assert _open(mapped, tmp_path, CacheContents((0, 2, 4))).contents.hidden_layers == (0, 2, 4)


def test_a_disk_that_fills_up_while_writing_is_said(source, tmp_path, monkeypatch):
    """Prevents the loss of what fitted, and a message without a cure."""

    def full(self, name, array):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "append", full)
        with pytest.raises(CacheSpaceError, match="got a full one; .* make room and start again"):
            _open(source, tmp_path)
    _check(_open(source, tmp_path), source)


def test_a_collator_that_draws_is_refused_before_anything_is_written(source, tmp_path):
    """Prevents words masked anew in every epoch from being answered with the teacher's outputs for others."""

    def masking(features):
        batch = source.collator(features)
        batch["input_ids"][:, 1:3] = torch.randint(5, 40, (len(features), 2))
        return batch

    with pytest.raises(ValueError, match="expected a collator that makes the same batch of the same rows"):
        _open(replace(source, collator=masking), tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_collator_that_cuts_is_refused(source, tmp_path):
    """Prevents the tokens of one text from being read as those of the next."""

    def cutting(features):
        return {name: tensor[..., :4] for name, tensor in source.collator(features).items()}

    with pytest.raises(ValueError, match="expected batches of the data's own lengths, got"):
        _open(replace(source, collator=cutting), tmp_path)


def test_long_rows_come_first_and_batches_keep_to_their_tokens(source, tmp_path):
    """Prevents a batch too large for memory from being met at the end of hours of work."""
    shapes = []
    forward = source.forward

    def watching(inputs):
        shapes.append(tuple(inputs["input_ids"].shape))
        assert torch.is_inference_mode_enabled()
        return forward(inputs)

    _open(replace(source, forward=watching), tmp_path, tokens_per_batch=24)
    assert [length for _, length in shapes] == sorted((length for _, length in shapes), reverse=True)
    assert all(rows * length <= 24 for rows, length in shapes)
    assert sum(rows for rows, _ in shapes[1:]) == 11
    assert shapes[0] == (1, 9)  # the layout
    assert _open(source, tmp_path / "one", tokens_per_batch=1).rows == 11


def test_a_disk_that_returns_other_bytes_is_given_up(source, tmp_path, monkeypatch):
    """Prevents an endless round of rebuilding."""
    publish = StoreWriter.publish

    def broken(self, folder, key, description):
        publish(self, folder, key, description)
        (folder / LOGITS_FILE).write_bytes(bytes(11 * 3 * 4))

    monkeypatch.setattr(StoreWriter, "publish", broken)
    with pytest.raises(ValueError, match="the disk does not give back what it was given"):
        _open(source, tmp_path)

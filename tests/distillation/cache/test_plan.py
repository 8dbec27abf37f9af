import shutil
from types import SimpleNamespace

import pytest
import torch

from hf_tinybert.distillation.attention import record_attention
from hf_tinybert.distillation.cache.contents import CacheContents
from hf_tinybert.distillation.cache.layout import CacheLayout, LogitsKind
from hf_tinybert.distillation.cache.plan import (
    CacheSpaceError,
    cache_key,
    check_cache_folder,
    check_cache_space,
    plan_cache,
    teacher_identity,
)
from hf_tinybert.distillation.cache.rows import read_rows
from hf_tinybert.distillation.embedding_teacher import teach_embeddings
from hf_tinybert.distillation.frozen_weights import weights_sha256
from hf_tinybert.distillation.teacher_ensemble import join_teachers

COLUMNS = ("input_ids", "token_type_ids", "attention_mask")
CONTENTS = CacheContents((0, 2, 4), (2, 4))
LAYOUT = CacheLayout(hidden_widths=(32, 32, 32), logits=LogitsKind.TEXT, classes=3)


@pytest.fixture
def table(build_rows):
    return read_rows(build_rows(4, lengths=(5, 9)), COLUMNS)


def _identity(teacher):
    return teacher_identity(teacher, weights_sha256(teacher))


def test_a_plan_has_the_exact_size(table):
    """Prevents an estimate: 4 rows of 3 float32 logits, 28 tokens of 96 bfloat16 numbers, 4 index entries."""
    plan = plan_cache(table, LAYOUT)
    assert plan.bytes == 4 * 3 * 4 + 28 * 96 * 2 + 4 * 24
    assert plan.fits(plan.bytes / 1e9)
    assert not plan.fits((plan.bytes - 1) / 1e9)


def test_the_key_knows_every_one_of_several_teachers(build_teacher, table):
    """Prevents a cache of other members, or of other shares, from being read: weights, configuration and class."""
    first, second = build_teacher(), build_teacher()
    silu = build_teacher(hidden_act="silu")
    silu.load_state_dict(second.state_dict())
    several = [join_teachers([first, second]), join_teachers([first, second], [1, 2]), join_teachers([first, silu])]
    keys = [cache_key(_identity(one), table, CONTENTS) for one in (first, *several)]
    assert len(set(keys)) == 4
    assert keys[1] == cache_key(_identity(join_teachers([first, second], [1, 1])), table, CONTENTS)


def test_the_key_changes_with_everything_that_changes_the_contents(build_teacher, build_rows, table):
    """Prevents a cache of other weights, tokens or layers from being read."""
    teacher = build_teacher()
    key = cache_key(_identity(teacher), table, CONTENTS)
    assert len(key) == 64
    with torch.no_grad():
        changed = build_teacher()
        changed.classifier.bias[0] += 1e-7
    heads = build_teacher()
    heads.config.num_attention_heads = 2  # the same weights
    rows = read_rows(build_rows(4, lengths=(5, 9), seed=4), COLUMNS)
    keys = [
        key,
        cache_key(_identity(changed), table, CONTENTS),
        cache_key(_identity(heads), table, CONTENTS),
        cache_key(_identity(build_teacher("Model")), table, CONTENTS),
        cache_key(teacher_identity(teacher, weights_sha256(teacher), "bfloat16"), table, CONTENTS),
        cache_key(_identity(teacher), rows, CONTENTS),
        cache_key(_identity(teacher), table, CacheContents((0, 1, 4), (2, 4))),
        cache_key(_identity(teacher), table, CacheContents((0, 2, 4), (1, 4))),
        cache_key(_identity(teacher), table, CacheContents((0, 2, 4), (2, 4), value=True)),
        cache_key(_identity(teacher), table, CacheContents((0, 2, 4), (2, 4), logits=False)),
    ]
    assert len(set(keys)) == len(keys)


def test_the_key_knows_how_a_teacher_pools(build_teacher, build_student, table):
    """Prevents embeddings of the first token, kept for one student, from teaching another that takes the mean."""
    teacher = build_teacher("Model")
    keys = [cache_key(_identity(teacher), table, CONTENTS)]
    for pooling, normalize in (("mean", True), ("cls", True), ("cls", False)):
        teach_embeddings(teacher, build_student("ForSentenceEmbedding", pooling=pooling, normalize=normalize))
        keys.append(cache_key(_identity(teacher), table, CONTENTS))
    assert len(set(keys)) == len(keys)


def test_the_key_does_not_change_with_what_changes_nothing(build_teacher, table, tmp_path):
    """Prevents hours of teacher work from being done again for another folder or attention kernel."""
    teacher = build_teacher()
    key = cache_key(_identity(teacher), table, CONTENTS)
    teacher.save_pretrained(tmp_path / "teacher")
    loaded = type(teacher).from_pretrained(tmp_path / "teacher")
    assert cache_key(_identity(loaded), table, CONTENTS) == key
    record_attention(loaded)
    assert cache_key(_identity(loaded), table, CONTENTS) == key
    loaded.set_attn_implementation("eager")
    assert cache_key(_identity(loaded), table, CONTENTS) == key


def test_a_folder_is_made_and_written_to(tmp_path):
    """Prevents a check that leaves something behind."""
    check_cache_folder(tmp_path / "new" / "cache")
    assert list((tmp_path / "new" / "cache").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    """Prevents that from showing after hours of teacher work; the user may be root, whom no mode keeps out."""
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "cache"):
        with pytest.raises(ValueError, match=r"expected a folder to write .*file.*set `teacher_cache_dir` to"):
            check_cache_folder(place)


def test_a_file_system_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    """Prevents a folder that is there, but read-only, from passing."""

    def refuse(**kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(ValueError, match="Read-only file system"):
        check_cache_folder(tmp_path)


def test_a_cache_over_its_allowance_is_refused_with_what_it_takes(table, tmp_path):
    """Prevents a disk that is shared from being filled, and a refusal that does not say how much is missing."""
    plan = plan_cache(table, LAYOUT)
    check_cache_space(plan, tmp_path, plan.bytes / 1e9)
    with pytest.raises(CacheSpaceError) as error:
        check_cache_space(plan, tmp_path, 5e-6)
    assert "expected at most 5e-06 GB for the teacher cache, got 5.52e-06 GB" in str(error.value)
    assert "4 rows, 28 tokens" in str(error.value)
    assert "raise `teacher_cache_max_gb` to 5.58e-06" in str(error.value)


def test_what_the_other_tasks_of_a_run_keep_counts(table, tmp_path):
    """Prevents a disk from being filled with as many times the allowance as a run has tasks."""
    plan = plan_cache(table, LAYOUT)
    allowed = 2 * plan.bytes / 1e9
    check_cache_space(plan, tmp_path, allowed, taken=plan.bytes)
    with pytest.raises(CacheSpaceError, match=r"of which other tasks take .* GB, .*; raise `teacher_cache_max_gb`"):
        check_cache_space(plan, tmp_path, allowed, taken=plan.bytes + 1)


def test_a_cache_larger_than_the_free_disk_is_refused(table, tmp_path, monkeypatch):
    """Prevents a disk from being filled because the allowance was larger than it."""
    plan = plan_cache(table, LAYOUT)
    (tmp_path / "old.bin").write_bytes(bytes(3000))
    monkeypatch.setattr(shutil, "disk_usage", lambda directory: SimpleNamespace(free=plan.bytes - 1))
    with pytest.raises(CacheSpaceError, match=r"has 5.52e-06 GB free; make room \(other caches there hold 3e-06 GB\)"):
        check_cache_space(plan, tmp_path, 1.0)
    (tmp_path / "old.bin").write_bytes(bytes(3001))
    check_cache_space(plan, tmp_path, 1.0, written=1)  # what lies there already needs no room

import logging

import pytest
import torch
from safetensors.torch import save_file

from hf_tinybert.distillation.checkpoints import (
    check_checkpoint,
    check_weights,
    last_whole_checkpoint,
    safetensors_damage,
)

WEIGHTS = "model.safetensors"


@pytest.fixture
def build_checkpoint(tmp_path):
    def build(step, parent=tmp_path):
        folder = parent / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        save_file({"weight": torch.arange(6.0).reshape(2, 3)}, folder / WEIGHTS)
        torch.save({"step": step}, folder / "optimizer.pt")
        torch.save({"step": step}, folder / "scheduler.pt")
        torch.save({"seed": 0}, folder / "rng_state.pth")
        (folder / "trainer_state.json").write_text("{}", encoding="utf-8")
        return folder

    return build


def _cut(path, end=-5):
    path.write_bytes(path.read_bytes()[:end])


def test_a_whole_checkpoint_passes(build_checkpoint):
    """Prevents a check that refuses what is right."""
    folder = build_checkpoint(3)
    check_checkpoint(folder)
    assert safetensors_damage(folder / WEIGHTS) is None


@pytest.mark.parametrize("end", [-5, 60, 8, 3, 0])
def test_weights_cut_anywhere_are_refused(build_checkpoint, end):
    """Prevents a resume from weights that a full disk or a killed process left short."""
    folder = build_checkpoint(3)
    _cut(folder / WEIGHTS, end)
    with pytest.raises(ValueError, match=r"truncated `model.safetensors`.*resume from the checkpoint before"):
        check_checkpoint(folder)


def test_weights_with_a_broken_header_are_refused(build_checkpoint):
    """Prevents an unreadable header from passing because the length is right."""
    folder = build_checkpoint(3)
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[8:12] = b"\xff\xff\xff\xff"
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(ValueError, match=r"unreadable `model.safetensors`"):
        check_checkpoint(folder)


@pytest.mark.parametrize("name", ["optimizer.pt", "rng_state.pth"])
def test_archives_without_their_end_are_refused(build_checkpoint, name):
    """Prevents a resume that fails in the middle of loading, with the student's weights already replaced."""
    folder = build_checkpoint(3)
    _cut(folder / name, -40)
    with pytest.raises(ValueError, match=f"truncated `{name}`"):
        check_checkpoint(folder)


@pytest.mark.parametrize("text", [None, "", '{"global_step": 3'])
def test_a_missing_or_unreadable_trainer_state_is_refused(build_checkpoint, text):
    """Prevents a checkpoint from passing whose last file was never finished."""
    folder = build_checkpoint(3)
    (folder / "trainer_state.json").unlink()
    if text is not None:
        (folder / "trainer_state.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"no readable `trainer_state.json`"):
        check_checkpoint(folder)


@pytest.mark.parametrize(
    ("name", "said"),
    [(WEIGHTS, "no weights"), ("optimizer.pt", "no optimizer state"), ("scheduler.pt", "no `scheduler.pt`")],
)
def test_a_checkpoint_whose_deletion_was_stopped_is_refused(build_checkpoint, name, said):
    """Prevents a resume with a fresh optimizer, of which the stock Trainer says nothing."""
    folder = build_checkpoint(3)
    (folder / name).unlink()
    with pytest.raises(ValueError, match=said):
        check_checkpoint(folder)


def test_weights_alone_are_whole(build_checkpoint):
    """Prevents a refusal of what `save_only_model` leaves."""
    folder = build_checkpoint(3)
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        (folder / name).unlink()
    check_checkpoint(folder)


def test_truncated_partitions_of_deepspeed_are_refused(build_checkpoint):
    """Prevents a resume that fails on one process while the others wait for it."""
    folder = build_checkpoint(3)
    (folder / "optimizer.pt").unlink()
    (folder / "global_step3").mkdir()
    torch.save({"step": 3}, folder / "global_step3" / "zero_pp_rank_0_optim_states.pt")
    check_checkpoint(folder)
    _cut(folder / "global_step3" / "zero_pp_rank_0_optim_states.pt", -40)
    with pytest.raises(ValueError, match="truncated `zero_pp_rank_0_optim_states.pt`"):
        check_checkpoint(folder)


def test_a_folder_that_does_not_exist_is_said(tmp_path):
    """Prevents a typing error in a path from starting from the beginning."""
    with pytest.raises(FileNotFoundError, match="does not exist"):
        check_checkpoint(tmp_path / "checkpoint-9")


def test_the_last_whole_checkpoint_is_found_by_number(build_checkpoint, tmp_path):
    """Prevents 9 from being taken for later than 10, and folders of other names from being read."""
    for step in (2, 9, 10):
        build_checkpoint(step)
    (tmp_path / "checkpoint-best").mkdir()
    assert last_whole_checkpoint(tmp_path) == tmp_path / "checkpoint-10"


def test_damaged_checkpoints_are_passed_over_with_a_warning(build_checkpoint, tmp_path, caplog):
    """Prevents a run that cannot be resumed at all because its last write was cut off."""
    build_checkpoint(2)
    _cut(build_checkpoint(4) / WEIGHTS)
    _cut(build_checkpoint(6) / "optimizer.pt", -40)
    with caplog.at_level(logging.WARNING):
        assert last_whole_checkpoint(tmp_path) == tmp_path / "checkpoint-2"
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "checkpoint-6" in caplog.text
    assert "checkpoint-4" in caplog.text


def test_without_a_whole_checkpoint_there_is_none(build_checkpoint, tmp_path):
    """Prevents a damaged checkpoint from being the last resort."""
    assert last_whole_checkpoint(tmp_path / "nowhere") is None
    assert last_whole_checkpoint(tmp_path) is None
    _cut(build_checkpoint(2) / WEIGHTS)
    assert last_whole_checkpoint(tmp_path) is None


def test_a_model_folder_with_truncated_weights_is_refused(build_checkpoint, tmp_path):
    """Prevents a bare library error for a teacher whose download was cut off."""
    folder = build_checkpoint(3)
    check_weights(folder)
    check_weights(tmp_path / "a name on the hub")
    _cut(folder / WEIGHTS)
    with pytest.raises(ValueError, match=r"expected whole weights.*truncated `model.safetensors`"):
        check_weights(folder)

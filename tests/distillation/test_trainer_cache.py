"""Training from the teacher cache equals training from the live teacher."""

import logging

import pytest
import torch
from torch.utils.data import DataLoader

from hf_tinybert.distillation.cache.plan import CacheSpaceError

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.fixture
def run(build_trainer, build_student, build_rows):
    """`run(**arguments)`: losses and final weights of a run over 12 rows of uneven length, two epochs a phase."""

    def start(**arguments):
        settings = {"num_train_epochs": 2, "intermediate_num_train_epochs": 2, **arguments}
        trainer = build_trainer(
            settings, model=build_student(**NO_DROPOUT), train_dataset=build_rows(12, lengths=(5, 9, 3))
        )
        trainer.train()
        logs = [entry for entry in trainer.state.log_history if "loss" in entry]
        return trainer, [entry["loss"] for entry in logs], trainer.model.state_dict()

    return start


def _forwards(trainer):
    """Counts the teacher's forwards from now on."""
    calls = []
    trainer._plain_teacher.base_model.register_forward_hook(lambda *args: calls.append(1))
    return calls


@pytest.mark.parametrize("phases", [["intermediate-layer", "prediction-layer"], ["joint"]])
def test_training_from_the_cache_equals_training_from_the_teacher(run, tmp_path, phases):
    """Prevents states of other rows, layers or positions, and padding that counts."""
    _, live, live_weights = run(phases=phases)
    _, cached, cached_weights = run(phases=phases, teacher_cache_dir=str(tmp_path / "cache"))
    assert cached == pytest.approx(live, rel=2e-2)
    for name, tensor in live_weights.items():
        torch.testing.assert_close(cached_weights[name], tensor, rtol=0.05, atol=5e-3)


def test_the_prediction_layer_phase_is_exact(run, tmp_path):
    """Prevents logits that lose digits on the way."""
    _, live, _ = run(phases=["prediction-layer"])
    _, cached, _ = run(phases=["prediction-layer"], teacher_cache_dir=str(tmp_path / "cache"))
    assert cached == pytest.approx(live, rel=1e-5)


def test_the_teacher_runs_once_for_every_row_and_never_again(build_trainer, tmp_path):
    """Prevents a cache that is written and not read."""
    arguments = {"teacher_cache_dir": str(tmp_path / "cache"), "num_train_epochs": 3}
    first = build_trainer(arguments)
    built = _forwards(first)
    first.train()
    assert 0 < len(built) <= 2  # eight rows, however many a batch of the build takes
    second = build_trainer(arguments)
    again = _forwards(second)
    second.train()
    assert again == []


def test_answers_of_another_precision_are_not_taken_for_those_of_the_run(build_trainer, tmp_path, monkeypatch):
    """Prevents a run in float32 from learning what the teacher said under autocast, and the other way round."""
    arguments = {"teacher_cache_dir": str(tmp_path / "cache"), "phases": ["prediction-layer"]}
    built = {}
    for precision in ("no", "bf16", "no"):
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", precision)  # as `accelerate launch --mixed_precision` sets it
        trainer = build_trainer(arguments)
        forwards = _forwards(trainer)
        trainer.train()
        built.setdefault(precision, []).append(len(forwards) > 0)
    assert built == {"no": [True, False], "bf16": [True]}


def test_logits_alone_serve_the_phase_that_reads_no_more(build_trainer, tmp_path):
    """Prevents the intermediate-layer phase from being refused, or trained without its teacher."""
    arguments = {"teacher_cache_dir": str(tmp_path / "cache"), "teacher_cache_contents": "logits"}
    trainer = build_trainer(arguments)
    forwards = _forwards(trainer)
    trainer.train()
    steps = 2
    assert steps < len(forwards) <= steps + 2  # one forward a step of the first phase, and the build
    logs = [entry for entry in trainer.state.log_history if "prediction_loss" in entry]
    assert logs


def test_a_cache_too_large_is_refused_before_the_first_step_or_left_out(build_trainer, tmp_path, caplog):
    """Prevents a full disk, and a run that dies for want of a convenience."""
    arguments = {"teacher_cache_dir": str(tmp_path / "cache"), "teacher_cache_max_gb": 1e-9}
    trainer = build_trainer({**arguments, "teacher_cache_contents": "all"})
    with pytest.raises(CacheSpaceError, match="teacher_cache_max_gb"):
        trainer.train()
    with caplog.at_level(logging.WARNING):
        build_trainer(arguments).train()
    assert any("cache" in record.message for record in caplog.records)


def test_evaluation_does_not_read_the_cache_of_the_training_rows(build_trainer, build_rows, tmp_path):
    """Prevents evaluation rows from being compared with the teacher's answers to training rows."""
    results = []
    for folder in (None, str(tmp_path / "cache")):
        trainer = build_trainer(
            {"teacher_cache_dir": folder, "phases": ["prediction-layer"], "max_steps": 1},
            eval_dataset=build_rows(6, seed=11),
        )
        trainer.train()
        results.append(trainer.evaluate()["eval_prediction_loss"])
    assert results[0] == pytest.approx(results[1], rel=1e-4)


@pytest.mark.parametrize("own", [True, False])
def test_a_loader_of_ones_own_that_leaves_the_cache_unread_is_told_of(
    build_trainer, build_rows, collator, tmp_path, caplog, own
):
    """Prevents the disk and the time of a cache that nothing reads, unsaid."""
    arguments = {"teacher_cache_dir": str(tmp_path / "cache"), "eval_strategy": "epoch", "phases": ["joint"]}
    trainer = build_trainer(arguments, eval_dataset=build_rows(4))
    if own:
        trainer.get_train_dataloader = lambda: DataLoader(trainer.train_dataset, 4, collate_fn=collator)
    with caplog.at_level(logging.WARNING):
        trainer.train()
    assert sum("do not bring what the teacher cache holds" in record.message for record in caplog.records) == own

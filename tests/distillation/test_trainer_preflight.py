"""The checks before training, in the trainer."""

import logging

import pytest
import torch
from datasets import ClassLabel
from peft import LoraConfig, get_peft_model


@pytest.fixture
def rows_and_teacher(build_rows, build_teacher):
    """`rows_and_teacher(right=True)`: 60 rows whose labels the teacher answers, or never answers."""

    def build(right):
        teacher, rows = build_teacher(), build_rows(60, lengths=(6,), labels=False)
        inputs = {name: torch.tensor(rows[name]) for name in ("input_ids", "attention_mask", "token_type_ids")}
        with torch.no_grad():
            answers = teacher.eval()(**inputs).logits.argmax(-1)
        labels = (answers if right else (answers + 1) % 3).tolist()
        labels[:3] = [0, 1, 2]
        rows = rows.add_column("labels", labels)
        return rows.cast_column("labels", ClassLabel(names=["business", "culture", "sport"])), teacher

    return build


def test_a_teacher_that_knows_nothing_of_the_task_is_refused_before_the_first_step(build_trainer, rows_and_teacher):
    """Prevents hours spent on imitating noise: labels in another order, or a head that was never trained."""
    rows, teacher = rows_and_teacher(right=False)
    settings = {"preflight": True, "max_steps": 1, "intermediate_max_steps": 1}
    trainer = build_trainer(settings, teacher=teacher, train_dataset=rows)
    with pytest.raises(ValueError, match="teacher"):
        trainer.train()
    assert trainer.state.global_step == 0
    build_trainer({**settings, "preflight": False}, teacher=teacher, train_dataset=rows).train()


def test_a_run_that_can_work_is_reported_and_trained(build_trainer, rows_and_teacher, caplog):
    """Prevents checks that stop a sound run, change its models or its dropout, or say nothing."""
    rows, teacher = rows_and_teacher(right=True)
    settings = {"max_steps": 2, "phases": ["joint"]}
    plain = build_trainer(settings, teacher=teacher, train_dataset=rows)
    plain.train()
    with caplog.at_level(logging.INFO, logger="hf_tinybert"):
        checked = build_trainer({**settings, "preflight": True}, teacher=teacher, train_dataset=rows)
        checked.train()
    assert any("checks before training" in record.message for record in caplog.records)
    for name, tensor in plain.model.state_dict().items():
        assert torch.equal(checked.model.state_dict()[name], tensor)
    assert checked.preflight().ok


def test_a_student_with_an_adapter_is_checked_by_the_forward_that_trains(
    build_trainer, build_student, rows_and_teacher
):
    """Prevents a sound adapter run that is stopped, because the model inside the adapter holds no projections."""
    rows, teacher = rows_and_teacher(right=True)
    lora = LoraConfig("SEQ_CLS", r=2, target_modules=["query", "value"], modules_to_save=["classifier"])
    settings = {"preflight": True, "max_steps": 1, "intermediate_max_steps": 1}
    trainer = build_trainer(settings, model=get_peft_model(build_student(), lora), teacher=teacher, train_dataset=rows)
    assert trainer.preflight().ok
    trainer.train()

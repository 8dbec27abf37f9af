"""Tests of the trainer on gold labels."""

import pytest
from datasets import Dataset
from transformers import BertForSequenceClassification, DataCollatorWithPadding, TrainingArguments

from hf_tinybert.workflow.supervised import SupervisedTrainer, evaluations


@pytest.fixture
def trainer(tmp_path, tiny_teacher_config, tokenizer, tokenized_dataset):
    """Three steps on 24 sentences."""
    arguments = TrainingArguments(
        str(tmp_path), per_device_train_batch_size=8, num_train_epochs=1, use_cpu=True, report_to="none"
    )
    return SupervisedTrainer(
        BertForSequenceClassification(tiny_teacher_config),
        arguments,
        train_dataset=tokenized_dataset,
        eval_dataset=tokenized_dataset,
        data_collator=DataCollatorWithPadding(tokenizer),
    )


def test_evaluation_keeps_the_order_of_the_data(trainer, tokenized_dataset):
    """Prevents predictions from being compared with the answers of other rows."""
    assert list(trainer._get_eval_sampler(tokenized_dataset)) == list(range(24))
    assert trainer.predict(tokenized_dataset).label_ids.tolist() == tokenized_dataset["labels"][:]


def test_training_groups_rows_by_length(trainer, tokenized_dataset):
    """Prevents half of every batch from being padding."""
    order = list(trainer._get_train_sampler())
    assert sorted(order) == list(range(24)) and order != list(range(24))
    lengths = [len(tokenized_dataset[row]["input_ids"]) for row in order]
    spread = [max(lengths[start : start + 8]) - min(lengths[start : start + 8]) for start in (0, 8, 16)]
    assert sum(spread) < 3 * (max(lengths) - min(lengths))


def test_rows_without_lengths_are_drawn_at_random(trainer):
    """Prevents a failure on rows that are encoded as they are read."""
    rows = Dataset.from_dict({"number": list(range(10))})
    assert sorted(trainer._get_train_sampler(rows)) == list(range(10))


def test_a_run_resumed_at_its_last_step_takes_no_step_more(trainer, tmp_path):
    """Prevents a model that differs by a step from the one of an uninterrupted run."""
    trainer.train()
    trainer._save_checkpoint(trainer.model, None)
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    assert trainer.state.global_step == 3


def test_evaluations_are_told_without_their_timings(trainer):
    """Prevents figures that differ in every run from being taken for results."""
    trainer.evaluate()
    (only,) = evaluations(trainer)
    assert "loss" in only and not [name for name in only if "second" in name or "runtime" in name]

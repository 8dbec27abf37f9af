"""Tests of distillation on rows that change from epoch to epoch."""

import shutil
from functools import partial

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import BertTokenizer

from hf_tinybert.data.augmentation import CandidateFinder, FreshVariants, PassageReader, Replacement, WordVectors
from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.tasks import Task

ONE_PHASE = {"phases": ["joint"], "num_train_epochs": 3, "save_strategy": "steps", "save_steps": 1}
TWO_PHASES = {"num_train_epochs": 1, "intermediate_num_train_epochs": 2}


@pytest.fixture
def variants(vocabulary, sentences):
    """Makes variants of 8 sentences, in which many words change."""
    words = ["film", "song", "music", "game", "team", "market", "price", "good", "bad", "slow", "great", "new"]
    vectors = WordVectors(words, np.random.default_rng(0).normal(size=(len(words), 4)), source="a test")
    rows = Dataset.from_list([{"text": text} for text in sentences[:8]])
    reader = PassageReader(TaskKind.TEXT_CLASSIFICATION)
    candidates = CandidateFinder(5, vectors=vectors).find_all(rows, reader)
    task = Task(TaskSettings(TaskKind.TEXT_CLASSIFICATION, max_length=16))
    encode = partial(task.encode, tokenizer=BertTokenizer(vocab=str(vocabulary), model_max_length=32))
    return lambda: FreshVariants(
        rows, candidates, encode, reader=reader, replacement=Replacement(probability=0.8, candidates=5)
    )


@pytest.fixture
def read(build_trainer, variants, monkeypatch, tmp_path):
    """`read(arguments)`: a trainer, and what its batches hold, as sorted rows of token ids, filled while it trains."""

    def build(folder="run", **arguments):
        trainer = build_trainer({"output_dir": str(tmp_path / folder), **arguments}, train_dataset=variants())
        batches, own = [], trainer.compute_loss

        def compute_loss(model, inputs, *args, **kwargs):
            masks = inputs["attention_mask"].bool()
            batches.append([tuple(ids[mask].tolist()) for ids, mask in zip(inputs["input_ids"], masks, strict=True)])
            return own(model, inputs, *args, **kwargs)

        monkeypatch.setattr(trainer, "compute_loss", compute_loss)
        return trainer, batches

    return build


def test_a_run_resumed_within_an_epoch_sees_the_same_variants_and_ends_with_the_same_weights(read, tmp_path):
    """Prevents other variants after an interruption: of the epoch before, or of the first one."""
    straight, batches = read("straight", **ONE_PHASE)
    straight.train()
    # 2 batches an epoch: the second epoch is cut in its middle
    resumed, later = read("resumed", **ONE_PHASE)
    shutil.copytree(tmp_path / "straight" / "checkpoint-3", tmp_path / "resumed" / "checkpoint-3")
    resumed.train(resume_from_checkpoint=True)
    assert len(batches) == 6 and later == batches[3:]
    weights = resumed.model.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in straight.model.state_dict().items())


def test_epochs_and_phases_have_variants_of_their_own_whatever_the_batches(read):
    """Prevents a second phase or epoch on the texts of the first, and texts that hang on the batch size."""
    trainer, batches = read(**TWO_PHASES)
    trainer.train()
    passes = [sorted(row for batch in batches[start : start + 2] for row in batch) for start in (0, 2, 4)]
    assert len({str(one) for one in passes}) == 3
    other, small = read(**TWO_PHASES, per_device_train_batch_size=2, dataloader_num_workers=1)
    other.train()
    assert [sorted(row for batch in small[start : start + 4] for row in batch) for start in (0, 4, 8)] == passes


def test_rows_change_where_the_loader_hands_no_epoch_on_and_are_grouped_by_length(read, monkeypatch):
    """Prevents the first epoch's texts in all epochs, as accelerate has it on several processes, and much padding."""
    monkeypatch.setattr("accelerate.data_loader.DataLoaderShard.set_epoch", lambda loader, epoch: None)
    trainer, batches = read(phases=["joint"], num_train_epochs=2, per_device_train_batch_size=2)
    trainer.train()
    first, second = (sorted(row for batch in part for row in batch) for part in (batches[:4], batches[4:]))
    assert first != second
    assert max(map(len, batches[0])) >= max(trainer.train_dataset.lengths) - 1  # the longest rows come first


def test_a_teacher_cache_is_refused(build_trainer, variants, tmp_path):
    """Prevents a teacher whose answers to the first epoch's texts are taken for those to all others."""
    with pytest.raises(ValueError, match="`teacher_cache_dir` with `FreshVariants`"):
        build_trainer({"teacher_cache_dir": str(tmp_path / "cache")}, train_dataset=variants())
    assert not (tmp_path / "cache").exists()

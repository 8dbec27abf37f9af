"""Tests of batches of a single task."""

import logging
import random
from collections import Counter

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch.utils.data import BatchSampler, DataLoader

from hf_tinybert.data.multitask import (
    DrawnRow,
    MultiTaskCollator,
    MultiTaskDataset,
    SingleTaskSteps,
    TaskRow,
    distinct_tasks,
)
from hf_tinybert.data.task_sampling import TaskSampling


def _rows(count, first):
    lengths = [1 + (row * 7) % 20 for row in range(count)]
    return Dataset.from_dict({"input_ids": [[first + row] * n for row, n in enumerate(lengths)]})


@pytest.fixture
def tasks():
    """72, 21 and 3 rows; the token of each says which it is."""
    return MultiTaskDataset({"mood": _rows(72, 1000), "ner": _rows(21, 2000), "words": _rows(3, 3000)})


def _order(tasks, epoch=0, rows_per_step=8, strategy="proportional", **arguments):
    steps = SingleTaskSteps(tasks, rows_per_step, TaskSampling(strategy), **{"epochs": 4, "seed": 0, **arguments})
    steps.set_epoch(epoch)
    order = list(steps)
    assert len(order) == len(steps)
    return order


def _pad(rows):
    longest = max(len(row["input_ids"]) for row in rows)
    return {"input_ids": torch.tensor([row["input_ids"] + [0] * (longest - len(row["input_ids"])) for row in rows])}


@pytest.mark.parametrize("strategy", ["proportional", "temperature", "annealed"])
@pytest.mark.parametrize("grouped", [True, False])
def test_all_rows_of_a_step_are_of_one_task(tasks, strategy, grouped):
    """Prevents a batch that no head can answer, on any of the processes that share a step."""
    for epoch in range(4):
        order = _order(tasks, epoch, strategy=strategy, group_by_length=grouped)
        assert len(order) == 12 * 8
        assert all(len({row.task for row in order[start : start + 8]}) == 1 for start in range(0, len(order), 8))


def test_batches_are_of_one_task_whatever_the_processes_and_the_accumulation(tasks):
    """Prevents processes that run different heads in one step, whose gradients would not meet."""
    order = _order(tasks)
    for batch, processes in ((8, 1), (4, 2), (2, 2), (1, 8)):
        batches = list(BatchSampler(order, batch, drop_last=False))
        for start in range(0, len(batches), 8 // batch):
            assert len({row.task for one in batches[start : start + 8 // batch] for row in one}) == 1
        assert len(batches) % processes == 0


def test_every_row_comes_once_before_any_comes_again(tasks):
    """Prevents rows that are never trained on, also of a task that gets less than a pass in an epoch."""
    drawn = [row for epoch in range(4) for row in _order(tasks, epoch)]
    mood = [row.row for row in drawn if row.task == "mood"]
    assert sorted(mood[:72]) == list(range(72))
    assert sorted(mood[72:144]) == list(range(72))
    ner = [row.row for row in drawn if row.task == "ner"]
    assert set(ner[:24]) == set(range(21))  # a pass of three steps, filled up with three rows
    assert max(Counter(ner[:24]).values()) == 2
    words = [row.row for row in drawn if row.task == "words"]
    assert sorted(Counter(words[:8]).values()) == [2, 3, 3]


def test_tasks_come_by_their_shares(tasks):
    """Prevents a sampling that is set and not used."""
    counts = {
        strategy: Counter(row.task for epoch in range(4) for row in _order(tasks, epoch, strategy=strategy))
        for strategy in ("proportional", "temperature")
    }
    assert counts["proportional"]["mood"] == pytest.approx(4 * 96 * 0.75, abs=8)
    roots = np.sqrt([72, 21, 3])
    assert counts["temperature"]["words"] == pytest.approx(4 * 96 * roots[2] / roots.sum(), abs=8)
    first, last = (Counter(r.task for r in _order(tasks, epoch, strategy="annealed")) for epoch in (0, 3))
    assert last["words"] + last["ner"] > first["words"] + first["ner"]


def test_the_order_is_that_of_seed_and_epoch(tasks):
    """Prevents a resumed run, or a second process, from seeing other batches, and epochs that repeat each other."""
    assert _order(tasks, epoch=3) == _order(tasks, epoch=3)
    assert _order(tasks, epoch=0) != _order(tasks, epoch=1)
    assert _order(tasks, seed=1) != _order(tasks, seed=2)


def test_steps_hold_like_lengths(tasks):
    """Prevents padding every batch to the longest text of its task."""
    spans = {}
    for grouped in (True, False):
        order = _order(tasks, group_by_length=grouped)
        lengths = [len(tasks[row].columns["input_ids"]) for row in order]
        spans[grouped] = np.mean([np.ptp(lengths[start : start + 8]) for start in range(0, len(order), 8)])
    assert spans[True] < spans[False] / 2


def test_lengths_may_be_given(tasks):
    """Prevents lengths that are known otherwise than by the tokens from being passed over."""
    lengths = [row % 3 for row in range(72)]
    order = _order(tasks, lengths={"mood": lengths, "ner": None})
    steps = [order[start : start + 8] for start in range(0, len(order), 8)]
    assert all(len({lengths[row.row] for row in step}) == 1 for step in steps if step[0].task == "mood")


def test_draws_count_all_rows_since_the_start(tasks):
    """Prevents two epochs that mask the same words."""
    assert [row.draw for epoch in (0, 1) for row in _order(tasks, epoch)] == list(range(192))


def test_a_training_too_short_for_a_task_says_so(tasks, caplog):
    """Prevents a head that stays at random without a word."""
    with caplog.at_level(logging.WARNING, logger="hf_tinybert"):
        _order(tasks, max_steps=1)
    assert "leave none for `ner`, `words`" in caplog.text


def test_rows_are_read_at_once_and_in_order(tasks):
    """Prevents rows of one task from being given to another."""
    drawn = [DrawnRow("ner", 4), DrawnRow("mood", 0, 7), DrawnRow("ner", 1)]
    rows = tasks.__getitems__(drawn)
    assert [row.columns["input_ids"][0] for row in rows] == [2004, 1000, 2001]
    assert [row.task for row in rows] == ["ner", "mood", "ner"]
    assert rows[1].draw == 7
    assert tasks[drawn[1]] == rows[1]
    assert len(tasks) == 96


def test_a_data_loader_gives_batches_that_name_their_task(tasks):
    """Prevents a batch that says nothing of the head it is for."""
    steps = SingleTaskSteps(tasks, 4, TaskSampling())
    collator = MultiTaskCollator({name: _pad for name in tasks.rows})
    for batch in DataLoader(tasks, batch_size=4, sampler=steps, collate_fn=collator):
        first = {"mood": 1000, "ner": 2000, "words": 3000}[batch["task"]]
        assert all(first <= token < first + 100 for token in batch["input_ids"][:, 0].tolist())
        assert isinstance(next(iter(batch.values())), torch.Tensor)  # whose length is taken for the batch's


def test_a_batch_of_two_tasks_is_refused():
    """Prevents half of a batch from going through the wrong head."""
    with pytest.raises(ValueError, match="expected rows of one task in a batch, got those of `mood`, `ner`"):
        MultiTaskCollator({"mood": _pad, "ner": _pad})([TaskRow("mood", {}), TaskRow("ner", {})])


def test_what_a_collator_draws_depends_on_the_draw_alone():
    """Prevents a resumed run from masking other words, and masks that disturb the dropout of the student."""

    def draw(rows):
        return {"numbers": torch.rand(2), "others": [np.random.rand(), random.random()]}

    collator, row = MultiTaskCollator({"words": draw}, seed=3), TaskRow("words", {}, 40)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    first = collator([row])
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all() and random.getstate() == before[2]
    torch.rand(3)
    again = collator([row])
    assert torch.equal(first["numbers"], again["numbers"]) and first["others"] == again["others"]
    assert not torch.equal(first["numbers"], collator([row._replace(draw=44)])["numbers"])


def test_bad_tasks_are_refused():
    """Prevents two tasks in one folder, and a task that is trained on nothing."""
    with pytest.raises(ValueError, match="expected a name of its own for every task, got `ner`, `NER`"):
        distinct_tasks([("ner", 1), ("mood", 2), ("NER", 3)])
    with pytest.raises(ValueError, match="expected one task or more, got none"):
        distinct_tasks({})
    with pytest.raises(ValueError, match="expected rows of every task, got none of `ner`"):
        MultiTaskDataset({"mood": _rows(2, 0), "ner": _rows(2, 0).select([])})

"""Tests of the rows of a distillation that change from epoch to epoch."""

import pytest
from datasets import Dataset

from hf_tinybert.data.augmentation import CandidateFinder
from hf_tinybert.data.tasks import Task, TaskKind, TaskSettings
from hf_tinybert.workflow import DistilSettings
from hf_tinybert.workflow.fresh_rows import CANDIDATES_FOLDER, FreshRows
from hf_tinybert.workflow.task_data import read_data


@pytest.fixture
def fresh_rows(encoder, tokenizer, tmp_path):
    """`fresh_rows(augment)`: of four texts, with the words of a tiny encoder."""

    def build(augment="replace", **settings):
        words = {"vectors": encoder, "probability": 1.0}
        given = DistilSettings(data="rows.csv", teacher="teacher", augment=augment, augment_words=words, **settings)
        rows = Dataset.from_list([{"text": text} for text in ("the film is good", "a song", "bad game", "team")])
        task = Task(TaskSettings(TaskKind.TEXT_CLASSIFICATION, max_length=16))
        return FreshRows(given, given.word_settings, task, rows, tokenizer, tmp_path / "checkpoints")

    return build


def test_candidates_are_found_once_and_kept_for_a_run_that_goes_on(fresh_rows, display, tmp_path, monkeypatch):
    """Prevents hours of a masked language model after every interruption, and other variants because of it."""
    before = fresh_rows().variants(display)
    assert (tmp_path / "checkpoints" / CANDIDATES_FOLDER).is_dir()

    def found(*args, **kwargs):
        raise RuntimeError("found again")

    monkeypatch.setattr(CandidateFinder, "find_all", found)
    after = fresh_rows().variants(display)
    for epoch in range(3):
        before.set_epoch(epoch)
        after.set_epoch(epoch)
        assert before.__getitems__([0, 1, 2, 3]) == after.__getitems__([0, 1, 2, 3])


def test_the_settings_reach_the_variants(fresh_rows, display):
    """Prevents a mode or a seed without effect."""
    variants = fresh_rows().variants(display)
    joined = fresh_rows("join").variants(display)
    other = fresh_rows(seed=1).variants(display)
    assert (len(variants), len(joined)) == (4, 8)
    assert variants.__getitems__(range(4)) == joined.__getitems__(range(4, 8)) != other.__getitems__(range(4))
    assert joined.__getitems__(range(4)) == joined.encoded.to_list()


@pytest.mark.parametrize("kind", [str(kind) for kind in TaskKind])
def test_rows_of_every_kind_change_and_fit_their_collator(kind, data_of, encoder, tokenizer, display, tmp_path):
    """Prevents a kind whose variants lack a column, are of other windows than their labels, or stay as they are."""
    data = read_data(data_of(kind), kind, {}, seed=0)
    task = Task(TaskSettings(data.kind, data.labels, max_length=24))
    words = {"vectors": encoder, "probability": 0.7}
    settings = DistilSettings(data="rows", teacher="teacher", augment="replace", augment_words=words)
    rows = data.splits["train"].select(range(8))
    variants = FreshRows(settings, settings.word_settings, task, rows, tokenizer, tmp_path).variants(display)
    epochs = []
    for epoch in range(2):
        variants.set_epoch(epoch)
        epochs.append(variants.__getitems__(range(len(variants))))
    assert epochs[0] != epochs[1]
    for items, stand_for in zip(epochs[0], variants.encoded, strict=True):
        assert items.keys() == stand_for.keys() and items["row_number"] == stand_for["row_number"]
    batch = task.collator(tokenizer)(epochs[0])
    assert len(batch["input_ids"]) == len(variants)
    if kind == TaskKind.QUESTION_ANSWERING:  # answers are found where they moved to
        for item, own in zip(epochs[0], variants.encoded, strict=True):
            found, known = (one["input_ids"][one["start_positions"] : one["end_positions"] + 1] for one in (item, own))
            assert found == known

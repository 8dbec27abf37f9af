"""Tests of training rows that change from epoch to epoch."""

import logging
import pickle
from functools import partial

import pytest
from datasets import ClassLabel, Dataset, List
from torch.utils.data import DataLoader

from hf_tinybert.data.augmentation import CandidateFinder, FreshVariants, PassageReader, Replacement
from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.tasks import Task

ROWS = [{"text": text} for text in ("the film is good", "a song . music", "bad game today", "the team")]
ALWAYS = Replacement(probability=1.0, candidates=3)


@pytest.fixture
def fresh(vectors, tokenizer):
    """`fresh(rows, kind, settings={}, **changes)`: variants in which every word with candidates is replaced."""

    def build(rows=ROWS, kind=TaskKind.TEXT_CLASSIFICATION, settings=None, **changes):
        rows = rows if isinstance(rows, Dataset) else Dataset.from_list(rows)
        task = Task(TaskSettings(kind, **{"max_length": 32, **(settings or {})}))
        reader = PassageReader(kind, frozenset({"the"}))
        found = CandidateFinder(3, vectors=vectors).find_all(rows, reader)
        encode = partial(task.encode, tokenizer=tokenizer)
        return FreshVariants(rows, found, encode, **{"reader": reader, "replacement": ALWAYS, **changes})

    return build


def _texts(items, tokenizer):
    return [tokenizer.decode(item["input_ids"], skip_special_tokens=True) for item in items]


def _epochs(variants, count):
    epochs = []
    for epoch in range(count):
        variants.set_epoch(epoch)
        epochs.append(variants.__getitems__(range(len(variants))))
    return epochs


def test_a_row_changes_from_epoch_to_epoch_and_only_where_it_has_candidates(fresh, tokenizer):
    """Prevents the same variants in every epoch, as with those on disk, and words that nothing fits."""
    texts = [_texts(items, tokenizer) for items in _epochs(fresh(), 8)]
    for row, varied in enumerate(zip(*texts, strict=True)):
        assert len(set(varied)) > 1 and ROWS[row]["text"] not in varied
    assert all(epoch[0].startswith("the ") and " is " in epoch[0] for epoch in texts)


def test_what_stands_for_a_row_depends_on_seed_epoch_phase_and_row_alone(fresh):
    """Prevents another batch size, order, interruption or number of processes from giving other rows."""
    variants, again = fresh(), fresh()
    epochs = _epochs(variants, 3)
    again.set_epoch(2)
    assert again.__getitems__([3, 1]) == [epochs[2][3], epochs[2][1]] and again[2] == epochs[2][2]
    again.set_epoch(0)
    assert again.__getitems__([0, 1, 2, 3, 0]) == [*epochs[0], epochs[0][0]]
    again.set_phase(1)
    assert again.__getitems__([0, 1, 2, 3]) != epochs[0]
    other = fresh(replacement=Replacement(probability=1.0, candidates=3, seed=1))
    assert _epochs(other, 1)[0] != epochs[0]


@pytest.mark.parametrize("persistent", [False, True], ids=["workers of an epoch", "workers of all epochs"])
def test_worker_processes_see_the_epoch(fresh, persistent):
    """Prevents workers that outlive an epoch from giving its variants again, for ever."""
    variants = fresh()
    epochs = _epochs(variants, 3)
    loader = DataLoader(
        variants, batch_size=2, num_workers=2, persistent_workers=persistent, collate_fn=lambda items: items
    )
    for epoch, expected in enumerate(epochs):
        variants.set_epoch(epoch)
        assert [item for batch in loader for item in batch] == expected


def test_it_can_be_sent_to_a_process(fresh):
    """Prevents workers that cannot be started anew, as on Windows and macOS."""
    variants = fresh()
    assert pickle.loads(pickle.dumps(variants)).__getitems__([0, 2]) == variants.__getitems__([0, 2])


def test_beside_its_variant_a_row_stands_as_it_is(fresh):
    """Prevents rows that are lost where they were to be kept, and lengths of other rows than those read."""
    variants = fresh(beside_rows=True)
    assert len(variants) == len(variants.lengths) == 8
    for items in _epochs(variants, 2):
        assert items[:4] == variants.encoded.to_list() and items[4:] != items[:4]
    assert variants.lengths[:4] == variants.lengths[4:] == [len(ids) for ids in variants.encoded["input_ids"]]


def test_tags_stay_with_their_words_in_every_window(fresh, tokenizer):
    """Prevents tags of other words, and the windows of a long row from being those of different variants."""
    words = ["film", "is", "songs", "the", "bad", "films", "team", "is", "music", "game"]
    tags = [int(word not in ("is", "the")) for word in words]
    rows = Dataset.from_list([{"tokens": words, "tags": tags}] * 2)
    rows = rows.cast_column("tags", List(ClassLabel(names=["O", "B-thing"])))
    settings = {"labels": ("O", "B-thing"), "max_length": 8, "stride": 2}
    variants = fresh(rows, TaskKind.TOKEN_CLASSIFICATION, settings)
    assert len(variants) == len(variants.encoded) > 4
    kept = set(tokenizer.convert_tokens_to_ids(["is", "the"]))
    for items in _epochs(variants, 4):
        for item in items:
            for token, label in zip(item["input_ids"], item["labels"], strict=True):
                assert label in (-100, int(token not in kept))
        assert {item["row_number"] for item in items} == {0, 1}


def test_what_was_said_of_the_rows_is_not_said_in_every_batch(fresh, caplog):
    """Prevents a log of the same warning, thousands of times."""
    rows = Dataset.from_list([{"tokens": ["film", "\u200b", "song"]}])
    with caplog.at_level(logging.WARNING):
        variants = fresh(rows, TaskKind.TOKEN_CLASSIFICATION, {"labels": ("O",), "max_length": 8})
        assert len(caplog.messages) == 1 and "1 of 3 words" in caplog.text
        _epochs(variants, 2)
    assert len(caplog.messages) == 1


def test_the_columns_are_those_of_the_rows(fresh):
    """Prevents checks of a run that look at columns which training does not have."""
    variants = fresh()
    assert variants.column_names == variants.encoded.column_names == list(variants[0])


def test_candidates_of_others_and_rows_without_numbers_are_refused(fresh):
    """Prevents words of one row in another, and encoded rows of which nobody knows the text."""
    variants = fresh()
    rows = Dataset.from_list(ROWS)
    given = {"reader": PassageReader(TaskKind.TEXT_CLASSIFICATION), "replacement": ALWAYS}
    with pytest.raises(ValueError, match="4 rows and the candidates of 3"):
        FreshVariants(rows, variants._candidates.select(range(3)), variants._encode, **given)
    with pytest.raises(ValueError, match="`row_number`"):
        FreshVariants(rows, variants._candidates, lambda rows: rows, **given)
    with pytest.raises(ValueError, match="other stop words"):
        fresh(reader=PassageReader(TaskKind.TEXT_CLASSIFICATION))

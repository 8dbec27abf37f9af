import pickle

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import BertTokenizer, DataCollatorForMultipleChoice, DataCollatorWithPadding

from hf_tinybert.distillation.cache.builder import open_teacher_cache
from hf_tinybert.distillation.cache.contents import CacheContents
from hf_tinybert.distillation.cache.layout import ATTENTIONS_FILE, HIDDEN_STATES_FILE
from hf_tinybert.distillation.cache.rows import ROW_COLUMN, with_row_ids
from hf_tinybert.distillation.cache.teacher_cache import CACHED_ATTENTIONS, CACHED_LOGITS, CachedTeacherCollator

EVERYTHING = CacheContents((0, 2, 4), (2, 4), value=True)
LENGTHS = (5, 9, 3, 7, 12)


@pytest.fixture
def make_cache(build_teacher, build_rows, build_cache_source, tmp_path):
    """`make_cache(head, contents)`: the cache of 11 rows of ragged lengths, and its source."""

    def make(head="ForSequenceClassification", contents=EVERYTHING, rows=None, **source):
        dataset = build_rows(11, lengths=LENGTHS) if rows is None else rows
        origin = build_cache_source(build_teacher(head), dataset, **source)
        cache = open_teacher_cache(origin, contents, tmp_path / "cache", max_gb=1, tokens_per_batch=24)
        return cache, origin

    return make


@torch.no_grad()
def _live(source, rows):
    inputs = source.collator(source.dataset.__getitems__(rows))
    return dict(inputs), source.forward(dict(inputs))


def _check_states(cached, live):
    mask = live.mask.bool()
    assert len(cached.hidden_states) == len(live.hidden_states)
    for own, other in zip(cached.hidden_states, live.hidden_states, strict=True):
        assert own.dtype is torch.bfloat16
        torch.testing.assert_close(own[mask].float(), other[mask], rtol=2**-8, atol=1e-4)
        assert not own[~mask].any()
    for own, other in zip(cached.attentions, live.attentions, strict=True):
        assert (own.scaling, own.window) == (other.scaling, other.window)
        for name in ("query", "key", "value"):
            one, two = (getattr(record, name).transpose(1, 2)[mask] for record in (own, other))
            torch.testing.assert_close(one.float(), two, rtol=2**-8, atol=1e-4)


@pytest.mark.parametrize("rows", [[3], [0, 1, 2], [10, 4, 4, 7, 0], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]])
def test_a_batch_from_disk_is_the_one_of_the_teacher(make_cache, rows):
    """Prevents the states of another row, layer, head or token, in whatever company a row comes."""
    cache, source = make_cache()
    inputs, live = _live(source, rows)
    cached = cache.batch(rows, inputs)
    torch.testing.assert_close(cached.logits, live.logits, rtol=1e-5, atol=1e-6)
    assert cached.logits.dtype is torch.float32
    _check_states(cached, live)


def test_row_ids_may_be_a_tensor_and_states_of_another_type(make_cache):
    """Prevents a column of the batch, as collators make it, from being refused."""
    cache, source = make_cache()
    inputs, live = _live(source, [2, 0])
    cached = cache.batch(torch.tensor([2, 0]), inputs, dtype=torch.float32)
    assert cached.hidden_states[0].dtype is cached.attentions[0].query.dtype is torch.float32
    torch.testing.assert_close(cached.logits, live.logits, rtol=1e-5, atol=1e-6)
    assert len(cache) == 11


@pytest.mark.parametrize("head", ["ForTokenClassification", "ForQuestionAnswering", "ForMaskedLM"])
def test_predictions_of_tokens_and_spans_are_ragged(make_cache, head):
    """Prevents predictions of padding from being stored, or from standing where there was other padding."""
    cache, source = make_cache(head)
    for rows in ([4, 2, 9], [0, 3]):
        inputs, live = _live(source, rows)
        cached = cache.batch(rows, inputs)
        assert cached.logits.shape == live.logits.shape
        if head == "ForQuestionAnswering":
            padding = (live.mask == 0)[:, None].expand_as(live.logits)
            assert torch.isneginf(cached.logits[padding]).all()
            torch.testing.assert_close(cached.logits, live.logits, rtol=1e-5, atol=1e-5)
        else:
            mask = live.mask.bool()
            torch.testing.assert_close(cached.logits[mask], live.logits[mask], rtol=1e-5, atol=1e-5)
        _check_states(cached, live)


def test_multiple_choice_has_a_row_per_choice(make_cache, vocabulary):
    """Prevents the choices of one text from getting the states of another's."""
    generator = torch.Generator().manual_seed(5)
    ids = [
        [torch.randint(5, 40, (3 + (row + choice) % 4,), generator=generator).tolist() for choice in range(3)]
        for row in range(5)
    ]
    masks = [[[1] * len(choice) for choice in row] for row in ids]
    rows = Dataset.from_dict({"input_ids": ids, "attention_mask": masks, "labels": [0, 1, 2, 0, 1]})
    collate = DataCollatorForMultipleChoice(BertTokenizer(vocab=str(vocabulary)))
    cache, source = make_cache("ForMultipleChoice", rows=rows, collate=collate)
    inputs, live = _live(source, [4, 1])
    cached = cache.batch([4, 1], inputs)
    assert cached.logits.shape == (2, 3)
    torch.testing.assert_close(cached.logits, live.logits, rtol=1e-5, atol=1e-6)
    _check_states(cached, live)


def test_left_padding_and_holes_in_the_mask_are_followed(make_cache, vocabulary):
    """Prevents states from being put where the padding is."""
    cache, source = make_cache()
    inputs, _ = _live(source, [2, 1])  # 3 and 9 tokens
    expected = cache.batch([2, 1], inputs)
    left = DataCollatorWithPadding(BertTokenizer(vocab=str(vocabulary), padding_side="left"))
    other = cache.batch([2, 1], left(source.dataset.__getitems__([2, 1])))
    assert torch.equal(other.hidden_states[1][0, 6:], expected.hidden_states[1][0, :3])
    assert not other.hidden_states[1][0, :6].any()
    assert torch.equal(other.attentions[1].key[0, :, 6:], expected.attentions[1].key[0, :, :3])
    places = [1, 4, 5]
    holes = {name: torch.zeros(1, 7, dtype=torch.int64) for name in ("input_ids", "attention_mask")}
    holes["input_ids"][0, places] = inputs["input_ids"][0, :3]
    holes["attention_mask"][0, places] = 1
    torn = cache.batch([2], holes).hidden_states[1][0]
    assert torch.equal(torn[places], expected.hidden_states[1][0, :3])
    assert not torn[[0, 2, 3, 6]].any()


def test_only_what_a_phase_reads_is_read(make_cache):
    """Prevents the prediction phase from paying for states on disk."""
    cache, source = make_cache()
    inputs, _ = _live(source, [1, 2])
    gathered = cache.gather([1, 2], inputs, CacheContents())
    assert list(gathered) == [CACHED_LOGITS]
    states = cache.states(gathered)
    assert (states.hidden_states, states.attentions) == ((), ())
    gathered = cache.gather([1, 2], inputs, CacheContents(attention_layers=(2, 4), logits=False))
    assert list(gathered) == [CACHED_ATTENTIONS]
    assert cache.states(gathered).logits is None


def test_what_is_not_kept_cannot_be_read(make_cache):
    """Prevents a mapping that changed after the cache was opened from reading other layers."""
    cache, source = make_cache(contents=CacheContents((0, 2, 4)))
    inputs, _ = _live(source, [1])
    with pytest.raises(ValueError, match="expected to be asked for what the teacher cache keeps"):
        cache.gather([1], inputs, CacheContents((0, 3, 4)))


def test_entries_that_no_term_reads_are_not_kept(make_cache):
    """Prevents disk from being spent on layers without a term; what is kept keeps its place."""
    cache, source = make_cache(contents=CacheContents((None, None, 4), (None, 4), logits=False))
    inputs, live = _live(source, [3, 8])
    cached = cache.batch([3, 8], inputs)
    assert cached.logits is None
    assert cached.hidden_states[:2] == (None, None)
    assert cached.attentions[0] is None
    assert cached.attentions[1].value is None
    mask = live.mask.bool()
    torch.testing.assert_close(
        cached.hidden_states[2][mask].float(), live.hidden_states[2][mask], rtol=2**-8, atol=1e-4
    )
    assert cache.layout.hidden_width == 32
    assert cache.layout.attention_width == 64


def test_other_tokens_than_the_teacher_saw_are_refused(make_cache):
    """Prevents words masked anew in every epoch, and rows of other data, from getting outputs of other texts."""
    cache, source = make_cache()
    inputs, _ = _live(source, [1, 2])
    for rows in ([2, 1], [1, 3], [1]):
        with pytest.raises(ValueError, match=r"expected the tokens that the teacher saw, got others in rows \["):
            cache.batch(rows, inputs)
    masked = {**inputs, "input_ids": inputs["input_ids"].clone()}
    masked["input_ids"][1, 1] = 4
    with pytest.raises(ValueError, match=r"got others in rows \[2\]"):
        cache.batch([1, 2], masked)
    for rows in ([11, 0], [-1, 0]):
        with pytest.raises(ValueError, match="expected rows from 0 to 10 of the cached data"):
            cache.batch(rows, inputs)


def test_a_row_is_read_without_touching_the_others(make_cache):
    """Prevents a gather that reads the whole cache, which is unnoticed as long as it fits into memory."""
    cache, source = make_cache()
    inputs, _ = _live(source, [4, 2])
    touched = {HIDDEN_STATES_FILE: 0, ATTENTIONS_FILE: 0}

    class Counting(np.ndarray):
        def __getitem__(self, key):
            result = np.asarray(self)[key]
            touched[self.name] += result.shape[0]
            return result

    array = cache._store.array

    def counted(name, dtype, width):
        if name not in touched:
            return array(name, dtype, width)
        counting = array(name, dtype, width).view(Counting)
        counting.name = name
        return counting

    cache._store.array = counted
    cache.gather([4, 2], inputs)
    tokens = int(inputs["attention_mask"].sum())
    assert touched == {HIDDEN_STATES_FILE: tokens, ATTENTIONS_FILE: tokens}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_collator_puts_the_states_beside_the_batch(make_cache, collator, workers):
    """Prevents shuffled rows, and rows read in a worker process, from getting the states of others."""
    cache, source = make_cache()
    loader = DataLoader(
        with_row_ids(source.dataset),
        batch_size=4,
        shuffle=True,
        collate_fn=CachedTeacherCollator(collator, cache),
        num_workers=workers,
    )
    seen = 0
    for batch in loader:
        assert ROW_COLUMN not in batch
        with torch.no_grad():
            live = source.forward(batch)
        cached = cache.states(batch)
        torch.testing.assert_close(cached.logits, live.logits, rtol=1e-5, atol=1e-6)
        _check_states(cached, live)
        seen += len(live.logits)
    assert seen == 11


def test_states_travel_as_bits(make_cache):
    """Prevents Trainer from turning logits into bfloat16 under DeepSpeed, which converts every float of a batch."""
    cache, source = make_cache()
    inputs, _ = _live(source, [0, 1])
    assert not any(tensor.is_floating_point() for tensor in cache.gather([0, 1], inputs).values())


def test_a_pickled_cache_reads_the_same(make_cache):
    """Prevents a data loader that starts its workers by spawning from failing."""
    cache, source = make_cache()
    inputs, _ = _live(source, [5, 6])
    unread = len(pickle.dumps(cache))
    expected = cache.batch([5, 6], inputs)
    pickled = pickle.dumps(cache)
    assert len(pickled) == unread  # neither arrays nor the index of a million rows
    other = pickle.loads(pickled).batch([5, 6], inputs)
    assert torch.equal(other.logits, expected.logits)
    assert torch.equal(other.hidden_states[2], expected.hidden_states[2])

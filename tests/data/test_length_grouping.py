from itertools import pairwise

from datasets import Dataset

from hf_tinybert.data.length_grouping import LengthGroupedRows, row_lengths

LENGTHS = [1 + (row * 7) % 30 for row in range(600)]


def _order(epoch=0, seed=0):
    rows = LengthGroupedRows(LENGTHS, rows_per_step=8, seed=seed)
    rows.set_epoch(epoch)
    return list(rows)


def test_every_row_comes_once():
    """Prevents rows that are never trained on."""
    assert sorted(_order()) == list(range(len(LENGTHS)))
    assert len(LengthGroupedRows(LENGTHS, rows_per_step=8, seed=0)) == len(LENGTHS)


def test_a_batch_holds_like_lengths():
    """Prevents padding: a random order would pad every batch nearly to the longest text."""
    order = _order()
    spans = [
        max(LENGTHS[row] for row in order[start : start + 8]) - min(LENGTHS[row] for row in order[start : start + 8])
        for start in range(0, len(order), 8)
    ]
    assert sum(spans) / len(spans) < 3


def test_the_order_is_that_of_seed_and_epoch():
    """Prevents a resumed run, or a second process, from seeing other batches, and epochs that repeat each other."""
    assert _order(epoch=3) == _order(epoch=3)
    assert _order(epoch=0) != _order(epoch=1)
    assert _order(seed=0) != _order(seed=1)


def test_the_longest_rows_come_first_and_then_no_length_in_particular():
    """Prevents a lack of memory that shows after hours, and steps that go from long to short."""
    order = _order()
    assert max(LENGTHS) in [LENGTHS[row] for row in order[:8]]
    means = [sum(LENGTHS[row] for row in order[start : start + 8]) / 8 for start in range(8, len(order), 8)]
    falls = sum(later < earlier for earlier, later in pairwise(means))
    assert 0.3 < falls / len(means) < 0.7


def test_few_rows_are_grouped_too():
    """Prevents a failure where there is less than a step."""
    for count in (1, 3, 8, 9, 17):
        assert sorted(LengthGroupedRows(LENGTHS[:count], 8, seed=0)) == list(range(count))
        assert len(list(LengthGroupedRows(LENGTHS[:count], 8, seed=0))) == count


def test_lengths_are_read_off_the_table():
    """Prevents lengths of other rows after a shuffle or a selection, and a walk over every row."""
    rows = Dataset.from_dict({"input_ids": [[1] * length for length in (3, 1, 2)], "label": [0, 1, 2]})
    assert row_lengths(rows) == [3, 1, 2]
    assert row_lengths(rows.select([2, 0])) == [2, 3]
    assert row_lengths(rows.with_format("torch")) == [3, 1, 2]


def test_other_data_has_no_lengths():
    """Prevents a failure on data that is tokenised in the collator, and on data that is not a table."""
    assert row_lengths(Dataset.from_dict({"text": ["a", "b"]})) is None
    assert row_lengths(Dataset.from_dict({"input_ids": [1, 2]})) is None
    assert row_lengths([{"input_ids": [1, 2]}]) is None

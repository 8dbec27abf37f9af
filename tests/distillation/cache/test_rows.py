import numpy as np
import pytest
from datasets import Dataset

from hf_tinybert.distillation.cache.rows import ROW_COLUMN, read_rows, token_checksums, with_row_ids

COLUMNS = ("input_ids", "token_type_ids", "attention_mask")


def test_rows_are_numbered_once(build_rows):
    """Prevents a second trainer on the same data from failing, or from numbering it anew."""
    dataset = with_row_ids(build_rows(5))
    assert list(dataset[ROW_COLUMN]) == [0, 1, 2, 3, 4]
    assert with_row_ids(dataset) is dataset


def test_numbers_that_went_with_shuffled_rows_are_refused(build_rows):
    """Prevents every row from getting another row's teacher."""
    dataset = with_row_ids(build_rows(6))
    for other in (dataset.shuffle(seed=0), dataset.select([1, 2])):
        with pytest.raises(ValueError, match=f"expected `{ROW_COLUMN}` to count the rows from 0"):
            with_row_ids(other)


@pytest.mark.parametrize("kind", ["iterable", "list", "none"])
def test_data_that_cannot_be_numbered_is_refused(build_rows, kind):
    """Prevents a stream from being cached by the order in which it happened to come."""
    data = {"iterable": build_rows(4).to_iterable_dataset(), "list": [{"input_ids": [1]}], "none": None}[kind]
    with pytest.raises(ValueError, match="expected a `datasets.Dataset` for the teacher cache"):
        with_row_ids(data)


def test_lengths_are_those_of_the_mask(build_rows):
    """Prevents padding that was tokenised into the data from being kept as tokens."""
    table = read_rows(build_rows(4, lengths=(5, 9)), COLUMNS)
    assert table.lengths.tolist() == [5, 9, 5, 9]
    assert (table.rows, table.sequences, table.tokens) == (4, 1, 28)
    padded = Dataset.from_dict(
        {"input_ids": [[1, 2, 0, 0], [0, 3, 4, 5]], "attention_mask": [[1, 1, 0, 0], [0, 1, 1, 1]]}
    )
    assert read_rows(padded, COLUMNS).lengths.tolist() == [2, 3]
    assert read_rows(padded.remove_columns("attention_mask"), COLUMNS).lengths.tolist() == [4, 4]


def test_choices_are_sequences_of_their_row(build_rows):
    """Prevents multiple choice from being measured by its number of choices."""
    ids = [[[1, 2], [1, 2, 3]], [[1], [1, 2, 3, 4]]]
    table = read_rows(Dataset.from_dict({"input_ids": ids}), COLUMNS)
    assert table.lengths.tolist() == [2, 3, 1, 4]
    assert (table.rows, table.sequences) == (2, 2)
    assert table.longest().tolist() == [3, 4]
    with pytest.raises(ValueError, match=r"expected the same number of choices in every row, got \[1, 2\]"):
        read_rows(Dataset.from_dict({"input_ids": [[[1]], [[1], [2]]]}), COLUMNS)


def test_the_hash_is_of_the_contents_in_row_order(build_rows, monkeypatch):
    """Prevents a cache of one data set from being read for another, and the same data from being cached twice."""
    dataset = build_rows(6)
    columns = {name: list(dataset[name]) for name in COLUMNS}
    expected = read_rows(dataset, COLUMNS).sha256
    order = [3, 1, 0, 2, 5, 4]
    back = [order.index(row) for row in range(6)]
    features = dataset.remove_columns("labels").features
    same = [
        dataset.remove_columns("labels"),  # what the teacher does not read
        with_row_ids(dataset),
        dataset.with_format("torch"),
        Dataset.from_dict(columns, features=features),
        dataset.select(order).select(back),  # an indices mapping
        Dataset.from_dict({name: [[], *values] for name, values in columns.items()}, features=features).select(
            range(1, 7)  # buffers that begin elsewhere
        ),
    ]
    assert [read_rows(other, COLUMNS).sha256 for other in same] == [expected] * len(same)

    changed = {name: [list(row) for row in values] for name, values in columns.items()}
    changed["input_ids"][4][2] += 1
    moved = {name: [list(row) for row in values] for name, values in columns.items()}
    moved["token_type_ids"][0][0] = 1
    different = [
        Dataset.from_dict(changed, features=features),
        Dataset.from_dict(moved, features=features),
        dataset.select(order),
        dataset.select(range(5)),
        dataset.remove_columns("token_type_ids"),
    ]
    hashes = {read_rows(other, COLUMNS).sha256 for other in different}
    assert len(hashes) == len(different)
    assert expected not in hashes


def test_many_chunks_are_read_as_one(build_rows, monkeypatch):
    """Prevents rows beyond the first ten thousand from being left out."""
    dataset = build_rows(7)
    whole = read_rows(dataset, COLUMNS)
    monkeypatch.setattr("hf_tinybert.distillation.cache.rows._ROWS_AT_ONCE", 3)
    pieces = read_rows(dataset, COLUMNS)
    assert pieces.lengths.tolist() == whole.lengths.tolist()
    changed = dataset.map(
        lambda row, at: {"input_ids": [9, *row["input_ids"][1:]]} if at == 6 else row, with_indices=True
    )
    assert read_rows(changed, COLUMNS).sha256 != pieces.sha256


def test_the_same_values_split_at_other_places_hash_differently():
    """Prevents two texts from being taken for one because their tokens, end to end, are the same."""
    one = Dataset.from_dict({"input_ids": [[1, 2], [3]]})
    other = Dataset.from_dict({"input_ids": [[1], [2, 3]]})
    assert read_rows(one, COLUMNS).sha256 != read_rows(other, COLUMNS).sha256


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": ["a"]}, "expected rows with a column `input_ids`"),
        ({"input_ids": []}, "got 0 rows"),
        ({"input_ids": [["a"]]}, "expected numbers in `input_ids`, got `string`"),
        ({"input_ids": [[1], None]}, "expected a value in every row of `input_ids`, got 1 empty"),
        ({"input_ids": [[1, None]]}, "expected a value in every row of `input_ids`, got 1 empty"),
    ],
    ids=["text", "empty", "strings", "no list", "no number"],
)
def test_rows_that_no_teacher_can_read_are_refused(columns, message):
    """Prevents raw text, tokenised on the fly, from being hashed by the addresses of its strings."""
    with pytest.raises(ValueError, match=message):
        read_rows(Dataset.from_dict(columns), COLUMNS)


def test_a_checksum_is_of_the_valid_tokens_alone():
    """Prevents another padding of the same text from being taken for another text, and another text from not being."""
    right = np.array([[5, 6, 7, 0, 0]])
    left = np.array([[9, 5, 6, 7]])
    expected = token_checksums(right, right > 0)
    assert token_checksums(left, np.array([[False, True, True, True]])) == expected
    for other in ([5, 7, 6], [5, 6], [5, 6, 8], [5, 6, 7, 0]):
        ids = np.array([other])
        assert token_checksums(ids, np.ones_like(ids, bool)) != expected


def test_a_checksum_is_the_sum_it_says():
    """Prevents caches from becoming unreadable because the arithmetic changed silently."""
    factors, state = [], 0
    for _ in range(3):  # SplitMix64 as published
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        value = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
        factors.append((value ^ (value >> 31)) | 1)
    expected = sum((token + 1) * factor for token, factor in zip([5, 6, 7], factors, strict=True)) % 2**64
    assert int(token_checksums(np.array([[5, 6, 7]]), np.ones((1, 3), bool)).view(np.uint64)[0]) == expected

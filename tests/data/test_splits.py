"""Stratified and grouped splits."""

from collections import Counter

import pytest

from hf_tinybert.data.splits import grouped_split, stratified_split

LABELS = [0] * 60 + [1] * 30 + [2] * 10
PINNED_TEST_ROWS = [67, 6, 64, 42, 25]


def test_every_row_is_in_exactly_one_split():
    """Prevents rows that are learnt and scored, and rows that get lost."""
    split = stratified_split(LABELS, {"validation": 10, "test": 20}, seed=0)
    assert list(split) == ["train", "validation", "test"]
    assert sorted(row for rows in split.values() for row in rows) == list(range(100))


def test_classes_keep_their_proportions():
    """Prevents a test split without the rare class."""
    split = stratified_split(LABELS, {"validation": 10, "test": 20}, seed=0)
    counts = {name: Counter(LABELS[row] for row in rows) for name, rows in split.items()}
    assert counts == {
        "train": {0: 42, 1: 21, 2: 7},
        "validation": {0: 6, 1: 3, 2: 1},
        "test": {0: 12, 1: 6, 2: 2},
    }


@pytest.mark.parametrize("size", [1, 7, 23, 95])
def test_sizes_are_exact_and_train_keeps_every_class(size):
    """Prevents rounding from changing the number of test rows, or from taking a class away from train."""
    labels = [0] * 50 + [1] * 48 + [2] + [3]
    split = stratified_split(labels, {"test": size}, seed=1)
    assert len(split["test"]) == size
    assert {labels[row] for row in split["train"]} == {0, 1, 2, 3}


def test_the_split_depends_on_the_seed_only():
    """Prevents scores on different test rows from being compared; the rows are pinned, for every version of NumPy."""
    first = stratified_split(LABELS, {"test": 5}, seed=3)
    assert first == stratified_split(LABELS, {"test": 5}, seed=3)
    assert first != stratified_split(LABELS, {"test": 5}, seed=4)
    assert first["test"] == PINNED_TEST_ROWS


def test_the_beginning_of_a_split_is_a_sample():
    """Prevents `select(range(n))` from taking one class only."""
    train = stratified_split(LABELS, {"test": 10}, seed=0)["train"]
    assert {LABELS[row] for row in train[:30]} == {0, 1, 2}


@pytest.mark.parametrize("sizes", [{"test": 98}, {"validation": 50, "test": 50}, {"test": -1}])
def test_sizes_that_empty_train_are_refused(sizes):
    """Prevents a class that is scored but never learnt."""
    with pytest.raises(ValueError, match=r"expected held-out sizes of 0 to 97 rows together, got"):
        stratified_split(LABELS, sizes, seed=0)


GROUPS = [f"paragraph {row // 3}" for row in range(60)]


def test_groups_stay_whole_and_sizes_are_met():
    """Prevents a question in test whose paragraph was learnt, and a test split of another size without need."""
    split = grouped_split(GROUPS, {"validation": 6, "test": 12}, seed=0)
    assert {name: len(rows) for name, rows in split.items()} == {"train": 42, "validation": 6, "test": 12}
    assert sorted(row for rows in split.values() for row in rows) == list(range(60))
    held = [{GROUPS[row] for row in rows} for rows in split.values()]
    assert sum(map(len, held)) == len(set(GROUPS))


def test_a_group_larger_than_the_split_is_left_to_train():
    """Prevents one long paragraph from becoming the whole test split, or half of the data."""
    groups = ["long"] * 80 + [f"short {row}" for row in range(20)]
    split = grouped_split(groups, {"validation": 5, "test": 5}, seed=0)
    assert {name: len(rows) for name, rows in split.items()} == {"train": 90, "validation": 5, "test": 5}


def test_the_grouped_split_depends_on_the_seed_only():
    """Prevents scores on different test rows from being compared."""
    first = grouped_split(GROUPS, {"test": 6}, seed=3)
    assert first == grouped_split(GROUPS, {"test": 6}, seed=3)
    assert first != grouped_split(GROUPS, {"test": 6}, seed=4)


@pytest.mark.parametrize(
    ("groups", "sizes"), [(["a"] * 9, {"test": 2}), (["a", "b"], {"validation": 1, "test": 1}), (GROUPS, {"test": -1})]
)
def test_groups_that_leave_a_split_empty_are_refused(groups, sizes):
    """Prevents an empty train or test split."""
    with pytest.raises(ValueError, match=r"expected held-out sizes that leave rows in every split, got"):
        grouped_split(groups, sizes, seed=0)

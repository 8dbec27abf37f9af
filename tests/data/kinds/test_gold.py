"""Gold answers of raw rows."""

import pytest
from datasets import ClassLabel, Dataset, Features, Value

from hf_tinybert.data.kinds.gold import class_ids, gold_class_ids, gold_values, required

NAMES = ("no", "yes")


def _rows(values, feature):
    return Dataset.from_dict({"label": values}, features=Features({"label": feature}))


def test_classes_are_found_by_name_whatever_their_order_in_the_data():
    """Prevents swapped classes where the data numbers them otherwise than the model."""
    rows = _rows([0, 1, 1], ClassLabel(names=["yes", "no"]))
    assert gold_class_ids(rows, "label", NAMES) == [1, 0, 0]
    assert gold_class_ids(_rows(["yes", "no"], Value("string")), "label", NAMES) == [1, 0]
    assert gold_class_ids(_rows([1, 0], Value("int8")), "label", NAMES) == [1, 0]
    # names that look like numbers stay names
    assert gold_class_ids(_rows(["1", "0"], Value("string")), "label", ("1", "0")) == [0, 1]


@pytest.mark.parametrize(
    ("values", "feature"),
    [
        ([0, 2], ClassLabel(names=["yes", "no", "maybe"])),
        (["yes", "maybe"], Value("string")),
        ([0, 2], Value("int64")),
        ([0, -1], ClassLabel(names=["yes", "no"])),
    ],
)
def test_a_class_that_the_model_does_not_have_is_named_with_its_row(values, feature):
    """Prevents an index error inside the loss, or -1 that is taken for the last class."""
    with pytest.raises(ValueError, match=r"expected one of the 2 labels `no`, `yes` in `label`, got `.*` in row 2"):
        gold_class_ids(_rows(values, feature), "label", NAMES)


def test_rows_without_answers_have_none():
    """Prevents a KeyError for rows to predict, whether the column is missing or empty."""
    rows = Dataset.from_dict({"text": ["a"]})
    assert gold_values(rows, "label") is None
    assert gold_class_ids(rows, "label", NAMES) is None
    assert gold_values(_rows([None, None], Value("string")), "label") is None


def test_answers_of_some_rows_only_are_refused():
    """Prevents a score over a part of the rows that looks like one over all."""
    with pytest.raises(ValueError, match="expected a `label` in every row or in none, got none in row 2 and 2 rows"):
        gold_values(_rows(["yes", None, None], Value("string")), "label")


def test_answers_that_must_be_there_are_asked_for():
    """Prevents a comparison with nothing."""
    rows = Dataset.from_dict({"text": ["a"]})
    with pytest.raises(ValueError, match="expected the column `label` with an answer in every row to score, got 1"):
        required(None, rows, "label")
    assert required([1], rows, "label") == [1]


def test_a_row_may_have_any_number_of_classes():
    """Prevents rows without a class from being dropped."""
    feature = ClassLabel(names=["yes", "no"])
    assert class_ids([[0, 1], [], [1]], feature, NAMES, "labels") == [[1, 0], [], [0]]

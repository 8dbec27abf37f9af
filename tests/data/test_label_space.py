"""One label space for all splits."""

import logging

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from hf_tinybert.data.label_space import encode_labels


def splits(feature=None, **labels):
    features = Features({"text": Value("string"), "label": feature}) if feature is not None else None
    return DatasetDict(
        {
            name: Dataset.from_dict({"text": [f"{name} {i}" for i in range(len(values))], "label": values}, features)
            for name, values in labels.items()
        }
    )


def names_and_ids(dataset):
    return dataset["train"].features["label"].names, {name: split["label"][:] for name, split in dataset.items()}


@pytest.mark.parametrize(
    ("train", "test", "names", "train_ids", "test_ids"),
    [
        (["no", "yes", "maybe"], ["yes"], ["maybe", "no", "yes"], [1, 2, 0], [2]),
        ([10, 2, 1], [2], ["1", "2", "10"], [2, 1, 0], [1]),
        ([-1, 1, 1], [-1, 1], ["-1", "1"], [0, 1, 1], [0, 1]),
        ([True, False], [True], ["False", "True"], [1, 0], [1]),
    ],
    ids=["strings sorted", "numbers ascending", "minus one beside one", "booleans"],
)
def test_names_come_from_the_labels_of_train(train, test, names, train_ids, test_ids):
    """Prevents ids that depend on the order of the rows or differ between splits."""
    encoded = encode_labels(splits(train=train, test=test))
    assert names_and_ids(encoded) == (names, {"train": train_ids, "test": test_ids})
    assert encoded["test"].features == encoded["train"].features


def test_a_class_label_keeps_its_names_and_order():
    """Prevents a sorted order that contradicts the one a teacher was fine-tuned with."""
    feature = ClassLabel(names=["negative", "positive", "neutral"])
    encoded = encode_labels(splits(feature, train=[0, 1, 1]))
    assert names_and_ids(encoded) == (["negative", "positive", "neutral"], {"train": [0, 1, 1]})


def test_class_labels_of_another_order_are_matched_by_name():
    """Prevents a test split with swapped classes, whose score would look like a bad student."""
    dataset = splits(ClassLabel(names=["no", "yes"]), train=[0, 1])
    dataset["test"] = splits(ClassLabel(names=["yes", "no"]), test=[0, 0])["test"]
    assert names_and_ids(encode_labels(dataset)) == (["no", "yes"], {"train": [0, 1], "test": [1, 1]})


def test_a_list_of_names_gives_the_order_to_ids_and_to_strings():
    """Prevents names assigned to the ids in sorted order, also for a class that train happens to lack."""
    listed = {0: "world", 1: "sport", 2: "business"}
    assert names_and_ids(encode_labels(splits(train=[2, 0, 0]), listed)) == (
        ["world", "sport", "business"],
        {"train": [2, 0, 0]},
    )
    assert names_and_ids(encode_labels(splits(train=["sport", "world"]), listed))[1] == {"train": [1, 0]}


def test_an_id_outside_the_list_is_not_taken_for_a_name():
    """Prevents stars: with names 1..5 for the ids 0..4, the id 5 must not become the class named 5."""
    with pytest.raises(ValueError, match=r"`5 \(not in the list of names\)` in 1 of 3 rows"):
        encode_labels(splits(train=[0, 4, 5]), dict(enumerate("12345")))


@pytest.mark.parametrize("hidden", [[-1, -1], [None, None]])
def test_a_split_with_hidden_labels_is_left_out_and_said(hidden, caplog):
    """Prevents a score on the -1 of a hidden test set, and a crash on data as the hub publishes it."""
    dataset = splits(ClassLabel(names=["no", "yes"]), train=[0, 1])
    dataset["test"] = splits(Value("int64"), test=hidden)["test"]
    with caplog.at_level(logging.WARNING):
        assert list(encode_labels(dataset)) == ["train"]
    assert "['test'] have no labels" in caplog.text


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"train": ["a", "b"], "test": ["c", "c", "a"]}, r"`a`, `b` in split `test`, got `c` in 2 of 3 rows"),
        ({"train": ["a", None, " "]}, r"a label in every row of split `train`, got 2 of 3 rows without one"),
        ({"train": [0, 1, None]}, r"got 1 of 3 rows without one"),
        ({"train": ["a", "a"]}, r"at least two classes in `train`, got only `a` in all 2 rows"),
        ({"train": [None, None]}, r"expected labels in `train`, got none"),
        ({"train": [0.5, 1.0]}, r"expected class names or class ids .* got Value\('float64'\)"),
        ({"train": [[0], [0, 1]]}, r"expected class names or class ids .* got List"),
        ({"train": [0, 1], "test": ["0", "one"]}, r"got `one` in 1 of 2 rows"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused(labels, message):
    """Prevents training on rows without a label, on one class, or scoring a class that train does not have."""
    with pytest.raises(ValueError, match=message):
        encode_labels(splits(**labels))


def test_long_lists_of_labels_are_cut_in_the_message():
    """Prevents an error of a hundred lines for a data set with many classes."""
    with pytest.raises(ValueError, match=r"`label 04` and 35 more in split `test`"):
        encode_labels(splits(train=[f"label {i:02}" for i in range(40)], test=["x"]))

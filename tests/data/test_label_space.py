"""One label space for all splits."""

import logging

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from hf_tinybert.data.label_space import encode_labels, iob2_names


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


def lists(column="tags", feature=None, **rows):
    features = Features({column: List(feature)}) if feature is not None else None
    return DatasetDict({name: Dataset.from_dict({column: values}, features) for name, values in rows.items()})


@pytest.mark.parametrize(
    ("train", "names"),
    [
        ([["B-person", "O"], ["B-corp", "I-corp", "I-person"]], ["O", "B-corp", "I-corp", "B-person", "I-person"]),
        ([["O", "B-person"], ["O"]], ["O", "B-person", "I-person"]),
        ([["X", "NOUN"], ["ADJ"]], ["ADJ", "NOUN", "X"]),
        ([["I-person", "O"]], ["I-person", "O"]),
        ([[10, 2], [1]], ["1", "2", "10"]),
    ],
    ids=["IOB2", "IOB2 with single words only", "parts of speech", "not IOB2", "numbers"],
)
def test_tags_are_named_in_a_fixed_order(train, names):
    """Prevents ids that depend on the order of the rows, and an entity of two words that cannot be tagged."""
    encoded = encode_labels(lists(train=train), column="tags")["train"]
    assert encoded.features["tags"] == List(ClassLabel(names=names))
    assert [[names[tag] for tag in tags] for tags in encoded["tags"]] == [[str(tag) for tag in tags] for tags in train]


def test_lists_keep_names_of_the_data_and_empty_lists():
    """Prevents tags in another order than the data's own, and rows without labels from being lost or filled."""
    feature = ClassLabel(names=["z", "a"])
    dataset = lists("labels", feature, train=[[0], [], [1, 0]])
    dataset["test"] = lists("labels", test=[["a"], []])["test"]
    encoded = encode_labels(dataset, column="labels")
    assert encoded["test"].features == encoded["train"].features == Features({"labels": List(feature)})
    assert [split["labels"][:] for split in encoded.values()] == [[[0], [], [1, 0]], [[1], []]]
    named = encode_labels(lists("labels", train=[[1], [0, 1]]), {0: "no", 1: "yes"}, "labels")
    assert named["train"].features["labels"].feature.names == ["no", "yes"]


@pytest.mark.parametrize("hidden", [[None, None], [[-1, -1], [-1]]])
def test_a_split_with_hidden_tags_is_left_out(hidden, caplog):
    """Prevents a score on the tags of a hidden test set."""
    dataset = lists(feature=Value("int64"), train=[[0, 1], [1]], test=hidden)
    with caplog.at_level(logging.WARNING):
        assert list(encode_labels(dataset, column="tags")) == ["train"]
    assert "['test'] have no labels" in caplog.text


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"train": [["a", "b"]], "test": [["a"], ["b", "c"], ["c"]]},
         r"labels `a`, `b` in split `test`, got `c` in 2 of 3 rows, the first in row 2"),
        ({"train": [["a"], ["b", None], None]}, r"2 of 3 rows without one, the first in row 2"),
        ({"train": [None, None]}, r"expected labels in `train`, got none in `tags`"),
        ({"train": [["O", "O"], ["O"]]}, r"expected at least two classes in `train`, got only `O` in all 2 rows"),
        ({"train": [[0.5], [1.0]]}, r"class names or class ids or lists of them in the column `tags`"),
    ],
)  # fmt: skip
def test_lists_that_cannot_be_learnt_are_refused_with_their_row(rows, message):
    """Prevents training on tags that no output stands for."""
    with pytest.raises(ValueError, match=message):
        encode_labels(lists(**rows), column="tags")


def test_the_first_wrong_row_is_named_for_single_labels():
    """Prevents hunting a wrong label through a file of a million."""
    with pytest.raises(ValueError, match=r"got `c` in 2 of 4 rows, the first in row 2 \(rows count from 1\)"):
        encode_labels(splits(train=["a", "b"], test=["a", "c", "b", "c"]))
    with pytest.raises(ValueError, match=r"1 of 3 rows without one, the first in row 3"):
        encode_labels(splits(train=["a", "b", " "]))


def test_other_columns_and_selections_stay():
    """Prevents labels that move to other rows, because Arrow's columns know nothing of a selection."""
    dataset = splits(train=["a", "b", "c", "a"])
    dataset["train"] = dataset["train"].select([3, 1])
    encoded = encode_labels(dataset)["train"]
    assert encoded.column_names == ["text", "label"]
    assert encoded.to_list() == [{"text": "train 3", "label": 0}, {"text": "train 1", "label": 1}]


def test_iob2_names_are_whole():
    """Prevents a label set that lacks the tag of a second word."""
    assert iob2_names(["B-b", "O", "I-a", "B-a"]) == ["O", "B-a", "I-a", "B-b", "I-b"]

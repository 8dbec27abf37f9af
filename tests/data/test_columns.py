"""Which columns are read."""

import datasets
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from hf_tinybert.data.columns import Columns, choose_columns, select_columns

STRING, NUMBER = Value("string"), Value("int64")


@pytest.mark.parametrize("text", ["text", "sentence", "content", "review"])
@pytest.mark.parametrize("label", ["label", "labels", "category", "intent"])
def test_usual_names_are_found_among_other_columns(text, label):
    """Prevents asking for names that leave no doubt."""
    features = Features({"id": NUMBER, text: STRING, label: ClassLabel(names=["a", "b"]), "author": STRING})
    assert choose_columns(features, None, None) == Columns(text, None, label)


def test_named_columns_are_taken_as_they_are():
    """Prevents a table of names from overruling the user, for one text and for a pair."""
    features = Features({"text": STRING, "premise": STRING, "hypothesis": STRING, "label": NUMBER, "gold": STRING})
    assert choose_columns(features, "premise", "gold") == Columns("premise", None, "gold")
    assert choose_columns(features, ("premise", "hypothesis"), None) == Columns("premise", "hypothesis", "label")


def test_two_candidates_are_listed_and_none_is_guessed():
    """Prevents training on the wrong column."""
    features = Features({"text": STRING, "sentence": STRING, "label": NUMBER, "labels": NUMBER})
    with pytest.raises(ValueError, match=r"can be the text, got 2 candidates \['text', 'sentence'\].*`text_column`"):
        choose_columns(features, None, "label")
    with pytest.raises(ValueError, match=r"can be the label, got 2 candidates \['label', 'labels'\].*`label_column`"):
        choose_columns(features, "text", None)


def test_without_a_candidate_all_columns_are_listed():
    """Prevents an error that does not show what could have been named; numbers are no texts."""
    features = Features({"text": NUMBER, "body": STRING})
    with pytest.raises(ValueError, match=r"can be the text, got none among \['text', 'body'\].*name two of them"):
        choose_columns(features, None, None)


@pytest.mark.parametrize(
    ("text_column", "label_column", "message"),
    [
        ("missing", "label", "expected the column `missing`, got only"),
        ("text", "missing", "expected the column `missing`, got only"),
        ("label", "text", "expected text in the column `label`, got Value"),
        ("text", "text", "all different, got"),
        (("text", "text"), "label", "all different, got"),
        (("text", "other", "third"), "label", "expected one or two text columns"),
        ((), "label", "expected one or two text columns"),
    ],
)
def test_columns_that_cannot_be_read_are_refused(text_column, label_column, message):
    """Prevents a crash in the tokenizer, or a model that reads its own label."""
    features = Features({"text": STRING, "other": STRING, "third": STRING, "label": NUMBER})
    with pytest.raises(ValueError, match=message):
        choose_columns(features, text_column, label_column)


def test_chosen_columns_get_the_standard_names_and_the_others_go():
    """Prevents a second text or an id from reaching the model."""
    rows = Dataset.from_dict({"id": [1], "question": ["q"], "answer": ["a"], "class": [0]})
    selected = select_columns(datasets.DatasetDict(train=rows), Columns("question", "answer", "class"))
    assert selected["train"][:] == {"text": ["q"], "text_pair": ["a"], "label": [0]}


def test_columns_may_exchange_their_names():
    """Prevents a clash, or a swap that is undone, when a chosen column bears the standard name of another one."""
    rows = Dataset.from_dict({"text": ["second"], "text_pair": ["first"], "label": [0]})
    selected = select_columns(datasets.DatasetDict(train=rows), Columns("text_pair", "text", "label"))
    assert selected["train"][:] == {"text": ["first"], "text_pair": ["second"], "label": [0]}


def test_a_split_without_a_chosen_column_is_named():
    """Prevents a late KeyError when a test file has other columns."""
    splits = datasets.DatasetDict(
        train=Dataset.from_dict({"text": ["a"], "label": [0]}), test=Dataset.from_dict({"text": ["a"]})
    )
    with pytest.raises(ValueError, match=r"in split `test`, got \['text'\].*\['label'\] is missing"):
        select_columns(splits, Columns("text", None, "label"))

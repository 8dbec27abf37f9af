"""From texts to the columns a model reads."""

import datasets
import pytest

from hf_tinybert.data.preprocessing import label_names, tokenize_texts


@pytest.fixture
def splits(text_dataset):
    return datasets.DatasetDict(train=text_dataset, test=text_dataset.select(range(4)))


def test_rows_are_what_the_tokenizer_gives_for_each_text(splits, tokenizer):
    """Prevents lost special tokens, padding, and labels that moved to another row."""
    tokenized = tokenize_texts(splits, tokenizer, max_length=64)
    assert list(tokenized) == ["train", "test"]
    assert set(tokenized["train"].column_names) == {"input_ids", "token_type_ids", "attention_mask", "labels"}
    for row, source in zip(tokenized["train"], splits["train"], strict=True):
        alone = tokenizer(source["text"])
        assert row == {**alone, "labels": source["label"]}


def test_rows_are_cut_at_max_length_with_the_closing_token(splits, tokenizer):
    """Prevents rows longer than the position table, and a cut that removes [SEP]."""
    rows = tokenize_texts(splits, tokenizer, max_length=5)["train"]["input_ids"]
    assert max(map(len, rows)) == 5
    assert {row[-1] for row in rows} == {tokenizer.sep_token_id}


def test_pairs_are_read_as_two_segments(splits, tokenizer):
    """Prevents the second text of a pair task from being dropped without a word."""
    pairs = splits.map(lambda row: {"text_pair": "the bank falls"})
    row = tokenize_texts(pairs, tokenizer, max_length=64)["train"][0]
    assert row["input_ids"] == tokenizer(splits["train"][0]["text"], "the bank falls")["input_ids"]
    assert row["token_type_ids"][-4:] == [1, 1, 1, 1]


def test_a_state_of_the_tokenizer_does_not_change_the_rows(splits, tokenizer):
    """Prevents padding that a tokenizer still has switched on from an earlier call."""
    fresh = tokenize_texts(splits, tokenizer, max_length=8)["train"][:]
    tokenizer(["the", "a film"], padding="max_length", max_length=32, truncation=True)
    assert tokenize_texts(splits, tokenizer, max_length=8)["train"][:] == fresh


@pytest.mark.parametrize("max_length", [0, 2, 65])
def test_a_length_that_the_model_cannot_read_is_refused(splits, tokenizer, max_length):
    """Prevents an index error inside the embeddings, and rows of special tokens only."""
    with pytest.raises(ValueError, match=rf"expected `max_length` from 3 .* to 64 .*, got {max_length}"):
        tokenize_texts(splits, tokenizer, max_length=max_length)


@pytest.mark.parametrize("column", ["text", "label"])
def test_a_missing_column_is_named_with_its_split(splits, tokenizer, column):
    """Prevents a KeyError from the depths of a worker process."""
    splits["test"] = splits["test"].remove_columns(column)
    with pytest.raises(ValueError, match=rf"expected the columns `text` and `label` in split `test`.*\['{column}'\]"):
        tokenize_texts(splits, tokenizer, max_length=64)


def test_names_of_labels_stay_in_the_order_of_their_ids(splits, tokenizer):
    """Prevents an id2label that renames the classes: before and after tokenising it is the same list."""
    expected = ["business", "culture", "sport"]
    assert label_names(splits) == expected
    assert label_names(tokenize_texts(splits, tokenizer, max_length=64)) == expected


def test_labels_without_names_are_refused(splits):
    """Prevents a checkpoint with LABEL_0, LABEL_1, which cannot be compared with a teacher's names."""
    unnamed = splits.cast_column("label", datasets.Value("int64"))
    with pytest.raises(ValueError, match="expected a ClassLabel column"):
        label_names(unnamed)

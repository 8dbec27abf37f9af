"""Texts and pairs of texts as a model reads them."""

import pytest
from datasets import Dataset

from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.kinds.texts import (
    TextCollator,
    check_columns,
    check_max_length,
    check_strings,
    encode_pairs,
    encode_texts,
    text_collator,
)

TEXTS = ["the bank rises today .", "", "a film"]


def test_rows_are_what_the_tokenizer_gives_and_know_their_raw_row(tokenizer):
    """Prevents lost special tokens, other columns on their way to the model, and an empty text that has no row."""
    encoded = encode_texts(Dataset.from_dict({"text": TEXTS, "noise": [1, 2, 3]}), tokenizer, 64)
    for number, row in enumerate(encoded):
        assert row == {**tokenizer(TEXTS[number]), "row_number": number}


def test_pairs_are_two_segments_of_which_the_longer_is_cut(tokenizer):
    """Prevents a second text that is dropped where the first fills the row."""
    rows = Dataset.from_dict({"text": ["the bank rises today ."], "text_pair": ["a film"]})
    encoded = encode_texts(rows, tokenizer, 7)[0]
    assert tokenizer.decode(encoded["input_ids"]) == "[CLS] the bank [SEP] a film [SEP]"
    assert encoded["token_type_ids"] == [0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("lengths", [(300, 301), (301, 300), (300, 300), (300, 3), (3, 300), (20, 300)])
@pytest.mark.parametrize("max_length", [12, 13])
def test_pairs_of_long_texts_are_cut_as_the_tokenizer_cuts_them(tokenizer, lengths, max_length):
    """Prevents other tokens than the tokenizer's where the ends of two long texts are cut off beforehand."""
    words = ["bank", "film", "rises", "a", "today"]
    one, other = (" ".join(words[position % 5] for position in range(length)) for length in lengths)
    expected = tokenizer([one], [other], truncation="longest_first", max_length=max_length)
    assert encode_pairs([one], [other], tokenizer, max_length)["input_ids"] == expected["input_ids"]


def test_the_end_of_two_long_texts_costs_no_more_than_its_length(tokenizer, watch_pairs):
    """Prevents minutes and gigabytes for a pair of documents, of which the library makes every pair of parts."""
    asked = watch_pairs(tokenizer)
    encoded = encode_pairs(["a film " * 9000], ["a bank " * 9000], tokenizer, 16)
    assert len(asked) == 1 and asked[0] < 200 and len(encoded["input_ids"][0]) == 16


def test_batches_are_padded_and_without_numbers_of_rows(tokenizer):
    """Prevents a number of a row as input of a model, and labels of another type than the loss takes."""
    rows = [{**tokenizer(text), "row_number": 3, "labels": 1} for text in TEXTS]
    batch = TextCollator(tokenizer)(rows)
    assert set(batch) == {"input_ids", "token_type_ids", "attention_mask", "labels"}
    assert batch["input_ids"].shape == (3, 7)
    assert batch["attention_mask"].sum(1).tolist() == [7, 2, 4]
    assert batch["labels"].tolist() == [1, 1, 1]
    same = text_collator(tokenizer, TaskSettings(TaskKind.REGRESSION), 5)(rows)
    assert same["input_ids"].equal(batch["input_ids"])


def test_a_tokenizer_without_segments_gives_none(byte_level_tokenizer):
    """Prevents a column that RoBERTa's family does not read, and a crash where BERT's is looked for."""
    byte_level_tokenizer.model_input_names = ["input_ids", "attention_mask"]
    rows = Dataset.from_dict({"text": ["a film", "bank"], "text_pair": ["a", "b"]})
    encoded = encode_texts(rows, byte_level_tokenizer, 64)
    assert set(encoded.column_names) == {"input_ids", "attention_mask", "row_number"}
    assert encoded["input_ids"][1] == byte_level_tokenizer("bank", "b")["input_ids"]
    batch = TextCollator(byte_level_tokenizer)(list(encoded))
    assert set(batch) == {"input_ids", "attention_mask"}
    assert batch["attention_mask"].sum(1).tolist() == [len(ids) for ids in encoded["input_ids"]]


@pytest.mark.parametrize("column", ["text", "text_pair"])
def test_what_is_no_text_is_named_with_its_row(tokenizer, column):
    """Prevents `None` that is tokenised as a word, or an error without a place."""
    columns = {"text": ["a", "a"], "text_pair": ["a", "a"], column: ["a", None]}
    with pytest.raises(ValueError, match=f"expected a string in `{column}` of every row, got None in row 2"):
        encode_texts(Dataset.from_dict(columns), tokenizer, 64)
    with pytest.raises(ValueError, match="got 3 in row 9"):
        check_strings(["a", 3], [7, 8], column)


def test_a_missing_column_is_named():
    """Prevents a KeyError from the depths of a worker process."""
    with pytest.raises(ValueError, match=r"expected the columns \['text'\], got \['sentence'\]"):
        check_columns(Dataset.from_dict({"sentence": ["a"]}), ("text",))


@pytest.mark.parametrize(("length", "pairs"), [(2, False), (3, True), (65, False)])
def test_a_length_that_the_model_cannot_read_is_refused(tokenizer, length, pairs):
    """Prevents an index error inside the embeddings, and rows of special tokens only."""
    with pytest.raises(ValueError, match=rf"expected `max_length` from \d .* to 64 .*, got {length}"):
        check_max_length(length, tokenizer, pairs=pairs)
    check_max_length(64, tokenizer, pairs=pairs)

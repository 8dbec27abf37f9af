"""Words as tokens: every word is read exactly once, whatever the tokenizer makes of it and however long the row."""

import logging

import pytest
from datasets import ClassLabel, Dataset, Features, List, Value
from tokenizers import pre_tokenizers

from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.kinds.windows import IGNORED, NOT_READ
from hf_tinybert.data.kinds.words import encode_words

TAGS = ("O", "B-org", "I-org")
ZERO_WIDTH = "\u200b"


def _rows(tokens, tags=None):
    features = {"tokens": List(Value("string"))}
    columns = {"tokens": tokens}
    if tags is not None:
        features["tags"] = List(ClassLabel(names=list(TAGS)))
        columns["tags"] = tags
    return Dataset.from_dict(columns, features=Features(features))


def _settings(max_length=32, stride=0):
    return TaskSettings(TaskKind.TOKEN_CLASSIFICATION, labels=TAGS, max_length=max_length, stride=stride)


def _read(encoded, rows):
    """How often each word of each row is read."""
    times = [[0] * len(tokens) for tokens in rows["tokens"]]
    for number, words in zip(encoded["row_number"], encoded["word_numbers"], strict=True):
        for word in words:
            if word != NOT_READ:
                times[number][word] += 1
    return times


def test_only_the_first_piece_of_a_word_carries_its_tag(tokenizer):
    """Prevents words of many pieces that count more than others."""
    rows = _rows([["the", "banks", "falls", "newly"]], [[0, 1, 2, 0]])
    encoded = encode_words(rows, tokenizer, _settings())
    pieces = tokenizer.convert_ids_to_tokens(encoded[0]["input_ids"])
    assert pieces == ["[CLS]", "the", "bank", "##s", "falls", "new", "##ly", "[SEP]"]
    assert encoded[0]["labels"] == [IGNORED, 0, 1, IGNORED, 2, 0, IGNORED, IGNORED]
    assert encoded[0]["word_numbers"] == [NOT_READ, 0, 1, NOT_READ, 2, 3, NOT_READ, NOT_READ]


@pytest.mark.parametrize(("max_length", "stride"), [(3, 0), (4, 0), (4, 1), (5, 2), (7, 3), (9, 1), (9, 5), (9, 6)])
def test_every_word_of_a_long_row_is_read_once(tokenizer, max_length, stride):
    """Prevents words past `max_length`, or in the overlap of windows, that are cut off or counted twice."""
    words = ["the", "banks", "newly", "film", "games", "is", "slowly", "bad", "markets", "today", "."]
    rows = _rows([words, words[:1], words[2:9]], [[0, 1, 2] * 3 + [0, 1], [2], [1] * 7])
    encoded = encode_words(rows, tokenizer, _settings(max_length, stride))
    assert _read(encoded, rows) == [[1] * 11, [1], [1] * 7]
    assert max(len(ids) for ids in encoded["input_ids"]) <= max_length
    for number, words_read, labels, ids in zip(
        encoded["row_number"], encoded["word_numbers"], encoded["labels"], encoded["input_ids"], strict=True
    ):
        pieces = tokenizer.convert_ids_to_tokens(ids)
        for word, label, piece in zip(words_read, labels, pieces, strict=True):
            if word == NOT_READ:
                assert label == IGNORED
            else:
                assert label == rows[number]["tags"][word]
                assert rows[number]["tokens"][word].startswith(piece)


def test_a_word_in_two_windows_is_read_where_it_has_more_context(tokenizer):
    """Prevents words at the edge of a window judged without the words beside them."""
    words = ["the", "film", "is", "bad", "the", "game", "is", "good", "today", "."]
    encoded = encode_words(_rows([words]), tokenizer, _settings(max_length=8, stride=4))
    # Windows of 6 words from 0, 2, 4: word 2 has 2 words before it and 3 after it in the first.
    assert [[word for word in words if word != NOT_READ] for words in encoded["word_numbers"]] == [
        [0, 1, 2, 3],
        [4, 5],
        [6, 7, 8, 9],
    ]


def test_words_that_are_nothing_to_the_tokenizer_are_counted(tokenizer, caplog):
    """Prevents tags that slip by one behind an invisible character, and a loss of words that nobody hears of."""
    rows = _rows([["the", ZERO_WIDTH, "bank"], [ZERO_WIDTH]], [[0, 0, 1], [0]])
    with caplog.at_level(logging.WARNING):
        encoded = encode_words(rows, tokenizer, _settings())
    assert _read(encoded, rows) == [[1, 0, 1], [0]]
    assert encoded[0]["labels"] == [IGNORED, 0, 1, IGNORED]
    assert "2 of 4 words are nothing" in caplog.text


@pytest.mark.parametrize("in_sequence", [False, True])
def test_a_byte_level_tokenizer_reads_words_after_a_space(byte_level_tokenizer, in_sequence):
    """Prevents RoBERTa-like models that see words glued together, as nothing in their training was."""
    backend = byte_level_tokenizer.backend_tokenizer
    if in_sequence:
        digits = pre_tokenizers.Digits(individual_digits=True)
        backend.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    before = byte_level_tokenizer("ab")["input_ids"]
    rows = _rows([["ab", "c", "😀"]])
    encoded = encode_words(rows, byte_level_tokenizer, _settings())
    pieces = byte_level_tokenizer.convert_ids_to_tokens(encoded[0]["input_ids"])
    assert pieces[:6] == ["<s>", "Ġ", "a", "b", "Ġ", "c"]
    assert _read(encoded, rows) == [[1, 1, 1]]
    assert byte_level_tokenizer("ab")["input_ids"] == before


@pytest.mark.parametrize("family", ["byte_level_tokenizer", "sentence_piece_tokenizer"])
@pytest.mark.parametrize(("max_length", "stride"), [(3, 0), (6, 2), (9, 5), (64, 0)])
def test_every_word_is_read_once_by_other_families_of_tokenizers(request, family, max_length, stride):
    """Prevents words lost or read twice where pieces are bytes, or hold the space before them."""
    rows = _rows([["the", "bank", "films", "a", "Question", "?"], ["film"]])
    encoded = encode_words(rows, request.getfixturevalue(family), _settings(max_length, stride))
    assert _read(encoded, rows) == [[1] * 6, [1]]


def test_rows_without_tags_are_encoded_without_labels(tokenizer):
    """Prevents prediction on new sentences from failing for want of tags."""
    assert "labels" not in encode_words(_rows([["the", "bank"]]), tokenizer, _settings()).column_names


@pytest.mark.parametrize(
    ("tokens", "tags", "message"),
    [
        (["the", "bank"], [0], "expected a tag for each of 2 tokens in row 2, got 1"),
        ([], [], "expected at least one token, and strings only, in row 2"),
        (["the"], [None], "got `None` in row 2"),
    ],
)
def test_bad_rows_are_refused_with_their_number(tokenizer, tokens, tags, message):
    """Prevents a row whose tags are shifted from teaching wrong ones, and a search for it among thousands."""
    with pytest.raises(ValueError, match=message):
        encode_words(_rows([["the"], tokens], [[0], tags]), tokenizer, _settings())
